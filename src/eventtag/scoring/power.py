"""The differences that a test set can show, from Student's t, the levels that an exact test can reach, and the number of tests.

See Card et al. 2020, https://aclanthology.org/2020.emnlp-main.745/.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, log2, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

POWER = 0.8
SIMULATED_UNITS = 10
"""Up to this many units, sign flips are simulated; with more, Student's t is close enough."""
DRAWS = 500
MOST_EFFECT = 1000.0
MANY_UNITS = 40
"""From this many units on, the levels of an exact test lie closer together than any printed digit."""

Floats = npt.NDArray[np.float64]


def reachable_level(wanted: float, units: int) -> float:
    """The largest two-sided p below `wanted` that an exact test with `units` sign flips can give; 0.0 if there is none.

    Its p-values are the multiples of 2^(1 - units).
    """
    if units > MANY_UNITS:
        return wanted
    step = least_p(units)
    return max(0, ceil(wanted / step) - 1) * step


def least_p(units: int) -> float:
    """The smallest two-sided p of an exact test with `units` sign flips; 1.0 for one unit or none."""
    return float(min(1.0, 2.0 ** (1 - units)))


def fewest_units(wanted: float) -> int:
    """The smallest number of units with which an exact test can give a p below `wanted`."""
    return int(log2(1 / wanted)) + 2


def effect_by_t(freedom: npt.ArrayLike, *, level: npt.ArrayLike, power: float = POWER) -> Floats:
    """The true difference, in standard errors, that Student's t at `level` (0.05, say) finds with probability `power`."""
    level, freedom = np.asarray(level), np.asarray(freedom)
    return np.asarray(stdtrit(freedom, 1 - level / 2) + stdtrit(freedom, power))


@lru_cache(maxsize=1024)
def effect_by_flips(weights: tuple[float, ...], *, level: float, confidence: float, power: float = POWER) -> float:
    """The true difference, in standard errors, that `compare` finds with probability `power` on few units: by sign flips with a p up to
    `level`, and by t with an interval at `confidence`. Units contribute by their weights, with a noise of that variance.

    By simulation: sign flips find less than t where units are few, and less still where some of them are small.
    """
    weight = np.array(weights) / sum(weights)
    units = len(weight)
    noise = np.random.default_rng(0).normal(size=(units, DRAWS)) * np.sqrt(weight)[:, None]
    signs = 1.0 - 2.0 * ((np.arange(2 ** (units - 1))[:, None] >> np.arange(units)) & 1)
    noise_flipped, weight_flipped = signs @ noise, (signs @ weight)[:, None]
    edge = float(stdtrit(units - 1, (1 + confidence) / 2))

    def found(effect: float) -> float:
        values = effect * weight[:, None] + noise
        reached = np.abs(values.sum(axis=0))
        p = (np.abs(noise_flipped + effect * weight_flipped) >= reached - 1e-12).mean(axis=0)
        return float(np.mean((p <= level) & (reached > edge * np.sqrt(units * values.var(axis=0, ddof=1)))))

    low, high = 0.0, 8.0
    while found(high) < power and high < MOST_EFFECT:
        low, high = high, 2 * high
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if found(middle) < power else (low, middle)
    return high if high < MOST_EFFECT else np.inf


def smallest_detectable_difference(
    standard_error: float,
    *,
    weights: Sequence[float],
    tests: int = 1,
    correlation: float = 0.0,
    level: float = 0.95,
    power: float = POWER,
) -> float | None:
    """The true difference between two systems that `compare` finds with probability `power`; None if an exact p can never be small
    enough, or the difference would have to exceed 1.

    `standard_error` is one system's; the other is taken to have the same, and `correlation` is that of both systems' errors over
    articles (0.0: unrelated; two fine-tuned models of one kind: often 0.5 to 0.9). `weights`: the spans of each article or cluster that
    holds any. `tests` is the number of tests that Holm's method corrects for: all others are taken to find nothing.
    """
    reachable = reachable_level((1 - level) / tests, len(weights))
    if not reachable:
        return None
    effect = effect_of(weights, level=reachable, confidence=level, freedom=len(weights) - 1, power=power)
    needed = effect * standard_error * sqrt(2 * (1 - correlation))
    return needed if 0 < needed <= 1 else None


def effect_of(weights: Sequence[float], *, level: float, confidence: float, freedom: float, power: float = POWER) -> float:
    """The detectable difference in standard errors: by simulation for few units, else by Student's t."""
    if len(weights) > SIMULATED_UNITS:
        return float(effect_by_t(freedom, level=level, power=power))
    total = sum(weights)
    rounded = tuple(sorted(round(weight / total, 4) for weight in weights))
    return effect_by_flips(rounded, level=level, confidence=confidence, power=power)
