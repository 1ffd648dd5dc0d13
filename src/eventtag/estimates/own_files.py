"""Files that eventtag wrote itself, read as columns: what is as eventtag writes it needs no Article, and anything else goes through the
format's own reader, so that the same things are errors.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter, lt
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from eventtag.errors import DataError, FormatError
from eventtag.estimates.batches import BATCH, BatchBuilder, TaggedBatch
from eventtag.formats.arrow_rows import rows_of
from eventtag.formats.csv_spans import is_span_table, read_span_table
from eventtag.formats.json_file import parse_json, read_values
from eventtag.formats.json_shapes import own_shape
from eventtag.formats.jsonl import article_from_json
from eventtag.formats.parquet import read_parquet
from eventtag.formats.records import FIELD
from eventtag.formats.registry import recognise
from eventtag.formats.text_file import BYTE_ORDER_MARK, at_line, decode
from eventtag.ledger import LossLedger

_OWN_KEYS = {"id", "text", "spans", "meta"}
_KEYS_BEFORE = 2
_PARTS = itemgetter("start", "end", "label", "score", "text")
_WHOLE, _NUMBERS = {int}, {float}


def own_files(path: Path, format_name: str = "auto") -> list[Path]:
    """The files of an output of eventtag: the file itself, or the parts of a folder; none where it is something else."""
    files = sorted(path.glob("part-*")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files) or format_name not in ("auto", "jsonl", "parquet", "csv"):
        return []
    if is_span_table(files[0]):
        return files
    try:
        name = recognise(files[0])[0].name if format_name == "auto" else format_name
    except FormatError:
        return []  # `read_articles` says what is wrong
    if name == "parquet":
        return files if _is_own_parquet(files[0]) else []
    return files if name == "jsonl" else []


def own_batches(files: Sequence[Path], ledger: LossLedger) -> Iterator[TaggedBatch]:
    """The articles of such files in batches, whose codes mean the same label in all of them.

    Raises FormatError and DataError as the readers of the formats do, and DataError where no article has spans or their field.
    """
    builder = BatchBuilder()
    for file in files:
        if is_span_table(file):
            yield from _span_table_batches(file, builder)
        elif file.suffix.lower() == ".parquet" or _is_own_parquet(file):
            yield from _parquet_batches(file, builder, ledger)
        else:
            yield from _jsonl_batches(file, builder, ledger)
    if len(builder):
        yield builder.take()


def _jsonl_batches(path: Path, builder: BatchBuilder, ledger: LossLedger) -> Iterator[TaggedBatch]:
    said: set[str] = set()
    untagged = number = 0
    for number, (line, data) in enumerate(_records(path), start=1):
        if not isinstance(data, bytes) or not _add_record(builder, _parsed(data), data):
            with at_line(path, line):
                record = parse_json(decode(data, path, line=line).rstrip("\r\n")) if isinstance(data, bytes) else data
                shaped = own_shape(record, f"{path.stem}-{number}", said)
                builder.add(article_from_json(shaped))
            untagged += "spans" not in shaped
        if len(builder) >= BATCH:
            yield builder.take()
    if number and untagged == number:
        raise DataError(f"{path}: no article has the field `spans`, so nobody has tagged it; tag it with eventtag predict")
    if untagged:
        ledger.remark(f"articles of {path.name} that have no field `spans`: {untagged:,}, counted as articles without spans")
    for remark in sorted(said):
        ledger.remark(remark)


def _records(path: Path) -> Iterator[tuple[int, Any]]:
    """(line, record): as bytes where each line is an object, parsed where the file is an array or has objects over several lines."""
    with path.open("rb") as file:
        first = next((data for data in file if data.strip()), b"")
        if not isinstance(_parsed(first.removeprefix(BYTE_ORDER_MARK)), dict):
            yield from read_values(path)
            return
        file.seek(0)
        for line, data in enumerate(file, start=1):
            if data.strip():
                yield line, data.removeprefix(BYTE_ORDER_MARK) if line == 1 else data


def _parsed(data: bytes) -> Any:
    """The value of a line; None where it is not JSON, or not for `orjson` (half a surrogate pair, a comma at the end)."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def _add_record(builder: BatchBuilder, record: Any, data: bytes) -> bool:
    """Take a record that is exactly as `write_jsonl` makes it, with its spans' scores and texts; False, with nothing taken, for any other.

    `data` is its line: `orjson` does not tell when a key occurs twice in an object, but then the line has more keys than the record.
    """
    if type(record) is not dict or not record.keys() <= _OWN_KEYS:
        return False
    name, text, spans, meta = record.get("id"), record.get("text"), record.get("spans"), record.get("meta", {})
    if type(name) is not str or not name.isascii() or type(text) is not str or type(spans) is not list or type(meta) is not dict:
        return False
    # Before the spans stand two keys with texts, side by side; a text has no quotation mark that is not escaped.
    place = data.rfind(b'", "spans": [')
    if (
        place < 0
        or not data.startswith(b'{"id": "%s", "text": "' % name.encode())
        or data.count(b'": "', 0, place) != _KEYS_BEFORE
    ):
        return False
    keys = len(record) - _KEYS_BEFORE + len(meta)
    if not spans:
        if data.count(b'":', place) != keys:
            return False
        builder.add_parts(name, meta, (), (), (), (), ())
        return True
    try:
        starts, ends, labels, scores, written = zip(*map(_PARTS, spans), strict=True)
        codes = tuple(map(builder.labels.__getitem__, labels))
        keys += sum(map(len, spans))
        if "sentence" in spans[0]:
            keys += sum(len(span["sentence"]) for span in spans)
    except (KeyError, TypeError):
        return False
    if data.count(b'":', place) != keys or set(map(type, starts + ends)) != _WHOLE or set(map(type, scores)) != _NUMBERS:
        return False
    if starts[0] < 0 or max(ends) > len(text) or list(starts) != sorted(starts) or not all(map(lt, starts, ends)):
        return False
    if tuple(map(text.__getitem__, map(slice, starts, ends))) != written or min(scores) < 0 or not max(scores) <= 1:
        return False
    builder.add_parts(name, meta, starts, ends, codes, scores, written)
    return True


def _is_own_parquet(path: Path) -> bool:
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return False
    names = schema.names
    if len(set(names)) < len(names) or not {"id", "text", "spans", FIELD} <= set(names):
        return False
    spans = schema.field("spans").type
    if not (pa.types.is_list(spans) and pa.types.is_struct(spans.value_type)):
        return False
    struct = {spans.value_type.field(at).name: spans.value_type.field(at).type for at in range(spans.value_type.num_fields)}
    wanted = {"start": pa.int64(), "end": pa.int64(), "label": pa.string(), "score": pa.float64(), "text": pa.string()}
    return all(struct.get(name) == kind for name, kind in wanted.items()) and schema.field(FIELD).type == pa.string()


def _parquet_batches(path: Path, builder: BatchBuilder, ledger: LossLedger) -> Iterator[TaggedBatch]:
    """The rows as columns; from the first row on that is unusual, those of `read_parquet`."""
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

    if len(builder):
        yield builder.take()
    done = 0
    try:
        with pq.ParquetFile(path) as file:
            columns = [name for name in file.schema_arrow.names if name != "text"]
            for rows in file.iter_batches(batch_size=BATCH, columns=columns):
                batch = _parquet_batch(rows, builder)
                if batch is None:
                    break
                done += len(batch)
                yield batch
            else:
                return
    except (pa.ArrowException, OSError, DataError):
        pass  # `read_parquet` says what is wrong
    for article in itertools.islice(read_parquet(path, ledger=ledger), done, None):
        builder.add(article)
        if len(builder) >= BATCH:
            yield builder.take()


def _parquet_batch(rows: Any, builder: BatchBuilder) -> TaggedBatch | None:
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]

    rows.validate(full=True)
    lists = rows.column("spans")
    spans = lists.flatten()
    start, end, label, score, text = (spans.field(name) for name in ("start", "end", "label", "score", "text"))
    carried = [_carried(value) for value in rows.column(FIELD).to_pylist()]
    ids = rows.column("id").to_pylist()
    if lists.null_count or spans.null_count or any(column.null_count for column in (start, end, label, text)):
        return None
    if any(record is None for record in carried) or not all(ids):
        return None
    others = rows.drop_columns([name for name in ("id", "spans", FIELD) if name in rows.schema.names])
    beside = rows_of(others) if others.num_columns else itertools.repeat({})
    meta = [_meta(record, row) for record, row in zip(carried, beside, strict=False)]
    starts, ends = start.to_numpy(), end.to_numpy()
    scores = score.to_numpy(zero_copy_only=False).astype(np.float64)
    if not ((starts >= 0) & (starts < ends)).all() or ((scores < 0) | (scores > 1)).any():
        return None
    names = label.dictionary_encode()
    if any(not name.strip() for name in names.dictionary.to_pylist()):
        return None
    codes = np.array(
        [builder.labels.setdefault(name, len(builder.labels)) for name in names.dictionary.to_pylist()], dtype=np.int64
    )
    counts = np.diff(lists.offsets.to_numpy())
    assert isinstance(text, pa.Array)
    return TaggedBatch(
        ids=ids,
        meta=meta,
        rows=np.repeat(np.arange(len(ids), dtype=np.int64), counts),
        starts=starts,
        ends=ends,
        codes=codes[names.indices.to_numpy()] if len(codes) else np.array([], dtype=np.int64),
        scores=scores,
        surfaces=text.to_pylist(),
        labels=tuple(builder.labels),
        unseen={row: tuple(record["labels"]) for row, record in enumerate(carried) if record is not None and "labels" in record},
    )


def _carried(value: str | None) -> Mapping[str, Any] | None:
    """What was carried along with a row that may be counted as it is; None for any other."""
    try:
        record = json.loads(value or "")
    except ValueError:
        return None
    usual = isinstance(record, dict) and "annotated" not in record and isinstance(record.get("meta", {}), dict)
    return record if usual and isinstance(record.get("labels", []), list) else None


def _meta(record: Mapping[str, Any] | None, row: Mapping[str, Any]) -> Mapping[str, Any]:
    own: Mapping[str, Any] = (record or {}).get("meta", {})
    beside = {key: value for key, value in row.items() if value is not None and value != ""}
    return {**beside, **own} if beside else own


def _span_table_batches(path: Path, builder: BatchBuilder) -> Iterator[TaggedBatch]:
    for row in read_span_table(path):
        codes = [builder.labels.setdefault(label, len(builder.labels)) for label in row.labels]
        builder.add_parts(row.id, row.meta, row.starts, row.ends, codes, row.scores, row.surfaces)
        if len(builder) >= BATCH:
            yield builder.take()
