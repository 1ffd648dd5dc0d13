"""Is one system better than another, or did this test set only happen to say so?

Both systems tag the same articles, so everything is paired by article (or by cluster of articles that hang together):

* the difference has a confidence interval from resampling articles for both systems at once (`eventtag.scoring.bootstrap`);
* its p-value comes from approximate randomisation (Noreen 1989; Yeh 2000, https://aclanthology.org/C00-2137/): if the systems
were
  alike, swapping their outputs on any article would not matter. Two-sided; (c + 1) / (trials + 1), or exact where all swaps of
  the articles that differ can be tried;
* p-values of labels are corrected for their number by Holm's method (1979), over labels and pairs of systems together.

A system is called better only if the interval excludes 0 and the corrected p-value is below 1 - level.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import ndtri
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from eventtag.errors import DataError
from eventtag.scoring.bootstrap import (
    AVERAGES,
    BATCH_CELLS,
    METRICS,
    RESAMPLES,
    Floats,
    difference_interval,
    figure_sums,
    figures,
    resampled_sums,
    sum_clusters,
)
from eventtag.scoring.tally import Tally

TRIALS = 10_000
SHOWN_ARTICLES = 20
POWER = 0.8
TOLERANCE = 1e-12
"""Differences of scores within this are equal: it only has to exceed the rounding of a few divisions."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One score of two systems: `difference` is second minus first, with its interval [low, high].

    `p` is two-sided, `adjusted_p` corrected by Holm (labels; averages only over pairs of systems). `detectable` is the smallest
    true difference that this test set would find with probability 0.8. `verdict` is `first`, `second` (which is better) or `not
    shown`.
    """

    scheme: str
    row: str
    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    adjusted_p: float
    detectable: float
    verdict: str


@dataclass(frozen=True, slots=True)
class ChangedArticle:
    """Strict errors (missed and wrong gold, spurious and wrong predictions) of both systems on an article."""

    article_id: str
    first_errors: int
    second_errors: int


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Two systems by name, all differences, and the articles whose number of errors changed most."""

    first: str
    second: str
    differences: tuple[Difference, ...]
    changed: tuple[ChangedArticle, ...]

    def difference(self, scheme: str, row: str, metric: str = "f1") -> Difference:
        """One score's difference; `row` is a label, `micro`, `macro` or `weighted`."""
        return next(d for d in self.differences if (d.scheme, d.row, d.metric) == (scheme, row, metric))


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pairs of some systems on one set of articles; `units` is the number of articles or clusters that are resampled."""

    systems: tuple[str, ...]
    articles: int
    units: int
    level: float
    resamples: int
    trials: int
    seed: int
    pairs: tuple[PairComparison, ...]


def compare_systems(
    systems: Mapping[str, Tally],
    *,
    clusters: Mapping[str, Hashable] | None = None,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    trials: int = TRIALS,
    seed: int = 12345,
) -> Comparison:
    """Compare two or more systems, each pair in the order given; the keys are their names.

    Raises DataError if the tallies are not of the same articles in the same order, labels and schemes, or there is only one.
    """
    names = tuple(systems)
    if len(names) < 2:
        raise DataError("a comparison needs two systems or more; name another file of predictions")
    systems = {name: tally.of_marked_labels() for name, tally in systems.items()}
    reference = systems[names[0]]
    for name, tally in systems.items():
        if (tally.article_ids, tally.schemes, tally.labels) != (reference.article_ids, reference.schemes, reference.labels):
            raise DataError(f"{name} and {names[0]} were not scored on the same articles, labels and schemes; score them alike")
    units = {name: sum_clusters(figure_sums(tally), tally.article_ids, clusters) for name, tally in systems.items()}
    raw = {
        (first, second): _paired_figures(units[first], units[second], level=level, resamples=resamples, trials=trials, seed=seed)
        for first, second in combinations(names, 2)
    }
    adjusted = _adjust({pair: found.p for pair, found in raw.items()}, labels=len(reference.labels))
    pairs = tuple(
        PairComparison(*pair, _differences(found, adjusted[pair], reference, level), _changed(systems[pair[0]], systems[pair[1]]))
        for pair, found in raw.items()
    )
    count = len(units[names[0]])
    return Comparison(names, len(reference.article_ids), count, level, resamples, trials, seed, pairs)


@dataclass(frozen=True, slots=True)
class _Paired:
    """Arrays [S, N, 3] of one pair of systems."""

    first: Floats
    second: Floats
    low: Floats
    high: Floats
    error: Floats
    p: Floats


def _paired_figures(first: Floats, second: Floats, *, level: float, resamples: int, trials: int, seed: int) -> _Paired:
    both = np.stack([first, second], axis=1)
    total = both.sum(axis=0)
    samples = np.concatenate([_difference(sums) for sums in resampled_sums(both, resamples=resamples, seed=seed)])
    low, high, error = difference_interval(samples, _difference(total), _difference(total - both), level=level)
    p = randomisation_p(first, second, trials=trials, seed=seed)
    return _Paired(figures(total[0]), figures(total[1]), low, high, error, p)


def _difference(sums: Floats) -> Floats:
    """[..., S, N, 3] second minus first, from [..., 2, S, L, 4]."""
    scores = figures(sums)
    return np.asarray(scores[..., 1, :, :, :] - scores[..., 0, :, :, :])


def randomisation_p(first: Floats, second: Floats, *, trials: int = TRIALS, seed: int = 12345) -> Floats:
    """[S, N, 3] two-sided p-values of every score's difference, from [U, S, L, 4] sums of two systems per unit."""
    total = first.sum(axis=0), second.sum(axis=0)
    observed = np.abs(figures(total[1]) - figures(total[0]))
    gap = second - first
    gap = gap[np.any(gap != 0, axis=(1, 2, 3))]
    differing = len(gap)
    if not differing:
        return np.ones(observed.shape)
    exact = 2**differing <= trials
    middle = (total[0] + total[1]) / 2
    reached = np.zeros(observed.shape)
    threads = ThreadpoolController()
    for signs in _all_signs(differing) if exact else _random_signs(differing, trials, seed):
        with threads.limit(limits=1, user_api="blas"):
            product = signs @ gap.reshape(differing, -1)
        half = product.reshape(-1, *observed.shape[:1], *gap.shape[2:]) / 2
        swapped = np.abs(figures(middle + half) - figures(middle - half))
        reached += (swapped >= observed - TOLERANCE).sum(axis=0)
    return np.asarray(reached / 2**differing if exact else (reached + 1) / (trials + 1))


def _all_signs(count: int) -> Iterator[Floats]:
    numbers = np.arange(2**count)
    yield np.asarray(1.0 - 2.0 * ((numbers[:, None] >> np.arange(count)) & 1), dtype=np.float64)


def _random_signs(count: int, trials: int, seed: int) -> Iterator[Floats]:
    rng = np.random.default_rng(seed)
    batch = max(1, BATCH_CELLS // count)
    for done in range(0, trials, batch):
        size = min(batch, trials - done)
        bits = np.unpackbits(np.frombuffer(rng.bytes(size * (-(-count // 8))), dtype=np.uint8).reshape(size, -1), axis=1)
        yield np.asarray(1.0 - 2.0 * bits[:, :count], dtype=np.float64)


def holm(p: Floats) -> Floats:
    """[K] p-values corrected for their number by Holm's step-down method."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _adjust(raw: Mapping[tuple[str, str], Floats], *, labels: int) -> dict[tuple[str, str], Floats]:
    """Holm over labels and pairs together for each scheme and metric; each average over the pairs alone."""
    stacked = np.stack(list(raw.values()))
    adjusted = np.empty_like(stacked)
    pairs, schemes, rows, metrics = stacked.shape
    for scheme in range(schemes):
        for metric in range(metrics):
            family = stacked[:, scheme, :labels, metric]
            adjusted[:, scheme, :labels, metric] = holm(family.ravel()).reshape(pairs, labels)
            for row in range(labels, rows):
                adjusted[:, scheme, row, metric] = holm(stacked[:, scheme, row, metric])
    return dict(zip(raw, adjusted, strict=True))


def _differences(found: _Paired, adjusted: Floats, reference: Tally, level: float) -> tuple[Difference, ...]:
    gap = found.second - found.first
    shown = ((found.low > 0) | (found.high < 0)) & (adjusted < 1 - level)
    needed = float(ndtri((1 + level) / 2) + ndtri(POWER)) * found.error
    return tuple(
        Difference(
            scheme,
            row,
            metric,
            first=float(found.first[place]),
            second=float(found.second[place]),
            difference=float(gap[place]),
            low=float(found.low[place]),
            high=float(found.high[place]),
            p=float(found.p[place]),
            adjusted_p=float(adjusted[place]),
            detectable=float(needed[place]),
            verdict="not shown" if not shown[place] else "second" if gap[place] > 0 else "first",
        )
        for s, scheme in enumerate(reference.schemes)
        for r, row in enumerate((*reference.labels, *AVERAGES))
        for m, metric in enumerate(METRICS)
        for place in [(s, r, m)]
    )


def _changed(first: Tally, second: Tally) -> tuple[ChangedArticle, ...]:
    strict = first.schemes.index("strict") if "strict" in first.schemes else 0
    errors = [tally.values[:, strict][..., [1, 3, 5, 7]].sum(axis=(1, 2)) for tally in (first, second)]
    rows = [ChangedArticle(name, int(a), int(b)) for name, a, b in zip(first.article_ids, *errors, strict=True) if a != b]
    rows.sort(key=lambda row: (-abs(row.second_errors - row.first_errors), row.article_id))
    return tuple(rows[:SHOWN_ARTICLES])
