"""Figures of a tagged pool by cell, with differences, trends and a regression, from a sample that people annotated."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from eventtag.errors import DataError, SettingsError
from eventtag.estimates.annotated_sample import SampledArticles
from eventtag.estimates.contrasts import Contrast, difference, trend
from eventtag.estimates.corrected import Annotated, Estimate, Figure, Tagged, estimate_mean
from eventtag.estimates.dates import UNITS
from eventtag.estimates.quantities import Quantity, number_of
from eventtag.estimates.regression import Family, Regression, Rows, Tuning, regress_dsl, regress_ppi
from eventtag.estimates.tagged import TaggedTable
from eventtag.scoring.compare import holm

WITHOUT = "(none)"
"""The value of a field of articles that do not have it."""
ALL = "all"
CONSTANT = "1"
"""In place of a field of a regression: the constant alone, whose coefficient is the mean of the process."""
NOT_KNOWN = "the annotated articles are not known to be a random sample"
_YEAR, _MONTH, _WEEK = (re.compile(form) for form in (r"\d{4}", r"\d{4}-\d\d", r"\d{4}-W\d\d"))
LEAST_PERIODS = 3
"""Periods of a trend at least."""


@dataclass(frozen=True)
class Cell:
    """A cell with its figures; `values` are those of the fields, in their order; empty for all articles."""

    values: tuple[str, ...]
    estimate: Estimate


@dataclass(frozen=True)
class Change:
    """The mean of the cell `second` minus that of `first`; `adjusted` is p corrected by Holm for all changes of the quantity."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    contrast: Contrast
    adjusted: float | None


@dataclass(frozen=True)
class Trend:
    """The change of the mean by period, of the cells with these values of the other fields."""

    values: tuple[str, ...]
    periods: int
    contrast: Contrast


@dataclass(frozen=True)
class Coefficients:
    """A regression with the names [p] of its coefficients; `note` says why none of them has an interval, empty where they have."""

    names: tuple[str, ...]
    family: Family
    regression: Regression
    note: str


@dataclass(frozen=True)
class QuantityFigures:
    """All figures of a quantity. `whole` is that of all articles, `changes` between cells, `trends` over periods."""

    quantity: Quantity
    whole: Estimate
    cells: tuple[Cell, ...]
    changes: tuple[Change, ...]
    trends: tuple[Trend, ...]
    regression: Coefficients | None


def estimate_quantity(
    table: TaggedTable,
    sample: SampledArticles,
    number: int,
    *,
    by: Sequence[str],
    regress: Sequence[str] = (),
    family: Family = "linear",
    tuning: Tuning = "sample",
    level: float = 0.95,
) -> QuantityFigures:
    """The figures of the quantity of this number; `by` and `regress` are fields of the table.

    Raises DataError where no annotated article is known for the quantity, or a regression has no solution.
    """
    quantity, tagged = table.quantities[number], table.values[:, number]
    annotated, places = sample.known(tagged, number)
    if not len(annotated):
        raise DataError(
            f"{quantity}: no annotated article is known for it; check that the gold articles are annotated for its label as a whole"
        )
    bounds = (-np.inf if quantity.kind == "column" else 0.0, 1.0 if quantity.is_share else np.inf)
    counted = ~np.isnan(tagged)

    def one(members: npt.NDArray[Any], inside: npt.NDArray[np.bool_]) -> Estimate:
        numbers = tagged[members]
        pool = Tagged(len(numbers), float(numbers.sum()), float((numbers**2).sum()))
        found = estimate_mean(pool, annotated, inside, level=level, bounds=bounds)
        return found if sample.random else _without_intervals(found)

    whole = one(counted, np.ones(len(annotated), dtype=np.bool_))
    cells: list[Cell] = []
    if by:
        names, codes = _cells(table.fields, by)
        order = np.argsort(codes[counted], kind="stable")
        members = np.flatnonzero(counted)[order]
        ends = np.searchsorted(codes[members], np.arange(len(names) + 1))
        for cell, values in enumerate(names):
            mine = members[ends[cell] : ends[cell + 1]]
            if len(mine):
                cells.append(Cell(values, one(mine, codes[places] == cell)))
    return QuantityFigures(
        quantity,
        whole,
        tuple(cells),
        _changes(cells, by, level, random=sample.random),
        _trends(cells, by, level, random=sample.random),
        _regression(table, tagged, annotated, places, regress, family, tuning, whole.note) if regress and sample.random else None,
    )


def _without_intervals(found: Estimate) -> Estimate:
    return replace(
        found,
        gold=Figure(found.gold.value),
        corrected=Figure(found.corrected.value),
        effective=None,
        note=NOT_KNOWN,
        gold_note=NOT_KNOWN,
    )


def _cells(
    fields: Mapping[str, npt.NDArray[np.object_]], by: Sequence[str]
) -> tuple[list[tuple[str, ...]], npt.NDArray[np.int64]]:
    """The cells' values in order, and the number [N] of each article's."""
    codes = np.zeros(len(fields[by[0]]), dtype=np.int64)
    levels = []
    for name in by:
        values, places = _levels(fields[name])
        levels.append(values)
        codes = codes * len(values) + places
    numbers, places = np.unique(codes, return_inverse=True)
    names = []
    for place in numbers.tolist():
        values = []
        for level in reversed(levels):
            place, at = divmod(place, len(level))
            values.append(level[at])
        names.append(tuple(reversed(values)))
    return names, places.astype(np.int64)


def _levels(column: npt.NDArray[np.object_]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The values of a column in order, those of articles without one last, and the place [N] of each article's."""
    found = {value for value in column.tolist() if value is not None}
    values = [*sorted(found), *([WITHOUT] if None in column else [])]
    place_of: dict[str | None, int] = {value: place for place, value in enumerate(values)}
    place_of[None] = len(values) - 1
    return values, np.array([place_of[value] for value in column.tolist()], dtype=np.int64)


def period_field(cells: Sequence[Cell], by: Sequence[str]) -> int | None:
    """The place in `by` of the field that orders cells in time; a field of that name with other values (`month: May`) does not."""
    for place, name in enumerate(by):
        if name in UNITS and all(
            period_number(cell.values[place]) is not None for cell in cells if cell.values[place] != WITHOUT
        ):
            return place
    return None


def series_of(cells: Sequence[Cell], place: int) -> dict[tuple[str, ...], list[Cell]]:
    """The cells with a period by the values of their other fields."""
    found: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        if cell.values[place] != WITHOUT:
            found.setdefault(cell.values[:place] + cell.values[place + 1 :], []).append(cell)
    return found


def _changes(cells: Sequence[Cell], by: Sequence[str], level: float, *, random: bool) -> tuple[Change, ...]:
    """From each period to the next; without periods, of each cell against the one with the most articles."""
    place = period_field(cells, by)
    if place is not None:
        pairs = [pair for series in series_of(cells, place).values() for pair in itertools.pairwise(series)]
    elif len(cells) > 1:
        largest = max(cells, key=lambda cell: cell.estimate.articles)
        pairs = [(largest, cell) for cell in cells if cell is not largest]
    else:
        return ()
    contrasts = [_known(difference(first.estimate, second.estimate, level=level), random=random) for first, second in pairs]
    known = [contrast.p for contrast in contrasts if contrast.p is not None]
    adjusted = iter(holm(np.array(known)).tolist() if known else [])
    return tuple(
        Change(first.values, second.values, contrast, None if contrast.p is None else next(adjusted))
        for (first, second), contrast in zip(pairs, contrasts, strict=True)
    )


def _known(contrast: Contrast, *, random: bool) -> Contrast:
    return contrast if random else Contrast(Figure(contrast.figure.value), None, NOT_KNOWN)


def _trends(cells: Sequence[Cell], by: Sequence[str], level: float, *, random: bool) -> tuple[Trend, ...]:
    place = period_field(cells, by)
    if place is None:
        return ()
    found = []
    for values, series in series_of(cells, place).items():
        if len(series) >= LEAST_PERIODS:
            times = [period_number(cell.values[place]) or 0 for cell in series]
            contrast = trend([cell.estimate for cell in series], times, level=level)
            found.append(Trend(values, len(series), _known(contrast, random=random)))
    return tuple(found)


def period_number(period: str) -> int | None:
    """The number of a year, month, ISO week or day, such that neighbours differ by 1; None for what is none of these."""
    try:
        if _WEEK.fullmatch(period):
            return date.fromisocalendar(int(period[:4]), int(period[6:]), 1).toordinal() // 7
        if _MONTH.fullmatch(period):
            return int(period[:4]) * 12 + int(period[5:])
        return int(period) if _YEAR.fullmatch(period) else date.fromisoformat(period).toordinal()
    except ValueError:
        return None


def _regression(
    table: TaggedTable,
    tagged: npt.NDArray[np.float64],
    annotated: Annotated,
    places: npt.NDArray[np.int64],
    regress: Sequence[str],
    family: Family,
    tuning: Tuning,
    note: str,
) -> Coefficients:
    columns, names = _design(table, regress)
    whole = np.isfinite(tagged) & np.isfinite(columns).all(axis=1)
    kept = whole[places]
    places = places[kept]
    units = np.unique(annotated.units[kept], return_inverse=True)[1]
    sample = Annotated(
        annotated.gold[kept], annotated.tagged[kept], annotated.weights[kept], units, np.zeros(len(units), dtype=np.int64)
    )
    if len(np.unique(units)) <= len(names):
        raise DataError(f"regress: {len(names)} coefficients need more than {len(np.unique(units))} annotated units")
    equal = np.ptp(sample.weights) <= 1e-6 * sample.weights.max()
    rest = whole.copy()
    rest[places] = False
    if equal and rest.any():
        found = regress_ppi(Rows(columns[rest], tagged[rest]), columns[places], sample, family, tuning=tuning)
    else:
        numbers = np.cumsum(whole) - 1
        found = regress_dsl(Rows(columns[whole], tagged[whole]), numbers[places], sample, family)
    return Coefficients(names, family, found, note)


def _design(table: TaggedTable, regress: Sequence[str]) -> tuple[npt.NDArray[np.float64], tuple[str, ...]]:
    """Columns [N, p] and their names: a constant, fields that hold numbers as they are (NaN where one is missing), periods counted from the
    first as `time`, and a column for each other value of a field but the most frequent.
    """
    columns, names = [np.ones(len(table.ids))], ["(constant)"]
    for given in regress:
        if given == CONSTANT:
            continue
        name = given.removeprefix("time:")
        field = table.fields[name]
        present = [value for value in field.tolist() if value is not None]
        if given != name:
            if name not in UNITS:
                raise SettingsError(f"regress: {given!r}: time: takes {', '.join(UNITS)}")
            periods = {value: period_number(value) for value in set(present)}
            if None in periods.values():
                raise SettingsError(
                    f"regress: {given!r}: the articles have a field {name!r} that holds no periods; give --date FIELD"
                )
            first = min(filter(None, periods.values()), default=0)
            numbers = [np.nan if value is None else float((periods[value] or 0) - first) for value in field.tolist()]
        elif name not in UNITS and all(np.isfinite(number_of(value)) for value in set(present)):
            numbers = [number_of(value) for value in field.tolist()]
        else:
            values, places = _levels(field)
            usual = np.bincount(places, minlength=len(values)).argmax()
            for place, value in enumerate(values):
                if place != usual:
                    columns.append((places == place).astype(np.float64))
                    names.append(f"{name}={value} (against {values[usual]})")
            continue
        columns.append(np.array(numbers))
        names.append(given)
    return np.stack(columns, axis=1), tuple(names)
