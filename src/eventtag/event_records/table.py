"""Event records as a table: Parquet, CSV or JSONL with the same columns, in the order below, the metadata last.

Lists (agents, their offsets and scores, ...) are lists in Parquet and JSONL. In CSV they are one cell, joined by `; `, the offsets as
`0-7; 20-26` in a column of their own. What is unknown is null; a list without an item is empty (in CSV both are an empty cell).

Which metadata there is, is known after the last article. Until then the rows wait in a file beside the output, so that a million need no
more memory than some thousands.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

from eventtag.errors import OutputError
from eventtag.estimates.batches import field_texts
from eventtag.estimates.count_tables import MetaFields, Waiting, texts_array
from eventtag.event_records.record import EventRecord, Participant
from eventtag.formats.csv_cells import guarded
from eventtag.formats.csv_spans import cell_text, meta_columns
from eventtag.staging import remedy, staged_file

TableFormat = Literal["parquet", "csv", "jsonl"]
TABLE_SUFFIXES: Mapping[str, TableFormat] = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
BATCH = 4096
"""Rows that are held in memory."""
JOIN = "; "
_META = "m:"
_TEXT, _WHOLE, _NUMBER = pa.string(), pa.int64(), pa.float64()


def _participant_columns(one: str) -> dict[str, Any]:
    kinds = {f"{one}s": _TEXT, f"{one}_starts": _WHOLE, f"{one}_ends": _WHOLE, f"{one}_scores": _NUMBER, f"{one}_names": _TEXT}
    return {name: pa.list_(kind) for name, kind in kinds.items()}


COLUMNS: Mapping[str, Any] = {
    "article_id": _TEXT,
    "sentence": _TEXT, "sentence_start": _WHOLE, "sentence_end": _WHOLE,
    "event": _TEXT, "event_start": _WHOLE, "event_end": _WHOLE, "event_score": _NUMBER,
    "status": _TEXT, "status_score": _NUMBER,
    "linking": _TEXT,
    **_participant_columns("agent"), **_participant_columns("target"), **_participant_columns("place"),
    "place_within": pa.list_(_TEXT),
}  # fmt: skip
DATE_COLUMNS: Mapping[str, Any] = {
    "date": _TEXT, "date_text": _TEXT, "date_start": _WHOLE, "date_end": _WHOLE, "date_rule": _TEXT,
}  # fmt: skip
PLACE_COLUMNS: Mapping[str, Any] = {
    "country": _TEXT, "latitude": _NUMBER, "longitude": _NUMBER,
    "place_countries": pa.list_(_TEXT), "place_latitudes": pa.list_(_NUMBER), "place_longitudes": pa.list_(_NUMBER),
    "place_candidates": pa.list_(_WHOLE), "place_rules": pa.list_(_TEXT),
}  # fmt: skip
CATEGORY_COLUMNS: Mapping[str, Any] = {"category": _TEXT, "category_phrase": _TEXT}


LIST_COLUMNS = frozenset(name for name, kind in {**COLUMNS, **PLACE_COLUMNS}.items() if pa.types.is_list(kind))


def row_of(record: EventRecord) -> dict[str, Any]:
    """The record's value in each column but those of the metadata."""
    date, place, category = record.date, record.coordinates, record.category
    row: dict[str, Any] = {
        "article_id": record.article_id,
        "sentence": record.sentence, "sentence_start": record.sentence_start, "sentence_end": record.sentence_end,
        "event": record.event, "event_start": record.start, "event_end": record.end, "event_score": record.score,
        "status": record.status, "status_score": record.status_score,
        "linking": record.linking,
        "date": date and date.value, "date_text": date and date.text, "date_start": date and date.start, "date_end": date and date.end,
        "date_rule": date and date.rule,
        "country": record.country, "latitude": place and place[0], "longitude": place and place[1],
        "category": category and category.code, "category_phrase": category and category.phrase,
    }  # fmt: skip
    for name, found in (("agent", record.agents), ("target", record.targets), ("place", record.places)):
        row |= _participants(name, found)
    row["place_within"] = None if record.places is None else [", ".join(one.within) or None for one in record.places]
    for column, attribute in (
        ("place_countries", "country"), ("place_latitudes", "latitude"), ("place_longitudes", "longitude"),
        ("place_candidates", "candidates"), ("place_rules", "rule"),
    ):  # fmt: skip
        row[column] = None if record.locations is None else [getattr(one, attribute) for one in record.locations]
    return row


def _participants(name: str, found: tuple[Participant, ...] | None) -> dict[str, Any]:
    values = {"s": "text", "_starts": "start", "_ends": "end", "_scores": "score", "_names": "name"}
    return {
        name + column: None if found is None else [getattr(one, attribute) for one in found]
        for column, attribute in values.items()
    }


class RecordTable:
    """Takes records, and writes them as a table in the end. `columns` are those beside `COLUMNS`. `close` in any case.

    Raises OutputError if nothing can be written in the folder.
    """

    def __init__(self, folder: Path, columns: Mapping[str, Any]) -> None:
        self._schema = pa.schema([*COLUMNS.items(), *columns.items()])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".records.", suffix=".waiting", delete=False) as file:
                self._waiting = Waiting(Path(file.name))
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror}); {remedy(error.errno)}") from error
        self._fields = MetaFields()
        self._rows: list[EventRecord] = []

    def add(self, record: EventRecord) -> None:
        """Take a record."""
        self._rows.append(record)
        if len(self._rows) == BATCH:
            self._put()

    def _put(self) -> None:
        if not self._rows:
            return
        rows, metas = [row_of(record) for record in self._rows], [record.meta for record in self._rows]
        columns = {field.name: _column([row[field.name] for row in rows], field.type) for field in self._schema}
        columns |= {f"{_META}{name}": texts_array(field_texts(metas, name)) for name in self._fields.add(metas)}
        self._waiting.add(columns)
        self._rows = []

    def close(self) -> None:
        """Remove the file in which rows wait."""
        self._waiting.close()

    def write(self, path: Path, table_format: TableFormat, *, about: Mapping[str, Any]) -> None:
        """Write the table to a file, which appears when it is whole; a Parquet file holds `about` in its schema.

        Raises OutputError where the file exists or cannot be written.
        """
        self._put()
        self._waiting.end()
        writers = {"parquet": self._write_parquet, "csv": self._write_csv, "jsonl": self._write_jsonl}
        with staged_file(path) as file:
            writers[table_format](file, about)

    def _full_schema(self) -> tuple[Any, list[str]]:
        """The schema with the metadata, and how its columns are called while they wait."""
        kinds = self._fields.types()
        names = meta_columns(kinds, taken=(*self._schema.names, *_csv_names(self._schema.names, set(self._schema.names))))
        waiting = [*self._schema.names, *(f"{_META}{name}" for name in kinds)]
        return pa.schema([*self._schema, *((names[name], kind) for name, kind in kinds.items())]), waiting

    def _batches(self) -> Iterator[Any]:
        schema, waiting = self._full_schema()
        for columns, rows in self._waiting.batches():
            arrays = [
                columns[name].cast(field.type) if name in columns else pa.nulls(rows, field.type)
                for name, field in zip(waiting, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _write_parquet(self, file: Any, about: Mapping[str, Any]) -> None:
        schema = self._full_schema()[0].with_metadata({"eventtag": json.dumps(about, ensure_ascii=False)})
        with pq.ParquetWriter(file.buffer, schema) as writer:
            for batch in self._batches():
                writer.write_batch(batch.replace_schema_metadata(schema.metadata))

    def _write_jsonl(self, file: Any, _: Mapping[str, Any]) -> None:
        for batch in self._batches():
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in batch.to_pylist())

    def _write_csv(self, file: Any, _: Mapping[str, Any]) -> None:
        writer = csv.writer(file, lineterminator="\n")
        schema, _waiting = self._full_schema()
        own = set(self._schema.names)
        writer.writerow([guarded(name) for name in _csv_names(schema.names, own)])
        for batch in self._batches():
            writer.writerows(_csv_row(row, own) for row in batch.to_pylist())


def _column(values: Sequence[Any], kind: Any) -> Any:
    return texts_array(values) if kind == _TEXT else pa.array([_whole_texts(v) for v in values], type=kind)


def _whole_texts(value: Any) -> Any:
    """The value, in whose list half of a surrogate pair is U+FFFD."""
    return [cell_text(item) if isinstance(item, str) else item for item in value] if isinstance(value, list) else value


def _csv_names(names: Iterable[str], own: set[str]) -> Iterator[str]:
    """The columns in CSV, of which the ends of a participant stand with its starts."""
    for name in names:
        if name in own and name.endswith("_starts"):
            yield name.replace("_starts", "_offsets")
        elif not (name in own and name.endswith("_ends")):
            yield name


def _csv_row(row: Mapping[str, Any], own: set[str]) -> Iterator[Any]:
    for name, value in row.items():
        if name in own and name.endswith("_ends"):
            continue
        if name in own and name.endswith("_starts"):
            ends = row[name.replace("_starts", "_ends")]
            yield "" if value is None else JOIN.join(f"{start}-{end}" for start, end in zip(value, ends, strict=True))
        elif isinstance(value, list):
            joined = JOIN.join(_cell(item) for item in value)
            yield guarded(joined) if any(isinstance(item, str) for item in value) else joined
        else:
            yield guarded(value) if isinstance(value, str) else _cell(value)


def _cell(value: Any) -> str:
    """A value as text; empty where it is None."""
    return value if isinstance(value, str) else f"{value:.6g}" if isinstance(value, float) else cell_text(value) or ""
