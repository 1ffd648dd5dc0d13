"""Confidence intervals by resampling articles.

Words and spans of one article are not independent, so whole articles are drawn with replacement, or whole clusters of articles that
depend on each other (near-duplicates, topics). Every score is a function of sums of per-article counts, so a resample is a vector
of multiplicities, and all scores of many resamples come from one matrix product. A label without spans has no score, so a resample
that lacks a label takes the score, in the label's row and in macro, from another resample that has it.

Intervals are symmetric bootstrap intervals (Hall 1988, https://doi.org/10.1111/j.2517-6161.1988.tb01707.x) on the log-odds of a
score, so that they stay between 0 and 1, widened for few articles: by Student's t (with the degrees of freedom of the articles that
hold such spans) over the normal quantile, and by the jackknife's standard error over the bootstrap's, which is too small by about
sqrt(n / (n - 1)). scripts/simulate_coverage.py measures how often they contain the truth (docs/evidence/intervals.md).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from eventtag.errors import DataError
from eventtag.scoring.interval_ends import Floats as Floats
from eventtag.scoring.interval_ends import never_varies, share_interval
from eventtag.scoring.power import fewest_units, least_p, smallest_detectable_difference
from eventtag.scoring.tally import Tally

METRICS = ("precision", "recall", "f1")
AVERAGES = ("micro", "macro", "weighted")
RESAMPLES = 10_000
BATCH_CELLS = 500_000
"""Articles times resamples handled at once: what stays in a core's cache is twice as fast."""
CORRELATED = 0.7
"""Correlation of two fine-tuned taggers' errors for which a detectable difference is given beside that of unrelated systems."""
EXACT_FLOAT32 = 2**24
"""Integers up to this are exact in float32."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval and the standard error behind it."""

    low: float
    high: float
    standard_error: float


@dataclass(frozen=True)
class Bootstrap:
    """Estimates and intervals of every score.

    Arrays are [S schemes, N rows, 3 metrics]; rows are the labels, then AVERAGES; metrics are METRICS. `units` is the number of
    articles or clusters that were resampled, `holding` of those that hold spans behind a score; `weights` [units, N] are the spans of each
    behind strict F1.
    """

    schemes: tuple[str, ...]
    rows: tuple[str, ...]
    estimate: Floats
    low: Floats
    high: Floats
    standard_error: Floats
    holding: npt.NDArray[np.int64]
    weights: Floats
    level: float
    unit: str
    units: int
    resamples: int
    seed: int

    def interval(self, scheme: str, row: str, metric: str = "f1") -> Interval | None:
        """The interval of one score; `row` is a label, `micro`, `macro` or `weighted`. None if fewer than two articles (clusters)
        have spans that it counts.
        """
        place = self.schemes.index(scheme), self.rows.index(row), METRICS.index(metric)
        if self.holding[place] < 2:
            return None
        return Interval(float(self.low[place]), float(self.high[place]), float(self.standard_error[place]))

    def detectable(self, row: str = "micro", *, correlation: float = 0.0) -> float | None:
        """The smallest true difference in strict F1 to another system that these articles could show (power 0.8), of a label after
        Holm's correction over all labels; None if there is no interval or no p could be small enough.
        """
        found = self.interval("strict", row)
        if found is None:
            return None
        weights = self.weights[:, self.rows.index(row)]
        tests = 1 if row in AVERAGES else len(self.rows) - len(AVERAGES)
        return smallest_detectable_difference(
            found.standard_error, weights=weights[weights > 0].tolist(), tests=tests, correlation=correlation, level=self.level
        )

    @property
    def notes(self) -> list[str]:
        """Which figures of strict F1 are missing, and why, one sentence each."""
        if self.units < 2:
            return [f"no interval: all articles are in one {self.unit}" if self.unit == "cluster" else "no interval: one article"]
        found = []
        if none := [row for row in self.rows if self.interval("strict", row) is None]:
            found.append(f"no interval for {', '.join(none)}: fewer than two {self.unit}s hold such spans")
        alpha = 1 - self.level
        if least_p(self.units) >= alpha:
            found.append(
                f"no difference to another system can be shown: with {self.units} {self.unit}s an exact p is {least_p(self.units):.3g} "
                f"or more; less than {alpha:.3g} takes {fewest_units(alpha)}"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """JSON-like values: level, units, resamples, seed, detectable differences, and every interval by scheme, row and
        metric.
        """
        return {
            "level": self.level,
            "units": self.units,
            "resamples": self.resamples,
            "seed": self.seed,
            "notes": self.notes,
            "detectable_difference": {
                row: {"unrelated": self.detectable(row), "correlated": self.detectable(row, correlation=CORRELATED)}
                for row in self.rows
            },
            "schemes": {
                scheme: {row: {metric: self._json(scheme, row, metric) for metric in METRICS} for row in self.rows}
                for scheme in self.schemes
            },
        }

    def _json(self, scheme: str, row: str, metric: str) -> dict[str, float] | None:
        found = self.interval(scheme, row, metric)
        return None if found is None else asdict(found)


def figure_sums(tally: Tally) -> Floats:
    """[A, S, L, 4] from a tally: credit and number of predicted spans, credit and number of gold spans; credits doubled
    (integers).
    """
    v = tally.values
    return np.stack(
        [2 * v[..., 4] + v[..., 6], v[..., 4:8].sum(axis=-1), 2 * v[..., 0] + v[..., 2], v[..., 0:4].sum(axis=-1)], axis=-1
    ).astype(np.float64)


def figures(sums: Floats, marked: npt.NDArray[np.bool_] | None = None, *, without: Floats | float = 0.0) -> Floats:
    """[..., N, 3] precision, recall, F1 of every label and average, from [..., L, 4] sums. Macro is the mean over the `marked` labels
    ([L]; None: all). `without` ([..., N, 3] or a number) stands for a score of a label, or of all together, that has no span behind it.
    """
    totals = np.concatenate([sums, sums.sum(axis=-2, keepdims=True)], axis=-2)
    precision = divide(totals[..., 0], 2 * totals[..., 1])
    recall = divide(totals[..., 2], 2 * totals[..., 3])
    plain = np.stack([precision, recall, divide(2 * precision * recall, precision + recall)], axis=-1)
    support = sums[..., 3]
    weights = divide(support, support.sum(axis=-1, keepdims=True))
    weighted = (plain[..., :-1, :] * weights[..., None]).sum(axis=-2, keepdims=True)
    rows = plain.shape[-2]
    instead = np.broadcast_to(without if np.isscalar(without) else np.asarray(without)[..., :rows, :], plain.shape)
    plain = np.where(spans_behind(sums)[..., :rows, :] > 0, plain, instead)
    return np.concatenate([plain, _macro(plain, marked), weighted], axis=-2)


def _macro(rows: Floats, marked: npt.NDArray[np.bool_] | None) -> Floats:
    """[..., 1, 3] from [..., L + 1, 3] scores of labels and micro."""
    labels = rows[..., :-1, :]
    counted = labels if marked is None else labels[..., marked, :]
    return np.asarray(counted.sum(axis=-2, keepdims=True) / max(1, counted.shape[-2]))


def _fill(samples: Floats, marked: npt.NDArray[np.bool_]) -> None:
    """Give resamples [B, S, N, 3] that lack a label (nan) the scores of other resamples, in place, and macro what follows from them."""
    labels = len(marked)
    for place in map(tuple, np.argwhere(np.isnan(samples[:, :, : labels + 1]).any(axis=0))):
        column = samples[(slice(None), *place)]
        lacking = np.isnan(column)
        known = column[~lacking] if not lacking.all() else np.zeros(1)
        column[lacking] = np.resize(known, lacking.sum())
    macro = labels + AVERAGES.index("macro")
    samples[..., macro : macro + 1, :] = _macro(samples[..., : labels + 1, :], marked)


def marked_mask(tally: Tally) -> npt.NDArray[np.bool_]:
    """[L]: whether a label was being annotated in some article."""
    return np.array([tally.marked is None or label in tally.marked for label in tally.labels], dtype=np.bool_)


def divide(part: Floats, whole: Floats) -> Floats:
    """Element by element, broadcast; 0.0 for a division by zero."""
    return np.divide(part, whole, out=np.zeros(np.broadcast_shapes(part.shape, whole.shape)), where=whole != 0)


def sum_clusters(values: Floats, article_ids: Sequence[str], clusters: Mapping[str, Hashable] | None) -> Floats:
    """[U, ...]: values of articles summed by cluster; each article is its own where `clusters` is None.

    Raises DataError for an article without a cluster.
    """
    if clusters is None:
        return values
    missing = [name for name in article_ids if name not in clusters]
    if missing:
        raise DataError(f"{len(missing)} articles have no cluster, the first is {missing[0]!r}; give every article one")
    numbers: dict[Hashable, int] = {}
    index = np.array([numbers.setdefault(clusters[name], len(numbers)) for name in article_ids], dtype=np.int64)
    summed = np.zeros((len(numbers), *values.shape[1:]))
    np.add.at(summed, index, values)
    return summed


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries


def one_thread() -> AbstractContextManager[object]:
    """Matrix products in one thread: several are much slower at small products where cores are busy."""
    limited: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return limited


def resampled_sums(values: Floats, *, resamples: int, seed: int) -> Iterator[Floats]:
    """[b, ...] batches of sums of [U, ...] over resamples of units with replacement; `resamples` in all, integers exact."""
    units = values.shape[0]
    flat = values.reshape(units, -1)
    # Equal columns (the gold of several schemes, say) are resampled once.
    columns, back = np.unique(flat, axis=1, return_inverse=True)
    peak = units * float(np.abs(columns).max(initial=0.0))
    exact = peak < EXACT_FLOAT32 and bool((columns == np.rint(columns)).all())
    columns = columns.astype(np.float32 if exact else np.float64)
    rng = np.random.default_rng(seed)
    batch = max(1, BATCH_CELLS // units)
    for done in range(0, resamples, batch):
        size = min(batch, resamples - done)
        drawn = rng.integers(0, units, size=(size, units))
        drawn += np.arange(size)[:, None] * units
        multiplicities = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units).astype(columns.dtype)
        with one_thread():
            sums = multiplicities @ columns
        yield sums.astype(np.float64)[:, back.ravel()].reshape(size, *values.shape[1:])


def bootstrap(
    tally: Tally,
    *,
    clusters: Mapping[str, Hashable] | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 12345,
) -> Bootstrap:
    """Intervals of every label, average, scheme and metric of a tally.

    `clusters` gives each article's cluster by id. Raises DataError for an article without one, or no article at all.
    """
    if not tally.article_ids:
        raise DataError("there is no article to resample; check the data and its split")
    units = sum_clusters(figure_sums(tally), tally.article_ids, clusters)
    marked = marked_mask(tally)
    drawn = resampled_sums(units, resamples=resamples, seed=seed)
    samples = np.concatenate([figures(sums, marked, without=np.nan) for sums in drawn])
    _fill(samples, marked)
    total = units.sum(axis=0)
    estimate = figures(total, marked)
    left_out = figures(total - units, marked, without=estimate)
    spans = spans_behind(units)
    sizes, holding = spans.sum(axis=0), (spans > 0).sum(axis=0)
    freedom = _freedom(samples, holding, marked)
    low, high, error = share_interval(
        samples, estimate, left_out, sizes, units=np.minimum(holding, sizes), freedom=freedom, level=level
    )
    constant = never_varies(samples, estimate)
    _widen_macro(low, high, estimate, constant, marked)
    return Bootstrap(
        schemes=tally.schemes,
        rows=(*tally.labels, *AVERAGES),
        estimate=estimate,
        low=low,
        high=high,
        standard_error=error,
        holding=holding,
        weights=spans[:, tally.schemes.index("strict") if "strict" in tally.schemes else 0, :, METRICS.index("f1")],
        level=level,
        unit="article" if clusters is None else "cluster",
        units=len(units),
        resamples=resamples,
        seed=seed,
    )


def spans_behind(units: Floats) -> Floats:
    """[..., N, 3]: predicted spans, gold spans, and their mean, behind precision, recall and F1 of each row, from [..., L, 4]."""
    labels = units[..., [1, 3]]
    everything = labels.sum(axis=-2, keepdims=True)
    both = np.concatenate([labels, *([everything] * len(AVERAGES))], axis=-2)
    return np.concatenate([both, both.mean(axis=-1, keepdims=True)], axis=-1)


def _freedom(samples: Floats, holding: npt.NDArray[np.int64], marked: npt.NDArray[np.bool_]) -> Floats:
    """[S, N, 3] degrees of freedom: of the units that hold such spans, for macro by Satterthwaite (1946) from those of the labels."""
    freedom = np.maximum(holding - 1.0, 1.0)
    labels = np.flatnonzero(marked)
    variance = samples[:, :, labels].var(axis=0)
    macro = len(marked) + AVERAGES.index("macro")
    squares = (variance**2 / freedom[:, labels]).sum(axis=1)
    whole = variance.sum(axis=1) ** 2
    freedom[:, macro] = np.divide(whole, squares, out=freedom[:, macro].copy(), where=squares > 0)
    freedom[:, macro] = np.clip(freedom[:, macro], 1.0, np.maximum(holding[:, macro] - 1.0, 1.0))
    return np.asarray(freedom)


def _widen_macro(
    low: Floats, high: Floats, estimate: Floats, constant: npt.NDArray[np.bool_], marked: npt.NDArray[np.bool_]
) -> None:
    """Widen the macro interval, in place, for labels whose score never varies between resamples (such as one without gold)."""
    labels = len(marked)
    macro = labels + AVERAGES.index("macro")
    unknown = constant[:, :labels] & ~constant[:, [macro]] & marked[:, None]
    low[:, macro] -= np.where(unknown, estimate[:, :labels] - low[:, :labels], 0.0).sum(axis=1) / max(1, marked.sum())
    high[:, macro] += np.where(unknown, high[:, :labels] - estimate[:, :labels], 0.0).sum(axis=1) / max(1, marked.sum())
    np.clip(low, 0.0, 1.0, out=low)
    np.clip(high, 0.0, 1.0, out=high)
