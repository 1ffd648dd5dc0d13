"""Corpora from their authors' repositories, put where `data=NAME` finds them.

A corpus is fetched by git at the commit below. A commit's id is a hash over all its content, which git checks. The sha256 of every
file is written into manifest.json beside the corpus. The first fetch writes one hash over all files into corpora.lock.json beside
the corpora, and each later fetch must have the same hash. A copy on disk may be a part of a corpus; it has no commit to check and
is not entered into the lock.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eventtag.errors import DataError, OutputError
from eventtag.staging import json_text, require_absent, staged_folder, write_json
from eventtag.stored_json import read_stored

log = logging.getLogger(__name__)

LOCK = "corpora.lock.json"
MANIFEST = "manifest.json"
LARGEST = 1 << 30
"""Bytes that an archive may unpack to."""


@dataclass(frozen=True)
class Part:
    """Files of a corpus: the first of `sources` that exists (patterns from the top of the repository or of a copy) goes into the
    folder `target`; a folder with its contents, a zip unpacked.
    """

    sources: tuple[str, ...]
    target: str = "."
    needed: bool = True


@dataclass(frozen=True)
class Home:
    """The place of a corpus. `commit` is None if its authors have no repository: then it is downloaded by hand."""

    title: str
    address: str
    commit: str | None
    licence: str
    parts: tuple[Part, ...]


HOMES = {
    "ecbplus": Home(
        "ECB+ 1.0 (Cybulska and Vossen 2014), 982 news articles",
        "https://github.com/cltl/ecbPlus",
        "3aa071e12fd08fc0705b16bb1841e7a9c5c22420",
        "annotations CC BY 3.0 (https://creativecommons.org/licenses/by/3.0/); the texts are their publishers'. Cite the paper.",
        (
            Part(("ECB+_LREC2014/ECB+.zip", "ECB+.zip", "ECB+"), "ECB+"),
            Part(("ECB+_LREC2014/ECBplus_coreference_sentences.csv", "ECBplus_coreference_sentences.csv")),
            Part(("ECB+_LREC2014/LICENSEDATA.TXT", "LICENSEDATA.TXT"), needed=False),
        ),
    ),
    "meantime": Home(
        "MEANTIME (Minard et al. 2016), 120 English Wikinews articles",
        "http://www.newsreader-project.eu/results/data/wikinews/",
        None,
        "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). Cite the paper. "
        "Download meantime_newsreader_english_oct15.zip from that page, then give it with --copy",
        (Part(("intra_cross-doc_annotation", "*/intra_cross-doc_annotation"), "intra_cross-doc_annotation"),),
    ),
    "gum_news": Home(
        "GUM (Zeldes 2017), its Wikinews articles",
        "https://github.com/amir-zeldes/gum",
        "67cfd84f306e5683e47f4dc99b34c5f9becb2df5",
        "annotations CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/), text CC BY 2.5. Cite the paper.",
        (
            Part(("dep/GUM_news_*.conllu", "conllu/GUM_news_*.conllu"), "conllu"),
            Part(("LICENSE.txt", "LICENSE.md"), needed=False),
        ),
    ),
    "litbank": Home(
        "LitBank (Bamman et al. 2019), 100 works of fiction",
        "https://github.com/dbamman/litbank",
        "31fd441acdc487cc9ad59102f7c76c60b86951e7",
        "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/). Cite the papers.",
        (
            Part(("entities/brat", "entities"), "entities"),
            Part(("events/brat", "events"), "events", needed=False),
            Part(("README.md",), needed=False),
        ),
    ),
    "re3d": Home(
        "re3d (Dstl 2017), its parts from US Central Command and the US State Department",
        "https://github.com/dstl/re3d",
        "d78f741ae8395c8244a229b33ad912e1457cf23a",
        "US government works, public domain in the United States. The other parts of re3d have other licences and are not fetched.",
        (Part(("CENTCOM", "centcom"), "centcom"), Part(("US State Department", "us_state_department"), "us_state_department")),
    ),
    "crossner": Home(
        "CrossNER (Liu et al. 2021), sentences of Wikipedia in five domains",
        "https://github.com/zliucr/CrossNER",
        "5b393ecd2329b1ebad4f379dff65c80b4771896c",
        "MIT (https://github.com/zliucr/CrossNER/blob/main/LICENSE), text CC BY-SA. Cite the paper. "
        "Its copy of CoNLL-2003 has another licence and is not fetched.",
        tuple(
            Part((f"ner_data/{domain}", domain), domain, needed=domain == "politics")
            for domain in ("politics", "science", "music", "literature", "ai")
        ),
    ),
}


def fetch(name: str, folder: Path, *, source: Path | None = None, mirror: str | None = None) -> Path:
    """Put the corpus into FOLDER/NAME, which is returned: from its repository, a `mirror` of it, or `source`, a folder or zip on
    disk.

    Whoever calls this accepts the corpus's licence (`HOMES[name].licence`). Raises OutputError if FOLDER/NAME exists or what came is not
    what an earlier fetch found, DataError if the corpus cannot be had or a part of it is missing.
    """
    home, target = HOMES[name], folder / name
    require_absent(target)
    with tempfile.TemporaryDirectory() as scratch:
        found = source or _download(home, mirror, Path(scratch) / "home")
        if found.is_file():
            found = _unpack(found, Path(scratch) / "unpacked")
        _install(name, home, found, target, fetched=source is None)
    return target


def _download(home: Home, mirror: str | None, folder: Path) -> Path:
    """The commit's files that are needed, in a new folder; git checks every one against the commit's id."""
    if home.commit is None:
        raise DataError(f"{home.address}: is no repository; download the corpus there and give it with --copy")
    folder.mkdir(parents=True)
    patterns = [pattern for part in home.parts for source in part.sources for pattern in (f"/{source}", f"/{source}/**")]
    for command in (
        ["init", "--quiet"],
        ["remote", "add", "origin", mirror or home.address],
        ["sparse-checkout", "set", "--no-cone", *patterns],
        ["fetch", "--quiet", "--depth", "1", "--filter=blob:none", "origin", home.commit],
        ["checkout", "--quiet", home.commit],
    ):
        try:
            done = subprocess.run(["git", *command], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603, S607 - the user's git
        except OSError as error:
            raise DataError(
                f"git is needed to fetch a corpus ({error.strerror}); install it, or give a copy with --copy"
            ) from error
        if done.returncode:
            raise DataError(f"{mirror or home.address}: git {command[0]} failed: {done.stderr.strip()[-300:]}")
    return folder


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip into a new folder; raises DataError if it is not a zip, is too large, or has paths outside the folder."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [item for item in opened.infolist() if not item.is_dir() and not item.filename.startswith("__MACOSX")]
            if sum(item.file_size for item in members) > LARGEST:
                raise DataError(f"{archive}: unpacks to more than {LARGEST >> 20} MB")
            for item in members:
                if not (folder / item.filename).resolve().is_relative_to(folder.resolve()):
                    raise DataError(f"{archive}: {item.filename!r} leads out of the folder")
                opened.extract(item, folder)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error})") from error
    return folder


def _install(name: str, home: Home, source: Path, target: Path, *, fetched: bool) -> None:
    """Put the parts where `data=NAME` looks for them, with a manifest; all or nothing."""
    if not source.is_dir():
        raise DataError(f"{source}: no such folder or file")
    with staged_folder(target) as folder:
        for part in home.parts:
            found = next((hits for pattern in part.sources if (hits := sorted(source.glob(pattern)))), [])
            if not found and part.needed:
                raise DataError(f"{source}: holds none of {', '.join(part.sources)}; give the folder that holds the corpus")
            for item in found:
                _place(item, folder / part.target)
        files = {str(path.relative_to(folder)): _sha256(path) for path in _files(folder)}
        digest = hashlib.sha256("".join(f"{digest}  {path}\n" for path, digest in files.items()).encode()).hexdigest()
        origin = {"home": home.address, "commit": home.commit} if fetched else {"home": home.address, "copied_from": str(source)}
        manifest = {"name": name, **origin, "licence": home.licence, "sha256": digest, "files": files}
        if fetched:
            _hold_to_lock(name, home, digest, target.parent / LOCK)
        (folder / MANIFEST).write_text(json_text(manifest), encoding="utf-8")


def _place(item: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if item.is_dir():
        shutil.copytree(item, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".DS_Store", "__MACOSX"))
    elif item.suffix == ".zip":
        with tempfile.TemporaryDirectory() as scratch:
            unpacked = _unpack(item, Path(scratch))
            inner = unpacked / item.stem
            shutil.copytree(
                inner if inner.is_dir() else unpacked, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*")
            )
    else:
        shutil.copyfile(item, folder / item.name)


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.is_file())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _hold_to_lock(name: str, home: Home, digest: str, lock: Path) -> None:
    """Compare the hash with that of an earlier fetch of this commit; the first fetch writes it."""
    try:
        known = read_stored(lock) if lock.exists() else {}
        entry = known.get(name, {})
        same = entry.get("commit") == home.commit
    except (OSError, ValueError, AttributeError) as error:
        raise OutputError(f"{lock}: cannot be read ({error}); remove it if nobody needs the sha256 of earlier fetches") from error
    if same:
        if entry.get("sha256") != digest:
            raise OutputError(f"{name}: its sha256 is {digest}, {lock} has {entry.get('sha256')}; nothing is kept")
        return
    write_json(lock, {**known, name: {"commit": home.commit, "sha256": digest}}, replace=True)
    log.info("first fetch of this commit: its sha256 %s is written into %s", digest, lock)
