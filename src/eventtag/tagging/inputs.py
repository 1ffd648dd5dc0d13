"""New articles from wherever they are: text files, HTML pages, JSONL, folders of these, or standard input.

A text file is one article, as stored. A page's article is its main text as trafilatura extracts it (https://trafilatura.readthedocs.io);
offsets then refer to that text, which the output holds. A JSONL line is an article with its text in any field.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eventtag.articles import Article
from eventtag.errors import DataError, FormatError
from eventtag.formats.jsonl import parse_json
from eventtag.formats.text_file import decode, read_lines, read_text

TEXT_SUFFIXES = (".txt", ".text", ".md")
PAGE_SUFFIXES = (".html", ".htm", ".xhtml")
LINE_SUFFIXES = (".jsonl", ".ndjson")
SUFFIXES = TEXT_SUFFIXES + PAGE_SUFFIXES + LINE_SUFFIXES
STANDARD_INPUT = "-"


def read_inputs(source: str, *, text_field: str = "text", id_field: str = "id") -> Iterator[Article]:
    """Stream the articles of a file, of a folder (every known file below it, in the order of their paths), or of standard input.

    The id is a file's name, its path below the folder, or the JSONL line's `id_field` (else its line number). Other fields of a JSONL
    line become `meta`. Raises FormatError, naming file and line, for what cannot be read.
    """
    if source == STANDARD_INPUT:
        yield from _read_stream(text_field=text_field, id_field=id_field)
        return
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        if not files:
            raise FormatError(f"holds no file with a known suffix ({', '.join(SUFFIXES)})", path=path)
        for file in files:
            name = str(file.relative_to(path))
            for article in _read_file(file, name, text_field=text_field, id_field=id_field):
                if file.suffix.lower() in LINE_SUFFIXES and len(files) > 1:
                    article = Article(f"{name}#{article.id}", article.text, meta=article.meta)
                yield article
    elif path.exists():
        yield from _read_file(path, path.name, text_field=text_field, id_field=id_field)
    else:
        raise FormatError("no such file or folder; check input=", path=path)


def _read_file(path: Path, name: str, *, text_field: str, id_field: str) -> Iterator[Article]:
    suffix = path.suffix.lower()
    if suffix in LINE_SUFFIXES:
        for number, line in read_lines(path):
            if line.strip():
                yield article_from_line(line, path=path, number=number, text_field=text_field, id_field=id_field)
    elif suffix in PAGE_SUFFIXES:
        yield article_from_page(read_text(path), name, path=path)
    else:
        yield Article(name, read_text(path))


def _read_stream(*, text_field: str, id_field: str) -> Iterator[Article]:
    """Standard input: JSONL when its first line is a JSON object, else one text."""
    path = Path("standard input")
    stream = sys.stdin.buffer
    first = stream.readline()
    if first.lstrip().startswith(b"{"):
        number, data = 1, first
        while data:
            if data.strip():
                line = decode(data, path, line=number)
                yield article_from_line(line, path=path, number=number, text_field=text_field, id_field=id_field)
            number, data = number + 1, stream.readline()
    else:
        yield Article("stdin", decode(first + stream.read(), path))


def article_from_line(line: str, *, path: Path, number: int, text_field: str, id_field: str) -> Article:
    """The article of one JSONL line, without any spans that it may carry; raises FormatError naming file and line."""
    try:
        record = parse_json(line)
    except DataError as error:
        raise FormatError(str(error), path=path, line=number) from error
    if not isinstance(record, Mapping):
        raise FormatError(f"found {type(record).__name__}; a line must be a JSON object", path=path, line=number)
    text = record.get(text_field)
    if not isinstance(text, str):
        found = ", ".join(map(str, record)) or "none"
        raise FormatError(
            f"has no text in the field {text_field!r} (fields: {found}); name it with text_field=", path=path, line=number
        )
    given = record.get(id_field)
    name = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else f"line-{number}"
    used = {text_field, id_field, "spans", "annotated", "labels", "meta"}
    meta: dict[str, Any] = dict(record["meta"]) if isinstance(record.get("meta"), Mapping) else {}
    meta.update({key: value for key, value in record.items() if key not in used})
    return Article(name, text, meta=meta)


def article_from_page(page: str, name: str, *, path: Path) -> Article:
    """The main text of an HTML page, with title, author, date and address in `meta` where the page states them.

    Raises FormatError when the page has no main text.
    """
    import trafilatura  # slow to import, and needed for pages only

    extracted = trafilatura.extract(page, output_format="json", with_metadata=True, include_comments=False)
    if not extracted:
        raise FormatError("no main text was found in this page; save its text as .txt", path=path)
    record = json.loads(extracted)
    fields = {"title": "title", "author": "author", "date": "date", "source": "url", "hostname": "hostname"}
    return Article(name, record["text"], meta={ours: record[theirs] for theirs, ours in fields.items() if record.get(theirs)})
