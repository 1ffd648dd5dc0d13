"""The tables that counting writes, as CSV and Parquet of the same rows.

Which metadata fields and labels there are is known after the last article. Until then the rows wait in two files in the folder, so that
a million articles need no more memory than some thousands.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
import pyarrow.compute as pc  # type: ignore[import-untyped,unused-ignore]
import pyarrow.csv as pcsv  # type: ignore[import-untyped,unused-ignore]
import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

from eventtag.estimates.batches import Floats, TaggedBatch
from eventtag.formats.csv_cells import FORMULA, guarded
from eventtag.formats.csv_spans import SPAN_COLUMNS, cell_text, meta_columns

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GROUP = 16
"""Batches of a row group in Parquet."""
_META, _PERIOD, _LABEL, _QUANTITY, _UNSEEN = "m:", "p:", "l:", "q:", "u:"
"""How columns are called while they wait, so that fields, periods, labels and quantities of one name stay apart."""
_WHOLE = range(-(2**63), 2**63)


class CountTables:
    """Writes articles.csv, spans.csv and the same as Parquet into a folder. `add` every batch, then `finish`; `close` in any case."""

    def __init__(self, folder: Path, *, excel: bool) -> None:
        self._folder, self._excel = folder, excel
        self._waiting = {name: Waiting(folder / f"{name}.waiting") for name in ("articles", "spans")}
        self._fields = MetaFields()
        self._made: dict[str, pa.DataType] = {}

    def add(
        self,
        batch: TaggedBatch,
        counted: npt.NDArray[np.bool_],
        periods: Mapping[str, Sequence[str | None]],
        by_label: Floats,
        quantities: Mapping[str, Floats],
    ) -> None:
        """Take articles, of whose spans `counted` [S] are written; `by_label` [N, L] are their numbers by label."""
        shared = {f"{_PERIOD}{name}": texts_array(texts) for name, texts in periods.items()}
        shared |= {f"{_META}{name}": texts_array(batch.column(name)) for name in self._fields.add(batch.meta)}
        ids = texts_array(batch.ids)
        rows = batch.rows[counted]
        articles = {"article_id": ids, "spans": pa.array(np.bincount(rows, minlength=len(batch)))}
        articles |= {f"{_LABEL}{label}": _numbers(by_label[:, at], pa.int64()) for at, label in enumerate(batch.labels)}
        articles |= {f"{_QUANTITY}{name}": _numbers(values, pa.float64()) for name, values in quantities.items()}
        self._made |= {name: column.type for name, column in articles.items() if name[:2] in (_LABEL, _QUANTITY)}
        if batch.unseen:
            articles[_UNSEEN] = pa.array([batch.unseen.get(row) for row in range(len(batch))], type=pa.list_(pa.string()))
        self._waiting["articles"].add(articles | shared)
        places = pa.array(rows)
        spans = {
            "article_id": pa.DictionaryArray.from_arrays(places, ids),
            "start": pa.array(batch.starts[counted]),
            "end": pa.array(batch.ends[counted]),
            "label": pa.DictionaryArray.from_arrays(batch.codes[counted], texts_array(batch.labels)),
            "text": texts_array(list(itertools.compress(batch.surfaces, counted.tolist()))),
            "score": _numbers(batch.scores[counted], pa.float64()),
        }
        self._waiting["spans"].add(
            spans | {name: pa.DictionaryArray.from_arrays(places, column) for name, column in shared.items()}
        )

    def finish(self, *, note: str) -> int:
        """Write the tables; returns the rows of the longest."""
        fields = {f"{_META}{name}": kind for name, kind in self._fields.types().items()}
        periods = {name: pa.string() for name in self._waiting["articles"].names if name.startswith(_PERIOD)}
        own = {"article_id": pa.string(), "spans": pa.int64()}
        made = dict(sorted(self._made.items()))
        for name in [name for name in made if name.startswith(_LABEL)]:  # the quantity EVENT is the number of the label's spans
            made.pop(f"{_QUANTITY}{name.removeprefix(_LABEL)}", None)
        self._write("articles", own | periods | made | fields, note)
        spans = dict(
            zip(SPAN_COLUMNS, (pa.string(), pa.int64(), pa.int64(), pa.string(), pa.string(), pa.float64()), strict=True)
        )
        self._write("spans", spans | periods | fields, note)
        return max(waiting.rows for waiting in self._waiting.values())

    def close(self) -> None:
        """Remove the files in which rows wait."""
        for waiting in self._waiting.values():
            waiting.close()

    def _write(self, name: str, types: Mapping[str, Any], note: str) -> None:
        waiting = self._waiting[name]
        waiting.end()
        made = [column[2:] if column[1:2] == ":" else column for column in types if not column.startswith(_META)]
        taken = {column.casefold() for column in made}
        fields = meta_columns((column[2:] for column in types if column.startswith(_META)), taken=taken)
        names = dict(zip((column for column in types if not column.startswith(_META)), _distinct(made), strict=True))
        names |= {f"{_META}{field}": column for field, column in fields.items()}
        schema = pa.schema([(names[column], kind) for column, kind in types.items()])
        with TableWriter(self._folder / name, schema, excel=self._excel, note=note) as writer:
            for columns, rows in waiting.batches():
                filled = [_filled(columns, column, kind, rows) for column, kind in types.items()]
                writer.write(filled)
        waiting.close()


def write_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], path: Path, *, excel: bool, note: str) -> None:
    """Write rows as `path`.csv and `path`.parquet; a column's type is that of its values, text where it has none."""
    arrays = [pa.array([row[at] for row in rows], from_pandas=True) for at in range(len(columns))]
    arrays = [array.cast(pa.string()) if pa.types.is_null(array.type) else array for array in arrays]
    schema = pa.schema([(name, array.type) for name, array in zip(columns, arrays, strict=True)])
    with TableWriter(path, schema, excel=excel, note=note) as writer:
        writer.write(arrays)


class TableWriter:
    """Writes batches of one schema to a CSV and a Parquet file. In CSV a text that a spreadsheet could take for a formula gets `'`
    before it; `excel` puts a byte order mark before the header. `note` is kept in the schema of the Parquet file.
    """

    def __init__(self, path: Path, schema: Any, *, excel: bool, note: str) -> None:
        self._file = path.with_name(f"{path.name}.csv").open("wb")
        if excel:
            self._file.write(BYTE_ORDER_MARK)
        self._names = [guarded(name) for name in schema.names]
        header = pa.schema([(name, field.type) for name, field in zip(self._names, schema, strict=True)])
        self._csv = pcsv.CSVWriter(self._file, header)
        self._schema = schema.with_metadata({"eventtag": note})
        self._parquet = pq.ParquetWriter(path.with_name(f"{path.name}.parquet"), self._schema)
        self._group: list[Any] = []

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._csv.close()
        self._file.close()
        self._parquet.close()

    def write(self, columns: Sequence[Any]) -> None:
        """Write columns of the schema's types; texts may be dictionaries of texts."""
        self._csv.write_batch(pa.RecordBatch.from_arrays([_guarded(column) for column in columns], names=self._names))
        self._group.append(pa.RecordBatch.from_arrays([_plain(column) for column in columns], schema=self._schema))
        if len(self._group) == GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._group:
            self._parquet.write_table(pa.Table.from_batches(self._group, schema=self._schema))
            self._group = []


class Waiting:
    """A file of batches, each of which has columns of its own. `add` them, `end`, read `batches`, and `close` in any case."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: Any = pa.OSFile(str(path), "wb")
        self.names: dict[str, None] = {}
        self.rows = 0

    def add(self, columns: Mapping[str, Any]) -> None:
        """Take a batch."""
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=[_escaped(name) for name in columns])
        self.names |= dict.fromkeys(columns)
        self.rows += batch.num_rows
        with pa.ipc.new_stream(self._file, batch.schema) as stream:
            stream.write_batch(batch)

    def end(self) -> None:
        """Close the file for writing."""
        self._file.close()

    def batches(self) -> Iterator[tuple[dict[str, Any], int]]:
        """The columns of each batch by name, and its rows."""
        with pa.OSFile(str(self._path), "rb") as file:
            while file.tell() < file.size():
                with pa.ipc.open_stream(file) as stream:
                    for batch in stream:
                        yield dict(zip(map(_unescaped, batch.schema.names), batch.columns, strict=True)), batch.num_rows

    def close(self) -> None:
        """Remove the file."""
        self.end()
        self._path.unlink(missing_ok=True)


def _escaped(name: str) -> str:
    """The name of a metadata field in ASCII, as half of a surrogate pair cannot be the name of a column."""
    return name.encode("unicode_escape").decode("ascii")


def _unescaped(name: str) -> str:
    return name.encode("ascii").decode("unicode_escape")


class MetaFields:
    """The metadata fields of articles, and of which type the column of each is: known after the last article."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[type]] = {}

    def add(self, metas: Sequence[Mapping[str, Any]]) -> list[str]:
        """The fields of these articles, in the order in which they were met."""
        found: dict[str, Any] = {}
        for meta in metas:
            found.update(meta)
        for name in found:
            self._kinds.setdefault(name, set()).update(_kinds([meta.get(name) for meta in metas]))
        return list(found)

    def types(self) -> dict[str, Any]:
        """The Arrow type of each field."""
        return {name: _type(kinds) for name, kinds in self._kinds.items()}


def _kinds(values: Sequence[object]) -> set[type]:
    """The types of the values; `str` for a whole number that no column of numbers holds."""
    kinds = set(map(type, values)) - {type(None)}
    whole = (value for value in values if type(value) is int)
    return kinds | {str} if int in kinds and not all(value in _WHOLE for value in whole) else kinds


def _type(kinds: set[type]) -> Any:
    if kinds == {int}:
        return pa.int64()
    if kinds == {bool}:
        return pa.bool_()
    return pa.float64() if kinds and kinds <= {int, float} else pa.string()


def texts_array(texts: Sequence[str | None]) -> Any:
    """A column of texts; half of a surrogate pair, from damaged JSON, becomes U+FFFD."""
    try:
        return pa.array(texts, type=pa.string())
    except UnicodeEncodeError:
        return pa.array([cell_text(text) for text in texts], type=pa.string())


def _numbers(values: Floats, kind: Any) -> Any:
    return pa.array(values, mask=np.isnan(values)).cast(kind)


def _filled(columns: Mapping[str, Any], name: str, kind: Any, rows: int) -> Any:
    """The column as its type. Where the batch has none it is empty; a label that no span of the batch has is 0 in the articles that were
    looked at for it.
    """
    if name in columns:
        column = columns[name]
        return column if kind == pa.string() else _plain(column).cast(kind)
    if not name.startswith(_LABEL):
        return pa.nulls(rows, kind)
    looked_at = columns[_UNSEEN].to_pylist() if _UNSEEN in columns else [None] * rows
    return pa.array([0 if seen is None or name.removeprefix(_LABEL) in seen else None for seen in looked_at], type=kind)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, a later one of the same letters with its place behind it: labels may differ only in case from other columns."""
    seen: set[str] = set()
    found = []
    for place, name in enumerate(names):
        column = name if name.casefold() not in seen else f"{name}.{place}"
        seen.add(column.casefold())
        found.append(column)
    return found


def _plain(column: Any) -> Any:
    """The column without a dictionary."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _guarded(column: Any) -> Any:
    """The column, without a dictionary, as `guarded` gives each of its texts."""
    if pa.types.is_dictionary(column.type):
        return _plain(pa.DictionaryArray.from_arrays(column.indices, _guarded(column.dictionary)))
    if not pa.types.is_string(column.type):
        return column
    runs = pc.match_substring_regex(column, f"^(?:{FORMULA.pattern})")
    if not pc.any(runs).as_py():
        return column
    return pc.if_else(runs, pc.binary_join_element_wise("'", column, ""), column)
