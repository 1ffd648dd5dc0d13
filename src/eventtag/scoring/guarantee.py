"""Thresholds whose precision (or recall) on new articles of the same kind is at least the target, with a stated confidence.

Learn then Test (Angelopoulos et al. 2021, https://arxiv.org/abs/2110.01052): every threshold is a hypothesis that the target is missed, and
they are tested in a fixed order as long as they are rejected (fixed-sequence testing), so that the chance of ending at one that misses it
is at most 1 - confidence. For a precision the order begins where other articles, which chose epoch and calibration, say that the test is
surest, and goes down; for a recall it begins with all spans and goes up.

Errors within one article are correlated, so the p-value is over units (articles or clusters): that of a binomial test with the
effective number of spans, which follows from the ratio's variance over units and their number (Korn and Graubard 1998,
https://www150.statcan.gc.ca/n1/pub/12-001-x/1998002/article/4356-eng.pdf). One wrong span in an additional unit is added, because
units that happen to have no error would promise too much. The precision meant is that on as many new articles (AS_MANY).
scripts/simulate_thresholds.py measures how often the promise is broken.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, ndtr, ndtri, stdtrit

from eventtag.labels import LabelSet
from eventtag.scoring.calibration import collect_predictions
from eventtag.scoring.tally import Pair

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Kind = Literal["precision", "recall"]

POWER = 0.8
"""The chance of success for which the needed number of units is given."""
AS_MANY = 1.0
"""The promise is about this many times as many new articles as chose the threshold. Their own precision varies as well, so the
variance is that of a difference; otherwise, precision on few new articles would be below the target more often than promised.
"""
MOST_TIMES = 1e4
"""At most this many times the number of units are tried."""


@dataclass(frozen=True, slots=True)
class UnitPredictions:
    """The predicted spans of one label over U units: `scores`, `correct` and `units` [N], the number of the unit; `gold` [U] counts the
    units' gold spans.
    """

    scores: Floats
    correct: npt.NDArray[np.bool_]
    units: Ints
    gold: Ints

    def __add__(self, other: UnitPredictions) -> UnitPredictions:
        return UnitPredictions(
            np.concatenate([self.scores, other.scores]),
            np.concatenate([self.correct, other.correct]),
            np.concatenate([self.units, other.units + len(self.gold)]),
            np.concatenate([self.gold, other.gold]),
        )


@dataclass(frozen=True, slots=True)
class Guarantee:
    """The threshold that keeps the promise, None if these units cannot support it; precision and recall that it has on them.

    `best` is the highest precision (recall) that any tested threshold has there. `needed` are the units with which the promise could be
    made with probability POWER; None if it is made, or where no number would do.
    """

    threshold: float | None
    precision: float
    recall: float
    units: int
    best: float
    needed: int | None = None


def predictions_by_unit(
    pairs: Iterable[Pair], labels: LabelSet, clusters: Mapping[str, Hashable] | None = None
) -> dict[str, UnitPredictions]:
    """The scored predictions of every label with their units: clusters, or articles where `clusters` is None. Raises DataError as
    `collect_predictions` does.
    """
    numbers: dict[Hashable, int] = {}
    parts = []
    for article, spans in pairs:
        unit = article.id if clusters is None else clusters[article.id]
        parts.append((numbers.setdefault(unit, len(numbers)), collect_predictions([(article, spans)], labels)))
    found = {}
    for label in labels.labels:
        own = [(unit, predictions[label]) for unit, predictions in parts]
        gold = np.zeros(len(numbers), dtype=np.int64)
        for unit, one in own:
            gold[unit] += one.support
        found[label] = UnitPredictions(
            np.concatenate([np.zeros(0), *(one.scores for _, one in own)]),
            np.concatenate([np.zeros(0, dtype=np.bool_), *(one.correct for _, one in own)]),
            np.repeat(np.array([unit for unit, _ in own], dtype=np.int64), [len(one.scores) for _, one in own]),
            gold,
        )
    return found


@dataclass(frozen=True, slots=True)
class _Curve:
    """At every distinct score, highest first, as a threshold [P]: sums over units of right spans c and of all that count k (predicted, or
    gold), of their squares and products, and the units with any.
    """

    thresholds: Floats
    c: Floats
    k: Floats
    cc: Floats
    ck: Floats
    kk: Floats
    holding: Floats

    def p_values(self, target: float, confidence: float) -> Floats:
        """[P] p-values of the hypothesis that the share c / k of new articles is below the target."""
        # One wrong span in a unit of its own is added.
        n, m = self.k + 1, self.holding + 1
        share = self.c / n
        variance = self.residuals(share) * m / np.maximum(m - 1, 1) / n**2
        with np.errstate(divide="ignore", invalid="ignore"):
            effective = np.where(variance > 0, share * (1 - share) / variance, n)
        effective = np.minimum(effective, n) / (1 + 1 / AS_MANY)
        few = stdtrit(np.maximum(n - 1, 1), confidence) / stdtrit(np.maximum(m - 1, 1), confidence)
        effective *= few**2
        possible = (self.holding >= 2) & (share > 0)
        right = np.where(possible, effective * share, 1.0)
        return np.asarray(np.where(possible, betainc(right, effective * (1 - share) + 1, target), 1.0))

    def residuals(self, share: Floats) -> Floats:
        """[P] sums over units, the added one included, of (c - share k)^2."""
        return self.cc - 2 * share * self.ck + share**2 * self.kk + share**2


def _curve(found: UnitPredictions, kind: Kind) -> _Curve:
    order = np.argsort(-found.scores, kind="stable")
    scores, correct, units = found.scores[order], found.correct[order].astype(np.float64), found.units[order]
    by_unit = np.argsort(units, kind="stable")
    first = np.searchsorted(units[by_unit], units[by_unit])
    before, right_before = np.empty(len(units)), np.empty(len(units))
    before[by_unit] = np.arange(len(units)) - first
    cumulated = np.concatenate([[0.0], np.cumsum(correct[by_unit])])
    right_before[by_unit] = cumulated[:-1] - cumulated[first]
    last = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if len(scores) else np.zeros(0, dtype=np.int64)
    c, cc = np.cumsum(correct)[last], np.cumsum(correct * (2 * right_before + 1))[last]
    if kind == "precision":
        k, kk = (last + 1).astype(np.float64), np.cumsum(2 * before + 1)[last]
        ck = np.cumsum(right_before + correct * (before + 1))[last]
        holding = np.cumsum(before == 0)[last].astype(np.float64)
    else:
        gold = found.gold.astype(np.float64)
        same = np.ones(len(last))
        k, kk, holding = gold.sum() * same, (gold**2).sum() * same, (gold > 0).sum() * same
        ck = np.cumsum(correct * gold[units])[last]
    return _Curve(scores[last], c, k, cc, ck, kk, holding)


def promise_p_value(found: UnitPredictions, target: float, confidence: float) -> float:
    """The p-value of the hypothesis that the precision of all these spans is below the target on new units; 1 where there is no span."""
    p = _curve(found, "precision").p_values(target, confidence)
    return float(p[-1]) if len(p) else 1.0


def guarantee_threshold(
    kind: Kind, choosing: UnitPredictions, held: UnitPredictions, *, target: float, confidence: float
) -> Guarantee:
    """The threshold with the most recall (of a wanted precision) or precision (of a wanted recall) for which the promise can be made.

    `held` are units that chose nothing about the tagger, not even the epoch and temperatures; `choosing` are other units, which fix
    the order of the tests. With `confidence` 0.9, a chosen threshold misses the target on new articles in at most 10 % of such
    choices.
    """
    curve = _curve(held, kind)
    delta = 1 - confidence
    p = curve.p_values(target, confidence)
    precision = curve.c / np.maximum(_curve(held, "precision").k, 1) if len(p) else np.zeros(0)
    recall = curve.c / max(int(held.gold.sum()), 1)
    begins = 0.0
    if kind == "precision":
        learnt = _curve(choosing, kind)
        begins = float(learnt.thresholds[int(np.argmin(learnt.p_values(target, confidence)))]) if len(learnt.thresholds) else 1.0
        # The first threshold is the held score at or above the learnt one: the same spans, and none that is surer than it needs to be.
        order = np.arange(max(int((curve.thresholds >= begins).sum()) - 1, 0), len(p))
    else:
        order = np.arange(len(p))[::-1]
    passed = np.cumsum(p[order] > delta) == 0
    units = len(held.gold)
    best = float((precision if kind == "precision" else recall)[order].max(initial=0.0))
    if not passed.any():
        needed = _needed(_curve(choosing + held, kind), begins, target, confidence, units + len(choosing.gold))
        return Guarantee(None, 0.0, 0.0, units, best, needed)
    chosen = int(order[np.flatnonzero(passed)[-1]])
    return Guarantee(float(curve.thresholds[chosen]), float(precision[chosen]), float(recall[chosen]), units, best)


def _needed(curve: _Curve, threshold: float, target: float, confidence: float, units: int) -> int | None:
    """The units that find the threshold to keep its promise with probability POWER, if they are like these `units`; None if these miss
    the target there.
    """
    place = int((curve.thresholds >= threshold).sum()) - 1
    if place < 0 or curve.c[place] <= target * curve.k[place]:
        return None
    times = np.geomspace(1 / max(units, 1), MOST_TIMES, 600)
    grown = _Curve(*(getattr(curve, name)[place] * times for name in ("thresholds", "c", "k", "cc", "ck", "kk", "holding")))
    surer = float(ndtr(-ndtri(confidence) - ndtri(POWER)))
    enough = np.flatnonzero(grown.p_values(target, confidence) <= surer)
    return ceil(units * times[enough[0]]) if len(enough) else None
