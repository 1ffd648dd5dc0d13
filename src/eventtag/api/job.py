"""The missing tasks of a tagging job that many tasks share, and the assembly of its output."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eventtag.api.predict import build_writer, require_few_bad_rows, tell_losses
from eventtag.errors import OutputError
from eventtag.jobs.array import Division, ranges, read_division
from eventtag.jobs.job import SUFFIX, Job, read_description, read_manifest, read_size
from eventtag.jobs.lock import is_locked
from eventtag.jobs.run import JobReport, join_job
from eventtag.jobs.store import ShardStore
from eventtag.ledger import LossLedger

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task of an array: how many shards it has (None: no task has read the input to its end yet), and how many are stored.

    `at_work`: a process holds the task's lock, as far as the file system shows.
    """

    number: int
    shards: int | None
    stored: int
    at_work: bool

    @property
    def done(self) -> bool:
        """Whether all its shards are stored."""
        return self.stored == self.shards


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job is: `stored` of its `shards` (None: not known yet), and its tasks if it is divided.

    `alone`: a process works on all of the job, or assembles the output.
    """

    output: Path
    finished: bool
    stored: int
    shards: int | None
    division: Division | None = None
    tasks: tuple[TaskStatus, ...] = ()
    alone: bool = False

    @property
    def missing(self) -> tuple[int, ...]:
        """The numbers of the tasks that are not done and not at work."""
        return tuple(task.number for task in self.tasks if not task.done and not task.at_work)

    @property
    def at_work(self) -> tuple[int, ...]:
        """The numbers of the tasks that are at work."""
        return tuple(task.number for task in self.tasks if task.at_work)

    @property
    def array(self) -> str:
        """The missing tasks as an option of sbatch, `--array=4,17,88`; empty if none is missing."""
        return f"--array={ranges(self.missing)}" if self.missing else ""

    def __repr__(self) -> str:
        return f"JobStatus({self})"

    def __str__(self) -> str:
        if self.finished:
            return f"{self.output}: finished"
        known = "?" if self.shards is None else self.shards
        lines = [f"{self.output}: {self.stored} of {known} shards are stored"]
        if self.shards is None:
            lines.append("how many there are is known when a task has read the input to its end")
        if self.alone:
            lines.append("one process works on all that is missing, or puts the output together")
        elif self.stored == self.shards:
            lines.append(f"put the output together: eventtag job assemble {self.output}")
        elif self.division is None:
            lines.append("no array; the command that began it goes on")
        if self.division is not None and self.missing:
            lines.append(f"missing: {len(self.missing)} of {self.division}")
        if self.at_work:
            lines.append(f"at work: {ranges(self.at_work)}")
        return "\n".join(lines)

    def to_pandas(self) -> pd.DataFrame:
        """A row for each task: `task`, `shards`, `stored`, `at_work`."""
        import pandas as pd

        rows = [(task.number, task.shards, task.stored, task.at_work) for task in self.tasks]
        return pd.DataFrame(rows, columns=["task", "shards", "stored", "at_work"])


def job_status(path: str | os.PathLike[str]) -> JobStatus:
    """How far a job is; `path` is its output or its folder. Raises OutputError if there is no job, or one of its files is
    damaged.
    """
    job = _job(path)
    manifest, size, division = read_manifest(job.manifest), read_size(job), read_division(job)
    stored = ShardStore(job.shards).indexes()
    if manifest is not None:
        return JobStatus(job.output, True, len(stored), None, division)
    shards = None if size is None else size[0]
    tasks: list[TaskStatus] = []
    if division is not None:
        there = Counter(division.owner(index) for index in stored)
        for position, number in enumerate(division.numbers):
            own = None if shards is None else len(range(position, shards, division.tasks))
            tasks.append(TaskStatus(number, own, there[number], is_locked(job.task_lock(number))))
    return JobStatus(job.output, False, len(stored), shards, division, tuple(tasks), is_locked(job.lock))


def assemble_job(path: str | os.PathLike[str], *, max_bad_rows: float = 0.05) -> JobReport:
    """Assemble the output of a job whose shards are all stored; `path` is its output or its folder. A finished job is left as it
    is.

    Raises OutputError if there is no job, shards are missing, or a process works on the job; DataError if more rows than
    `max_bad_rows` (a share of all if below 1, else a number) could not be tagged. The output exists then, too.
    """
    job = _job(path)
    settings = (read_description(job) or {})["settings"]
    ledger = LossLedger()
    report = join_job(job.output, build_writer(job, settings["format"], sentences=settings["sentences"], ledger=ledger))
    tell_losses(report, ledger)
    require_few_bad_rows(report.bad_rows, int(report.manifest["rows"]), max_bad_rows, where=str(job.dead_letters))
    return report


def _job(path: str | os.PathLike[str]) -> Job:
    place = Path(path)
    if not place.name:  # the current folder
        place = place.absolute()
    job = Job(place.with_name(place.name.removesuffix(SUFFIX)) if place.name != SUFFIX else place)
    if read_description(job) is None:
        raise OutputError(
            f"{path}: no tagging job has this output or folder (there is no {job.description}); give output= of the job"
        )
    return job
