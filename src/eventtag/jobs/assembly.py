"""Assembling the output from finished shards, in the order of the input; it gets its name in one step."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from eventtag.article import Article
from eventtag.errors import OutputError
from eventtag.formats.jsonl import article_from_json
from eventtag.jobs.job import Job, move, read_json, refuse_link
from eventtag.jobs.store import ShardStore
from eventtag.staging import PARTIAL, remedy, sync_tree, write_json
from eventtag.stored_json import parse_stored

WriteOutput = Callable[[Iterator[Article], Path], None]
"""Writes articles to a file or folder that does not exist yet."""


def assemble(job: Job, store: ShardStore, shards: int, write: WriteOutput | None, *, parts: str | None = None) -> dict[str, Any]:
    """Write the output and dead_letter.jsonl from the first `shards` shards; returns the counts, and digests of the
    outputs and of the input.

    `write` makes the output; without it the shards' lines are copied. With `parts`, a suffix, the output is a folder of such files, one
    for each shard. An output that this job has placed before is replaced. Two processes may do this at the same time: from the same shards
    they make the same output. Raises OutputError if another output stands there, when a shard is damaged or was made from another
    input, or when something cannot be written.
    """
    try:
        staging = Path(tempfile.mkdtemp(dir=job.folder, prefix="assembling.", suffix=PARTIAL))
        try:
            return _assemble(job, staging, _Joined(store), shards, write, parts)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"{job.output}: cannot be written ({error.strerror}); all tagged articles are kept in {job.shards}\n"
            f"{remedy(error.errno)} and run the same command again"
        ) from error


def _assemble(
    job: Job, staging: Path, joined: _Joined, shards: int, write: WriteOutput | None, parts: str | None
) -> dict[str, Any]:
    made, letters = staging / "new" / job.output.name, staging / "letters"
    made.parent.mkdir()
    with letters.open("wb") as file:
        if parts is None:
            _write(joined.lines(range(shards), file), made, write)
        else:
            made.mkdir()
            for index in range(shards):
                _write(joined.lines([index], file), made / f"part-{index:06d}{parts}", write)
    for path in (made, letters):
        sync_tree(path)
    outputs = {job.dead_letters.name: content_digest(letters), job.output.name: content_digest(made)}
    move(letters, job.dead_letters)
    _place(job, made, outputs)
    return {key: joined.counts[key] for key in ("rows", "articles", "spans", "tokens", "dead_letters", "dropped_links")} | {
        "kinds": dict(sorted(joined.kinds.items())),
        "outputs": outputs,
        "input": {"digest": joined.input.hexdigest()},
    }


class _Joined:
    """The lines of shards, read once and in order, with their counts and digests."""

    def __init__(self, store: ShardStore) -> None:
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.input = hashlib.sha256()
        self._store = store

    def lines(self, shards: Iterable[int], letters: BinaryIO) -> Iterator[bytes]:
        """The articles of the shards, whose dead letters are written to `letters`."""
        for index in shards:
            record, lines = self._store.read(index)
            if record.first_row != self.counts["rows"]:
                raise OutputError(
                    f"{self._store.path(index)}: begins at row {record.first_row}, and {self.counts['rows']} rows stand before it, "
                    "so the shards were cut from another input\ndelete this file and run the command again, which tags its rows again"
                )
            self.counts.update(
                rows=record.rows,
                articles=record.articles,
                spans=record.spans,
                tokens=record.tokens,
                dead_letters=len(record.dead),
                dropped_links=record.dropped_links,
            )
            self.kinds.update(record.kinds)
            self.input.update(record.input.encode())
            letters.writelines(lines[record.articles :])
            yield from lines[: record.articles]


def _write(lines: Iterator[bytes], path: Path, write: WriteOutput | None) -> None:
    if write is None:
        with path.open("wb") as file:
            file.writelines(lines)
    else:
        write((article_from_json(parse_stored(line)) for line in lines), path)


def _place(job: Job, made: Path, outputs: dict[str, str]) -> None:
    """Give the output its name. An output that exists already must be of this job, which a note written before it was placed
    shows.
    """
    output = job.output
    if output.is_symlink():
        refuse_link(output)
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        if content_digest(output) == outputs[output.name]:
            return  # by a process that was killed afterwards, or by another one just now
        known = (job.placing, job.earlier_manifest, job.manifest)
        if not any(is_output(job, read_json(file) or {}) for file in known):
            raise OutputError(f"{output} exists already and is not of this job; move it away and run the same command again")
    write_json(job.placing, {"outputs": outputs}, replace=True, make_folder=False)
    try:
        if output.is_dir():
            move(output, made.parent.with_name("old"))
        move(made, output)
    except OSError:
        if not (output.exists() and content_digest(output) == outputs[output.name]):
            raise


def is_output(job: Job, manifest: Mapping[str, Any]) -> bool:
    """Whether what stands in the output's place is what the manifest tells of; the output may have another name since."""
    outputs = manifest.get("outputs", {})
    known = [outputs[name] for name in outputs if name == job.output.name or name != job.dead_letters.name]
    return content_digest(job.output) in known


def content_digest(path: Path) -> str:
    """Hexadecimal sha256 of a file, or of a folder's files with their names."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for inner in sorted(path.rglob("*")):
        if inner.is_file():
            digest.update(f"{inner.relative_to(path).as_posix()}\0{content_digest(inner)}\n".encode())
    return digest.hexdigest()
