"""A sweep as plain text, and as one self-contained HTML page without scripts.

Colours come from the classes of the evaluation page's style. Tables hold all figures too, so that no information depends on colour or on
the plot.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from statistics import fmean
from typing import Any

from markupsafe import Markup

from eventtag.reporting.page import render_template
from eventtag.reporting.plots import Whisker, forest_plot, open_frame
from eventtag.reporting.table import table_lines
from eventtag.scoring.candidates import FINISHED, SELECTION, Candidate, MeanScore, SweepReport

WIDTH, HEIGHT, MARGIN = 300, 200, 40
MOST_WHISKERS = 30
CAVEAT = (
    f"The best of many scores is partly luck: {SELECTION.note}. An interval is about other seeds on these articles. "
    "If that of the points behind the best holds 0, these seeds show no difference between the two."
)


def render_sweep(report: SweepReport) -> str:
    """The candidates, best first, then those that ended early; ends without a newline."""
    header, *rows = sweep_rows(report)
    lines = table_lines(header, rows)
    lines.append(f"{score_name(report)} on {_articles(report)}, with {100 * report.level:g} % intervals over seeds")
    lines.append(caveat(report))
    return "\n".join(lines)


def caveat(report: SweepReport) -> str:
    """How far to trust the best score, with the score on seeds that did not choose it."""
    best = None if report.best is None else report.score(report.best)
    if best is None:
        return CAVEAT
    if (other := report.on_other_seeds) is None:
        return f"{CAVEAT} A single seed does not show how much of {100 * best.mean:.1f} is luck; sweep with seeds=3 or more."
    return (
        f"{CAVEAT} If all seeds but one choose, the best candidate has {100 * other:.1f} on the seed left out (mean over the seeds); the "
        f"difference to {100 * best.mean:.1f} is luck with the seeds that chose it."
    )


def sweep_rows(report: SweepReport) -> list[list[str]]:
    """A header and one row per candidate: number, score, interval, points behind the best, runs, how it ended, and its values."""
    found = [["candidate", "F1", "interval", "behind the best", "runs", "", *report.keys]]
    ended = [candidate for candidate in report.candidates if candidate.state != FINISHED]
    for candidate in [*report.ranked(), *sorted(ended, key=lambda item: (item.state, item.number))]:
        score, gap = report.score(candidate), report.gap(candidate)
        found.append(
            [
                str(candidate.number),
                "-" if score is None else f"{100 * score.mean:.1f}",
                _interval(score),
                "-" if gap is None else f"{100 * gap.mean:.1f} {_interval(gap)}".strip(),
                str(len(candidate.scores)),
                "; ".join(part for part in (candidate.state if candidate.state != FINISHED else "", candidate.note) if part),
                *(shown(candidate.values.get(key)) for key in report.keys),
            ]
        )
    return found


def score_name(report: SweepReport) -> str:
    """What the scores are."""
    return f"strict {report.metric.replace('_f1', '')} F1, mean over seeds {', '.join(map(str, report.seeds))},"


def shown(value: Any) -> str:
    """A value of a key as it would be given on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def render_sweep_page(report: SweepReport) -> str:
    """The page: the best candidates with intervals, a plot for every key, and the table. It makes no request and runs no script."""
    header, *rows = sweep_rows(report)
    best = report.best
    return render_template(
        "sweep.html.j2",
        title="Sweep",
        report=report,
        header=[cell or "how it ended" for cell in header],
        rows=rows,
        caveat=caveat(report),
        score_name=score_name(report),
        articles=_articles(report),
        best=None if best is None else [(key, shown(best.values.get(key))) for key in report.keys],
        forest=forest_plot(_whiskers(report), title="F1 of the best candidates with their intervals"),
        plots=[key_plot(report, key) for key in report.keys],
    )


def key_plot(report: SweepReport, key: str) -> Markup:
    """The mean score of every finished candidate by one key's value: numbers on an axis (logarithmic where they span more than a
    factor of ten), other values side by side.
    """
    ranked = report.ranked()
    places, ticks = _places([candidate.values.get(key) for candidate in ranked])
    means = [fmean(candidate.scores) for candidate in ranked] or [0.0]
    bottom, top = (min(means), max(means)) if min(means) < max(means) else (min(means) - 0.01, max(means) + 0.01)

    def y(f1: float) -> float:
        return MARGIN + HEIGHT * (1 - (f1 - bottom) / (top - bottom))

    def x(place: float) -> float:
        return MARGIN + 12 + (WIDTH - 24) * place

    parts = open_frame(WIDTH, HEIGHT, MARGIN, title=f"F1 by {key}", across=key, up="F1")
    for value in (bottom, (bottom + top) / 2, top):
        parts.append(
            Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:.1f}</text>').format(MARGIN - 6, y(value) + 4, 100 * value)
        )
    for place, name in ticks:
        parts.append(
            Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x(place), MARGIN + HEIGHT + 16, name)
        )
    for candidate, place in zip(ranked, places, strict=True):
        parts.append(
            Markup('<g class="mark l0"><circle cx="{:.1f}" cy="{:.1f}" r="3.5"><title>{}</title></circle></g>').format(
                x(place), y(fmean(candidate.scores)), _title(candidate, key)
            )
        )
    return Markup("").join([*parts, Markup("</svg>")])


def _places(values: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """The place of each value on an axis from 0 to 1, and the axis's ticks."""
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values) or len(set(numbers)) < 3:
        kinds = sorted(set(values), key=lambda value: (isinstance(value, str), str(value)))
        spots = {value: (number + 0.5) / len(kinds) for number, value in enumerate(kinds)}
        return [spots[value] for value in values], [(spot, shown(value)) for value, spot in spots.items()]
    low, high = min(numbers), max(numbers)
    if low > 0 and high / low > 10:
        middle = (low * high) ** 0.5
        return [log(n / low) / log(high / low) for n in numbers], [(0, shown(low)), (0.5, shown(middle)), (1, shown(high))]
    return [(n - low) / (high - low) for n in numbers], [(0, shown(low)), (0.5, shown((low + high) / 2)), (1, shown(high))]


def _whiskers(report: SweepReport) -> list[Whisker]:
    rows = []
    for candidate in report.ranked()[:MOST_WHISKERS]:
        score = report.score(candidate)
        if score is not None:
            low = score.mean if score.low is None else max(score.low, 0.0)
            high = score.mean if score.high is None else min(score.high, 1.0)
            rows.append(Whisker(f"candidate {candidate.number}", 0, score.mean, low, high))
    return rows


def _interval(score: MeanScore | None) -> str:
    if score is None or score.low is None or score.high is None:
        return ""
    return f"({100 * score.low:.1f} to {100 * score.high:.1f})"


def _articles(report: SweepReport) -> str:
    return f"{report.data.get('articles', '')} validation articles".strip()


def _title(candidate: Candidate, key: str) -> str:
    return f"candidate {candidate.number}, {key}={shown(candidate.values.get(key))}: {100 * fmean(candidate.scores):.1f}"
