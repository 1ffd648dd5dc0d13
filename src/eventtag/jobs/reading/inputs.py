"""New articles, as they are stored: folders, files and standard input, streamed row by row.

A row that cannot be an article never ends the reading: it comes out as a bad row with its place and what is wrong with it. Text files
are kept to the character. Pages (HTML) give their main text as trafilatura extracts it (https://trafilatura.readthedocs.io); offsets
then refer to that text, which the output holds. A JSONL line or a row of a table is an article with its text in any field.
"""

from __future__ import annotations

import glob
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from eventtag.article import Article
from eventtag.errors import DataError, FormatError
from eventtag.jobs.reading.rows import (
    MAX_ROW_BYTES,
    InputRow,
    Place,
    RowFields,
    article_from_record,
    check_text,
    mark_duplicates,
    not_utf8,
    record_from_json,
)
from eventtag.jobs.reading.streams import begins_with, open_stream, plain_suffix, read_bounded, read_bounded_lines
from eventtag.jobs.reading.tables import is_dataset, read_csv_rows, read_dataset_rows, read_parquet_rows
from eventtag.tagging.pages import PAGE_SECONDS, extract_page

TEXT_SUFFIXES = (".txt", ".text", ".md")
PAGE_SUFFIXES = (".html", ".htm", ".xhtml")
LINE_SUFFIXES = (".jsonl", ".ndjson")
CSV_SUFFIXES = (".csv", ".tsv")
PARQUET_SUFFIXES = (".parquet",)
ROW_SUFFIXES = LINE_SUFFIXES + CSV_SUFFIXES + PARQUET_SUFFIXES
SUFFIXES = TEXT_SUFFIXES + PAGE_SUFFIXES + ROW_SUFFIXES
STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file with articles, and its name: its path below the folder or below the fixed part of the pattern that it was found by."""

    path: Path
    name: str


def find_files(source: str) -> Iterator[InputFile]:
    """The files of a source, in the order of their paths, hidden ones left out; standard input and datasets have none.

    A source is a file, a folder (every file below it with a known suffix, also compressed), or a pattern such as `news/*.jsonl.gz`
    (`**` for folders of any depth). Raises FormatError where nothing is found.
    """
    path = Path(source)
    if path.is_dir():
        found = _walk(path, "")
    elif path.exists():
        yield InputFile(path, path.name)
        return
    elif glob.has_magic(source):
        found = _matches(path)
    else:
        raise FormatError("no such file or folder; check input=", path=source)
    first = next(found, None)
    if first is None:
        raise FormatError(f"holds no file with a known suffix ({', '.join(SUFFIXES)})", path=source)
    yield first
    yield from found


def _matches(pattern: Path) -> Iterator[InputFile]:
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    folder = Path(*fixed)
    for path in sorted(folder.glob(str(Path(*pattern.parts[len(fixed) :])))):
        below = path.relative_to(folder)
        if plain_suffix(path) in SUFFIXES and not any(part.startswith(".") for part in below.parts) and path.is_file():
            yield InputFile(path, below.as_posix())


def _walk(folder: Path, below: str) -> Iterator[InputFile]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, f"{below}{entry.name}/")
        elif plain_suffix(path) in SUFFIXES and entry.is_file():
            yield InputFile(path, below + entry.name)


def read_rows(
    source: str,
    *,
    text_field: str = "text",
    id_field: str = "id",
    require_id: bool | None = False,
    max_row_bytes: int = MAX_ROW_BYTES,
    unique_ids: bool = True,
    page_seconds: float = PAGE_SECONDS,
) -> Iterator[InputRow]:
    """Stream the rows of a source (`find_files`), of a Hugging Face dataset on disk, or of standard input (`-`), always in one order.

    Rows are read from JSONL, CSV and Parquet; a text file or a page is one row. A file of an unknown suffix, like standard input, is
    JSONL when it begins with `{`, else a text. gzip, zstd, bzip2 and xz are recognised by suffix. The article's id is the row's
    `id_field`; a row without one is called `line-3` or `row-3`, or is a bad row with `require_id` (None: where the file's first row
    has an id). Of several files, ids begin with the file's name and `#`. Fields other than text and id become `meta`.

    Bad rows are those that cannot be read, pages whose reading takes longer than `page_seconds`, rows whose text is empty, holds NUL or
    a lone surrogate, or is longer than `max_row_bytes` (as the row is, too), and, with `unique_ids`, those with the id of an earlier
    row. A file of several that cannot be read is one bad row, as is the place where a damaged file breaks off.

    Raises FormatError, at the first row at the latest, when the source does not exist, holds no articles' files, or is one file that
    cannot be read as what its suffix says.
    """
    fields = RowFields(text_field, id_field, require_id, max_row_bytes, page_seconds)
    rows = _read_source(source, fields)
    return mark_duplicates(rows) if unique_ids else rows


def read_inputs(source: str, *, text_field: str = "text", id_field: str = "id") -> Iterator[Article]:
    """The articles of `read_rows`; raises FormatError, naming file and line, at the first bad row."""
    for row in read_rows(source, text_field=text_field, id_field=id_field):
        if row.article is None:
            raise FormatError(row.problem or "", path=row.place.file, line=row.place.line)
        yield row.article


def _read_source(source: str, fields: RowFields) -> Iterator[InputRow]:
    if source == STANDARD_INPUT:
        if sys.stdin is None:
            raise FormatError("is closed; give input= a file, or pipe the articles into the command", path="standard input")
        yield from _read_guessed(sys.stdin.buffer, "standard input", "stdin", "", fields)
    elif is_dataset(Path(source)):
        try:
            yield from read_dataset_rows(Path(source), fields)
        except DataError as error:
            raise FormatError(str(error), path=source) from error
    else:
        files = find_files(source)
        start = list(itertools.islice(files, 2))
        for file in itertools.chain(start, files):
            yield from _read_file(file, fields, alone=len(start) == 1)


def _read_file(file: InputFile, fields: RowFields, *, alone: bool) -> Iterator[InputRow]:
    """The rows of one file; one that cannot be opened or is not what its suffix says is a bad row, or an error if it is `alone`."""
    prefix = "" if alone else f"{file.name}#"
    suffix = plain_suffix(file.path)
    try:
        if suffix in CSV_SUFFIXES:
            yield from read_csv_rows(file.path, prefix, fields)
        elif suffix in PARQUET_SUFFIXES:
            yield from read_parquet_rows(file.path, prefix, fields)
        else:
            with open_stream(file.path) as stream:
                if suffix in LINE_SUFFIXES:
                    yield from _read_lines(stream, str(file.path), prefix, fields)
                elif suffix in PAGE_SUFFIXES:
                    yield _read_whole(
                        stream, str(file.path), file.name, fields, partial(article_from_page, seconds=fields.page_seconds)
                    )
                elif suffix in TEXT_SUFFIXES:
                    yield _read_whole(stream, str(file.path), file.name, fields, Article)
                else:
                    yield from _read_guessed(stream, str(file.path), file.name, prefix, fields)
    except (DataError, OSError) as error:
        problem = f"cannot be read ({error.strerror or error}); check the file" if isinstance(error, OSError) else str(error)
        if alone:
            raise FormatError(problem, path=file.path) from error
        yield InputRow(Place(str(file.path)), None, problem)


def _read_lines(stream: BinaryIO, file: str, prefix: str, fields: RowFields) -> Iterator[InputRow]:
    for number, offset, data, problem in read_bounded_lines(stream, max_bytes=fields.max_row_bytes):
        if problem is None and data.isspace():
            continue
        place = Place(file, number, offset)
        try:
            if problem is not None:
                raise DataError(problem)
            record = record_from_json(data)
            if fields.require_id is None and isinstance(record, dict):
                fields = replace(fields, require_id=fields.id in record)
            article = article_from_record(record, fields=fields, prefix=prefix, default=f"line-{number}")
        except DataError as error:
            yield InputRow(place, None, str(error), data.rstrip(b"\r\n"))
        else:
            yield InputRow(place, article)


def _read_whole(stream: BinaryIO, file: str, name: str, fields: RowFields, build: Callable[[str, str], Article]) -> InputRow:
    """The row of a file that is one article, which `build` makes of its name and content."""
    data, problem = read_bounded(stream, max_bytes=fields.max_row_bytes)
    try:
        if problem is not None:
            raise DataError(problem)
        article = build(name, data.decode("utf-8"))
        check_text(article.text, max_bytes=fields.max_row_bytes)
    except UnicodeDecodeError as error:
        place = Place(file, 1 + data.count(b"\n", 0, error.start), error.start)
        return InputRow(place, None, not_utf8(error), data)
    except DataError as error:
        return InputRow(Place(file), None, str(error), data)
    return InputRow(Place(file), article)


def _read_guessed(stream: BinaryIO, file: str, name: str, prefix: str, fields: RowFields) -> Iterator[InputRow]:
    """JSONL when it begins with an object, else one text."""
    if begins_with(stream, b"{"):
        yield from _read_lines(stream, file, prefix, fields)
    else:
        yield _read_whole(stream, file, name, fields, Article)


def article_from_page(name: str, page: str, *, seconds: float = PAGE_SECONDS) -> Article:
    """The main text of an HTML page, with title, author, date and address in `meta` where the page states them.

    Raises DataError when the page has no main text, or takes longer than `seconds`.
    """
    record = extract_page(page, seconds=seconds)
    fields = {"title": "title", "author": "author", "date": "date", "source": "url", "hostname": "hostname"}
    return Article(name, record["text"], meta={ours: record[theirs] for theirs, ours in fields.items() if record.get(theirs)})
