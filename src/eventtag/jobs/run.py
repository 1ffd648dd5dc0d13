"""Running a job: from rows to one output, going on where an earlier process stopped.

Every step can be cut off at any instant. Finished shards are on disk; the output is put together from them and gets its name in one
step; the manifest comes last. A process that starts later reads the input again, compares what was tagged with what is there, and
does what is missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eventtag.errors import OutputError
from eventtag.jobs.assembly import WriteOutput, assemble, is_output
from eventtag.jobs.job import (
    Job,
    abandon,
    begin,
    fingerprint,
    input_changed,
    move,
    prepare_folder,
    read_manifest,
)
from eventtag.jobs.lock import JobLock
from eventtag.jobs.progress import Progress
from eventtag.jobs.reading.rows import InputRow, Place
from eventtag.jobs.shards import Shard, cut_shards, input_digest
from eventtag.jobs.store import ShardRecord, ShardStore
from eventtag.jobs.worker import Tagged
from eventtag.staging import write_json

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

    `retry_dead_letters`: tag the rows again that are dead letters, and nothing else. `input_state`: anything that changes when the
    input does (size and time, say); a finished job whose input has the same one is not read again. `input_extent`: what changes when
    the input grows or shrinks and not when it is copied; a job whose input has another one does not go on. `share`: which part of the input
    lies before a place, from 0 to 1. `notes` go into the manifest.
    """

    shard_rows: int = SHARD_ROWS
    shard_bytes: int = SHARD_BYTES
    parts: str | None = None
    retry_dead_letters: bool = False
    input_state: str | None = None
    input_extent: str | None = None
    share: Callable[[Place], float | None] | None = None
    notes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JobReport:
    """A finished job: its files, the manifest, and how many articles with how many tokens this process tagged in how many seconds.

    `nothing_to_do`: it was finished before.
    """

    job: Job
    manifest: Mapping[str, Any]
    tagged: int
    tokens: int
    seconds: float
    nothing_to_do: bool = False

    @property
    def articles(self) -> int:
        """Tagged articles in the output."""
        return int(self.manifest["articles"])

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
    """Tag all rows into `output`, or go on with it; rows that cannot be tagged are written to dead_letter.jsonl in the job's folder.

    `settings` are all that decide the output besides the rows (checkpoint, labels, thresholds ...), as JSON-like values; they must be
    those that the job was started with. `write` makes the output from the articles; without it they are project JSONL. Its bytes
    depend neither on the engine nor on how often the job was cut off.

    Raises OutputError when `output` exists and is of no job, when the job was started with other settings or its input has changed,
    when another process works on it, or when something cannot be written.
    """
    options = options or JobOptions()
    job = Job(output)
    cut = {"shard_rows": options.shard_rows, "shard_bytes": options.shard_bytes, "parts": options.parts}
    decisive = fingerprint({**settings, **cut})
    try:
        prepare_folder(job)
        with JobLock(job.lock) as lock:
            try:
                begin(job, decisive, extent=options.input_extent, mended=options.retry_dead_letters)
                return _run(
                    job, decisive, rows, engine, ShardStore(job.shards, lock), write, options, on_progress or (lambda _: None)
                )
            except BaseException:
                if not job.holds_anything and not output.exists():
                    abandon(job)
                raise
    except OSError as error:
        raise OutputError(
            f"{error.filename or job.folder}: cannot be read or written ({error.strerror or error}); finished shards are kept\n"
            "mend that and give the same command again"
        ) from error


def _run(
    job: Job,
    decisive: Mapping[str, Any],
    rows: Iterable[InputRow],
    engine: Engine,
    store: ShardStore,
    write: WriteOutput | None,
    options: JobOptions,
    on_progress: Callable[[Progress], None],
) -> JobReport:
    manifest = read_manifest(job.manifest)
    if manifest is not None and not (options.retry_dead_letters and manifest["dead_letters"]):
        if not job.output.exists():
            raise OutputError(f"{job.output} is gone, though its job is finished; remove {job.folder} to tag everything anew")
        if not is_output(job, manifest):
            raise OutputError(
                f"{job.output}: is not what its finished job wrote: its sha256 is not that in {job.manifest}\n"
                f"put the job's output back; or move it away and remove {job.folder} to tag everything anew"
            )
        _check_finished(rows, store, manifest, options)
        _tidy(job, store, manifest)
        return JobReport(job, manifest, tagged=0, tokens=0, seconds=0.0, nothing_to_do=True)
    if manifest is not None:
        move(job.manifest, job.earlier_manifest)
    store.prepare()
    progress = Progress()
    work = _Work(rows, store, options, progress, on_progress)
    work.run(engine)
    store.clean()
    manifest = assemble(job, store, work.shards, write, parts=options.parts)
    manifest["input"]["state"] = options.input_state
    manifest |= {"job": decisive, "notes": {**(options.notes or {}), "seconds": round(progress.seconds, 1)}}
    write_json(job.manifest, manifest, replace=True)
    _tidy(job, store, manifest)
    tagged, tokens = max(0, progress.articles - progress.kept), max(0, progress.tokens - progress.kept_tokens)
    return JobReport(job, manifest, tagged=tagged, tokens=tokens, seconds=progress.seconds)


class _Work:
    """One reading of the input: what is stored is compared and counted, what is missing is handed to the engine."""

    def __init__(
        self,
        rows: Iterable[InputRow],
        store: ShardStore,
        options: JobOptions,
        progress: Progress,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.shards = 0
        self.rows = 0
        self._input = rows
        self._store = store
        self._options = options
        self._progress = progress
        self._on_progress = on_progress

    def run(self, engine: Engine) -> None:
        """Tag what is missing; afterwards every shard of the input is stored."""
        stored = self._store.indexes()
        with closing(engine(self._missing(stored), self._store)) as news:
            for item in news:
                if isinstance(item, Tagged):
                    self._progress.in_work, self._progress.tokens_in_work = item.articles, item.tokens
                else:
                    self._progress.add(item)
                    self._progress.in_work = max(0, self._progress.in_work - item.articles)
                    self._progress.tokens_in_work = max(0, self._progress.tokens_in_work - item.tokens)
                self._on_progress(self._progress)
        if stored:
            first = self._store.record(min(stored)).first_row
            raise OutputError(input_changed(f"it has {self.rows} rows, and more than {first} were tagged"))

    def _missing(self, stored: set[int]) -> Iterator[Shard]:
        for shard in cut_shards(self._input, max_rows=self._options.shard_rows, max_bytes=self._options.shard_bytes):
            self.shards, self.rows = shard.index + 1, shard.first_row + len(shard.rows)
            self._progress.read = self.rows
            self._progress.share = self._options.share(shard.rows[-1].place) if self._options.share else None
            if shard.index not in stored:
                yield shard
                continue
            stored.discard(shard.index)
            record = self._store.record(shard.index)
            _compare(shard, record)
            if self._options.retry_dead_letters and record.dead:
                self._progress.kept += record.articles
                self._progress.kept_tokens += record.tokens
                yield replace(shard, only=frozenset(record.dead))
            else:
                self._progress.add(record, kept=True)
                self._on_progress(self._progress)
        self._progress.share = 1.0 if self._options.share else None


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


def _check_finished(rows: Iterable[InputRow], store: ShardStore, manifest: Mapping[str, Any], options: JobOptions) -> None:
    """Raise OutputError unless the input is what the finished job has tagged."""
    if options.input_state is not None and options.input_state == manifest["input"].get("state"):
        return
    digest = hashlib.sha256()
    stored = store.indexes()
    count = 0
    for shard in cut_shards(rows, max_rows=options.shard_rows, max_bytes=options.shard_bytes):
        count += len(shard.rows)
        dead = store.record(shard.index).dead if shard.index in stored else ()
        try:
            digest.update(input_digest(shard.rows, without=set(dead)).encode())
        except ValueError as error:
            raise OutputError(input_changed(str(error))) from error
    if count != manifest["rows"] or digest.hexdigest() != manifest["input"].get("digest"):
        raise OutputError(input_changed(f"it has {count} rows, of which not all are the {manifest['rows']} that were tagged"))


def _tidy(job: Job, store: ShardStore, manifest: Mapping[str, Any]) -> None:
    """Remove what a finished job does not need; its shards are needed to merge dead letters that are tried again."""
    for file in (job.earlier_manifest, job.placing):
        file.unlink(missing_ok=True)
    if not manifest["dead_letters"] and job.shards.exists():
        store.remove()
