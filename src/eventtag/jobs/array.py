"""Arrays: one job, tagged by the same command many times, each time with another number (https://slurm.schedmd.com/job_array.html).

Task i of n tags every n-th shard from the i-th on. All tasks write into the same folder of shards, in any order and on any machine; the
last one assembles the output. Shards do not depend on the division, so one process may finish what an array has begun.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from eventtag.errors import OutputError, SettingsError
from eventtag.jobs.job import Job, read_json, write_once
from eventtag.jobs.lock import JobLock

log = logging.getLogger(__name__)

SLURM = "slurm"
_SLURM_NAMES = {key: f"SLURM_ARRAY_TASK_{key.upper()}" for key in ("id", "count", "min", "max", "step")}


@dataclass(frozen=True, slots=True)
class Division:
    """The tasks of an array: how many, the number of the first, and the step between numbers."""

    tasks: int
    first: int = 1
    step: int = 1

    @property
    def numbers(self) -> range:
        """The numbers of the tasks."""
        return range(self.first, self.first + self.step * self.tasks, self.step)

    def owner(self, shard: int) -> int:
        """The number of the task that tags a shard."""
        return self.numbers[shard % self.tasks]

    def __str__(self) -> str:
        step = f":{self.step}" if self.step > 1 else ""
        return f"{self.tasks} tasks ({self.first}-{self.numbers[-1]}{step})"


@dataclass(frozen=True, slots=True)
class ArrayTask:
    """One task of an array."""

    number: int
    division: Division


def array_task(text: str, job: Job, variables: Mapping[str, str]) -> ArrayTask:
    """The task that `text` names: `3/100` is the third of a hundred. For `slurm`, the number is in the `variables` of the
    environment. The number of tasks is that into which the job was divided, so that a few may be submitted again, or else the size
    of the array.

    Raises SettingsError for `slurm` where there is no array, or where a new job's array has gaps or the job has no such task.
    """
    if text != SLURM:
        number, tasks = map(int, text.split("/"))
        return ArrayTask(number, Division(tasks))
    try:
        given = {key: int(variables[name]) for key, name in _SLURM_NAMES.items() if key != "step" or name in variables}
        number, submitted = given["id"], Division(given["count"], given["min"], given.get("step", 1))
        regular = submitted.numbers[-1] == given["max"]
    except (KeyError, ValueError, IndexError) as error:
        raise SettingsError(
            f"shard=slurm: {' and '.join(_SLURM_NAMES[key] for key in ('id', 'count', 'min', 'max'))} must be whole numbers ({error})\n"
            "submit the command with sbatch --array=1-100, or name the part: shard=3/100"
        ) from error
    known = read_division(job)
    if known is None and not regular:
        raise SettingsError(
            f"shard=slurm: {given['count']} tasks from {given['min']} to {given['max']} leave gaps, and nothing says how many parts "
            "the job has\nsubmit all of them once, such as sbatch --array=1-100; after that any of them alone"
        )
    division = known or submitted
    if number not in division.numbers:
        raise SettingsError(
            f"shard=slurm: {_SLURM_NAMES['id']} is {number}, and the job is divided into {division}; submit tasks of these numbers"
        )
    if division != submitted:
        log.info(
            "shard=slurm: %d tasks were submitted, of %s into which the job is divided",
            given["count"],
            division,
        )
    return ArrayTask(number, division)


def read_division(job: Job) -> Division | None:
    """How the job is divided, None if no array has worked on it; raises OutputError if the file is damaged."""
    return None if (known := read_json(job.array)) is None else _division(job, known)


def claim_task(job: Job, task: ArrayTask) -> JobLock:
    """The lock of the task; its first one divides the job. Raises OutputError if the job is divided otherwise."""
    known = _division(job, write_once(job.array, asdict(task.division)))
    if known != task.division:
        raise OutputError(
            f"{job.output}: its job is divided into {known}, not into {task.division}\n"
            f"give one of these, or leave out shard= to let one process tag what is missing; while no task is at work, {job.array} may be "
            "removed, which divides what is missing anew"
        )
    job.tasks.mkdir(exist_ok=True)
    return JobLock(job.task_lock(task.number), what=f"task {task.number}", instead="end it")


def ranges(numbers: Iterable[int]) -> str:
    """Numbers as sbatch takes them: `1-3,17`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in found)


def _division(job: Job, known: Mapping[str, object]) -> Division:
    try:
        division = Division(**known)  # type: ignore[arg-type]
        if all(isinstance(value, int) for value in asdict(division).values()) and min(division.tasks, division.step) >= 1:
            return division
    except TypeError:
        pass
    raise OutputError(f"{job.array}: is damaged; remove it while no task is at work, which divides what is missing anew")
