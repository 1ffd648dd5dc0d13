"""Putting the output together from finished shards, in the order of the input, and giving it its name in one step."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import OutputError
from eventtag.formats.jsonl import article_from_json
from eventtag.jobs.job import Job, move, read_json, refuse_link
from eventtag.jobs.store import ShardStore
from eventtag.staging import staged_file, sync_tree, write_json
from eventtag.stored_json import parse_stored

WriteOutput = Callable[[Iterator[Article], Path], None]
"""Writes articles to a file or folder that does not exist yet."""


def assemble(job: Job, store: ShardStore, shards: int, write: WriteOutput | None, *, parts: str | None = None) -> dict[str, Any]:
    """Write the output and dead_letter.jsonl from the first `shards` shards; returns the counts, and digests of the
    outputs and of the input.

    `write` makes the output; without it the shards' lines are copied. With `parts`, a suffix, the output is a folder of such files, one
    for each shard. An output that this job has placed before is replaced. Raises
    OutputError when another stands there, when a shard is damaged, or when something cannot be written.
    """
    try:
        return _assemble(job, store, shards, write, parts)
    except OSError as error:
        raise OutputError(
            f"{job.output}: cannot be written ({error.strerror}); all tagged articles are kept in {job.shards}\n"
            "make room and run the same command again"
        ) from error


def _assemble(job: Job, store: ShardStore, shards: int, write: WriteOutput | None, parts: str | None) -> dict[str, Any]:
    staging = job.assembling
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir()
    made = staging / job.output.name
    if parts is None:
        _write(store, range(shards), made, write)
    else:
        made.mkdir()
        for index in range(shards):
            _write(store, [index], made / f"part-{index:06d}{parts}", write)
        sync_tree(made)
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    digest = hashlib.sha256()
    with staged_file(job.dead_letters, replace=True) as file:
        for index in range(shards):
            record = store.record(index)
            counts.update(
                rows=record.rows,
                articles=record.articles,
                spans=record.spans,
                tokens=record.tokens,
                dead_letters=len(record.dead),
            )
            kinds.update(record.kinds)
            digest.update(record.input.encode())
            if record.dead:
                file.buffer.writelines(store.dead_letters(index))
    outputs = {job.dead_letters.name: content_digest(job.dead_letters), job.output.name: content_digest(made)}
    _place(job, made, outputs)
    shutil.rmtree(staging)
    keys = ("rows", "articles", "spans", "tokens", "dead_letters")
    return {key: counts[key] for key in keys} | {
        "kinds": dict(sorted(kinds.items())),
        "outputs": outputs,
        "input": {"digest": digest.hexdigest()},
    }


def _write(store: ShardStore, shards: Iterable[int], path: Path, write: WriteOutput | None) -> None:
    if write is None:
        with staged_file(path) as file:
            for index in shards:
                file.buffer.writelines(store.articles(index))
    else:
        write(_articles(store, shards), path)
        sync_tree(path)


def _articles(store: ShardStore, shards: Iterable[int]) -> Iterator[Article]:
    for index in shards:
        for line in store.articles(index):
            yield article_from_json(parse_stored(line))


def _place(job: Job, made: Path, outputs: dict[str, str]) -> None:
    """Give the output its name. What stands there already must be of this job, known by what was noted before it was placed."""
    output = job.output
    if output.is_symlink():
        refuse_link(output)
    stands = output.exists() and not (output.is_dir() and not any(output.iterdir()))
    if stands and not any(is_output(job, read_json(file) or {}) for file in (job.placing, job.earlier_manifest)):
        raise OutputError(f"{output} exists already and is not of this job; move it away and run the same command again")
    write_json(job.placing, {"outputs": outputs}, replace=True)
    if output.is_dir():
        move(output, made.parent / "replaced")
    move(made, output)


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
