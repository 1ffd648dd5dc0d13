"""A plot over time as SVG: the corrected figure with its band, and the naive one as a dashed line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from eventtag.reporting.plots import open_frame

WIDTH, HEIGHT, MARGIN = 640, 240, 52
LABELS = 12
"""The most periods whose names are written under the axis."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The figures of a period; None if there is none."""

    period: str
    naive: float | None
    corrected: float | None
    low: float | None
    high: float | None


def series_plot(moments: Sequence[Moment], *, title: str) -> Markup:
    """The plot. The band has gaps where a period has no interval. The titles of the marks contain all figures."""
    values = [value for m in moments for value in (m.naive, m.corrected, m.low, m.high) if value is not None]
    bottom, top = min(0.0, *values) if values else 0.0, max(values, default=1.0) or 1.0

    def x(place: int) -> float:
        return MARGIN + WIDTH * (place + 0.5) / len(moments)

    def y(value: float) -> float:
        return MARGIN + HEIGHT * (1 - (value - bottom) / (top - bottom))

    parts = [*open_frame(WIDTH, HEIGHT, MARGIN, title=title, across="", up=title)]
    for tick in (bottom, (bottom + top) / 2, top):
        parts.append(Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:.3g}</text>').format(MARGIN - 6, y(tick) + 4, tick))
    step = -(-len(moments) // LABELS)
    for place, moment in enumerate(moments):
        if place % step == 0:
            parts.append(
                Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
                    x(place), MARGIN + HEIGHT + 16, moment.period
                )
            )
    for run in _runs(moments, lambda m: m.low is not None and m.high is not None):
        upper = [f"{x(place):.1f} {y(moments[place].high or 0.0):.1f}" for place in run]
        lower = [f"{x(place):.1f} {y(moments[place].low or 0.0):.1f}" for place in reversed(run)]
        parts.append(
            Markup('<path class="mark l0" fill-opacity="0.2" stroke-opacity="0.3" d="M{}Z"/>').format(" ".join(upper + lower))
        )
    for run in _runs(moments, lambda m: m.naive is not None):
        points = " ".join(f"{x(place):.1f} {y(moments[place].naive or 0.0):.1f}" for place in run)
        parts.append(Markup('<path class="curve l1 d1" d="M{}"/>').format(points))
    for run in _runs(moments, lambda m: m.corrected is not None):
        points = " ".join(f"{x(place):.1f} {y(moments[place].corrected or 0.0):.1f}" for place in run)
        parts.append(Markup('<path class="curve l0" d="M{}"/>').format(points))
    for place, moment in enumerate(moments):
        if moment.corrected is not None:
            parts.append(
                Markup('<circle class="mark l0" cx="{:.1f}" cy="{:.1f}" r="3.5"><title>{}</title></circle>').format(
                    x(place), y(moment.corrected), _said(moment)
                )
            )
    for number, (look, name) in enumerate((("curve l0", "corrected, with its interval"), ("curve l1 d1", "naive"))):
        left = MARGIN + WIDTH - 330 + 220 * number
        parts.append(Markup('<path class="{}" d="M{} {}h28"/>').format(look, left, MARGIN - 18))
        parts.append(Markup('<text x="{}" y="{}">{}</text>').format(left + 34, MARGIN - 14, name))
    return Markup("").join([*parts, Markup("</svg>")])


def _runs(moments: Sequence[Moment], has: Callable[[Moment], bool]) -> list[list[int]]:
    """The runs of neighbouring moments for which `has` is true, as places in the list."""
    places = range(len(moments))
    return [list(run) for there, run in groupby(places, key=lambda place: has(moments[place])) if there]


def _said(moment: Moment) -> str:
    if moment.low is None or moment.high is None:
        return f"{moment.period}: {moment.corrected:.4g}, no interval; naive {moment.naive:.4g}"
    return f"{moment.period}: {moment.corrected:.4g} ({moment.low:.4g} to {moment.high:.4g}); naive {moment.naive:.4g}"
