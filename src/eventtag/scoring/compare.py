"""Whether one system is better than another by more than chance.

A system is one set of predictions, or a recipe: several runs that differ in their seed and stand for all runs of that recipe. All
tag the same articles, so everything is paired by article (or by cluster of articles that depend on each other):

* the difference has an interval by Student's t. Its variance over articles is the jackknife's. Where a recipe takes part, the variance
  over seeds is added, and the part that both contain (the chance of a run on an article) is subtracted once, as for any two crossed
  ways of drawing (Cameron, Gelbach and Miller 2011, https://doi.org/10.1198/jbes.2010.07136). The half-widths over articles and over
  seeds have degrees of freedom of their own and are added as squares (Howe 1974), so that few runs make the interval wide even where
  they happen to agree. The degrees of freedom over articles are fewer where few articles make up the difference;
* between systems as they stand, p comes from flipping signs (`eventtag.scoring.sign_flips`), exactly where articles are few; where a
  recipe takes part, from the same t as the interval;
* p-values of labels are corrected for their number by Holm's method (1979), over labels and pairs of systems together.

A system is called better only if the interval excludes 0 and the corrected p-value is below 1 - level.
scripts/simulate_comparisons.py measures how often that is wrong, and how often the intervals contain the truth
(docs/evidence/intervals.md).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from eventtag.errors import DataError
from eventtag.scoring.bootstrap import AVERAGES, METRICS, Floats, figure_sums, sum_clusters
from eventtag.scoring.paired import Paired, System, compare_pair
from eventtag.scoring.power import POWER, effect_of, fewest_units, least_p, reachable_level
from eventtag.scoring.tally import Tally

TRIALS = 10_000
SHOWN_ARTICLES = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One score of two systems: `difference` is second minus first, with its interval [low, high].

    `p` is two-sided, `adjusted_p` corrected by Holm (labels; averages only over pairs of systems). `detectable` is the smallest
    true difference that this test set would find with probability 0.8. `verdict` is `first`, `second` (which is better) or `not
    shown`. A figure that cannot be computed is None, and `note` says why.
    """

    scheme: str
    row: str
    metric: str
    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    p: float | None
    adjusted_p: float | None
    detectable: float | None
    verdict: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChangedArticle:
    """Strict errors (missed and wrong gold, spurious and wrong predictions) of both systems on an article; means over a recipe's runs."""

    article_id: str
    first_errors: float
    second_errors: float


@dataclass(frozen=True, slots=True)
class PairComparison:
    """Two systems by name, all differences, and the articles whose number of errors changed most.

    `recipes`: those of the two whose seeds count.
    """

    first: str
    second: str
    recipes: tuple[str, ...]
    differences: tuple[Difference, ...]
    changed: tuple[ChangedArticle, ...]

    @property
    def over_seeds(self) -> bool:
        """Whether intervals and p-values are about other seeds as well as other articles."""
        return bool(self.recipes)

    def difference(self, scheme: str, row: str, metric: str = "f1") -> Difference:
        """One score's difference; `row` is a label, `micro`, `macro` or `weighted`."""
        return next(d for d in self.differences if (d.scheme, d.row, d.metric) == (scheme, row, metric))


@dataclass(frozen=True, slots=True)
class Comparison:
    """All pairs of some systems on one set of articles; `units` is the number of articles or clusters that count as one, `runs` that of
    each system.
    """

    systems: tuple[str, ...]
    runs: tuple[int, ...]
    articles: int
    units: int
    level: float
    trials: int
    seed: int
    pairs: tuple[PairComparison, ...]


def compare_systems(
    systems: Mapping[str, Tally | tuple[Tally, ...]],
    *,
    clusters: Mapping[str, Hashable] | None = None,
    level: float = 0.95,
    trials: int = TRIALS,
    seed: int = 12345,
) -> Comparison:
    """Compare two or more systems, each pair in the order given; the keys are their names.

    A tally is a single system; a tuple of tallies is a recipe with a run for each seed. A recipe with one run is assumed to vary as
    much as the recipe that it is compared with; if that has one run too, there is no interval.

    Raises DataError if the tallies are not of the same articles in the same order, labels and schemes, or there is only one.
    """
    names = tuple(systems)
    if len(names) < 2:
        raise DataError("a comparison needs two systems or more; name another file of predictions")
    runs = {
        name: tuple(tally.of_marked_labels() for tally in (found if isinstance(found, tuple) else (found,)))
        for name, found in systems.items()
    }
    reference = runs[names[0]][0]
    for name, tallies in runs.items():
        for tally in tallies:
            if (tally.article_ids, tally.schemes, tally.labels) != (reference.article_ids, reference.schemes, reference.labels):
                raise DataError(
                    f"{name} and {names[0]} were not scored on the same articles, labels and schemes; score them alike"
                )
    unit = "article" if clusters is None else "cluster"
    prepared = {
        name: System(
            np.stack([sum_clusters(figure_sums(tally), tally.article_ids, clusters) for tally in tallies]),
            recipe=isinstance(systems[name], tuple),
        )
        for name, tallies in runs.items()
    }
    raw = {
        (one, other): compare_pair(prepared[one], prepared[other], unit=unit, level=level, trials=trials, seed=seed)
        for one, other in combinations(names, 2)
    }
    adjusted = _adjust({pair: found.p for pair, found in raw.items()}, labels=len(reference.labels))
    pairs = tuple(
        PairComparison(
            *pair,
            tuple(name for name in pair if prepared[name].recipe),
            _differences(found, adjusted[pair], reference, level=level, pairs=len(raw), unit=unit),
            _changed(runs[pair[0]], runs[pair[1]]),
        )
        for pair, found in raw.items()
    )
    units = prepared[names[0]].units.shape[1]
    counts = tuple(len(tallies) for tallies in runs.values())
    return Comparison(names, counts, len(reference.article_ids), units, level, trials, seed, pairs)


def holm(p: Floats) -> Floats:
    """[K] p-values corrected for their number by Holm's step-down method; one that is not known (nan) counts as 1."""
    known = np.nan_to_num(p, nan=1.0)
    order = np.argsort(known, kind="stable")
    stepped = np.maximum.accumulate(known[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(stepped)
    adjusted[order] = np.minimum(stepped, 1.0)
    return np.where(np.isnan(p), np.nan, adjusted)


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


def _differences(
    found: Paired, adjusted: Floats, reference: Tally, *, level: float, pairs: int, unit: str
) -> tuple[Difference, ...]:
    gap = found.second - found.first
    # If the difference does not vary, there is no interval, and an exact p stands alone.
    apart = np.isnan(found.low) | (found.low > 0) | (found.high < 0)
    shown = apart & (np.nan_to_num(adjusted, nan=1.0) < 1 - level)
    rows = (*reference.labels, *AVERAGES)
    tests = [pairs * (len(reference.labels) if row < len(reference.labels) else 1) for row in range(len(rows))]
    detectable, note = _detectable(found, alpha=1 - level, tests=tests, unit=unit)
    return tuple(
        Difference(
            scheme,
            row,
            metric,
            first=float(found.first[place]),
            second=float(found.second[place]),
            difference=float(gap[place]),
            low=_known(found.low[place]),
            high=_known(found.high[place]),
            p=_known(found.p[place]),
            adjusted_p=_known(adjusted[place]),
            detectable=_known(detectable[place]),
            verdict="not shown" if not shown[place] else "second" if gap[place] > 0 else "first",
            note=note[place],
        )
        for s, scheme in enumerate(reference.schemes)
        for r, row in enumerate(rows)
        for m, metric in enumerate(METRICS)
        for place in [(s, r, m)]
    )


def _detectable(found: Paired, *, alpha: float, tests: Sequence[int], unit: str) -> tuple[Floats, npt.NDArray[np.object_]]:
    """[S, N, 3] smallest detectable differences, nan if there is none, and what is to be said of interval, p and them. `tests` is by
    row how many Holm's method corrects for: all others are taken to find nothing.
    """
    note = found.note.copy()
    needed = np.full(note.shape, np.nan)
    error = found.spread.error
    reaches = {count: found.spread.reach(alpha / count) for count in set(tests)} if found.over_seeds else {}
    for place in map(tuple, np.argwhere(note == "")):
        count = tests[place[1]]
        spans = found.weights[(slice(None), *place)]
        spans = spans[spans > 0]
        units = len(spans)
        wanted = alpha / count if found.over_seeds else reachable_level(alpha / count, units)
        if not wanted:
            corrected = f", {min(1.0, count * least_p(units)):.3g} after Holm over {count} tests" if count > 1 else ""
            note[place] = (
                f"{units} {unit}s hold such spans, so that p is {least_p(units):.3g} or more{corrected}; less than {alpha:.3g} takes "
                f"{fewest_units(alpha / count)} {unit}s"
            )
            continue
        if found.over_seeds:
            difference = float(reaches[count][place] + ndtri(POWER) * error[place])
        else:
            freedom = float(found.spread.freedom[place])
            difference = error[place] * effect_of(spans.tolist(), level=wanted, confidence=1 - alpha, freedom=freedom)
        if difference <= 1:
            needed[place] = difference
        else:
            note[place] = f"no difference can be shown with a probability of {POWER:g}: too little is known of such spans"
    return needed, note


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _changed(first: tuple[Tally, ...], second: tuple[Tally, ...]) -> tuple[ChangedArticle, ...]:
    one, other = (np.mean([_errors(tally) for tally in tallies], axis=0) for tallies in (first, second))
    ids = first[0].article_ids
    rows = [ChangedArticle(name, float(a), float(b)) for name, a, b in zip(ids, one, other, strict=True) if a != b]
    rows.sort(key=lambda row: (-abs(row.second_errors - row.first_errors), row.article_id))
    return tuple(rows[:SHOWN_ARTICLES])


def _errors(tally: Tally) -> Floats:
    """[A]: wrong spans of each article, strict if that was scored."""
    strict = tally.schemes.index("strict") if "strict" in tally.schemes else 0
    return np.asarray(tally.values[:, strict][..., [1, 3, 5, 7]].sum(axis=(1, 2)), dtype=np.float64)
