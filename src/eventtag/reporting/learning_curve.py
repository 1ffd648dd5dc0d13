"""A learning curve as plain text, and as one self-contained HTML page without scripts.

Colours come from the classes of the evaluation page's style. Tables hold all figures too, so that no information depends on colour or on
the plot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from math import ceil, floor, log
from statistics import fmean

import numpy as np
from markupsafe import Markup

from eventtag.reporting.page import render_template
from eventtag.reporting.plots import open_frame
from eventtag.reporting.table import align_columns, table_lines
from eventtag.scoring.learning_curve import CurveReport, CurveRun, LearningCurve

WIDTH, HEIGHT, MARGIN = 300, 220, 40
CAVEAT = (
    "The first interval assumes that the scores continue as the fitted power law, which nobody knows. The second one covers all forms "
    "that fit these scores as well, such as curves that end or continue to rise. It assumes that each doubling of the articles gains at "
    "most twice as much as so far, that further articles are like these, and that training stays the same. With few sizes or small "
    "differences between them it is wide."
)
CHOSE = (
    "The scored articles also chose the epoch and the thresholds at every size, so all scores and intervals are slightly too high; "
    "split=test scores other articles."
)
MISFIT = 0.01


def render_curve(report: CurveReport) -> str:
    """F1 by number of training articles, and the gain that more articles promise, in points; ends without a newline."""
    header, *rows = curve_rows(report)
    lines = table_lines(header, rows)
    described = " ".join(str(report.data[key]) for key in ("articles", "split") if key in report.data)
    lines.append(
        f"strict F1 on the same {described} articles each time, with {100 * report.level:g} % intervals".replace("  ", " ")
    )
    some = next(iter(report.curves.values()))
    gains: list[tuple[str, ...]] = []
    lines += ["", f"{some.more} more articles ({some.articles} -> {some.articles + some.more}) would add, in points of F1:"]
    for row, curve in report.curves.items():
        gain, law, forms = gain_cells(curve)
        gains.append((row, gain, f"({law} if the power law goes on,", f"{forms} whatever the form)"))
    lines += ["  " + line for line in align_columns(gains)]
    lines += caveats(report)
    return "\n".join(lines)


def caveats(report: CurveReport) -> list[str]:
    """What the intervals assume, and whether the scored articles also chose the epochs."""
    said = [CAVEAT]
    off = [row for row, curve in report.curves.items() if curve.misfit_p < MISFIT]
    if off:
        said.append(
            f"The scores of {', '.join(off)} follow none of these forms (p < {MISFIT:g}), so their gains are not reliable; "
            "repeats=3 shows whether that is chance."
        )
    if report.data.get("split") == "validation":
        said.append(CHOSE)
    return said


def curve_rows(report: CurveReport) -> list[list[str]]:
    """A header and one row per size: articles, gold spans (mean over repeats), runs, and F1 with its interval for each row."""
    found = [["articles", "spans", "runs", *report.curves]]
    for articles, group in _by_size(report):
        cells = []
        for row in report.curves:
            f1, low, high = (100 * fmean(getattr(run.f1[row], key) for run in group) for key in ("f1", "low", "high"))
            cells.append(f"{f1:.1f} ({low:.1f}-{high:.1f})")
        spans = fmean(sum(run.spans.values()) for run in group)
        found.append([str(articles), f"{spans:.0f}", str(len(group)), *cells])
    return found


def gain_cells(curve: LearningCurve) -> tuple[str, str, str]:
    """The extrapolated gain in points, its interval if the power law goes on, and that over all forms."""
    ranges = ((curve.law_low, curve.law_high), (curve.low, curve.high))
    law, forms = (f"{100 * low:+.1f} to {100 * high:+.1f}" for low, high in ranges)
    return f"{100 * curve.gain:+.1f}", law, forms


def render_curve_page(report: CurveReport) -> str:
    """The page: a plot for every row of the report, the scores, and the extrapolated gains. It makes no request and runs no script."""
    header, *rows = curve_rows(report)
    some = next(iter(report.curves.values()))
    return render_template(
        "learning_curve.html.j2",
        title="Learning curve",
        report=report,
        header=header,
        rows=rows,
        caveat=" ".join(caveats(report)),
        some=some,
        gains=[(row, *gain_cells(curve), f"{100 * curve.end:.1f}") for row, curve in report.curves.items()],
        plots=[learning_plot(report, row, number) for number, row in enumerate(report.curves)],
    )


def learning_plot(report: CurveReport, row: str, number: int) -> Markup:
    """One row's scores with their intervals by number of articles (logarithmic), the fitted curve, and its extrapolation in dashes
    with the interval of the score that it promises.
    """
    curve = report.curves[row]
    sizes = sorted({run.articles for run in report.runs})
    last = curve.articles + curve.more
    bottom, top = _range(report)

    def x(articles: float) -> float:
        return MARGIN + WIDTH * log(articles / sizes[0]) / log(last / sizes[0])

    def y(f1: float) -> float:
        return MARGIN + HEIGHT * (1 - (min(max(f1, bottom), top) - bottom) / (top - bottom))

    def path(numbers: Sequence[float]) -> str:
        return " ".join(f"{x(n):.1f} {y(curve.end - curve.scale * n**-curve.exponent):.1f}" for n in numbers)

    title = f"F1 of {row} by number of training articles"
    parts = open_frame(WIDTH, HEIGHT, MARGIN, title=title, across="training articles", up=f"F1, {row}")
    for tick in np.linspace(bottom, top, 3).tolist():
        parts.append(
            Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(MARGIN - 6, y(tick) + 4, f"{100 * tick:g}")
        )
    for size in _ticks([*sizes, last], x):
        parts.append(Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x(size), MARGIN + HEIGHT + 16, size))
    look = f"l{number % 8}"
    parts.append(
        Markup('<path class="curve {}" d="M{}"/>').format(look, path(np.geomspace(sizes[0], curve.articles, 40).tolist()))
    )
    beyond = np.geomspace(curve.articles, last, 10).tolist()
    parts.append(Markup('<path class="curve {} d2" d="M{}"/>').format(look, path(beyond)))
    now = curve.score(curve.articles)
    parts.append(
        Markup('<path class="curve {0} d2" d="M{1:.1f} {2:.1f}V{3:.1f}"/>').format(
            look, x(last), y(now + curve.low), y(now + curve.high)
        )
    )
    for run in report.runs:
        score = run.f1[row]
        parts.append(
            Markup(
                '<g class="mark {0}"><path stroke-width="1.5" d="M{1:.1f} {2:.1f}V{3:.1f}"/><circle cx="{1:.1f}" cy="{4:.1f}" r="3.5">'
                "<title>{5}</title></circle></g>"
            ).format(
                look, x(run.articles), y(score.low), y(score.high), y(score.f1),
                f"{run.articles} articles: {100 * score.f1:.1f} ({100 * score.low:.1f} to {100 * score.high:.1f})",
            )
        )  # fmt: skip
    return Markup("").join([*parts, Markup("</svg>")])


def _range(report: CurveReport) -> tuple[float, float]:
    """Lowest and highest F1 of the plots, the same in all of them, on tenths."""
    lows = [score.low for run in report.runs for score in run.f1.values()]
    highs = [score.high for run in report.runs for score in run.f1.values()]
    bottom, top = floor(10 * min(lows)) / 10, min(ceil(10 * max(highs)) / 10, 1.0)
    return (bottom, top) if top > bottom else (0.0, 1.0)


def _ticks(sizes: Sequence[int], x: Callable[[float], float]) -> list[int]:
    """The sizes whose numbers fit beside each other, the last ones first."""
    chosen: list[int] = []
    for size in reversed(sizes):
        if not chosen or x(chosen[-1]) - x(size) > 34:
            chosen.append(size)
    return chosen


def _by_size(report: CurveReport) -> list[tuple[int, list[CurveRun]]]:
    return [(size, list(group)) for size, group in groupby(report.runs, key=lambda run: run.articles)]
