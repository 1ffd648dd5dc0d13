"""A job: the tagging of one input into one output, known by everything that decides what the output will be.

tagged.jsonl                  the output, which appears when all of it is there
tagged.jsonl.job/
    job.json                  what decides the output: checkpoint, settings, input, code
    shards/                   finished shards; gone when the job is finished and no row is left over
    dead_letter.jsonl         the rows that are in no output
    manifest.json             counts, and the sha256 of each output; written last, so a job that has it is finished
    lock                      held by the process that works on the job, and by its workers
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eventtag.errors import OutputError
from eventtag.staging import require_absent, staged_file, sync_folder

SUFFIX = ".job"
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Job:
    """The places of a job's files. `output` is the file or folder that the user asked for."""

    output: Path

    @property
    def folder(self) -> Path:
        """Everything of the job but its output."""
        return self.output.with_name(self.output.name + SUFFIX)

    @property
    def shards(self) -> Path:
        """The folder of its finished shards."""
        return self.folder / "shards"

    @property
    def description(self) -> Path:
        """The file that says what decides the output."""
        return self.folder / "job.json"

    @property
    def holds_anything(self) -> bool:
        """Whether anything has been tagged."""
        return self.manifest.exists() or self.earlier_manifest.exists() or any(self.shards.glob("[0-9]*"))

    @property
    def dead_letters(self) -> Path:
        """The file of rows that could not be tagged."""
        return self.folder / "dead_letter.jsonl"

    @property
    def manifest(self) -> Path:
        """The file that a finished job has."""
        return self.folder / "manifest.json"

    @property
    def earlier_manifest(self) -> Path:
        """The manifest of the output that is being replaced, while dead letters are tried again."""
        return self.folder / "earlier_manifest.json"

    @property
    def placing(self) -> Path:
        """What the output will be that is about to get its name."""
        return self.folder / "placing.json"

    @property
    def lock(self) -> Path:
        """The file that is locked while somebody works on the job."""
        return self.folder / "lock"


def prepare_folder(job: Job) -> None:
    """Make the job's folder where there is none; raises OutputError when the output exists and is of no job."""
    if not job.description.exists():
        require_absent(job.output)
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{job.folder}: cannot be written ({error.strerror}); choose another output=") from error


def fingerprint(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a job's output: `settings`, and the code of this package."""
    return {"schema": _SCHEMA, "settings": dict(settings), "version": version("eventtag"), "code": code_digest()}


def begin(job: Job, decisive: Mapping[str, Any]) -> None:
    """Start the job, or go on with it; `decisive` is its fingerprint. Call it with the job's lock.

    Raises OutputError when the output exists and is of no job, or when the job is another and has tagged something: then the message
    names what differs.
    """
    for left in job.folder.glob(".*.partial"):
        left.unlink()  # by a process that was killed
    known = read_json(job.description)
    if known is None:
        require_absent(job.output)
        write_json(job.description, decisive)
        return
    differences = [
        f"  {key}: {_shown(old)}, now {_shown(new)}" for key, old, new in _compare(known, json.loads(json.dumps(decisive)))
    ]
    if differences and not job.holds_anything:
        write_json(job.description, decisive)
    elif differences:
        raise OutputError(
            f"{job.output}: belongs to a job that was started with\n"
            + "\n".join(differences)
            + f"\ngive another output=, or the same settings; to start anew remove {job.output} and {job.folder}"
        )


def decided(output: Path, key: str) -> Any:
    """What the job of this output was started with, as the value of one of its settings; None where there is no job."""
    known = read_json(Job(output).description)
    return None if known is None else known.get("settings", {}).get(key)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None when there is no such file; raises OutputError when it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: is damaged ({error}); remove {path.parent} and its output to start anew") from error
    if not isinstance(content, dict):
        raise OutputError(f"{path}: is damaged; remove {path.parent} and its output to start anew")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write or replace the file, so that it is whole at every instant."""
    with staged_file(path, replace=True) as file:
        file.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def move(path: Path, target: Path) -> None:
    """Rename a file of the job's folder, and flush the folder's entries to disk."""
    path.replace(target)
    sync_folder(target.parent)


def _compare(old: Any, new: Any, key: str = "") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for name in [*old, *(name for name in new if name not in old)]:
            inner = f"{key}.{name}" if key and key != "settings" else name
            found += _compare(old.get(name), new.get(name), inner)
        return found
    return [] if old == new else [(key, old, new)]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."


@cache
def code_digest() -> str:
    """SHA-256 of the package's modules."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(f"{file.relative_to(package)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]
