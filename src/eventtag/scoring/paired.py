"""Two systems on the same articles: differences of all scores, their standard errors, intervals and p-values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from eventtag.scoring.bootstrap import Floats, figures, spans_behind
from eventtag.scoring.sign_flips import contributions, sign_flip_p

CONSTANT = "the difference is the same without any one of the articles, so that there is no interval"
FLAT = 1e-12
"""A standard error up to this is rounding: nothing varies."""


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
class Paired:
    """Arrays [S, N, 3] of one pair of systems: mean scores, interval, standard error with its degrees of freedom, and p; nan if there
    is none, and `note` says why. `weights` [U, S, N, 3] are the spans of each unit behind a score, in gold and predictions.
    """

    first: Floats
    second: Floats
    low: Floats
    high: Floats
    error: Floats
    freedom: Floats
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
    freedom = _few(changes)
    single = False
    if over_seeds:
        variance, freedom, single = _add_seeds(first, second, variance, freedom)
    error = np.sqrt(variance)
    weights = spans_behind(first.units.mean(axis=0) + second.units.mean(axis=0))
    holding = (weights > 0).sum(axis=0)
    note = _notes(first, second, error, holding, unit=unit, single=single)
    testable = note == ""
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(testable, stdtrit(freedom, (1 + level) / 2) * error, np.nan)
        if over_seeds:
            p = np.where(testable, 2 * stdtr(freedom, -np.abs(other - one) / error), np.nan)
        else:
            p = sign_flip_p(contributions(first.units[0], second.units[0]), trials=trials, seed=seed)
            p = np.where(testable | (note == CONSTANT), p, np.nan)  # flipping signs needs no variance
    low, high = np.maximum(other - one - reach, -1.0), np.minimum(other - one + reach, 1.0)
    return Paired(one, other, low, high, error, freedom, p, weights, note, over_seeds)


def _few(changes: Floats) -> Floats:
    """[...]: degrees of freedom of the variance of [U, ...] deviations from their mean: U - 1, or fewer where few of them are large, for
    then the variance is known worse (by its fourth moment).
    """
    units = len(changes)
    second, fourth = (changes**2).sum(axis=0), (changes**4).sum(axis=0)
    kurtosis = np.divide(units * fourth, second**2, out=np.full(second.shape, 3.0), where=second > FLAT**2)
    most = max(1.0, units - 1.0)
    return np.asarray(np.clip(2 * units / np.maximum(kurtosis - 1, 1e-9), 1.0, most))


def _add_seeds(first: System, second: System, variance: Floats, freedom: Floats) -> tuple[Floats, Floats, bool]:
    """Variance over articles and seeds, its degrees of freedom by Satterthwaite, and whether no recipe has two runs.

    Where runs differ no more than their chance on each article explains, the variance over articles holds everything, and the degrees
    of freedom are its own. Those of the variance over runs enter as that exceeds the chance, fully at twice the chance.
    """
    donors = [system for system in (first, second) if system.recipe and len(system.units) > 1]
    if not donors:
        return variance, freedom, True
    seeds, shared, squares, certain = (np.zeros_like(variance) for _ in range(4))
    for donor in donors:
        spread, chance = donor.seed_variance
        # A recipe with a single run is taken to vary as the other one.
        share = sum(1 / len(s.units) for s in (first, second) if s is donor or (s.recipe and len(s.units) == 1))
        seeds += share * spread
        shared += share * chance
        part = (share * spread) ** 2 / (len(donor.units) - 1)
        squares += part
        # Two runs that happen to agree say little, so their few degrees of freedom always count.
        certain += part * (len(donor.units) == 2)
    total = np.maximum(variance + seeds - shared, variance)
    beyond = np.clip(np.divide(seeds, shared, out=np.full_like(seeds, 2.0), where=shared > 0) - 1, 0.0, 1.0)
    squares = variance**2 / freedom + certain + beyond * (squares - certain)
    return total, np.maximum(np.divide(total**2, squares, out=np.ones_like(total), where=squares > 0), 1.0), False


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
