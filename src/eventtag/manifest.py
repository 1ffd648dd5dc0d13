"""A folder's manifest: size and sha256 of each of its files, written last, so that damage and half copies are found before use."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from eventtag.errors import CheckpointError

MANIFEST_FILE = "manifest.json"
SCHEMA = 1


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path) -> None:
    """Write the manifest of everything that is in `folder` now."""
    files = {
        str(file.relative_to(folder)): {"sha256": sha256_of(file), "size": file.stat().st_size}
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    content = json.dumps({"schema": SCHEMA, "files": files}, indent=2) + "\n"
    (folder / MANIFEST_FILE).write_text(content, encoding="utf-8")


def check_manifest(folder: Path, *, editable: Collection[str] = ()) -> frozenset[str]:
    """The names of the files that the manifest lists, each as it was when the manifest was written, but for those `editable`.

    Raises CheckpointError, naming the file, when the manifest is not there or damaged, or a file is missing or changed.
    """
    path = folder / MANIFEST_FILE
    try:
        expected = _read(path)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror}); copy the checkpoint again") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: is damaged ({error}); copy the checkpoint again") from error
    for name, (sha256, size) in expected.items():
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
    return frozenset(expected)


def is_listed(folder: Path, name: str) -> bool:
    """Whether a folder's file belongs to it: its manifest lists it, or there is no manifest and the file is there.

    Raises CheckpointError when the manifest is damaged.
    """
    path = folder / MANIFEST_FILE
    if not path.exists():
        return (folder / name).is_file()
    try:
        return name in _read(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path}: is damaged ({error}); copy the checkpoint again") from error


def _read(path: Path) -> dict[str, tuple[str, int]]:
    content: Any = json.loads(path.read_text(encoding="utf-8"))
    return {str(name): (str(entry["sha256"]), int(entry["size"])) for name, entry in content["files"].items()}
