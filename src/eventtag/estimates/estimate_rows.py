"""Figures as rows of tables: for CSV, pandas and the screen."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import Any

from eventtag.estimates.corrected import Estimate, Figure
from eventtag.estimates.estimating import ALL, QuantityFigures

FIGURES = (
    "articles", "annotated", "units",
    "naive", "naive_low", "naive_high",
    "gold_only", "gold_only_low", "gold_only_high",
    "estimate", "low", "high", "standard_error",
    "total", "total_low", "total_high",
    "effective_annotated", "half_width_ratio", "lambda", "note",
)  # fmt: skip
"""Columns of estimates.csv behind those of the cell."""
WORTH = "worth: so many annotated articles would give the corrected interval without a tagger"
NOTHING_SAYS = "no annotated unit says how uncertain it is: the numbers do not vary there"
Rows = list[list[Any]]


def figure_rows(figures: Sequence[QuantityFigures], by: Sequence[str]) -> tuple[list[str], Rows]:
    """Columns and rows: `quantity`, `part` (`whole` or `cell`), the fields of the cells, and FIGURES; None where there is no figure."""
    rows = []
    for found in figures:
        name = str(found.quantity)
        rows.append([name, "whole", *([ALL] * len(by)), *_figures(found.whole)])
        rows += [[name, "cell", *cell.values, *_figures(cell.estimate)] for cell in found.cells]
    return ["quantity", "part", *by, *FIGURES], rows


def summary_rows(found: QuantityFigures, by: Sequence[str]) -> tuple[list[str], Rows]:
    """The same for people: each figure with its interval in one cell."""
    cells = [(("all articles", *[""] * (len(by) - 1)), found.whole), *((cell.values, cell.estimate) for cell in found.cells)]
    rows = [
        [
            *values, estimate.articles, estimate.annotated,
            *map(_interval, (estimate.naive, estimate.gold, estimate.corrected)),
            None if estimate.effective is None else f"{estimate.effective:.0f}", estimate.note,
        ]
        for values, estimate in cells
    ]  # fmt: skip
    return [*(by or ("cell",)), "articles", "annotated", "naive", "annotated alone", "corrected", "worth", ""], rows


def _interval(figure: Figure) -> str | None:
    if figure.value is None:
        return None
    fine = figure.half_width or abs(figure.value) / 100
    decimals = max(0, 1 - floor(log10(fine))) if fine else 0  # two digits of the half-width
    value, low, high = ("" if number is None else f"{number:,.{decimals}f}" for number in (figure.value, figure.low, figure.high))
    return f"{value} ({low} to {high})" if low else value


def _figures(found: Estimate) -> list[Any]:
    one, other = found.corrected, found.gold
    widths = one.half_width, other.half_width
    ratio = widths[0] / widths[1] if widths[0] is not None and widths[1] else None
    totals = [None if value is None else value * found.articles for value in (one.value, one.low, one.high)]
    return [
        found.articles, found.annotated, found.units,
        *_ends(found.naive), *_ends(other), *_ends(one), one.error,
        *totals, found.effective, ratio, found.slope if found.annotated else None, found.note or None,
    ]  # fmt: skip


def _ends(figure: Figure) -> tuple[float | None, float | None, float | None]:
    return figure.value, figure.low, figure.high


def change_rows(figures: Sequence[QuantityFigures]) -> tuple[list[str], Rows]:
    """Differences between cells and trends: `kind` is `difference` or `trend`; a trend has no `to`, and `from` names its other fields."""
    rows: Rows = []
    for found in figures:
        for change in found.changes:
            figure, contrast = change.contrast.figure, change.contrast
            names = " / ".join(change.first), " / ".join(change.second)
            rows.append(
                [
                    str(found.quantity), "difference", *names, *_ends(figure), figure.error,
                    contrast.p, change.adjusted, contrast.note or None,
                ]
            )  # fmt: skip
        for trend in found.trends:
            figure = trend.contrast.figure
            rows.append(
                [
                    str(found.quantity), "trend", " / ".join(trend.values) or ALL, None, *_ends(figure), figure.error,
                    trend.contrast.p, None, trend.contrast.note or None,
                ]
            )  # fmt: skip
    return [
        "quantity",
        "kind",
        "from",
        "to",
        "difference",
        "low",
        "high",
        "standard_error",
        "p",
        "p_holm",
        "note",
    ], rows


def coefficient_rows(figures: Sequence[QuantityFigures], level: float) -> tuple[list[str], Rows]:
    """The coefficients of the regressions; None and a note where one has no interval."""
    rows: Rows = []
    for found in figures:
        if found.regression is None:
            continue
        fit = found.regression.regression
        low, high = fit.interval(level)
        columns = (low, high, fit.errors, fit.p)
        for place, name in enumerate(found.regression.names):
            note = found.regression.note or ("" if fit.uncertain[place] else NOTHING_SAYS)
            ends = [None if note else float(column[place]) for column in columns]
            rows.append([str(found.quantity), name, float(fit.coefficients[place]), *ends, note or None])
    return ["quantity", "column", "coefficient", "low", "high", "standard_error", "p", "note"], rows
