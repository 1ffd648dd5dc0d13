"""Naive counts of tagged articles: a table of articles, one of spans and one of cells, as CSV and Parquet.

    articles.csv   article_id, month, spans, ACTOR, EVENT, date, country, ...      one row per article, also without spans
    spans.csv      article_id, start, end, label, text, score, month, date, ...    one row per span that counts
    cells.csv      month, country, label, articles, articles_with, spans, share, mean
    counts.json    what was counted, of what, and the notes

These are counts of what the tagger found. They are not corrected for what it misses or finds wrongly.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from eventtag.errors import SettingsError
from eventtag.estimates.batches import Floats, TaggedBatch
from eventtag.estimates.count_tables import CountTables, write_table
from eventtag.estimates.quantities import ANY_LABEL, Quantity, RecordCounts, parse_quantity
from eventtag.estimates.tagged import (
    DEFAULT_READING,
    Tagged,
    TaggedReading,
    label_notes,
    open_tagged,
    reading_for,
    reading_notes,
    unknown_counts,
    unknown_notes,
    unscored_notes,
)
from eventtag.estimates.tallies import Cell, Tally
from eventtag.formats.csv_spans import meta_columns
from eventtag.ledger import LossLedger
from eventtag.staging import require_absent, staged_folder, write_json

LABEL = "label"
UNCORRECTED = (
    "these are counts of what the tagger found, not corrected for what it misses or finds wrongly; eventtag estimate corrects them with a "
    "sample of annotated articles"
)
EXCEL_ROWS = 1_048_576
_SUMS = ("articles", "articles_with", "spans", "total", "share", "mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountSettings:
    """What is counted.

    `by`: metadata fields, `year`, `month`, `week`, `day`, and `label`. `quantities`: what is counted in an article, in the words of
    `eventtag.estimates.quantities`; if empty, its spans of any label, or of each label if `by` has `label`. `mentioning`: only articles
    in which all these quantities are above 0. `unique`: mentions of one label with the same text count once in each article.
    `thresholds`: the lowest score of spans of a label that count. `records` makes what counts event records.
    """

    by: Sequence[str] = ()
    quantities: Sequence[str] = ()
    mentioning: Sequence[str] = ()
    unique: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict)
    records: RecordCounts | None = None

    def __post_init__(self) -> None:
        if LABEL in self.by and self.quantities:
            raise SettingsError(
                "by: label makes a row for each label; leave it out if you give quantities, because these name the label"
            )
        self.parsed()
        self.mentioned()

    def parse(self, words: str, key: str = "quantity") -> Quantity:
        """A quantity with the thresholds and `unique` of these settings."""
        return parse_quantity(words, unique=self.unique, thresholds=self.thresholds, key=key, records=self.records)

    def mentioned(self) -> tuple[Quantity, ...]:
        """What articles must mention."""
        return tuple(self.parse(words, "mentioning") for words in self.mentioning)

    def parsed(self) -> tuple[Quantity, ...]:
        """The quantities, without those of each label, which are only known when everything is read."""
        return tuple(self.parse(words) for words in self.quantities or ([] if LABEL in self.by else [ANY_LABEL]))


@dataclass(frozen=True)
class Counts:
    """What was counted. `columns` are the names of the cells' columns, `rows` their values.

    `articles` and `spans` are those that were counted, `left_out` the articles that do not mention what `mentioning` asks for. `folder`:
    where the tables were written, if they were. `counted` says what `spans` are; for a table of event records, they are its rows.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    articles: int
    spans: int
    left_out: int
    notes: tuple[str, ...]
    folder: Path | None = None
    counted: str = "spans"


def count_tagged(
    source: Tagged,
    settings: CountSettings,
    *,
    reading: TaggedReading = DEFAULT_READING,
    folder: Path | None = None,
    excel: bool = False,
) -> Counts:
    """Count the articles of a source, and write the tables into a folder that does not exist yet, whole or not at all.

    `excel`: the CSV files begin with a byte order mark, so that Excel reads UTF-8. Raises what `read_tagged` raises, and OutputError.
    """
    if folder is None:
        return _count(source, settings, reading, None)
    require_absent(folder)
    with staged_folder(folder) as staging, contextlib.closing(CountTables(staging, excel=excel)) as tables:
        counts = _count(source, settings, reading, tables)
        longest = max(tables.finish(note=UNCORRECTED), len(counts.rows))
        if excel and longest >= EXCEL_ROWS:
            counts = _noted(counts, f"Excel shows {EXCEL_ROWS:,} rows of a file; one of these has {longest:,}")
        write_table(counts.columns, counts.rows, staging / "cells", excel=excel, note=UNCORRECTED)
        about = {
            "note": UNCORRECTED,
            "source": str(source) if isinstance(source, str | Path) else "articles",
            "by": list(settings.by),
            "quantities": [str(quantity) for quantity in settings.parsed()],
            "mentioning": list(settings.mentioning),
            "unique": settings.unique,
            "thresholds": dict(settings.thresholds),
            "articles": counts.articles,
            "spans": counts.spans,
            "articles_left_out": counts.left_out,
            "notes": list(counts.notes),
        }
        write_json(staging / "counts.json", about)
    return Counts(counts.columns, counts.rows, counts.articles, counts.spans, counts.left_out, counts.notes, folder)


def _noted(counts: Counts, note: str) -> Counts:
    return Counts(counts.columns, counts.rows, counts.articles, counts.spans, counts.left_out, (*counts.notes, note))


def _count(source: Tagged, settings: CountSettings, reading: TaggedReading, tables: CountTables | None) -> Counts:
    ledger = LossLedger()
    quantities, mentioning = settings.parsed(), settings.mentioned()
    every = settings.parse(ANY_LABEL)
    by = [name for name in settings.by if name != LABEL]
    if len(by) + (LABEL in settings.by) < len(settings.by):
        raise SettingsError("by: 'label' occurs twice; name each field once")
    reading = reading_for([*quantities, *mentioning], reading)
    stream, grouping = open_tagged(source, by=by, reading=reading, ledger=ledger)
    tally = Tally()
    labels: Sequence[str] = ()
    unscored: Counter[str] = Counter()
    articles = spans = left_out = 0
    unknown = np.zeros(len(quantities), dtype=np.int64)
    for whole in stream:
        batch = whole.select(_mentions(whole, mentioning))
        groups = grouping(batch)
        labels = batch.labels
        counted = every.spans(batch)
        unscored.update(batch.unscored(settings.thresholds))
        values = np.stack([quantity.values(batch) for quantity in quantities], 1) if quantities else np.empty((len(batch), 0))
        by_label = _by_label(batch, counted) if LABEL in settings.by or tables is not None else None
        keys = zip(*groups.values(), strict=True) if groups else itertools.repeat((), len(batch))
        if LABEL in settings.by and by_label is not None:
            tally.add(keys, by_label, batch=batch)
        else:
            tally.add(keys, values)
        unknown += unknown_counts(values)
        articles += len(batch)
        spans += int(counted.sum())
        left_out += len(whole) - len(batch)
        if tables is not None and by_label is not None:
            periods = {name: texts for name, texts in groups.items() if name in grouping.periods}
            named = dict(zip(map(str, quantities), values.T, strict=True)) if settings.quantities else {}
            tables.add(batch, counted, periods, by_label, named)
    grouping.require_found(quantities=(*quantities, *mentioning))
    notes = [*reading_notes(source, ledger), *grouping.notes()]
    notes += [*label_notes((*quantities, *mentioning, every), labels)]
    notes += [*unscored_notes(unscored), *unknown_notes(unknown, quantities)]
    notes += [line for quantity in mentioning if quantity.records is not None for line in quantity.records.notes()]
    if mentioning:
        notes.append(
            f"articles that do not mention {' and '.join(settings.mentioning)}: {left_out:,} of {articles + left_out:,}, left out"
        )
    columns, rows = _cell_rows(settings, by, quantities, labels, tally)
    return Counts(columns, rows, articles, spans, left_out, tuple(notes))


def _mentions(batch: TaggedBatch, mentioning: Sequence[Quantity]) -> Any:
    keep = np.ones(len(batch), dtype=bool)
    for quantity in mentioning:
        keep &= quantity.values(batch) > 0
    return keep


def _by_label(batch: TaggedBatch, counted: Any) -> Floats:
    """[N, L]: the spans of each label that count; NaN where an annotator has not looked for the label."""
    width = len(batch.labels)
    flat = np.bincount(batch.rows[counted] * width + batch.codes[counted], minlength=len(batch) * width)
    values = flat.reshape(len(batch), width).astype(np.float64)
    for row, seen in batch.unseen.items():
        values[row, [at for at, label in enumerate(batch.labels) if label not in seen]] = np.nan
    return values


def _cell_rows(
    settings: CountSettings, by: Sequence[str], quantities: Sequence[Quantity], labels: Sequence[str], tally: Tally
) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
    """The columns and rows of the cells, sorted by the fields in the order of `by`, and then by quantity in the order asked for."""
    kind = [LABEL] if LABEL in settings.by else ["quantity"] if settings.quantities else []
    names = meta_columns(by, taken=(*kind, *_SUMS))
    sums = ("articles", "articles_with", "total" if settings.quantities else "spans", "share", "mean")
    asked = sorted(labels) if LABEL in settings.by else [str(quantity) for quantity in quantities]
    places = [list(labels).index(label) for label in asked] if LABEL in settings.by else range(len(asked))
    columns = [tally.cells(place) for place in places]
    rows = [
        (*cell.key, *([name] if kind else []), *_sums(cell))
        for cells in zip(*columns, strict=True)
        for name, cell in zip(asked, cells, strict=True)
    ]
    return (*names.values(), *kind, *sums), tuple(rows)


def _sums(cell: Cell) -> Iterator[Any]:
    total = int(cell.total) if cell.total.is_integer() else cell.total
    return iter((cell.articles, cell.articles_with, total, cell.share, cell.mean))
