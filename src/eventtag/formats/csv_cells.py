"""Cells of CSV (RFC 4180): rows of a file in whatever separator and encoding, and texts that no spreadsheet runs as a formula."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator
from pathlib import Path

from eventtag.errors import DataError, FormatError, SettingsError

MAX_CELL = 1 << 27
"""Characters of one cell; Python's own limit of 131,072 is less than a long article."""
SEPARATOR = re.compile(r'"?sep=([,;\t|])"?')
"""The first line by which Excel is told the separator."""
_LINE_END = re.compile(rb"\r\n|\r|\n")
FORMULA = re.compile("'*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]")
"""How a cell begins that a spreadsheet would run (https://owasp.org/www-community/attacks/CSV_Injection), or that `guarded` made."""


def guarded(cell: str) -> str:
    """The cell with `'` before it if a spreadsheet could take it for a formula; `unguarded` gives the cell back."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell that `guarded` was given."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def csv_rows(path: Path, delimiter: str | None, encoding: str | None) -> Iterator[tuple[list[str], int]]:
    """(cells, line on which the row begins) of the header, its names without white space at their edges, and of every row."""
    csv.field_size_limit(MAX_CELL)
    encoding = _encoding(path, encoding)
    line, skipped = 1, 0
    try:
        with path.open(encoding=encoding, newline="") as file:
            first = file.readline()
            if separator := SEPARATOR.fullmatch(first.rstrip("\r\n")):
                skipped = 1
                delimiter = delimiter or separator[1]
                first = file.readline()
            file.seek(0)
            for _ in range(skipped):
                file.readline()
            rows = csv.reader(file, delimiter=delimiter or max(",;\t|", key=first.count), strict=True)
            header = [name.strip() for name in next(rows, [])]
            if len(set(header)) < len(header):
                raise DataError(f"a column's name occurs twice in {header}; rename one")
            yield header, 1 + skipped
            while True:
                line = rows.line_num + 1 + skipped
                row = next(rows, None)
                if row is None:
                    return
                if not row:
                    continue
                if len(row) != len(header):
                    raise DataError(f"{len(row)} cells where the header has {len(header)}")
                yield row, line
    except UnicodeError as error:
        reason = getattr(error, "reason", str(error))
        raise FormatError(
            f"is not {encoding.removesuffix('-sig').upper()} ({reason}); save the file as UTF-8, or say what it is, as in "
            "encoding=cp1252 (--read-option encoding=..., data.options.encoding=...)",
            path=path,
            line=_undecodable_line(path, encoding) or line,
        ) from error
    except csv.Error as error:
        quotes = "a cell that begins with a quote ends with one, and a quote inside it is written twice"
        raise FormatError(f"is no CSV ({error}); {quotes}", path=path, line=line) from error
    except DataError as error:
        raise FormatError(str(error), path=path, line=line) from error
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=path) from error


def _encoding(path: Path, wanted: str | None) -> str:
    if wanted is not None:
        try:
            name = codecs.lookup(wanted).name
        except LookupError:
            raise SettingsError(
                f"encoding: {wanted!r} is unknown; allowed are Python's names: utf-8, utf-16, cp1252, ..."
            ) from None
        return "utf-8-sig" if name == "utf-8" else name
    try:
        with path.open("rb") as file:
            return "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=path) from error


def _undecodable_line(path: Path, encoding: str) -> int | None:
    """The first line of which the bytes cannot be decoded: readers decode ahead of the row that they are at."""
    if encoding.startswith("utf-16"):
        return None
    line = 1
    with path.open("rb") as file:
        for data in file:
            try:
                data.decode(encoding)
            except UnicodeError as error:
                before = data[: error.start] if isinstance(error, UnicodeDecodeError) else b""
                return line + len(_LINE_END.findall(before))
            line += len(_LINE_END.findall(data))
    return None
