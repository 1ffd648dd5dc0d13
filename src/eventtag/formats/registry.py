"""All formats by name, and the two doors through which every command reads and writes articles."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eventtag.articles import Article
from eventtag.errors import DataError, FormatError, SettingsError
from eventtag.formats.label_map import map_labels
from eventtag.ledger import LossLedger

HEAD_SIZE = 65536
"""Characters of a file's beginning that a format may look at to recognise itself."""


@dataclass(frozen=True, slots=True)
class Format:
    """One annotation format: module `eventtag.formats.NAME` with `read_NAME`, `write_NAME` and `sniff_NAME`.

    A reader is `read(path, *, ledger, **options) -> Iterator[Article]`; its keyword parameters are the format's options. A
    writer is `write(articles, path, *, ledger)`. `sniff(head)` says why a file's beginning looks like the format, or None.
    `folder` says whether an article or a corpus is a folder of files.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    folder: bool = False

    def _function(self, verb: str) -> Callable[..., Any] | None:
        module = importlib.import_module(f"eventtag.formats.{self.name}")
        return getattr(module, f"{verb}_{self.name}", None)

    @property
    def read(self) -> Callable[..., Iterator[Article]]:
        """The reader."""
        function = self._function("read")
        assert function is not None
        return function

    @property
    def write(self) -> Callable[..., None] | None:
        """The writer."""
        return self._function("write")

    @property
    def sniff(self) -> Callable[[str], str | None] | None:
        """The recogniser, where the format can be recognised by content."""
        return self._function("sniff")

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the reader's options."""
        parameters = inspect.signature(self.read).parameters.values()
        return tuple(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "ledger")


FORMATS = {
    entry.name: entry
    for entry in (
        Format("jsonl", "the project's JSONL", (".jsonl", ".ndjson")),
        Format("inline", "inline markup", (".txt",), folder=True),
        Format("conll", "CoNLL columns", (".conll", ".iob", ".bio", ".tsv", ".txt")),
        Format("cat", "CAT XML (ECB+, MEANTIME)", (".xml",), folder=True),
    )
}


def get_format(name: str) -> Format:
    """The format of that name; raises SettingsError with the known names."""
    if name not in FORMATS:
        raise SettingsError(f"unknown format {name!r}; known: auto, {', '.join(FORMATS)}")
    return FORMATS[name]


def recognise(path: Path) -> tuple[Format, str]:
    """The format of a file or folder by its content, and why; raises FormatError when none or several fit."""
    sample = path
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
        suffixes = {suffix for entry in FORMATS.values() for suffix in entry.suffixes}
        sample = next((file for file in files if file.suffix in suffixes), path)
    if not sample.is_file():
        raise FormatError("no such file, or a folder without a file of a known format; check the path", path=path)
    with sample.open("rb") as file:
        head = file.read(HEAD_SIZE).decode("utf-8", errors="replace").removeprefix("\ufeff")
    found = []
    for entry in FORMATS.values():
        sniff = entry.sniff
        reason = sniff(head) if sniff is not None else None
        if reason:
            found.append((entry, reason))
    fitting = [item for item in found if sample.suffix in item[0].suffixes] or found
    if len(fitting) == 1:
        return fitting[0]
    guess = "several formats fit: " + ", ".join(entry.name for entry, _ in fitting) if fitting else "no known format fits"
    raise FormatError(f"{guess}; name it (--from NAME, data.format=NAME; known: {', '.join(FORMATS)})", path=path)


def read_articles(
    path: Path,
    format_name: str = "auto",
    *,
    ledger: LossLedger,
    label_map: Mapping[str, str | None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Iterator[Article]:
    """Stream the articles of a file or folder, labels mapped, ids checked.

    Raises FormatError (a DataError) with file and line, SettingsError for an unknown format or option, DataError for an id that
    occurs twice.
    """
    if not path.exists():
        raise FormatError("no such file or folder; check the path", path=path)
    entry = recognise(path)[0] if format_name == "auto" else get_format(format_name)
    unknown = sorted(set(options or {}) - set(entry.options))
    if unknown:
        raise SettingsError(f"format {entry.name} has no option {unknown[0]!r}; it has: {', '.join(entry.options) or 'none'}")
    articles = entry.read(path, ledger=ledger, **(options or {}))
    if label_map:
        articles = map_labels(articles, label_map, ledger=ledger)
    return _distinct(articles, path)


def _distinct(articles: Iterable[Article], path: Path) -> Iterator[Article]:
    seen: set[str] = set()
    for article in articles:
        if article.id in seen:
            raise DataError(f"{path}: the article id {article.id!r} occurs twice; give every article its own id")
        seen.add(article.id)
        yield article


def write_articles(articles: Iterable[Article], path: Path, format_name: str, *, ledger: LossLedger) -> None:
    """Write articles to a file or folder; what the format cannot hold goes to the ledger.

    Raises SettingsError for an unknown format or one without a writer, OutputError when `path` exists.
    """
    entry = get_format(format_name)
    if entry.write is None:
        raise SettingsError(f"format {entry.name} can be read but not written")
    entry.write(articles, path, ledger=ledger)
