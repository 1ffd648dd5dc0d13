"""Rows of tables: CSV, Parquet, and Hugging Face datasets on disk.

A column is a field of the row; empty cells count as absent, except in the columns of text and id. What JSON cannot hold becomes text
(`formats.arrow_rows`); columns of images and other media are left out.
"""

from __future__ import annotations

import csv
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eventtag.errors import DataError
from eventtag.formats.arrow_rows import require_distinct_columns, rows_of
from eventtag.formats.csv_cells import SEPARATOR, unguarded
from eventtag.formats.records import is_as_written
from eventtag.jobs.reading.encodings import in_utf8
from eventtag.jobs.reading.rows import InputRow, Place, RowFields, article_from_record, not_utf8, too_long
from eventtag.jobs.reading.streams import BoundedLine, open_stream, read_bounded_lines

log = logging.getLogger(__name__)

BATCH = 64
"""Rows of a Parquet file or dataset that are in memory at a time, at most."""
BATCH_BYTES = 64 << 20
"""Bytes that rows of a Parquet file may take at a time, if each is as long as a row may be; what its metadata says of sizes is not a bound,
for one stored value may stand in many rows.
"""

AGAIN_LINES = 4
"""Lines that a record may have within a part of a CSV file of which as much has been read again in vain as it holds."""


def read_csv_rows(path: Path, prefix: str, fields: RowFields) -> Iterator[InputRow]:
    """Stream a CSV file (RFC 4180; the separator is whichever of comma, semicolon, tab and `|` the header has most of).

    After a record that cannot be read, reading continues with the record's second line, so that a superfluous quote does not
    swallow the rows after it. Once as much has been read again in vain as the first such record held, a record may have AGAIN_LINES
    until the damaged part is over. A row without id is called by its number. Raises DataError if the header has no column for the
    text.
    """
    csv.field_size_limit(max(csv.field_size_limit(), fields.max_row_bytes + 1))
    with in_utf8(open_stream(path), fields.encoding) as stream:
        records = _Records(read_bounded_lines(stream, max_bytes=fields.max_row_bytes), fields.max_row_bytes)
        header = records.read_header()
        _require_columns(header, fields)
        for number, (first, raw, cells, problem) in enumerate(records, start=1):
            place = Place(str(path), first[0], first[1])
            try:
                if problem is not None:
                    raise DataError(problem)
                if len(cells) != len(header):
                    raise DataError(f"{len(cells)} cells where the header has {len(header)}")
                own = (fields.text, fields.id)
                record = {name: cell for name, cell in zip(header, cells, strict=True) if cell or name in own}
                if is_as_written(record):
                    record = {name: unguarded(cell) for name, cell in record.items()}
                article = article_from_record(record, fields=fields, prefix=prefix, default=f"row-{number}")
            except DataError as error:
                yield InputRow(place, None, str(error), raw)
            else:
                yield InputRow(place, article)


class _Records:
    """The records of a CSV file as (first line, bytes, cells, what is wrong with it)."""

    def __init__(self, lines: Iterator[BoundedLine], max_bytes: int) -> None:
        self._lines = lines
        self._again: deque[BoundedLine] = deque()
        self._record: list[BoundedLine] = []
        self._max_bytes = max_bytes
        self._allowed = max_bytes
        """Bytes that the next record may have: fewer while lines are read again."""
        self._size = 0
        self._feed = self._Feed(self)
        self._reader = csv.reader(self._feed, strict=True)

    class _Feed:
        """Hands the reader its lines one by one; unlike a generator it goes on after an error."""

        def __init__(self, records: _Records) -> None:
            self._records = records

        def __iter__(self) -> _Records._Feed:
            return self

        def __next__(self) -> str:
            return self._records._next_line()

    def read_header(self) -> list[str]:
        """The cells of the header; the separator is what a first line `sep=;` says, or is taken from the header."""
        first = next(self._lines, None)
        if first is None:
            raise DataError("is empty; a CSV file begins with the names of its columns")
        if first[3] is not None:
            raise DataError(first[3])
        head = first[2].decode("utf-8", "replace")
        delimiter = max(",;\t|", key=head.count)
        if separator := SEPARATOR.fullmatch(head.rstrip("\r\n")):
            delimiter = separator[1]
        else:
            self._again.append(first)
        self._reader = csv.reader(self._feed, delimiter=delimiter, strict=True)
        found = next(self, None)
        if found is None:
            raise DataError("ends after its first line; the names of the columns are missing")
        _, _, cells, problem = found
        if problem is not None or len(set(cells)) < len(cells):
            raise DataError(problem or f"a column's name occurs twice in {cells}")
        return cells

    def __iter__(self) -> _Records:
        return self

    def __next__(self) -> tuple[BoundedLine, bytes, list[str], str | None]:
        while True:
            self._record, self._size = [], 0
            fresh = not self._again
            if fresh:
                self._allowed = self._max_bytes
            problem: str | None = None
            cells: list[str] = []
            try:
                cells = next(self._reader)
            except (csv.Error, DataError) as error:
                problem = f"not a row of CSV ({error})" if isinstance(error, csv.Error) else str(error)
                self._again.extendleft(reversed(self._record[1:]))
                del self._record[1:]
                # Each line of a damaged part could begin a record that runs to its end: work that grows with its square.
                self._allowed = self._size if fresh else max(0, self._allowed - self._size)
            if cells or problem is not None:
                break
        raw = b"".join(line[2] for line in self._record)
        if problem is None:
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError as error:
                problem = not_utf8(error)
        return self._record[0], raw.rstrip(b"\r\n"), cells, problem

    def _next_line(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self._record.append(line)
        self._size += len(line[2])
        if line[3] is not None or self._size > self._max_bytes + 2:
            raise DataError(line[3] or too_long(self._max_bytes))
        if len(self._record) > AGAIN_LINES and self._size > self._allowed:
            raise DataError("not a row of CSV (a quote is not closed, as in a row before it)")
        return line[2].decode("utf-8", "surrogateescape")


def read_parquet_rows(path: Path, prefix: str, fields: RowFields) -> Iterator[InputRow]:
    """Stream a Parquet file, a batch at a time; a damaged row group is one bad row.

    A row without id is called by its number. Raises DataError if it is not a Parquet file or has no column for the text.
    """
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

    try:
        file = pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"cannot be read as Parquet ({str(error)[:200]}); write the file again") from error
    size = max(1, min(BATCH, BATCH_BYTES // fields.max_row_bytes))
    with file:
        require_distinct_columns(file.schema_arrow.names)
        _require_columns(file.schema_arrow.names, fields)
        kept = _without_media(file.schema_arrow, path, fields)
        number = 0
        for group in range(file.num_row_groups):
            end = number + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(batch_size=size, row_groups=[group]):
                    yield from _rows_of_batch(batch.select(kept), path, number, prefix, fields)
                    number += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                problem = f"rows {number + 1} to {end} cannot be read ({str(error)[:200]}); write the file again"
                yield InputRow(Place(str(path), number + 1), None, problem)
            number = end


def is_dataset(path: Path) -> bool:
    """Whether a folder is a dataset that `save_to_disk` made."""
    return (path / "dataset_dict.json").is_file() or (path / "dataset_info.json").is_file()


def read_dataset_rows(path: Path, fields: RowFields) -> Iterator[InputRow]:
    """Stream a dataset on disk, split by split; the ids of one with several splits begin with the split's name and `#`.

    Raises DataError if it cannot be loaded, or a split has no column for the text.
    """
    import datasets  # slow to import

    try:
        loaded = datasets.load_from_disk(str(path))
    except Exception as error:
        raise DataError(f"cannot be loaded as a dataset ({str(error)[:200]}); save it again with save_to_disk") from error
    splits = dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {"": loaded}
    for split, rows in splits.items():
        _require_columns(rows.column_names, fields)
        number = 0
        prefix = f"{split}#" if len(splits) > 1 else ""
        arrow = rows.with_format("arrow")  # cells are not decoded, and no file that they name is opened
        kept = _without_media(rows.features.arrow_schema, path / split, fields)
        for table in arrow.iter(batch_size=BATCH):
            for batch in table.select(kept).to_batches():
                yield from _rows_of_batch(batch, path / split, number, prefix, fields)
                number += batch.num_rows


def _rows_of_batch(batch: Any, path: Path, number: int, prefix: str, fields: RowFields) -> Iterator[InputRow]:
    """The rows of an Arrow record batch that has `number` rows before it; damaged texts are bad rows, not a bad batch."""
    whole = _is_valid(batch)
    own = (fields.text, fields.id)
    for position in range(batch.num_rows):
        number += 1
        place = Place(str(path), number)
        row = batch.slice(position, 1)
        if not whole and not _is_valid(row):
            yield InputRow(place, None, "the row is damaged or not UTF-8; write the file again")
            continue
        try:
            record = {name: value for name, value in next(rows_of(row)).items() if value not in (None, "") or name in own}
            article = article_from_record(record, fields=fields, prefix=prefix, default=f"row-{number}")
        except DataError as error:
            yield InputRow(place, None, str(error))
        else:
            yield InputRow(place, article)


def _is_valid(batch: Any) -> bool:
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]

    try:
        batch.validate(full=True)
    except pa.ArrowException:
        return False
    return True


def _without_media(schema: Any, path: Path, fields: RowFields) -> list[str]:
    """The names of the columns but those of images, sounds and the like, which `datasets` stores as bytes and path; these are logged."""
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]

    def is_medium(kind: Any) -> bool:
        if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            return is_medium(kind.value_type)
        return pa.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}

    left_out = [field.name for field in schema if is_medium(field.type) and field.name not in (fields.text, fields.id)]
    if left_out:
        log.warning("%s: columns of images or other media are left out: %s", path, ", ".join(left_out))
    return [name for name in schema.names if name not in left_out]


def _require_columns(columns: Sequence[str], fields: RowFields) -> None:
    for name, option in ((fields.text, "text_field"), *([(fields.id, "id_field")] if fields.require_id else [])):
        if name not in columns:
            raise DataError(f"has no column {name!r}; there are: {', '.join(columns)[:500]}; name it with {option}=")
