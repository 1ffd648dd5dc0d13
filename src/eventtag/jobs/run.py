"""Running a job: from rows to one output, continuing where an earlier process stopped.

Every step can be interrupted at any instant. Finished shards are on disk; the output is assembled from them and gets its name in
one step; the manifest is written last. A process that starts later reads the input again, compares it with the tagged rows, and
tags the missing ones. The tasks of an array do so side by side, each for its own shards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.errors import OutputError
from eventtag.jobs.array import ArrayTask, claim_task
from eventtag.jobs.assembly import WriteOutput, assemble, is_output
from eventtag.jobs.job import (
    Job,
    abandon,
    begin,
    fingerprint,
    input_changed,
    move,
    prepare_folder,
    read_description,
    read_manifest,
    read_size,
    remove_partial_files,
    remove_working_files,
    require_in_place,
    write_once,
)
from eventtag.jobs.lock import BusyError, JobLock
from eventtag.jobs.outputs import read_spans
from eventtag.jobs.progress import Progress
from eventtag.jobs.reading.rows import InputRow, Place
from eventtag.jobs.shards import Shard, cut_shards, input_digest
from eventtag.jobs.store import ShardRecord, ShardStore
from eventtag.jobs.worker import Tagged
from eventtag.staging import write_json

if TYPE_CHECKING:
    import pandas as pd

Engine = Callable[[Iterator[Shard], ShardStore], Generator[ShardRecord | Tagged, None, None]]
"""Tags the shards it is given, in any order, stores each (`store_shard`), and yields its record; may tell of articles in between.

It takes shards as it needs them, so that few are in memory, and ends when all are stored. Closing it ends its processes.
"""

SHARD_ROWS = 128
SHARD_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How to run a job. The first two decide where the input is cut, `parts` what is made of it; they belong to its fingerprint.

    `parts`: a suffix such as `.jsonl` makes the output a folder of files that end so, one for each shard, in order.

    `task`: of an array, tag its shards alone. `adopted`: settings of a job that is begun already count in place of those given.
    `output` is written into job.json, for those who assemble the output.

    `retry_dead_letters`: tag the rows again that are dead letters, and nothing else. `input_state`: anything that changes when the
    input does (size and time, say); a finished job whose input has the same one is not read again. `input_extent`: what changes when
    the input grows or shrinks and not when it is copied; a job whose input has another one does not go on. `share`: which part of the input
    lies before a place, from 0 to 1. `notes` go into the manifest.
    """

    shard_rows: int = SHARD_ROWS
    shard_bytes: int = SHARD_BYTES
    parts: str | None = None
    task: ArrayTask | None = None
    adopted: Collection[str] = ()
    output: Mapping[str, Any] | None = None
    retry_dead_letters: bool = False
    input_state: str | None = None
    input_extent: str | None = None
    share: Callable[[Place], float | None] | None = None
    notes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobReport:
    """A job: its files, the manifest, and how many articles with how many tokens this process tagged in how many seconds.

    `nothing_to_do`: it was finished before. `missing`: of an array's job that is not finished, the number of shards that other tasks are
    still to tag (0: another process assembles the output); then the manifest has the counts of this task alone. None: it is finished.
    """

    job: Job
    manifest: Mapping[str, Any]
    tagged: int = 0
    tokens: int = 0
    seconds: float = 0.0
    nothing_to_do: bool = False
    missing: int | None = None

    @property
    def articles(self) -> int:
        """Tagged articles in the output."""
        return int(self.manifest["articles"])

    def __repr__(self) -> str:
        return f"JobReport({self.job.output}, {self.articles} articles, {self.bad_rows} bad rows)"

    def to_pandas(self) -> pd.DataFrame:
        """The spans of the output, all in memory: article_id, start, end, label, text and score.

        Raises FormatError or SettingsError for an output that is a page or was made for an annotation tool.
        """
        return read_spans(self.job.output)

    @property
    def bad_rows(self) -> int:
        """Rows that are dead letters."""
        return int(self.manifest["dead_letters"])


def run_job(
    rows: Iterable[InputRow],
    output: Path,
    engine: Engine,
    *,
    settings: Mapping[str, Any],
    write: WriteOutput | None = None,
    options: JobOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> JobReport:
    """Tag all rows into `output`, or continue it; rows that cannot be tagged are written to dead_letter.jsonl in the job's folder.

    `settings` are all that decide the output besides the rows (checkpoint, labels, thresholds ...), as JSON-like values; they must be
    those that the job was started with. `write` makes the output from the articles; without it they are project JSONL. Its bytes
    depend neither on the engine, nor on how often the job was interrupted, nor on the tasks that it was divided into.

    Raises OutputError if `output` exists and is of no job, when the job was started with other settings or its input has changed,
    when another process works on it or on the same task, or when something cannot be written.
    """
    options = options or JobOptions()
    job = Job(output)
    cut = {"shard_rows": options.shard_rows, "shard_bytes": options.shard_bytes, "parts": options.parts}
    work = _Work(job, rows, options, on_progress or (lambda _: None))
    try:
        prepare_folder(job)
        try:
            return _run(job, fingerprint({**settings, **cut}), work, engine, write, options)
        except (OSError, OutputError) as error:
            # Shards, locks and what is half-written are gone where another task has finished the job meanwhile.
            gone = options.task is not None and any(isinstance(cause, OSError) for cause in (error, error.__cause__))
            manifest = read_manifest(job.manifest) if gone else None
            if manifest is None or not is_output(job, manifest):
                raise
            return work.report(manifest)
    except OSError as error:
        raise OutputError(
            f"{error.filename or job.folder}: cannot be read or written ({error.strerror or error}); finished shards are kept\n"
            "mend that and give the same command again"
        ) from error


def join_job(output: Path, write: WriteOutput | None) -> JobReport:
    """Put the output of an array's job together, whose shards are all stored; of a finished job, nothing is done.

    Raises OutputError if there is no such job, when shards are missing, when another process works on it, and as `run_job` does.
    """
    job = Job(output)
    known = read_description(job)
    if known is None:
        raise OutputError(f"{job.folder}: is no folder of a job; give the output= of the job, or its folder")
    with JobLock(job.lock, instead="end it") as lock:
        if (manifest := read_manifest(job.manifest)) is not None:
            return JobReport(job, manifest, nothing_to_do=True)
        store = _store(job, known, lock)
        size = read_size(job)
        if size is None or (missing := set(range(size[0])) - store.indexes()):
            found = f"{len(missing)} of {size[0]} shards are missing" if size else "no task has read the input to its end yet"
            raise OutputError(f"{job.output}: {found}; `eventtag job status {job.output}` names the tasks that are to be run")
        return JobReport(job, _join(job, known, store, size[0], write, lock))


def _run(
    job: Job, decisive: Mapping[str, Any], work: _Work, engine: Engine, write: WriteOutput | None, options: JobOptions
) -> JobReport:
    task = options.task
    with JobLock(job.lock, shared=task is not None) as lock:
        alone, begun = task is None and lock.held, False
        try:
            known = begin(
                job,
                decisive,
                more={"extent": options.input_extent, "output": dict(options.output or {})},
                adopted=options.adopted,
                mended=options.retry_dead_letters,
                alone=alone,
            )
            begun = True
            store = _store(job, known, lock)
            stored = store.indexes()
            manifest = read_manifest(job.manifest)  # after the shards, which are removed when it is there
            if manifest is not None and not (options.retry_dead_letters and manifest["dead_letters"]):
                work.check_finished(manifest, store)
                _tidy(job, store, manifest)
                return JobReport(job, manifest, nothing_to_do=True)
            if manifest is not None:
                move(job.manifest, job.earlier_manifest)
            store.folder.mkdir(exist_ok=True)
            if task is None:
                if alone:
                    store.clean()
                work.run(engine, store, stored)
                return work.report(_join(job, known, store, work.shards, write, lock, options, work.progress))
            with claim_task(job, task) as own:
                work.run(engine, replace(store, lock=own), stored)
        except BaseException as error:
            if begun and isinstance(error, Exception):
                require_in_place(job, error)
            if alone and not job.holds_anything and not job.output.exists():
                abandon(job)
            raise
    require_in_place(job)
    # The last task that lets go of the lock finds all shards stored.
    missing = len(set(range(work.shards)) - store.indexes())
    if not missing:
        try:
            with JobLock(job.lock, patience=0) as lock:
                manifest = read_manifest(job.manifest)  # of another task, which was faster
                return work.report(manifest or _join(job, known, store, work.shards, write, lock, options, work.progress))
        except BusyError:
            pass
    return work.report(work.progress.counts(), missing=missing)


def _store(job: Job, known: Mapping[str, Any], lock: JobLock) -> ShardStore:
    decisive = json.dumps([known["schema"], known["settings"], known["code"]], sort_keys=True)
    return ShardStore(job.shards, hashlib.sha256(decisive.encode()).hexdigest()[:16], lock)


def _join(
    job: Job,
    known: Mapping[str, Any],
    store: ShardStore,
    shards: int,
    write: WriteOutput | None,
    lock: JobLock,
    options: JobOptions | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Put the output together from the shards, which are all stored, and finish the job; returns its manifest."""
    options = options or JobOptions()
    if lock.held:
        remove_partial_files(job)
    manifest = assemble(job, store, shards, write, parts=known["settings"].get("parts"))
    manifest["input"]["state"] = options.input_state
    notes = {**(options.notes or {}), "seconds": round(progress.seconds, 1) if progress else None}
    manifest |= {"job": {key: known[key] for key in ("schema", "settings", "code")}, "notes": notes}
    write_json(job.manifest, manifest, replace=True, make_folder=False)
    _tidy(job, store, manifest)
    return manifest


class _Work:
    """One reading of the input: what is stored is compared and counted, what is missing is handed to the engine."""

    def __init__(self, job: Job, rows: Iterable[InputRow], options: JobOptions, on_progress: Callable[[Progress], None]) -> None:
        self.shards = 0
        self.rows = 0
        self.progress = Progress()
        self._job = job
        self._input = rows
        self._options = options
        self._on_progress = on_progress

    def report(self, manifest: Mapping[str, Any], *, missing: int | None = None) -> JobReport:
        """What became of the job."""
        done = self.progress
        tagged, tokens = max(0, done.articles - done.kept), max(0, done.tokens - done.kept_tokens)
        return JobReport(self._job, manifest, tagged, tokens, done.seconds, missing=missing)

    def run(self, engine: Engine, store: ShardStore, stored: set[int]) -> None:
        """Tag what is missing; afterwards every shard of the input, or of the task, is stored. `stored` are those that are already."""
        with closing(engine(self._missing(store, stored), store)) as news:
            for item in news:
                if isinstance(item, Tagged):
                    self.progress.in_work, self.progress.tokens_in_work = item.articles, item.tokens
                else:
                    self.progress.add(item)
                    self.progress.in_work = max(0, self.progress.in_work - item.articles)
                    self.progress.tokens_in_work = max(0, self.progress.tokens_in_work - item.tokens)
                self._on_progress(self.progress)
        if stored:
            first = store.record(min(stored)).first_row
            raise OutputError(input_changed(f"it has {self.rows} rows, and more than {first} were tagged"))

    def _cut(self) -> Iterator[Shard]:
        return cut_shards(self._input, max_rows=self._options.shard_rows, max_bytes=self._options.shard_bytes)

    def _missing(self, store: ShardStore, stored: set[int]) -> Iterator[Shard]:
        task, last = self._options.task, None
        if task is not None and (size := read_size(self._job)) is not None:
            self.shards = size[0]
            own = range((task.number - task.division.first) // task.division.step, self.shards, task.division.tasks)
            last = max((index for index in own if index not in stored), default=-1)
        if last is None or last >= 0:
            yield from self._read(store, stored, last)
        else:
            stored.clear()
        self.progress.share = 1.0 if self._options.share else None

    def _read(self, store: ShardStore, stored: set[int], last: int | None) -> Iterator[Shard]:
        """What is missing up to the shard `last`, or to the end of the input."""
        task, shards = self._options.task, 0
        for shard in self._cut():
            shards, self.rows = shard.index + 1, shard.first_row + len(shard.rows)
            if task is None or task.division.owner(shard.index) == task.number:
                yield from self._unless_stored(shard, store, stored)
            stored.discard(shard.index)
            if shard.index == last:
                stored.clear()
                return
        found = {"shards": shards, "rows": self.rows}
        known = write_once(self._job.input, found)
        if known != found:
            raise OutputError(input_changed(f"it has {self.rows} rows, and {known.get('rows')} when another process read it"))
        self.shards = shards

    def _unless_stored(self, shard: Shard, store: ShardStore, stored: set[int]) -> Iterator[Shard]:
        self.progress.read += len(shard.rows)
        self.progress.share = self._options.share(shard.rows[-1].place) if self._options.share else None
        if shard.index not in stored and shard.index not in store:
            yield shard
            return
        record = store.record(shard.index)
        _compare(shard, record)
        if self._options.retry_dead_letters and record.dead:
            self.progress.kept += record.articles
            self.progress.kept_tokens += record.tokens
            yield replace(shard, only=frozenset(record.dead))
        else:
            self.progress.add(record, kept=True)
            self._on_progress(self.progress)

    def check_finished(self, manifest: Mapping[str, Any], store: ShardStore) -> None:
        """Raise OutputError unless the output is what the finished job wrote, and the input what it has tagged."""
        job, options = self._job, self._options
        if not job.output.exists():
            raise OutputError(f"{job.output} is gone, though its job is finished; remove {job.folder} to tag everything anew")
        if not is_output(job, manifest):
            raise OutputError(
                f"{job.output}: is not what its finished job wrote: its sha256 is not that in {job.manifest}\n"
                f"put the job's output back; or move it away and remove {job.folder} to tag everything anew"
            )
        if options.input_state is not None and options.input_state == manifest["input"].get("state"):
            return
        digest = hashlib.sha256()
        stored = store.indexes()
        count = 0
        for shard in self._cut():
            count += len(shard.rows)
            dead = store.record(shard.index).dead if shard.index in stored else ()
            try:
                digest.update(input_digest(shard.rows, without=set(dead)).encode())
            except ValueError as error:
                raise OutputError(input_changed(str(error))) from error
        if count != manifest["rows"] or digest.hexdigest() != manifest["input"].get("digest"):
            raise OutputError(input_changed(f"it has {count} rows, of which not all are the {manifest['rows']} that were tagged"))


def _compare(shard: Shard, record: ShardRecord) -> None:
    """Raise OutputError unless the stored shard was made from these rows; rows that are dead letters may have changed."""
    if len(shard.rows) == record.rows and shard.first_row == record.first_row:
        try:
            if input_digest(shard.rows, without=set(record.dead)) == record.input:
                return
        except ValueError:
            pass  # what was an article is none any more
    places = [row.place for row in (shard.rows[0], shard.rows[-1])]
    where = " to ".join(f"{place.file}{'' if place.line is None else f':{place.line}'}" for place in places)
    raise OutputError(
        input_changed(
            f"rows {shard.first_row} to {shard.first_row + len(shard.rows) - 1} ({where}) are not those that were tagged"
        )
    )


def _tidy(job: Job, store: ShardStore, manifest: Mapping[str, Any]) -> None:
    """Remove what a finished job does not need; its shards are needed to merge dead letters that are tried again."""
    remove_working_files(job)
    if store.folder.exists():
        store.clean() if manifest["dead_letters"] else store.remove()
