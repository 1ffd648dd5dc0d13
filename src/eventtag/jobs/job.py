"""A job: the tagging of one input into one output, identified by everything that decides the output.

tagged.jsonl                  the output, which appears when all of it is there
tagged.jsonl.job/
    job.json                  what decides the output: checkpoint, settings, code; and how large the input is
    array.json                into how many tasks an array divides the job
    input.json                how many rows and shards the input has; there when a process has read it to its end
    shards/                   finished shards; gone when the job is finished and no row is left over
    tasks/                    a lock for each task of an array
    dead_letter.jsonl         the rows that are in no output
    manifest.json             counts, and the sha256 of each output; written last, so a job that has it is finished
    lock                      held by the process that works on the job, and by its workers; by the tasks of an array together

job.json, array.json and input.json are written by the process that comes first, and compared by all others. No process relies on a lock
for what it writes to be right: not every file system has locks, and some have them for one machine only.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eventtag.errors import OutputError
from eventtag.staging import PARTIAL, require_absent, sync_folder, write_json
from eventtag.stored_json import read_stored

SUFFIX = ".job"
_SCHEMA = 2
DECIDING = (
    "labels.py", "span.py", "link.py", "article.py", "respan.py", "text/*.py", "encoding/*.py", "heads/*.py", "links/*.py",
    "scoring/temperature.py", "models/checkpoint.py", "models/network.py", "models/link_layers.py", "engines/*.py",
    "tagging/tagger.py", "tagging/tagged.py", "tagging/emissions.py", "jobs/outputs.py",
    "formats/jsonl.py", "formats/json_file.py", "formats/records.py",
    "jobs/shards.py", "jobs/store.py", "jobs/tagged_shard.py", "jobs/taggers.py",
)  # fmt: skip
"""The modules that decide which shards a job has and what they contain. The readers of the input are not among them, because the
tagged rows are compared with the rows that are read. The writers are not either, because one process writes the whole output.
"""


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
    def array(self) -> Path:
        """The file that says how an array divides the job."""
        return self.folder / "array.json"

    @property
    def input(self) -> Path:
        """The file that says how many rows and shards the input has."""
        return self.folder / "input.json"

    @property
    def tasks(self) -> Path:
        """The folder of the locks of an array's tasks."""
        return self.folder / "tasks"

    def task_lock(self, number: int) -> Path:
        """The file that is locked while a task of an array is at work."""
        return self.tasks / f"{number}.lock"

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
        """Describes the output that is about to get its name."""
        return self.folder / "placing.json"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a job writes into its folder, shards apart; those by which the folder is known as a job's come last."""
        return (
            self.dead_letters, self.manifest, self.earlier_manifest, self.placing, self.array, self.input, self.description, self.lock,
        )  # fmt: skip

    @property
    def lock(self) -> Path:
        """The file that is locked while somebody works on the job."""
        return self.folder / "lock"


def prepare_folder(job: Job) -> None:
    """Make the job's folder where there is none.

    Raises OutputError if the output exists and is of no job, or is a symbolic link; and when the folder is there and no job made it.
    """
    if job.output.is_symlink() and not job.manifest.exists():
        refuse_link(job.output)
    entries = list(job.folder.iterdir()) if job.folder.is_dir() else []
    if read_description(job) is None:  # in this order: another process may be making the job
        require_absent(job.output)
        foreign = sorted(entry.name for entry in entries if entry != job.lock and not _is_partial(entry, job.description))
        if foreign:
            raise OutputError(
                f"{job.folder}: is no folder of a job (it holds {', '.join(foreign[:5])}, and no job.json), so nothing is written there\n"
                "choose another output=, or move that folder away"
            )
    try:
        job.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{job.folder}: cannot be written ({error.strerror}); choose another output=") from error


def refuse_link(output: Path) -> None:
    """Raise OutputError for an output that is a symbolic link, which a rename would replace."""
    raise OutputError(
        f"{output}: is a symbolic link to {output.readlink()}, and is not replaced\n"
        "give output= the path that it points to, or remove the link"
    )


def fingerprint(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a job's output: `settings`, and the code that tags."""
    return {"schema": _SCHEMA, "settings": dict(settings), "code": code_digest()}


def begin(
    job: Job,
    decisive: Mapping[str, Any],
    *,
    more: Mapping[str, Any] | None = None,
    adopted: Collection[str] = (),
    mended: bool = False,
    alone: bool = True,
) -> dict[str, Any]:
    """Start the job, or continue it, and return what job.json says; `decisive` is the job's fingerprint. Call it with the job's lock.

    `more` is written beside it; its `extent` differs if the input has grown or shrunk (None: not known). Settings named in
    `adopted` are those with which the job was started. `mended`: bad rows may have been repaired since. `alone`: no other process
    is working, so incomplete files of killed ones are removed, and a job that has tagged nothing is started again with other
    settings.

    Raises OutputError if the output exists and is of no job, or when the job is another and has tagged something: then the message
    names what differs; and when a job is to go on whose input has another extent.
    """
    if alone:
        remove_partial_files(job)
    description = {**decisive, "extent": None, **(more or {}), "version": version("eventtag")}
    known = read_description(job)
    if known is None:
        require_absent(job.output)
        known = write_once(job.description, description)
    began, extent = known.get("extent"), description["extent"]
    differences = [
        f"  {key}: {_shown(old)}, now {_shown(new)}"
        for key, old, new in _compare({key: known[key] for key in decisive}, json.loads(json.dumps(decisive)))
        if key not in adopted
    ]
    anew = alone and not job.holds_anything
    if anew:
        for file in (job.array, job.input):
            file.unlink(missing_ok=True)
    if anew or (mended and not differences):
        if differences or began != extent:
            known = description if differences else {**known, "extent": extent}
            write_json(job.description, known, replace=True, make_folder=False)
    elif differences:
        raise OutputError(
            f"{job.output}: belongs to a job that was started with\n"
            + "\n".join(differences)
            + f"\ngive another output=, or the same settings; to start anew remove {job.output} and {job.folder}"
        )
    elif not job.manifest.exists() and None not in (began, extent) and began != extent:
        raise OutputError(input_changed("its files have other names or sizes"))
    return known


def require_in_place(job: Job, cause: Exception | None = None) -> None:
    """Raise OutputError if the folder of a job that has begun is no longer under its name."""
    if not os.path.lexists(job.description):
        raise OutputError(
            f"{job.folder}: was moved or removed while this process worked on the job; what it tagged after that is not stored\n"
            "move the folder back, or give output= its new name without .job, and give the same command again"
        ) from cause


def write_once(path: Path, value: Mapping[str, Any]) -> dict[str, Any]:
    """Write a JSON file unless there is one, and return what the file says."""
    try:
        write_json(path, value, make_folder=False)
    except OutputError:
        if not path.exists():
            raise
    known = read_json(path)
    return dict(value) if known is None else known


def input_changed(how: str) -> str:
    """What is wrong when the input is not that with which the job began."""
    return f"the input has changed since this job began: {how}\ntag the new rows as a job of their own, with another output="


def abandon(job: Job) -> None:
    """Remove what a job that has tagged nothing has written; what is not of the job stays."""
    with suppress(OSError):
        remove_working_files(job)
        for file in job.files:
            file.unlink(missing_ok=True)
        if job.shards.is_dir():
            job.shards.rmdir()
        job.folder.rmdir()


def remove_partial_files(job: Job) -> None:
    """Remove what killed processes have left half-written in the job's folder."""
    for folder in job.folder.glob(f"assembling*{PARTIAL}"):
        shutil.rmtree(folder, ignore_errors=True)
    for file in _partials(job):
        file.unlink(missing_ok=True)


def remove_working_files(job: Job) -> None:
    """Remove what is needed only while somebody works on the job."""
    remove_partial_files(job)
    for file in (job.earlier_manifest, job.placing, job.input, *job.tasks.glob("[0-9]*.lock")):
        file.unlink(missing_ok=True)
    with suppress(OSError):
        job.tasks.rmdir()


def _partials(job: Job) -> Iterator[Path]:
    return (entry for entry in job.folder.iterdir() if any(_is_partial(entry, file) for file in job.files))


def _is_partial(path: Path, file: Path) -> bool:
    return path.name.startswith(f".{file.name}.") and path.name.endswith(PARTIAL)


def decided(output: Path, key: str) -> Any:
    """What the job of this output was started with, as the value of one of its settings; None if there is no job."""
    known = read_description(Job(output))
    return None if known is None else known["settings"].get(key)


def read_description(job: Job) -> dict[str, Any] | None:
    """What job.json says, None if there is none; raises OutputError if no job wrote it, or it is damaged."""
    known = read_json(job.description)
    if known is not None and not (isinstance(known.get("settings"), dict) and {"schema", "code"} <= known.keys()):
        raise OutputError(
            f"{job.description}: was not written by a job, so nothing is written there; choose another output=, or move {job.folder} away"
        )
    return known


def read_size(job: Job) -> tuple[int, int] | None:
    """Into how many shards the input is cut and how many rows it has; None if no process has read it to its end."""
    known = read_json(job.input)
    if known is None:
        return None
    shards, rows = known.get("shards"), known.get("rows")
    if not isinstance(shards, int) or not isinstance(rows, int):
        raise OutputError(f"{job.input}: is damaged; remove this file and run the command again")
    return shards, rows


def read_manifest(path: Path) -> dict[str, Any] | None:
    """A job's manifest, None if there is none; raises OutputError if it is damaged."""
    manifest = read_json(path)
    if manifest is not None:
        counts = [manifest.get(key) for key in ("rows", "articles", "spans", "tokens", "dead_letters")]
        parts = [manifest.get(key) for key in ("kinds", "outputs", "input")]
        if not all(isinstance(count, int) for count in counts) or not all(isinstance(part, dict) for part in parts):
            raise _damaged(path, "counts or digests are missing")
    return manifest


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file, or None when there is no such file; raises OutputError if it is damaged."""
    try:
        content = read_stored(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"{path}: cannot be read ({error.strerror}); mend that and give the same command again") from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(path, "it is no JSON object")
    return content


def _damaged(path: Path, problem: str) -> OutputError:
    return OutputError(f"{path}: is damaged ({problem}); remove {path.parent} and its output to start anew")


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
def code_digest(package: Path = Path(__file__).parents[1]) -> str:
    """SHA-256 of the modules that decide what is tagged (DECIDING), without comments and docstrings."""
    digest = hashlib.sha256()
    for file in sorted({file for pattern in DECIDING for file in package.glob(pattern)}):
        tree = ast.parse(file.read_bytes())
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [part for part in body if not _is_text(part)]  # type: ignore[attr-defined]
        digest.update(f"{file.relative_to(package)}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()[:16]


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
    )
