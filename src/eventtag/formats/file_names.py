"""Files of a folder and article ids, for formats that hold one article a file.

An article's id is its file's path relative to the folder, without the suffix and with `/` between the parts, so that files of
equal names in several subfolders are several articles. Writers make the subfolders again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError
from eventtag.formats.text_file import write_text
from eventtag.ledger import LossLedger
from eventtag.staging import staged_folder

MAX_BYTES = 200
"""A file name may have 255 bytes on every common file system; this leaves room for the suffix."""
SUFFIX_SIZE = 20
ABOUT = re.compile(r"(?:readme|licen[cs]e|copying|changelog|notice)(?:\.\w+)?|typesystem\.xml|\w+\.conf", re.IGNORECASE)
"""Names of files that lie beside the articles of a corpus and are none: what describes it, UIMA's types, brat's settings."""
SHOWN = 5
"""So many names a remark lists."""
_PART = re.compile(r"[^./\\\x00-\x1f\ud800-\udfff][^/\\\x00-\x1f\ud800-\udfff]*")


def require_file_name(article_id: str) -> None:
    """Raise OutputError when the id cannot be the path of a file below a folder."""
    parts = article_id.split("/")
    if not all(_PART.fullmatch(part) and len(part.encode("utf-8")) <= MAX_BYTES for part in parts):
        raise OutputError(f"article {article_id!r}: its id cannot be a file name; give it another, or use a format such as jsonl")


def write_files(
    articles: Iterable[Article], path: Path, suffix: str, content: Callable[[Article], str], **others: Callable[[], str]
) -> None:
    """Write a folder with a file for each article, and then others by their names; raises OutputError as `file_for` does."""
    with staged_folder(path) as folder:
        for article in articles:
            write_text(file_for(folder, article.id, suffix), content(article))
        for name, text in others.items():
            write_text(folder / name, text())


def file_for(folder: Path, article_id: str, suffix: str) -> Path:
    """The article's file below the folder; its subfolders are made.

    Raises OutputError when the id cannot be a file's path, or when another article's file stands where a subfolder is needed.
    """
    require_file_name(article_id)
    file = folder / f"{article_id}{suffix}"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _in_the_way(article_id) from error
    if file.is_dir():
        raise _in_the_way(article_id)
    return file


def _in_the_way(article_id: str) -> OutputError:
    return OutputError(
        f"article {article_id!r}: another article's file or folder has the name that its file needs; rename one of the two"
    )


def visible_files(folder: Path) -> Iterator[Path]:
    """All files below a folder, in no order, without hidden ones and those that macOS puts into archives (`__MACOSX`)."""
    return (file for file in _visible_entries(folder) if file.is_file())


def _visible_entries(folder: Path) -> Iterator[Path]:
    for entry in folder.rglob("*"):
        if not any(part.startswith(".") or part == "__MACOSX" for part in entry.relative_to(folder).parts):
            yield entry


def remark_unread(folder: Path, suffixes: Collection[str], ledger: LossLedger) -> None:
    """Name in the ledger what is not read below a folder: links to folders or nothing, special files, and files with other suffixes than
    these (none: the format's reader knows its files). Files that are about the others, such as README.md or TypeSystem.xml, are not named.
    """
    kinds: dict[str, list[str]] = {"links to folders": [], "links to nothing and special files": []}
    others: Counter[str] = Counter()
    for entry in _visible_entries(folder):
        if entry.is_symlink() and entry.is_dir():
            kinds["links to folders"].append(entry.relative_to(folder).as_posix())
        elif entry.is_dir():
            continue
        elif not entry.is_file():
            kinds["links to nothing and special files"].append(entry.relative_to(folder).as_posix())
        elif suffixes and entry.suffix.lower() not in suffixes and not ABOUT.fullmatch(entry.name):
            others[entry.suffix.lower()[:SUFFIX_SIZE] or "without a suffix"] += 1
    for kind, names in kinds.items():
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            ledger.remark(f"{kind} are not read: {', '.join(sorted(names)[:SHOWN])}{more}")
    if others:
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items(), key=lambda item: (-item[1], item[0]))[:20])
        ledger.remark(
            f"files of the folder that are of other kinds are not read: {counts}; what is read ends in {', '.join(suffixes)}"
        )


def article_files(path: Path, suffix: str, *, remedy: str) -> list[tuple[Path, str]]:
    """(file, article id) of one file, or of all files with the suffix below a folder, sorted by path.

    The id of a single file is its name without the suffix. Raises FormatError, which ends in `remedy`, for a folder without such
    files.
    """
    if not path.is_dir():
        return [(path, path.stem)]
    files = sorted(file for file in visible_files(path) if file.suffix.lower() == suffix)
    if not files:
        raise FormatError(f"holds no *{suffix} file; {remedy}", path=path)
    return [(file, file.relative_to(path).with_suffix("").as_posix()) for file in files]
