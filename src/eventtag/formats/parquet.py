"""Apache Parquet with a column of texts and a column of spans (https://parquet.apache.org/docs/file-format/).

    id: string, text: string, spans: list<struct<start: int64, end: int64, label: string>>, topic: string, ...

The spans may also be lists or JSON (`formats.span_lists`). All further columns become metadata;
dates, decimals, bytes and infinities in them become text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import FormatError
from eventtag.formats.arrow_rows import numbered_rows, require_distinct_columns
from eventtag.formats.csv import span_record
from eventtag.formats.json_file import dump_json
from eventtag.formats.jsonl import sentence_record
from eventtag.formats.offsets import Offsets
from eventtag.formats.records import FIELD, Columns, carry, read_placed
from eventtag.formats.text_file import at_line
from eventtag.ledger import LossLedger
from eventtag.staging import staged_file
from eventtag.text.sentences import shown_sentences

BATCH = 256
"""Rows that are held in memory at a time when reading."""
GROUP_ROWS = 4096
GROUP_CHARACTERS = 8_000_000
"""Rows and characters of text after which a row group is written: of many small ones the file's own index would be large."""


def read_parquet(
    path: Path,
    *,
    ledger: LossLedger,
    text_column: str | None = None,
    spans_column: str | None = None,
    id_column: str = "id",
    offsets: Offsets = "auto",
) -> Iterator[Article]:
    """Stream the rows as articles; without an id column the id is made of the file's name and the row.

    `offsets`: see `formats.offsets`. Raises FormatError with the file and the row.
    """
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

    try:
        with pq.ParquetFile(path) as file, at_line(path, None):
            names = list(file.schema_arrow.names)
            require_distinct_columns(names)
            columns = Columns.choose(names, text_column, spans_column, id_column)

            def rows() -> Iterator[tuple[str, dict[str, Any]]]:
                return numbered_rows(file.iter_batches(batch_size=BATCH))

            yield from read_placed(path, rows, columns.record, offsets=offsets, ledger=ledger)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise FormatError(f"cannot be read as Parquet ({str(error)[:200]}); write the file again", path=path) from error


def write_parquet(articles: Iterable[Article], path: Path, *, ledger: LossLedger, sentences: bool = False) -> None:
    """Write the columns id, text, spans and eventtag (annotated regions, annotated labels and metadata, as JSON).

    A span has start, end, label, score (null if it has none), text and, with `sentences`, its sentence.
    """
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

    places = [("start", pa.int64()), ("end", pa.int64())]
    fields = [*places, ("label", pa.string()), ("score", pa.float64()), ("text", pa.string())]
    span = pa.struct(fields + ([("sentence", pa.struct([*places, ("text", pa.string())]))] if sentences else []))
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("spans", pa.list_(span)), (FIELD, pa.string())])
    with staged_file(path) as file, pq.ParquetWriter(file.buffer, schema) as writer:
        group: list[dict[str, Any]] = []
        size = 0
        for article in articles:
            group.append(_row(article, sentences=ledger if sentences else None))
            size += len(article.text)
            if len(group) == GROUP_ROWS or size >= GROUP_CHARACTERS:
                writer.write_batch(pa.RecordBatch.from_pylist(group, schema=schema))
                group, size = [], 0
        if group:
            writer.write_batch(pa.RecordBatch.from_pylist(group, schema=schema))


def _row(article: Article, *, sentences: LossLedger | None) -> dict[str, Any]:
    spans = [span_record(span) | {"text": article.mention(span)} for span in article.spans]
    if sentences is not None:
        places = shown_sentences(article, "writing parquet", sentences)
        spans = [s | {"sentence": sentence_record(article, places[span])} for s, span in zip(spans, article.spans, strict=True)]
    return {"id": article.id, "text": article.text, "spans": spans, FIELD: dump_json(carry(article))}
