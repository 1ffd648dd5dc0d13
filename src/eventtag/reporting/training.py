"""Plots and a table of a training run for the evaluation page: loss, validation scores and learning rate by epoch.

Plots are SVG in the classes of the page's style (`plots`); the table holds all figures of an epoch too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from statistics import fmean

from markupsafe import Markup

WIDTH, HEIGHT = 320, 200
LEFT, TOP = 52, 28
LINE = 18
DASHES = 4
"""How many dash patterns the page's style has, the solid line included."""

Curve = Sequence[tuple[float, float]]
"""Points of epoch and value; epochs are counted in passes over the training windows, with fractions."""


@dataclass(frozen=True)
class TrainingHistory:
    """The log of a run: `losses` are means since the point before, `scores` the validation F1 of each label and of their micro average,
    `best_epoch` is the epoch of the checkpoint.
    """

    losses: Curve
    learning_rates: Curve
    scores: Mapping[str, Curve]
    best_epoch: float


def training_plots(history: TrainingHistory) -> list[tuple[Markup, str]]:
    """Plots with their captions."""
    best = history.best_epoch
    return [
        (
            line_plot({"loss": history.losses}, title="Training loss by epoch", up="loss", mark=best),
            "Training loss: the mean since the point before.",
        ),
        (
            line_plot(history.scores, title="Validation F1 by epoch", up="F1", mark=best, top=1.0, percent=True),
            f"Strict F1 on the validation articles. The dotted line is epoch {best:g}, whose weights are the checkpoint's.",
        ),
        (
            line_plot({"learning rate": history.learning_rates}, title="Learning rate by epoch", up="learning rate", mark=best),
            "Learning rate of the encoder.",
        ),
    ]


def training_table(history: TrainingHistory) -> tuple[list[str], list[list[str]]]:
    """A header and a row for each epoch: mean training loss, last learning rate, and validation F1 in percent."""
    header = ["epoch", "loss", "learning rate", *history.scores]
    rows, before = [], 0.0
    for epoch in [epoch for epoch, _ in next(iter(history.scores.values()))]:
        losses = [loss for at, loss in history.losses if before < at <= epoch]
        rates = [rate for at, rate in history.learning_rates if before < at <= epoch]
        scores = [dict(curve)[epoch] for curve in history.scores.values()]
        row = [f"{epoch:g}", f"{fmean(losses):.4f}" if losses else "", f"{rates[-1]:.2g}" if rates else ""]
        rows.append([*row, *(f"{100 * score:.1f}" for score in scores)])
        before = epoch
    return header, rows


def line_plot(
    curves: Mapping[str, Curve], *, title: str, up: str, mark: float, top: float | None = None, percent: bool = False
) -> Markup:
    """Curves over epochs from 0 on, on an axis from 0 to `top` or to a round number above all values; a dotted line at epoch `mark`.
    Several curves have a legend, and dashes of their own.
    """
    points = [point for curve in curves.values() for point in curve]
    last = max((epoch for epoch, _ in points), default=1.0)
    ceiling = top or _round_up(max((value for _, value in points), default=1.0))

    def x(epoch: float) -> str:
        return f"{LEFT + WIDTH * epoch / last:.1f}"

    def y(value: float) -> str:
        return f"{TOP + HEIGHT * (1 - value / ceiling):.1f}"

    legend = list(curves) if len(curves) > 1 else []
    bottom = TOP + HEIGHT
    size = LEFT + WIDTH + 24, bottom + 44 + LINE * len(legend)
    parts = [
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">'
        ).format(*size, title),
        Markup('<path class="axis" d="M{} {}V{}H{}"/>').format(LEFT, TOP, bottom, LEFT + WIDTH),
        Markup('<text x="4" y="{}">{}</text>').format(TOP - 12, up + (" (percent)" if percent else "")),
        Markup('<path class="axis" stroke-dasharray="2 3" d="M{0} {1}V{2}"/>').format(x(mark), TOP, bottom),
    ]
    for tick in (0, ceiling / 2, ceiling):
        text = f"{100 * tick if percent else tick:.3g}"
        parts.append(Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(LEFT - 6, float(y(tick)) + 4, text))
    for epoch in _ticks(last):
        parts.append(Markup('<text x="{}" y="{}" text-anchor="middle">{:g}</text>').format(x(epoch), bottom + 16, epoch))
    parts.append(Markup('<text x="{}" y="{}" text-anchor="middle">epoch</text>').format(LEFT + WIDTH / 2, bottom + 34))
    for number, (name, curve) in enumerate(curves.items()):
        look = f"curve l{number % 8} d{number % DASHES}"
        path = " ".join(f"{x(epoch)} {y(min(value, ceiling))}" for epoch, value in curve)
        if curve:
            parts.append(Markup('<path class="{}" d="M{}"/>').format(look, path))
        if legend:
            at = bottom + 46 + LINE * number
            parts.append(Markup('<path class="{}" d="M{} {}h28"/>').format(look, LEFT, at))
            parts.append(Markup('<text x="{}" y="{}">{}</text>').format(LEFT + 36, at + 4, name))
    return Markup("").join([*parts, Markup("</svg>")])


def _round_up(value: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def _ticks(last: float) -> list[float]:
    """At most six whole epochs at equal distances, or only the last one."""
    step = max(1, -(-int(last) // 5))
    return [float(epoch) for epoch in range(0, int(last) + 1, step)] if last >= 1 else [0.0, last]
