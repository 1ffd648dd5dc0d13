"""New articles from folders, files and standard input, streamed row by row.

A row that cannot be an article becomes a bad row with its place and the reason, and reading continues. Text files are kept to the
character. Pages (HTML) give their main text as trafilatura extracts it (https://trafilatura.readthedocs.io); offsets then refer to
that text, which the output holds. A JSON object or a row of a table is an article with its text in any field.
"""

from __future__ import annotations

import glob
import itertools
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from eventtag.article import Article
from eventtag.errors import DataError, FormatError
from eventtag.jobs.reading.encodings import decode_page, in_utf8
from eventtag.jobs.reading.json_values import begins_a_list, goes_over_lines, read_bounded_values
from eventtag.jobs.reading.pages import PAGE_SECONDS, extract_page
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
from eventtag.jobs.reading.streams import BoundedLine, begins_with, open_stream, plain_suffix, read_bounded, read_bounded_lines
from eventtag.jobs.reading.tables import is_dataset, read_csv_rows, read_dataset_rows, read_parquet_rows

TEXT_SUFFIXES = (".txt", ".text", ".md")
PAGE_SUFFIXES = (".html", ".htm", ".xhtml")
LINE_SUFFIXES = (".jsonl", ".ndjson")
JSON_SUFFIXES = (".json",)
CSV_SUFFIXES = (".csv", ".tsv")
PARQUET_SUFFIXES = (".parquet",)
SUFFIXES = TEXT_SUFFIXES + PAGE_SUFFIXES + LINE_SUFFIXES + JSON_SUFFIXES + CSV_SUFFIXES + PARQUET_SUFFIXES
STANDARD_INPUT = "-"
OTHER_SUFFIXES = (
    *(".pdf", ".doc", ".docx", ".odt", ".rtf", ".epub", ".xls", ".xlsx", ".ods", ".ppt", ".pptx"),
    *(".zip", ".tar", ".tgz", ".7z", ".rar", ".png", ".jpg", ".jpeg", ".gif", ".mp3", ".mp4"),
)
"""Kinds of files that are not text."""
OTHER_KINDS = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "an archive (.zip, .docx, .xlsx, .odt, .epub)",
    b"\xd0\xcf\x11\xe0": "a file of Microsoft Office (.doc, .xls)",
    b"{\\rtf": "RTF",
    b"\x1f\x8b": "compressed by gzip (call it .gz)",
}
"""How files begin that are not text, whatever their suffix."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file with articles, and its name: its path below the folder or below the fixed part of the pattern that it was found by."""

    path: Path
    name: str


def find_files(source: str, *, left_out: Counter[str] | None = None) -> Iterator[InputFile]:
    """The files of a source, in the order of their paths, hidden ones left out; standard input and datasets have none.

    A source is a file, a folder (every file below it with a known suffix, also compressed), or a pattern such as `news/*.jsonl.gz`
    (`**` for folders of any depth). `left_out` counts the other files of a folder or pattern by their kind. Raises FormatError if
    nothing is found, or a folder cannot be read.
    """
    path = Path(source)
    others: Counter[str] = Counter() if left_out is None else left_out
    if path.is_dir():
        found = _walk(path, "", others)
    elif path.exists():
        yield InputFile(path, path.name)
        return
    elif glob.has_magic(source):
        found = _matches(path, others)
    else:
        raise FormatError("no such file or folder; check input=", path=source)
    first = next(found, None)
    if first is None:
        besides = f"; what it holds is not read: {_counts(others)}" if others else ""
        raise FormatError(f"holds no file with a known suffix ({', '.join(SUFFIXES)}){besides}", path=source)
    yield first
    yield from found


def _matches(pattern: Path, left_out: Counter[str]) -> Iterator[InputFile]:
    fixed = list(itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    folder = Path(*fixed)
    for path in sorted(folder.glob(str(Path(*pattern.parts[len(fixed) :])))):
        below = path.relative_to(folder)
        if path.is_dir() or any(part.startswith(".") for part in below.parts):
            continue
        if plain_suffix(path) in SUFFIXES and _is_file(path):
            yield InputFile(path, below.as_posix())
        else:
            left_out[_kind(path)] += 1


def _walk(folder: Path, below: str, left_out: Counter[str]) -> Iterator[InputFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise FormatError(
            f"the folder cannot be read ({error.strerror}); allow it, or choose files by a pattern", path=folder
        ) from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, f"{below}{entry.name}/", left_out)
        elif plain_suffix(path) in SUFFIXES and _is_file(path):
            yield InputFile(path, below + entry.name)
        else:
            left_out[_kind(path)] += 1


def _is_file(path: Path) -> bool:
    """Whether it is a file; one that cannot be looked at, such as a link to itself, is none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _kind(path: Path) -> str:
    """What a file is that is left out."""
    if not _is_file(path):
        return "links to folders" if path.is_dir() else "links to nothing and special files"
    return path.suffix.lower() or "without suffix"


def _counts(left_out: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in left_out.most_common(20))


def read_rows(
    source: str,
    *,
    text_field: str = "text",
    id_field: str = "id",
    require_id: bool | None = False,
    max_row_bytes: int = MAX_ROW_BYTES,
    unique_ids: bool = True,
    page_seconds: float = PAGE_SECONDS,
    encoding: str | None = None,
    annotations: bool = False,
) -> Iterator[InputRow]:
    """Stream the rows of a source (`find_files`), of a Hugging Face dataset on disk, or of standard input (`-`), always in one order.

    Rows are read from JSONL, JSON (a list of objects, or objects that follow each other), CSV and Parquet; a text file or a page is one
    row. A file of an unknown suffix, like standard input, is JSON when it begins with `{` or `[{`, a page when it begins with `<html` or
    `<!doctype html`, else a text. gzip, zstd, bzip2 and xz are recognised by suffix, UTF-16 by its mark; other text is UTF-8, or in
    `encoding` where that is given, except for Parquet and datasets. The article's id is the row's `id_field`; a row without one is called
    `line-3` or `row-3`, or is a bad row with `require_id` (None: if the file's first row has an id). If there are several files, ids
    begin with the file's name and `#`. Fields other than text and id become `meta`. Annotations of articles that eventtag wrote as JSON
    are left out, unless `annotations` are wanted. Files of a folder or pattern that are of no known suffix are counted in a warning.

    Bad rows are those that cannot be read, pages whose reading takes longer than `page_seconds`, rows whose text is empty, holds NUL or
    a lone surrogate, or is longer than `max_row_bytes` (as the row is, too), and, with `unique_ids`, those with the id of an earlier
    row. A file of several that cannot be read is one bad row, as is the place where a damaged file breaks off.

    Raises FormatError, at the first row at the latest, when the source does not exist, holds no articles' files, or is one file that
    cannot be read as what its suffix says.
    """
    fields = RowFields(text_field, id_field, require_id, max_row_bytes, page_seconds, encoding, annotations)
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
        try:
            yield from _read_guessed(in_utf8(sys.stdin.buffer, fields.encoding), "standard input", "stdin", "", fields)
        except DataError as error:
            raise FormatError(str(error), path="standard input") from error
    elif is_dataset(Path(source)):
        try:
            yield from read_dataset_rows(Path(source), fields)
        except DataError as error:
            raise FormatError(str(error), path=source) from error
    else:
        left_out: Counter[str] = Counter()
        files = find_files(source, left_out=left_out)
        start = list(itertools.islice(files, 2))
        for file in itertools.chain(start, files):
            yield from _read_file(file, fields, alone=len(start) == 1)
        if left_out:
            log.warning(
                "%s: %d files are left out, as their kinds are not read: %s; save texts as .txt",
                source,
                left_out.total(),
                _counts(left_out),
            )


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
            if suffix in OTHER_SUFFIXES:
                raise DataError(f"is {suffix}, which is not read; save its text as .txt, a table as .csv or .parquet")
            with in_utf8(open_stream(file.path), fields.encoding) as stream:
                _refuse_other_kinds(stream)
                if suffix in LINE_SUFFIXES + JSON_SUFFIXES:
                    over_lines = goes_over_lines(stream) if suffix in JSON_SUFFIXES else begins_a_list(stream)
                    yield from _read_json(stream, str(file.path), prefix, fields, over_lines=over_lines)
                elif suffix in PAGE_SUFFIXES:
                    yield _read_whole(stream, str(file.path), file.name, fields, _page_builder(fields))
                elif suffix in TEXT_SUFFIXES:
                    yield _read_whole(stream, str(file.path), file.name, fields, _article_from_text)
                else:
                    yield from _read_guessed(stream, str(file.path), file.name, prefix, fields)
    except (DataError, OSError) as error:
        problem = f"cannot be read ({error.strerror or error}); check the file" if isinstance(error, OSError) else str(error)
        if alone:
            raise FormatError(problem, path=file.path) from error
        yield InputRow(Place(str(file.path)), None, problem)


def _refuse_other_kinds(stream: BinaryIO) -> None:
    for sign, kind in OTHER_KINDS.items():
        if begins_with(stream, sign):
            raise DataError(f"is {kind}, which is not read; save its text as .txt, a table as .csv or .parquet")


def _read_json(stream: BinaryIO, file: str, prefix: str, fields: RowFields, *, over_lines: bool) -> Iterator[InputRow]:
    """Objects, one on each line, or `over_lines`, which are numbered where they have no id."""
    read: Callable[..., Iterator[BoundedLine]] = read_bounded_values if over_lines else read_bounded_lines
    for count, (number, offset, data, problem) in enumerate(read(stream, max_bytes=fields.max_row_bytes), start=1):
        if problem is None and data.isspace():
            continue
        place = Place(file, number, offset)
        try:
            if problem is not None:
                raise DataError(problem)
            record = record_from_json(data)
            if fields.require_id is None and isinstance(record, dict):
                fields = replace(fields, require_id=fields.id in record)
            default = f"row-{count}" if over_lines else f"line-{number}"
            article = article_from_record(record, fields=fields, prefix=prefix, default=default)
        except DataError as error:
            yield InputRow(place, None, str(error), data.rstrip(b"\r\n"))
        else:
            yield InputRow(place, article)


def _read_whole(stream: BinaryIO, file: str, name: str, fields: RowFields, build: Callable[[str, bytes], Article]) -> InputRow:
    """The row of a file that is one article, which `build` makes of its name and content."""
    data, problem = read_bounded(stream, max_bytes=fields.max_row_bytes)
    try:
        if problem is not None:
            raise DataError(problem)
        article = build(name, data)
        check_text(article.text, max_bytes=fields.max_row_bytes)
    except UnicodeDecodeError as error:
        place = Place(file, 1 + data.count(b"\n", 0, error.start), error.start)
        return InputRow(place, None, not_utf8(error), data)
    except DataError as error:
        return InputRow(Place(file), None, str(error), data)
    return InputRow(Place(file), article)


def _read_guessed(stream: BinaryIO, file: str, name: str, prefix: str, fields: RowFields) -> Iterator[InputRow]:
    """JSON when it begins with an object or a list of objects, a page when it begins as one, else one text."""
    _refuse_other_kinds(stream)
    if begins_with(stream, b"{") or begins_a_list(stream):
        yield from _read_json(stream, file, prefix, fields, over_lines=goes_over_lines(stream))
    elif begins_with(stream, b"<!doctype html") or begins_with(stream, b"<html"):
        yield _read_whole(stream, file, name, fields, _page_builder(fields))
    else:
        yield _read_whole(stream, file, name, fields, _article_from_text)


def _article_from_text(name: str, data: bytes) -> Article:
    return Article(name, data.decode("utf-8"))


def _page_builder(fields: RowFields) -> Callable[[str, bytes], Article]:
    def build(name: str, data: bytes) -> Article:
        page, guessed = decode_page(data) if fields.encoding is None else (data.decode("utf-8"), None)
        article = article_from_page(name, page, seconds=fields.page_seconds)
        return article if guessed is None else replace(article, meta={**article.meta, "encoding": f"{guessed} (guessed)"})

    return build


def article_from_page(name: str, page: str, *, seconds: float = PAGE_SECONDS) -> Article:
    """The main text of an HTML page, with title, author, date and address in `meta` where the page states them.

    Raises DataError if the page has no main text, or takes longer than `seconds`.
    """
    record = extract_page(page, seconds=seconds)
    fields = {"title": "title", "author": "author", "date": "date", "source": "url", "hostname": "hostname"}
    return Article(name, record["text"], meta={ours: record[theirs] for theirs, ours in fields.items() if record.get(theirs)})
