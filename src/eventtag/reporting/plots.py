"""Plots of an evaluation report as SVG without scripts or style attributes, as a strict content security policy requires.

Colours come from the page's classes `l0` to `l7`; labels are told apart by text and dashes as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor

from markupsafe import Markup, escape

from eventtag.scoring.calibration import CalibrationReport, thin_curve
from eventtag.scoring.reliability import Reliability

SIDE = 260
MARGIN = 44
DASHES = 4
"""How many dash patterns the page's style has, the solid line included."""


@dataclass(frozen=True, slots=True)
class Whisker:
    """One row of a forest plot: a share with its interval."""

    name: str
    colour: int | None
    value: float
    low: float
    high: float


def forest_plot(rows: Sequence[Whisker], *, title: str) -> Markup:
    """Shares with their intervals, one row each, on an axis of whole tens that holds them all. It is as wide as the page."""
    step = 24
    height = step * len(rows) + 34
    first = floor(10 * min((row.low for row in rows), default=0.0)) / 10
    last = max(ceil(10 * max((row.high for row in rows), default=1.0)) / 10, first + 0.2)
    tick = 10 if last - first <= 0.5 else 20

    def across(value: float) -> str:
        return f"{100 * (value - first) / (last - first):.2f}%"

    grid = Markup('<line class="axis" x1="{0}" x2="{0}" y1="4" y2="{1}"/><text x="{0}" y="{2}" text-anchor="middle">{3}</text>')
    line = Markup('<line class="mark{}" stroke-width="2" x1="{}" x2="{}" y1="{y}" y2="{y}"/>')
    dot = Markup('<circle class="mark{}" cx="{}" cy="{y}" r="4"/>')
    names, marks = [], []
    for percent in range(round(100 * first), round(100 * last) + 1, tick):
        marks.append(grid.format(across(percent / 100), height - 26, height - 10, percent))
    for number, row in enumerate(rows):
        y = step * number + 16
        colour = "" if row.colour is None else f" l{row.colour}"
        names.append(Markup('<text x="0" y="{}">{}</text>').format(y + 4, row.name))
        marks.append(line.format(colour, across(row.low), across(row.high), y=y) + dot.format(colour, across(row.value), y=y))
    columns = {f"{0.5 * max((len(row.name) for row in rows), default=0) + 1:g}em": names, "100%": marks}
    svg = Markup('<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}">{}</svg>')
    drawn = Markup("").join(svg.format(width, height, Markup("").join(parts)) for width, parts in columns.items())
    return Markup('<div class="forest" role="img" aria-label="{}">{}</div>').format(title, drawn)


def reliability_plot(reliability: Reliability | None) -> Markup:
    """Precision against mean score of every bin, with the diagonal of perfect calibration; larger bins have larger marks."""
    parts = [*_square("Reliability of the span scores", "score", "share that is right")]
    parts.append(Markup('<path class="axis" stroke-dasharray="4 3" d="M{0} {1}L{2} {3}"/>').format(*_point(0, 0), *_point(1, 1)))
    if reliability is not None:
        largest = max(part.count for part in reliability.bins)
        for part in reliability.bins:
            x, y = _point(part.confidence, part.precision)
            parts.append(Markup('<circle class="mark l0" cx="{}" cy="{}" r="{:.1f}"><title>{}</title></circle>').format(
                x, y, 2.5 + 3 * (part.count / largest) ** 0.5,
                f"{part.count} spans with score {part.low:.2f} to {part.high:.2f}: {100 * part.precision:.1f} % right",
            ))  # fmt: skip
    return Markup("").join([*parts, Markup("</svg>")])


def curve_plot(calibration: CalibrationReport) -> Markup:
    """The precision-recall curve of every label, with a legend."""
    parts = [*_square("Precision and recall at every threshold", "recall", "precision")]
    curves = _curves(calibration)
    for number, (label, found) in enumerate(curves.items()):
        look = f"curve l{number % 8} d{number % DASHES}"
        points = " ".join(f"{x} {y}" for x, y in (_point(recall, precision) for recall, precision in found))
        parts.append(Markup('<path class="{}" d="M{}"/>').format(look, points))
        y = MARGIN + SIDE - 18 * (len(curves) - number)
        parts.append(Markup('<path class="{}" d="M{} {}h28"/>').format(look, MARGIN + 12, y))
        parts.append(Markup('<text x="{}" y="{}">{}</text>').format(MARGIN + 48, y + 4, label))
    return Markup("").join([*parts, Markup("</svg>")])


def open_frame(width: int, height: int, margin: int, *, title: str, across: str, up: str) -> list[Markup]:
    """The beginning of a plot with an area of this size, two axes and their names; `</svg>` ends it."""
    return [
        _open(width + 2 * margin, height + 2 * margin, title),
        Markup('<path class="axis" d="M{0} {0}V{1}H{2}"/>').format(margin, margin + height, margin + width),
        Markup('<text x="{}" y="{}">{}</text>').format(margin, margin - 14, up),
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(margin + width / 2, height + 2 * margin - 6, across),
    ]


def _curves(calibration: CalibrationReport) -> Mapping[str, list[tuple[float, float]]]:
    return {
        label: [(point.recall, point.precision) for point in thin_curve(found.curve)]
        for label, found in calibration.labels.items()
        if found.curve
    }


def _open(width: int, height: int, title: str) -> Markup:
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">'
    ).format(width, height, title)


def _square(title: str, across: str, up: str) -> list[Markup]:
    size = SIDE + 2 * MARGIN
    parts = [_open(size, size, title), Markup('<path class="axis" d="M{0} {0}V{1}H{1}"/>').format(MARGIN, MARGIN + SIDE)]
    for tick in (0, 0.5, 1):
        x, y = _point(tick, tick)
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(x, MARGIN + SIDE + 16, f"{100 * tick:g}")
        )
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(MARGIN - 6, float(y) + 4, f"{100 * tick:g}")
        )
    parts.append(Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(MARGIN + SIDE / 2, size - 8, across))
    parts.append(Markup('<text x="{}" y="{}">{}</text>').format(4, MARGIN - 14, escape(up)))
    return parts


def _point(x: float, y: float) -> tuple[str, str]:
    return f"{MARGIN + SIDE * x:.1f}", f"{MARGIN + SIDE * (1 - y):.1f}"
