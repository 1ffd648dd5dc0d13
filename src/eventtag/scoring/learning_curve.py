"""F1 by the number of training articles, and the gain from more annotation.

Scores of taggers trained on n articles follow f(n) = a - b n^-c closely (Hestness et al. 2017, https://arxiv.org/abs/1712.00409):
a is where they end, c how fast. The three are fitted by weighted least squares. Two intervals of what is extrapolated are given.
That of the power law comes from refitting to scores that are redrawn within their standard errors, or more widely if they lie off
the curve; it is valid only if the law continues. The other one covers all forms that fit the scores (`curve_forms`). Both assume
that further articles are like those so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from eventtag.errors import DataError
from eventtag.scoring.bootstrap import Interval
from eventtag.scoring.curve_forms import PARAMETERS, gain_range
from eventtag.scoring.report import EvaluationReport

Floats = npt.NDArray[np.float64]

EXPONENTS = np.linspace(0.05, 2.0, 79)
LEAST_ERROR = 0.002
"""The smallest standard error that is assumed for a score, because another seed would change it by more."""
REDRAWS = 2000


@dataclass(frozen=True, slots=True)
class LearningPoint:
    """A score (a label's F1, say) after training on so many articles, with its standard error; several may share a number."""

    articles: int
    score: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """f(n) = `end` - `scale` n^-`exponent`, and the gain from `more` further articles.

    `low` and `high` are its interval with any form of the curve (`curve_forms`), `law_low` and `law_high` if the power law
    continues. `misfit_p` is the p-value of the best form's misfit: if it is small, the scores follow no form, and neither interval
    is valid.
    """

    end: float
    scale: float
    exponent: float
    articles: int
    more: int
    gain: float
    low: float
    high: float
    law_low: float
    law_high: float
    misfit_p: float

    def score(self, articles: int) -> float:
        """The fitted score after training on so many articles."""
        return float(self.end - self.scale * float(articles) ** -self.exponent)


def fit_learning_curve(
    points: Sequence[LearningPoint], *, more: int = 100, level: float = 0.95, seed: int = 12345
) -> LearningCurve:
    """The curve through the points, and the gain from `more` articles beyond the largest number.

    The curve never falls and never exceeds 1. Raises DataError for fewer than three different numbers of articles.
    """
    sizes = sorted({point.articles for point in points})
    if len(sizes) < 3 or sizes[0] < 1:
        raise DataError(f"a learning curve needs scores at three or more different numbers of articles; there are {sizes}")
    numbers = np.array([point.articles for point in points], dtype=np.float64)
    scores = np.array([point.score for point in points])
    errors = np.maximum([point.standard_error for point in points], LEAST_ERROR)
    weights = 1 / errors**2
    end, scale, exponent = _fit(numbers, scores[None], weights)
    # Scores that lie further off the curve than their errors explain make it less sure of itself (Birge 1932).
    misfit = weights @ (scores - (end - scale * numbers**-exponent)) ** 2 / max(1, len(points) - PARAMETERS)
    spread = errors * max(1.0, float(misfit)) ** 0.5
    redrawn = scores + np.random.default_rng(seed).normal(0, spread, (REDRAWS, len(points)))
    ends, scales, exponents = _fit(numbers, np.concatenate([scores[None], redrawn]), weights)
    last = float(sizes[-1])
    gains = scales * (last**-exponents - (last + more) ** -exponents)
    low, high = np.quantile(gains[1:], [(1 - level) / 2, (1 + level) / 2])
    widest = gain_range(numbers, scores, errors, more=more, level=level)
    law_low, law_high = float(min(low, gains[0])), float(max(high, gains[0]))
    return LearningCurve(
        end=float(ends[0]),
        scale=float(scales[0]),
        exponent=float(exponents[0]),
        articles=sizes[-1],
        more=more,
        gain=float(gains[0]),
        low=min(law_low, widest[0]),
        high=max(law_high, widest[1]),
        law_low=law_low,
        law_high=law_high,
        misfit_p=widest[2],
    )


@dataclass(frozen=True, slots=True)
class CurveScore:
    """An F1 with its interval and standard error."""

    f1: float
    low: float
    high: float
    standard_error: float


@dataclass(frozen=True)
class CurveRun:
    """One training: on how many articles with how many spans per label, and F1 by row (labels, micro, macro)."""

    articles: int
    repeat: int
    seed: int
    spans: dict[str, int]
    f1: dict[str, CurveScore]


@dataclass(frozen=True)
class CurveReport:
    """All runs of a learning curve, sorted by size and repeat, and the fitted curve of every row; `data` describes the scored
    articles.
    """

    runs: tuple[CurveRun, ...]
    curves: dict[str, LearningCurve]
    level: float
    data: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """JSON-like values; the schema is documented in docs/reference/report.md."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self)}


SCHEMA_VERSION = 1


def curve_scores(report: EvaluationReport) -> dict[str, CurveScore]:
    """Strict F1 of every label that was being annotated, micro and macro with intervals, from a report that has them."""
    assert report.intervals is not None
    strict = report.strict
    values = {label: counts.f1 for label, counts in strict.labels.items() if label not in strict.unannotated}
    values |= {"micro": strict.micro.f1, "macro": strict.macro.f1}
    return {row: _curve_score(f1, report.intervals.interval("strict", row), report.intervals.level) for row, f1 in values.items()}


def _curve_score(f1: float, interval: Interval | None, level: float) -> CurveScore:
    interval = interval or Interval(0.0, 1.0, 0.0)  # nothing is known of it
    # A score of 0 or 1 has no standard error, and yet an interval.
    implied = (interval.high - interval.low) / 2 / float(ndtri((1 + level) / 2))
    return CurveScore(f1, interval.low, interval.high, max(interval.standard_error, implied))


def fit_learning_curves(runs: Sequence[CurveRun], *, more: int, level: float, seed: int, data: Mapping[str, Any]) -> CurveReport:
    """Fit the curve of every row. Raises DataError as `fit_learning_curve` does."""
    ordered = tuple(sorted(runs, key=lambda run: (run.articles, run.repeat)))
    rows = list(ordered[0].f1) if ordered else []
    curves = {
        row: fit_learning_curve(
            [LearningPoint(run.articles, run.f1[row].f1, run.f1[row].standard_error) for run in ordered],
            more=more,
            level=level,
            seed=seed,
        )
        for row in rows
    }
    return CurveReport(ordered, curves, level, dict(data))


def _fit(numbers: Floats, scores: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """[R] end, scale and exponent for each row of [R, P] scores: for every exponent the best line in n^-c, then the best
    exponent.
    """
    best = np.full(len(scores), np.inf)
    found = np.zeros((3, len(scores)))
    share = weights / weights.sum()
    for exponent in EXPONENTS:
        x = numbers**-exponent
        centre, mean = share @ x, scores @ share
        spread = share @ (x - centre) ** 2
        scale = np.maximum(-((scores - mean[:, None]) @ (share * (x - centre))) / spread, 0.0)
        end = mean + scale * centre
        over = end > 1
        if over.any():
            # Through (0, 1): the best line that ends at 1.
            scale = np.where(over, np.maximum((1 - scores) @ (share * x) / (share @ x**2), 0.0), scale)
            end = np.minimum(end, 1.0)
        missed = ((scores - (end[:, None] - scale[:, None] * x)) ** 2) @ share
        better = missed < best
        best = np.where(better, missed, best)
        found = np.where(better, np.stack([end, scale, np.full(len(scores), exponent)]), found)
    return found[0], found[1], found[2]
