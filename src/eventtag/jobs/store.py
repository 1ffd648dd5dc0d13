"""Where finished shards lie: one file each, which appears under its name only when it is whole and on disk.

A shard's file holds a line about the shard, then the tagged articles as project JSONL, then the dead letters. Rows and dead letters
of a shard so become visible in the same instant. A shard that is stored stays as it is, except for dead letters that are tagged again: of
two processes that tag the same rows, on whatever machines, the first one's work counts.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from eventtag.errors import OutputError
from eventtag.jobs.lock import JobLock
from eventtag.staging import remedy, staged_file
from eventtag.stored_json import parse_stored

SUFFIX = ".shard"
_SCHEMA = 3


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """What a shard's file says of itself. `dead` are the positions in the shard (from 0) of its dead letters, `kinds` counts them;
    `tokens` are those of the tagged articles, `input` is the digest of the other rows, `sha256` that of the lines that follow.
    `dropped_links`: links that went with spans which the job's settings leave out.
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
    dropped_links: int = 0

    @property
    def articles(self) -> int:
        """How many tagged articles the file holds."""
        return self.rows - len(self.dead)


@dataclass(frozen=True, slots=True)
class ShardStore:
    """The folder of a job's finished shards. `job`: what stands in each for the job's settings; None reads those of any job. `lock`:
    that of the process which tags, which its workers hold too.
    """

    folder: Path
    job: str | None = None
    lock: JobLock | None = None

    def path(self, index: int) -> Path:
        """The file of one shard."""
        return self.folder / f"{index:06d}{SUFFIX}"

    def __contains__(self, index: int) -> bool:
        return self.path(index).exists()

    def indexes(self) -> set[int]:
        """The shards that are finished."""
        return {int(file.stem) for file in self.folder.glob(f"*{SUFFIX}") if file.stem.isdigit()}

    def clean(self) -> None:
        """Remove what killed processes left behind half-written; call it only while none is at work."""
        for file in self.folder.glob(f".*{SUFFIX}.*.partial"):
            file.unlink(missing_ok=True)

    def write(self, record: ShardRecord, lines: list[bytes], *, replace: bool = False) -> ShardRecord:
        """Store a shard: its articles and dead letters, a line each without the line end. Returns what is stored: one that another
        process has stored before stays as it is, unless it is to `replace` that.

        Raises OutputError if it cannot be written; then nothing has changed.
        """
        header = json.dumps({"schema": _SCHEMA, "job": self.job, **asdict(record)}).encode()
        path = self.path(record.index)
        try:
            with staged_file(path, replace=replace, make_folder=False) as file:
                for line in (header, *lines):
                    file.buffer.write(line + b"\n")
        except (OSError, OutputError) as error:
            if not replace and path.exists():
                return self.record(record.index)
            if isinstance(error, OutputError):
                raise
            raise OutputError(
                f"{path}: cannot be written ({error.strerror}); finished shards are kept\n"
                f"{remedy(error.errno)} and give the same command again"
            ) from error
        return record

    def record(self, index: int) -> ShardRecord:
        """What the shard's file says of itself; raises OutputError if it is damaged, or of a job with other settings."""
        return self._read(index, whole=False)[0]

    def read(self, index: int) -> tuple[ShardRecord, list[bytes]]:
        """A shard: what it says of itself, then its articles and after them its dead letters, a line each with its line end.

        Raises OutputError if the file is not as it was written.
        """
        return self._read(index, whole=True)

    def _read(self, index: int, *, whole: bool) -> tuple[ShardRecord, list[bytes]]:
        path = self.path(index)
        try:
            with path.open("rb") as file:  # once, for it may be replaced
                record = self._record(path, parse_stored(file.readline()))
                lines = file.readlines() if whole else []
        except OSError as error:
            raise OutputError(
                f"{path}: cannot be read ({error.strerror}); see to the disk and run the command again, which goes on from there"
            ) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged(path, str(error)) from error
        if whole and (len(lines) != record.rows or lines_digest(lines, end=b"") != record.sha256):
            raise _damaged(path, "its sha256 is another")
        return record, lines

    def _record(self, path: Path, content: dict[str, object]) -> ShardRecord:
        if content.pop("schema") != _SCHEMA:
            raise ValueError("another version of eventtag wrote it")
        if content.pop("job") != self.job and self.job is not None:
            raise OutputError(
                f"{path}: was tagged with other settings than those of this job; delete this file and run the command again"
            )
        content["dead"] = tuple(content["dead"])  # type: ignore[arg-type]
        return ShardRecord(**content)  # type: ignore[arg-type]

    def remove(self) -> None:
        """Remove the shards, and the folder unless something else is in it."""
        self.clean()
        for index in self.indexes():
            self.path(index).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def lines_digest(lines: list[bytes], *, end: bytes = b"\n") -> str:
    """SHA-256 of the lines, each with `end` behind it."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line + end)
    return digest.hexdigest()


def _damaged(path: Path, problem: str) -> OutputError:
    return OutputError(f"{path}: is damaged ({problem}); delete this file and run the command again, which tags its rows again")
