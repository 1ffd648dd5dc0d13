"""Two systems on the same articles: differences of all scores, their standard errors, intervals and p-values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from eventtag.scoring.bootstrap import Floats, figures, spans_behind
from eventtag.scoring.sign_flips import contributions, sign_flip_p

CONSTANT = "the difference is the same without any one of the articles, so that there is no interval"
FLAT = 1e-12
"""A standard error up to this is rounding: nothing varies."""
LEAST_FREEDOM = 3
"""With fewer degrees of freedom, runs that happen to agree say too little of other seeds (`scripts/simulate_comparisons.py`)."""


@dataclass(frozen=True)
class System:
    """Sums [K runs, U units, S, L, 4] of a system; `recipe`: its runs stand for all seeds, so that their luck counts."""

    units: Floats
    recipe: bool

    @cached_property
    def scores(self) -> Floats:
        """[K, S, N, 3]."""
        return figures(self.units.sum(axis=1))

    @cached_property
    def left_out(self) -> Floats:
        """[U, S, N, 3]: the mean score over the runs without each unit."""
        return np.asarray(self._left_out.mean(axis=0))

    @property
    def _left_out(self) -> Floats:
        return figures(self.units.sum(axis=1, keepdims=True) - self.units)

    @cached_property
    def seed_variance(self) -> tuple[Floats, Floats]:
        """[S, N, 3] each: the variance of a score over runs, and what of it is a run's chance on each article; of two runs or more."""
        runs, units = self.units.shape[:2]
        own = self._left_out - self.left_out
        chance = (units - 1) * own.var(axis=1).sum(axis=0) / (runs - 1)
        return np.asarray(self.scores.var(axis=0, ddof=1)), np.asarray(chance)


@dataclass(frozen=True)
class Spread:
    """How much a difference varies, as arrays [S, N, 3]: its variance over articles, and that of the means of the runs over seeds, of
    which `shared` (the chance of a run on each article) is in the variance over articles too; with degrees of freedom of both. No seeds
    count where `seeds` is 0. `borrowed`: one recipe has a single run and is taken to vary as the other.
    """

    articles: Floats
    freedom: Floats
    seeds: Floats
    shared: Floats
    seeds_freedom: Floats
    borrowed: bool = False

    @property
    def error(self) -> Floats:
        """The standard error."""
        return np.asarray(np.sqrt(np.maximum(self.articles + self.seeds - self.shared, self.articles)))

    @property
    def seeds_count(self) -> Floats:
        """How far the seeds count, from 0 to 1. Where runs differ no more than their chance on each article explains, the articles hold
        everything; from one and a half times the chance on, seeds count fully. They always count where fewer than three degrees of freedom
        cannot tell, and where the variance is borrowed.
        """
        beyond = np.divide(self.seeds, self.shared, out=np.full_like(self.seeds, 2.0), where=self.shared > 0) - 1
        always = self.borrowed | (self.seeds_freedom < LEAST_FREEDOM)
        return np.where(always, 1.0, np.clip(2 * beyond, 0.0, 1.0))

    def reach(self, p: npt.ArrayLike) -> Floats:
        """Half the width of the interval at confidence 1 - p, so that a difference of this size has this two-sided p: two independent
        half-widths by Student's t, one over articles and one over seeds, added as squares.
        """
        over_articles, over_seeds = (
            stdtrit(freedom, 1 - np.asarray(p) / 2) ** 2 for freedom in (self.freedom, self.seeds_freedom)
        )
        alone = over_articles * self.articles
        both = over_articles * np.maximum(self.articles - self.shared, 0.0) + over_seeds * self.seeds
        return np.asarray(np.sqrt(alone + self.seeds_count * np.maximum(both - alone, 0.0)))

    def p_of(self, difference: Floats) -> Floats:
        """The two-sided p of differences, to a millionth of itself, at least 1e-12."""
        low, high = np.full(difference.shape, -12.0), np.zeros(difference.shape)
        for _ in range(24):
            middle = (low + high) / 2
            beyond = np.abs(difference) > self.reach(10.0**middle)
            low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        return np.asarray(np.where(difference == 0, 1.0, 10.0**high))


@dataclass(frozen=True)
class Paired:
    """Arrays [S, N, 3] of one pair of systems: mean scores, interval and p; nan if there is none, and `note` says why. `weights`
    [U, S, N, 3] are the spans of each unit behind a score, in gold and predictions.
    """

    first: Floats
    second: Floats
    low: Floats
    high: Floats
    spread: Spread
    p: Floats
    weights: Floats
    note: npt.NDArray[np.object_]
    over_seeds: bool


def compare_pair(first: System, second: System, *, unit: str, level: float, trials: int, seed: int) -> Paired:
    """Second minus first, for every scheme, row and metric; `unit` is what a unit is called: article or cluster."""
    one, other = first.scores.mean(axis=0), second.scores.mean(axis=0)
    over_seeds = first.recipe or second.recipe
    changes = second.left_out - first.left_out
    changes = changes - changes.mean(axis=0)
    units = len(changes)
    variance = (units - 1) / units * (changes**2).sum(axis=0)
    spread, single = _add_seeds(first, second, variance, _few(changes))
    weights = spans_behind(first.units.mean(axis=0) + second.units.mean(axis=0))
    holding = (weights > 0).sum(axis=0)
    note = _notes(first, second, spread.error, holding, unit=unit, single=single)
    testable = note == ""
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(testable, spread.reach(1 - level), np.nan)
        if over_seeds:
            p = np.where(testable, spread.p_of(other - one), np.nan)
        else:
            p = sign_flip_p(contributions(first.units[0], second.units[0]), trials=trials, seed=seed)
            p = np.where(testable | (note == CONSTANT), p, np.nan)  # flipping signs needs no variance
    low, high = np.maximum(other - one - reach, -1.0), np.minimum(other - one + reach, 1.0)
    return Paired(one, other, low, high, spread, p, weights, note, over_seeds)


def _few(changes: Floats) -> Floats:
    """[...]: degrees of freedom of the variance of [U, ...] deviations from their mean: U - 1, or fewer where few of them are large, for
    then the variance is known worse (by its fourth moment).
    """
    units = len(changes)
    second, fourth = (changes**2).sum(axis=0), (changes**4).sum(axis=0)
    kurtosis = np.divide(units * fourth, second**2, out=np.full(second.shape, 3.0), where=second > FLAT**2)
    most = max(1.0, units - 1.0)
    return np.asarray(np.clip(2 * units / np.maximum(kurtosis - 1, 1e-9), 1.0, most))


def _add_seeds(first: System, second: System, variance: Floats, freedom: Floats) -> tuple[Spread, bool]:
    """The variance over articles with that over seeds, and whether recipes take part of which none has two runs.

    Each recipe's own variance counts, or that of both together where it is larger: two runs that happen to agree say little.
    """
    recipes = [system for system in (first, second) if system.recipe]
    donors = [system for system in recipes if len(system.units) > 1]
    none = np.zeros_like(variance)
    if not donors:
        return Spread(variance, freedom, none, none, np.full_like(variance, np.inf)), bool(recipes)
    runs = [len(system.units) - 1 for system in donors]
    found = [system.seed_variance for system in donors]
    # A recipe with a single run is taken to vary as the other one.
    shares = [sum(1 / len(s.units) for s in recipes if s is donor or len(s.units) == 1) for donor in donors]
    seeds, shared = (sum((share * own[part] for share, own in zip(shares, found, strict=True)), none) for part in (0, 1))
    squares = sum(((share * own[0]) ** 2 / count for share, own, count in zip(shares, found, runs, strict=True)), none)
    own_freedom = np.divide(seeds**2, squares, out=np.ones_like(seeds), where=squares > 0)  # Satterthwaite
    together, chance = (
        sum(shares) * sum((count * own[part] for count, own in zip(runs, found, strict=True)), none) / sum(runs)
        for part in (0, 1)
    )
    larger = together - chance > seeds - shared
    return Spread(
        variance,
        freedom,
        np.where(larger, together, seeds),
        np.where(larger, chance, shared),
        np.where(larger, float(sum(runs)), own_freedom),
        borrowed=len(donors) < len(recipes),
    ), False


def _notes(
    first: System, second: System, error: Floats, holding: npt.NDArray[np.int64], *, unit: str, single: bool
) -> npt.NDArray[np.object_]:
    """[S, N, 3]: why there is no interval; empty if there is one."""
    note = np.full(error.shape, "", dtype=object)
    note[error <= FLAT] = CONSTANT
    silent = np.zeros(error.shape, dtype=bool)
    for system in (first, second):
        predicted = system.units[..., 1].sum(axis=(0, 1))
        silent[:, : predicted.shape[1], 0] |= predicted == 0
        silent[:, predicted.shape[1], 0] |= predicted.sum(axis=1) == 0
    note[silent] = "one of the systems predicts no such span, so that its precision is 0 by convention"
    note[holding == 1] = f"all such spans are in one {unit}"
    note[holding == 0] = "there is no such span in gold or predictions"
    if first.units.shape[1] < 2:
        note[:] = f"all articles are in one {unit}" if unit == "cluster" else "there is only one article"
    if single:
        note[:] = "a single run says nothing of other seeds: give --seeds two runs or more, or name the run without --seeds"
    return note
