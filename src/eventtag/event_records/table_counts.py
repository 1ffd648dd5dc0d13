"""Counts of a table of event records by any of its columns: for each cell, its records and the articles that contain them.

    country  month     status     articles  records
    SY       2014-03   asserted         12       31

With conditions (`eventtag.event_records.conditions`), a cell has a row for each of them: the `records` that meet it, their `articles`, and
the number of records for which it is `unknown`. Memory holds the cells, and about 16 bytes for each article of a cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc  # type: ignore[import-untyped,unused-ignore]

from eventtag.errors import DataError, SettingsError, require_names
from eventtag.estimates.count_tables import write_table
from eventtag.estimates.counts import UNCORRECTED, Counts
from eventtag.estimates.dates import UNITS, Order, Periods, choose_date_field
from eventtag.estimates.quantities import RECORDS
from eventtag.event_records.conditions import LISTS, Condition, Term, parse_condition
from eventtag.event_records.reading import Columns, columns_of, read_columns
from eventtag.event_records.table import CATEGORY_COLUMNS, COLUMNS, DATE_COLUMNS, LIST_COLUMNS, PLACE_COLUMNS
from eventtag.formats.csv_spans import meta_columns
from eventtag.span import STATUSES
from eventtag.staging import require_absent, staged_folder, write_json
from eventtag.stored_json import read_stored

Ints = npt.NDArray[np.int64]
Met = npt.NDArray[np.int8]
"""1 if a record meets a condition, 0 if not, -1 if that is unknown."""
HEAD = 1000
"""The number of rows from which the date column is recognised."""
_MIX = 0x9E3779B97F4A7C15
"""An odd number by which cells are spread over 64 bits."""


@dataclass(slots=True)
class _Cells:
    """Sums by cell and condition; `places` are the cells by their key."""

    width: int
    places: dict[tuple[str | None, ...], int] = field(default_factory=dict)
    met: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    unknown: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    _pairs: list[list[tuple[npt.NDArray[np.uint64], Ints]]] = field(default_factory=list)
    """For each condition, hashes of article and cell, and the cells."""

    def add(self, keys: Iterator[tuple[str | None, ...]], ids: npt.NDArray[np.uint64], found: Sequence[Met]) -> None:
        """Count records: their keys [N], hashes of their articles' ids [N], and for each condition whether they meet it [N]."""
        rows = np.fromiter((self.places.setdefault(key, len(self.places)) for key in keys), dtype=np.int64, count=len(ids))
        size = len(self.places)
        grown = ((0, self.width - self.met.shape[0]), (0, size - self.met.shape[1]))
        self.met, self.unknown = np.pad(self.met, grown), np.pad(self.unknown, grown)
        mixed = ids ^ (rows.astype(np.uint64) * np.uint64(_MIX))
        self._pairs = self._pairs or [[] for _ in range(self.width)]
        for at, met in enumerate(found):
            self.met[at] += np.bincount(rows[met == 1], minlength=size)
            self.unknown[at] += np.bincount(rows[met == -1], minlength=size)
            self._pairs[at].append(_first(mixed[met == 1], rows[met == 1]))

    def articles(self) -> Ints:
        """The number of articles with a record that meets the condition, [conditions, cells]."""
        size = len(self.places)
        pairs = [_first(*map(np.concatenate, zip(*found, strict=True)))[1] for found in self._pairs]
        return np.array([np.bincount(cells, minlength=size) for cells in pairs], dtype=np.int64)


def _first(hashes: npt.NDArray[np.uint64], cells: Ints) -> tuple[npt.NDArray[np.uint64], Ints]:
    found, at = np.unique(hashes, return_index=True)
    return found, cells[at]


def count_records(
    path: Path,
    by: Sequence[str] = (),
    conditions: Sequence[str] = (),
    *,
    date: str | None = None,
    date_order: Order | None = None,
    folder: Path | None = None,
    excel: bool = False,
) -> Counts:
    """Count the rows of a table of event records by columns, or by `year`, `month`, `week` and `day` of the column `date` (default: the
    metadata column that is a date); `conditions` are quantities such as `records:status=asserted`. `folder` as in `count_tagged`.

    Raises FormatError for a damaged table, SettingsError for an unknown column, OutputError if the folder exists.
    """
    if folder is not None:
        require_absent(folder)
    asked = [_condition(words) for words in conditions]
    counts = _count(path, tuple(by), asked, date, date_order)
    if folder is None:
        return counts
    with staged_folder(folder) as staging:
        write_table(counts.columns, counts.rows, staging / "cells", excel=excel, note=UNCORRECTED)
        about = {
            "note": UNCORRECTED,
            "source": str(path),
            "by": list(by),
            "quantities": [f"{RECORDS}{condition}" for condition in asked],
            "articles": counts.articles,
            "records": counts.spans,
            "notes": list(counts.notes),
        }
        write_json(staging / "counts.json", about)
    return Counts(counts.columns, counts.rows, counts.articles, counts.spans, 0, counts.notes, folder, counts.counted)


def _condition(words: str) -> Condition:
    if not words.startswith(RECORDS):
        raise SettingsError(
            f"quantity: {words!r} cannot be counted in a table of event records; write a condition such as {RECORDS}status=asserted. "
            "The column `articles` says how many articles have such an event"
        )
    return parse_condition(words.removeprefix(RECORDS))


def _count(path: Path, by: Sequence[str], asked: Sequence[Condition], date: str | None, order: Order | None) -> Counts:
    columns = columns_of(path)
    twice = next((name for name in by if list(by).count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"by: {twice!r} occurs twice; name each column once")
    units = [unit for unit in UNITS if unit in by and (date is not None or unit not in columns)]
    dated = date if date is not None or not units else _date_column(path, columns)
    periods = {str(unit): Periods(str(dated), unit, order) for unit in units}
    require_names("by", [name for name in by if name not in periods], columns, "column", patterns=False)
    require_names("date", [] if dated is None else [dated], columns, "column", patterns=False)
    terms = [term for condition in asked for term in condition.terms]
    needed = [column for term in terms for column in _columns_of(term)]
    require_names("quantity", needed, columns, "column", patterns=False)
    names = dict.fromkeys(["article_id", "status", *(name for name in by if name not in periods), *needed])
    names |= {} if dated is None or not periods else {dated: None}
    cells = _Cells(max(len(asked), 1))
    statuses: Counter[str | None] = Counter()
    categories: set[str] = set()
    hashes: list[npt.NDArray[np.uint64]] = []
    unknown: list[Counter[str]] = [Counter() for _ in asked]
    for batch, rows in read_columns(path, list(names)):
        statuses.update(batch["status"].to_pylist())
        if "category" in needed:
            categories.update(filter(None, batch["category"].unique().to_pylist()))
        ids = np.fromiter(map(hash, batch["article_id"].to_pylist()), dtype=np.int64, count=rows).astype(np.uint64)
        hashes.append(np.unique(ids))
        keys = [periods[name](batch[str(dated)].to_pylist()) if name in periods else _texts(batch[name]) for name in by]
        found = [_met(condition, batch, rows, reasons) for condition, reasons in zip(asked, unknown, strict=True)]
        cells.add(zip(*keys, strict=True) if keys else iter([()] * rows), ids, found or [np.ones(rows, dtype=np.int8)])
    if not statuses:
        raise DataError(f"{path}: the table has no rows, so there is nothing to count")
    wanted = [value for term in terms if term.field == "category" for value in term.values]
    require_names("quantity", wanted, categories, "category", patterns=False)
    notes = [f"dates are taken from the column {dated!r} (--date COLUMN names another)"] if periods and date is None else []
    notes += [line.replace("articles that", "rows that") for one in periods.values() for line in one.notes()]
    notes += _notes(path, by, asked, statuses, unknown)
    header, table = _rows(by, asked, cells)
    articles = len(np.unique(np.concatenate(hashes)))
    return Counts(header, table, articles, statuses.total(), 0, tuple(notes), None, "records")


def _date_column(path: Path, columns: Sequence[str]) -> str:
    """The metadata column with dates, found in the first rows."""
    own = {*COLUMNS, *DATE_COLUMNS, *PLACE_COLUMNS, *CATEGORY_COLUMNS}
    made = {"date_text", "date_rule"} <= set(columns)
    fields = [name for name in columns if (name not in own and not name.endswith("_offsets")) or (name == "date" and not made)]
    batch, rows = next(read_columns(path, fields), ({}, 0))
    texts = {name: batch[name].to_pylist() for name in fields}
    return choose_date_field({name: values[row] for name, values in texts.items()} for row in range(min(rows, HEAD)))


def _columns_of(term: Term) -> tuple[str, ...]:
    return LISTS.get(term.field, ("country", "places") if term.field == "country" else (term.field,))


def _texts(column: Any) -> list[str | None]:
    values = column.to_pylist()
    return ["; ".join(value) if isinstance(value, list) else value or None for value in values]


def _met(condition: Condition, batch: Columns, rows: int, reasons: Counter[str]) -> Met:
    """Whether each row meets the condition, [N]; `reasons` counts the terms that leave it open."""
    found = [_term_met(term, batch) for term in condition.terms]
    met = np.min([np.where(one == -1, 1, one) for one in found], axis=0) if found else np.ones(rows, dtype=np.int8)
    is_open = np.any([one == -1 for one in found], axis=0) & (met == 1) if found else np.zeros(rows, dtype=bool)
    for term, one in zip(condition.terms, found, strict=True):
        reasons[term.field] += int((is_open & (one == -1)).sum())
    reasons[""] += int(is_open.sum())
    return np.where(is_open, -1, met).astype(np.int8)


def _term_met(term: Term, batch: Columns) -> Met:
    names = _columns_of(term)
    if term.field in LISTS:
        met = np.max([_any_fits(term, batch[name]) for name in names], axis=0)
        return np.where(_is_null(batch[names[0]]), -1, met).astype(np.int8)
    met = _fits(term, batch[term.field])
    if term.field == "status":
        return np.where(_is_null(batch["status"]), -1, met).astype(np.int8)
    if term.field == "country":
        return np.where(_is_null(batch["places"]), -1, met).astype(np.int8)
    return met


def _fits(term: Term, texts: Any) -> Met:
    """Whether each text fits the term, [N]; 0 where there is no text."""
    coded = texts.dictionary_encode()
    fits = np.array([*(text is not None and term.fits(text) for text in coded.dictionary.to_pylist()), False], dtype=np.int8)
    places: Ints = coded.indices.fill_null(len(fits) - 1).to_numpy(zero_copy_only=False)
    return fits[places]


def _any_fits(term: Term, lists: Any) -> Met:
    """Whether an item of each list fits the term, [N]; 0 where there is none."""
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(lists)), sizes)
    return np.minimum(np.bincount(rows[_fits(term, lists.flatten()) == 1], minlength=len(lists)), 1).astype(np.int8)


def _is_null(column: Any) -> npt.NDArray[np.bool_]:
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _notes(
    path: Path,
    by: Sequence[str],
    asked: Sequence[Condition],
    statuses: Mapping[str | None, int],
    unknown: Sequence[Counter[str]],
) -> list[str]:
    said = []
    try:
        about = read_stored(path.with_name(f"{path.name}.about.json"))
    except (OSError, ValueError):
        about = None  # the table alone was kept
    kept = about.get("status") if isinstance(about, Mapping) else None
    if kept:
        said.append(f"the table holds only events that are {' or '.join(map(str, kept))}, as eventtag records was told")
    elif "status" not in by and not all("status" in condition.fields for condition in asked or [Condition(())]):
        counts = ", ".join(f"{statuses[one]:,} {one or 'of unknown status'}" for one in (*STATUSES, None) if statuses[one])
        said.append(
            f"events of any status are counted ({counts}); counting them all as events that happened gives too high a figure "
            f"(--by status, or --quantity '{RECORDS}status=asserted')"
        )
    for condition, reasons in zip(asked, unknown, strict=True):
        if reasons[""]:
            fields = ", ".join(f"{name} of {count:,}" for name, count in sorted(reasons.items()) if name and count)
            said.append(
                f"{RECORDS}{condition}: it is unknown whether {reasons['']:,} records meet this condition ({fields}); they are "
                "counted only in the column `unknown`"
            )
    if path.suffix.lower() == ".csv" and any(condition.needs_links for condition in asked):
        said.append(
            "in CSV an empty cell of participants may mean that there is none; both are counted as unknown (Parquet tells them apart)"
        )
    said += [f"each combination of {name} makes a cell of its own" for name in by if name in LIST_COLUMNS]
    return said


def _rows(by: Sequence[str], asked: Sequence[Condition], cells: _Cells) -> tuple[tuple[str, ...], tuple[tuple[Any, ...], ...]]:
    """The columns and rows of the cells, sorted by their keys, those without a value last, and then by condition as asked."""
    own = ("quantity", "articles", "records", "unknown") if asked else ("articles", "records")
    articles = cells.articles()
    rows = []
    for key, place in sorted(cells.places.items(), key=lambda item: [(part is None, part or "") for part in item[0]]):
        for at in range(cells.width):
            sums = (int(articles[at, place]), int(cells.met[at, place]))
            rows.append((*key, f"{RECORDS}{asked[at]}", *sums, int(cells.unknown[at, place])) if asked else (*key, *sums))
    return (*meta_columns(by, taken=own).values(), *own), tuple(rows)
