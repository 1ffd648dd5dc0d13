"""The files of an estimate: estimates.csv, differences.csv and regression.csv, estimates.json with all of it, and estimates.html."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from eventtag.estimates.estimate_rows import WORTH, Rows, change_rows, coefficient_rows, figure_rows, summary_rows
from eventtag.estimates.estimating import QuantityFigures, period_field, series_of
from eventtag.formats.csv_cells import guarded
from eventtag.reporting.page import render_template
from eventtag.reporting.series_plot import Moment, series_plot
from eventtag.staging import staged_file, staged_folder, write_json

SCHEMA = 1
ESTIMAND = (
    "the mean over all articles of this pool, and its sum over them; of regressions, the process that such articles come from"
)
READING = (
    "corrected: by people's numbers of the sample, with its interval. naive: the tagger's numbers as if they were right, with the interval "
    "that would then be printed; it does not hold the truth as often as it says. annotated alone: people's numbers without the tagger. "
    + WORTH
)


def write_estimates(
    folder: Path, figures: Sequence[QuantityFigures], *, by: Sequence[str], level: float, notes: Sequence[str]
) -> None:
    """Write the files into a folder, which appears when they are whole. Raises OutputError where it exists."""
    tables = {"estimates": figure_rows(figures, by), "differences": change_rows(figures)}
    if any(found.regression for found in figures):
        tables["regression"] = coefficient_rows(figures, level)
    content: dict[str, Any] = {"schema": SCHEMA, "estimand": ESTIMAND, "level": level, "by": list(by), "notes": list(notes)}
    content |= {name: [dict(zip(columns, row, strict=True)) for row in rows] for name, (columns, rows) in tables.items()}
    content["regressions"] = [
        {
            "quantity": str(found.quantity),
            "family": found.regression.family,
            "method": found.regression.regression.method,
            "lambda": found.regression.regression.slope,
            "degrees_of_freedom": found.regression.regression.degrees.tolist(),
        }
        for found in figures
        if found.regression is not None
    ]
    with staged_folder(folder) as place:
        for name, (columns, rows) in tables.items():
            _write_csv(place / f"{name}.csv", columns, rows)
        write_json(place / "estimates.json", content)
        with staged_file(place / "estimates.html") as file:
            file.write(_page(figures, by, level, notes, tables))


def _write_csv(path: Path, columns: Sequence[str], rows: Rows) -> None:
    with staged_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([guarded(column) for column in columns])
        writer.writerows([guarded(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def _page(
    figures: Sequence[QuantityFigures],
    by: Sequence[str],
    level: float,
    notes: Sequence[str],
    tables: dict[str, tuple[list[str], Rows]],
) -> str:
    parts = []
    for found in figures:
        name = str(found.quantity)
        header, cells = summary_rows(found, by)
        mine = {"estimates": (header, [[_shown(cell) for cell in row] for row in cells])}
        mine |= {
            title: (columns[1:], [[_shown(cell) for cell in row[1:]] for row in rows if row[0] == name])
            for title, (columns, rows) in tables.items()
            if title != "estimates"
        }
        parts.append((name, _plots(found, by), {title: table for title, table in mine.items() if table[1]}))
    return render_template(
        "estimates.html.j2",
        title="Estimates",
        parts=parts,
        level=f"{100 * level:g} %",
        notes=notes,
        estimand=ESTIMAND,
        reading=READING,
    )


def _plots(found: QuantityFigures, by: Sequence[str]) -> list[Markup]:
    place = period_field(found.cells, by)
    if place is None:
        return []
    plots = []
    for values, series in series_of(found.cells, place).items():
        moments = [
            Moment(
                cell.values[place],
                cell.estimate.naive.value,
                cell.estimate.corrected.value,
                cell.estimate.corrected.low,
                cell.estimate.corrected.high,
            )
            for cell in series
        ]
        of = f", {' / '.join(values)}" if values else ""
        plots.append(series_plot(moments, title=f"{found.quantity}{of}: mean of an article by {by[place]}"))
    return plots


def _shown(cell: Any) -> str:
    if cell is None:
        return "–"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
