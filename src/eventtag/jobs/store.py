"""Where finished shards lie: one file each, which appears under its name only when it is whole and on disk.

A shard's file holds a line about the shard, then the tagged articles as project JSONL, then the dead letters. Rows and dead letters
of a shard so become visible in the same instant.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from eventtag.errors import OutputError
from eventtag.jobs.lock import JobLock
from eventtag.staging import staged_file
from eventtag.stored_json import parse_stored

SUFFIX = ".shard"
_SCHEMA = 2


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """What a shard's file says of itself. `dead` are the positions in the shard (from 0) of its dead letters, `kinds` counts them;
    `tokens` are those of the tagged articles, `input` is the digest of the other rows, `sha256` that of the lines that follow.
    """

    index: int
    first_row: int
    rows: int
    spans: int
    tokens: int
    dead: tuple[int, ...]
    kinds: dict[str, int]
    input: str
    sha256: str

    @property
    def articles(self) -> int:
        """How many tagged articles the file holds."""
        return self.rows - len(self.dead)


@dataclass(frozen=True, slots=True)
class ShardStore:
    """The folder of a job's finished shards. `lock`: that of the job, which workers hold too."""

    folder: Path
    lock: JobLock | None = None

    def path(self, index: int) -> Path:
        """The file of one shard."""
        return self.folder / f"{index:06d}{SUFFIX}"

    def __contains__(self, index: int) -> bool:
        return self.path(index).exists()

    def indexes(self) -> set[int]:
        """The shards that are finished."""
        return {int(file.stem) for file in self.folder.glob(f"*{SUFFIX}") if file.stem.isdigit()}

    def prepare(self) -> None:
        """Make the folder, and clean it."""
        self.folder.mkdir(exist_ok=True)
        self.clean()

    def clean(self) -> None:
        """Remove what killed processes left behind half-written; call it only while none is at work."""
        for file in self.folder.glob(f".*{SUFFIX}.*.partial"):
            file.unlink(missing_ok=True)

    def write(self, record: ShardRecord, lines: list[bytes]) -> None:
        """Store a shard: its articles and dead letters, a line each without the line end. Replaces an older file of that shard.

        Raises OutputError when it cannot be written; then nothing has changed.
        """
        header = json.dumps({"schema": _SCHEMA, **asdict(record)}).encode()
        path = self.path(record.index)
        try:
            with staged_file(path, replace=True) as file:
                for line in (header, *lines):
                    file.buffer.write(line + b"\n")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror}); finished shards are kept") from error

    def record(self, index: int) -> ShardRecord:
        """What the shard's file says of itself; raises OutputError when it is damaged."""
        path = self.path(index)
        try:
            with path.open("rb") as file:
                return _record(parse_stored(file.readline()))
        except OSError as error:
            raise _unreadable(path, error) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged(path, str(error)) from error

    def remove(self) -> None:
        """Remove the shards, and the folder unless something else is in it."""
        for index in self.indexes():
            self.path(index).unlink()
        with suppress(OSError):
            self.folder.rmdir()

    def articles(self, index: int) -> Iterator[bytes]:
        """The shard's articles, a line each with its line end; raises OutputError when the file is not as it was written."""
        record, lines = self.record(index), self._lines(index)
        yield from itertools.islice(lines, record.articles)
        for _ in lines:  # to the end, where the digest is compared
            pass

    def dead_letters(self, index: int) -> Iterator[bytes]:
        """The shard's dead letters, a line each with its line end; raises OutputError when the file is not as it was written."""
        record, lines = self.record(index), self._lines(index)
        yield from itertools.islice(lines, record.articles, None)

    def _lines(self, index: int) -> Iterator[bytes]:
        path = self.path(index)
        digest, count = hashlib.sha256(), 0
        record = self.record(index)
        try:
            with path.open("rb") as file:
                file.readline()
                for line in file:
                    digest.update(line)
                    count += 1
                    yield line
        except OSError as error:
            raise _unreadable(path, error) from error
        if count != record.rows or digest.hexdigest() != record.sha256:
            raise _damaged(path, "its sha256 is another")


def lines_digest(lines: list[bytes]) -> str:
    """SHA-256 of the lines with their line ends."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line + b"\n")
    return digest.hexdigest()


def _record(content: dict[str, object]) -> ShardRecord:
    if content.pop("schema") != _SCHEMA:
        raise ValueError("another version of eventtag wrote it")
    content["dead"] = tuple(content["dead"])  # type: ignore[arg-type]
    return ShardRecord(**content)  # type: ignore[arg-type]


def _unreadable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{path}: cannot be read ({error.strerror}); see to the disk and run the command again, which goes on from there"
    )


def _damaged(path: Path, problem: str) -> OutputError:
    return OutputError(f"{path}: is damaged ({problem}); delete this file and run the command again, which tags its rows again")
