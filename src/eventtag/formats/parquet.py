"""Apache Parquet with a column of texts and a column of spans (https://parquet.apache.org/docs/file-format/).

    id: string, text: string, spans: list<struct<start: int64, end: int64, label: string>>, topic: string, ...

The spans may also be lists or JSON (`formats.span_lists`). All further columns become metadata;
dates, decimals, bytes and infinities in them become text.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError, FormatError
from eventtag.formats.arrow_rows import require_distinct_columns, rows_of
from eventtag.formats.carried import FIELD, carry
from eventtag.formats.csv import span_record
from eventtag.formats.json_file import dump_json
from eventtag.formats.jsonl import sentence_record
from eventtag.formats.offsets import check_unit, file_unit
from eventtag.formats.span_lists import UnreadSpans
from eventtag.formats.table_row import SPANS_COLUMNS, TEXT_COLUMNS, article_from_row, choose_column, look_for_spans, units_of_rows
from eventtag.ledger import LossLedger
from eventtag.staging import staged_file
from eventtag.text.sentences import sentences_of_spans

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
    offsets: str = "auto",
) -> Iterator[Article]:
    """Stream the rows as articles; without an id column the id is made of the file's name and the row.

    `offsets`: see `formats.offsets`. Raises FormatError with the file and the row.
    """
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
    import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]

    check_unit(offsets)
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            columns = list(file.schema_arrow.names)
            require_distinct_columns(columns)
            text = choose_column(columns, text_column, TEXT_COLUMNS, "text")
            spans = choose_column(columns, spans_column, SPANS_COLUMNS, "spans")
            own = [name for name in (text, spans, FIELD) if name in columns]
            tested = _readable_rows(file.iter_batches(batch_size=BATCH, columns=own)) if offsets == "auto" else ()
            unit = file_unit(units_of_rows(tested, text, spans), offsets=offsets, ledger=ledger)
            unread = UnreadSpans(ledger)
            for batch in file.iter_batches(batch_size=BATCH):
                batch.validate(full=True)
                rows = rows_of(batch)
                for _ in range(batch.num_rows):
                    number += 1
                    row = next(rows)
                    yield article_from_row(
                        row,
                        name=f"{path.stem}-{number}",
                        text_column=text,
                        spans_column=spans,
                        id_column=id_column if id_column in columns else None,
                        offsets=offsets,
                        assumed=unit,
                        ledger=ledger,
                    )
                    look_for_spans(row, spans, unread)
        unread.require_none(path)
    except FormatError as error:
        raise FormatError(str(error).removeprefix(f"{path}: "), path=path) from error
    except DataError as error:
        raise FormatError(f"row {number}: {error}" if number else str(error), path=path) from error
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise FormatError(f"cannot be read as Parquet ({str(error)[:200]}); write the file again", path=path) from error


def _readable_rows(batches: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    """The rows up to one that cannot be read, of each batch; reading it again names what is wrong with it."""
    for batch in batches:
        with contextlib.suppress(DataError):
            yield from rows_of(batch)


def sniff_parquet(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    return "begins with the sign of Parquet files, PAR1" if head.startswith("PAR1") else None


def write_parquet(articles: Iterable[Article], path: Path, *, ledger: LossLedger, sentences: bool = False) -> None:  # noqa: ARG001 - nothing is lost
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
            group.append(_row(article, sentences=sentences))
            size += len(article.text)
            if len(group) == GROUP_ROWS or size >= GROUP_CHARACTERS:
                writer.write_batch(pa.RecordBatch.from_pylist(group, schema=schema))
                group, size = [], 0
        if group:
            writer.write_batch(pa.RecordBatch.from_pylist(group, schema=schema))


def _row(article: Article, *, sentences: bool) -> dict[str, Any]:
    spans = [span_record(span) | {"text": article.mention(span)} for span in article.spans]
    if sentences:
        places = sentences_of_spans(article)
        spans = [s | {"sentence": sentence_record(article, places[span])} for s, span in zip(spans, article.spans, strict=True)]
    return {
        "id": article.id,
        "text": article.text,
        "spans": spans,
        FIELD: dump_json(carry(article)),
    }
