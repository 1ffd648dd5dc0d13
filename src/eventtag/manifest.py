"""A folder's manifest: size and sha256 of each of its files, written last, so that damage and half copies are found before use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from eventtag.errors import CheckpointError
from eventtag.stored_json import read_stored

MANIFEST_FILE = "manifest.json"
SCHEMA = 1


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path, *, then: str) -> Any:
    """The content of a JSON file. Raises CheckpointError, which ends with what to do (`then`), where it cannot be read or is damaged."""
    try:
        return read_stored(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); {then}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: is damaged ({error}); {then}") from error


def write_manifest(folder: Path) -> None:
    """Write the manifest of everything that is in `folder` now."""
    files = {
        str(file.relative_to(folder)): {"sha256": sha256_of(file), "size": file.stat().st_size}
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    content = json.dumps({"schema": SCHEMA, "files": files}, indent=2) + "\n"
    (folder / MANIFEST_FILE).write_text(content, encoding="utf-8")


def check_manifest(folder: Path, *, editable: Collection[str] = (), beside: Iterable[str] = ()) -> frozenset[str]:
    """The names of the files that the manifest lists, each as it was when the manifest was written, but for those `editable`.

    Raises CheckpointError, naming the file, when the manifest is not there, damaged or empty or names a file outside the folder, a file
    is missing or changed, or the folder holds a file that is not listed: what reads the folder might take it for one of its own. Hidden
    files, which nothing reads, may be there, and so may the names in `beside` (files or folders).
    """
    path = folder / MANIFEST_FILE
    content = read_json(path, then="copy the checkpoint again")
    try:
        expected = _entries(content)
        if not expected:
            raise ValueError("it lists no file")
        if content.get("schema", SCHEMA) != SCHEMA:
            raise ValueError(f"its schema is {content['schema']!r}, not {SCHEMA}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: is damaged ({error}); copy the checkpoint again") from error
    for name, (sha256, size) in expected.items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\0" in name:
            raise CheckpointError(f"{path}: lists {name!r}, which is not in the folder; do not use a checkpoint from there")
        file = folder / name
        if not file.is_file():
            raise CheckpointError(f"{file}: is missing, though the manifest lists it; copy the checkpoint again")
        if name in editable:
            continue
        if file.stat().st_size != size:
            raise CheckpointError(f"{file}: has {file.stat().st_size} bytes, the manifest says {size}; copy the checkpoint again")
        if sha256_of(file) != sha256:
            raise CheckpointError(
                f"{file}: its sha256 is not the manifest's, so it is damaged or changed; copy the checkpoint again"
            )
    allowed = {MANIFEST_FILE, *beside}
    for file in _visible_files(folder):
        there = file.relative_to(folder)
        if there.as_posix() not in expected and there.parts[0] not in allowed:
            raise CheckpointError(
                f"{file}: the manifest does not list this file, so it is not a part of what was saved there; move it to another folder"
            )
    return frozenset(expected)


def is_listed(folder: Path, name: str) -> bool:
    """Whether a folder's file belongs to it: its manifest lists it, or there is no manifest and the file is there.

    Raises CheckpointError when the manifest is damaged.
    """
    path = folder / MANIFEST_FILE
    if not path.exists():
        return (folder / name).is_file()
    content = read_json(path, then="copy the checkpoint again")
    try:
        return name in _entries(content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: is damaged ({error}); copy the checkpoint again") from error


def _entries(content: Any) -> dict[str, tuple[str, int]]:
    return {str(name): (str(entry["sha256"]), int(entry["size"])) for name, entry in content["files"].items()}


def _visible_files(folder: Path) -> Iterator[Path]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _visible_files(entry)
        else:
            yield entry
