"""Random samples of units with known inclusion probabilities.

A unit is an article, or articles that are drawn together. Each stratum has a whole number of draws, at least `LEAST` where it has as many
units. Within a stratum units are put in random order and drawn systematically with their inclusion probabilities (Hartley and Rao 1962,
https://doi.org/10.1214/aoms/1177704565), which keeps each of them exact and the size fixed. Where all are equal, that is simple random
sampling without replacement.

A sample is extended by drawing from the units outside it. Unit u, which was to be in the sample with probability a and is to be in the
larger one with probability b, is drawn with (b - a) / (1 - a): it is then in the larger one with a + (1 - a) (b - a) / (1 - a) = b. These
probabilities do not depend on what was drawn first, so b is exact. With equal probabilities the larger sample is again a simple random one,
with its joint inclusion probabilities. With unequal ones the number drawn from a stratum differs by one or a few from what was asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eventtag.errors import SettingsError

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEAST = 2
"""Units of each of several strata that are drawn at least: from one alone its variance cannot be estimated."""
EVEN = 0.5
"""Share of the draws that goes evenly to all units where probabilities follow counts: no unit has less than half the probability that it
would have in a plain draw, so a count that the tagger missed weighs at most twice as much."""

WHOLE = 1e-6
"""A sum of probabilities this close to a whole number is that number."""


def sizes_by_counts(counts: Floats) -> Floats:
    """[U] sizes that add up to 1 for inclusion probabilities that follow [U] `counts`, with the share EVEN for all units alike."""
    even = np.full(len(counts), 1 / max(len(counts), 1))
    total = counts.sum()
    return EVEN * even + (1 - EVEN) * counts / total if total > 0 else even


def inclusion_probabilities(sizes: Floats, strata: Numbers, draws: int) -> Floats:
    """[U] probabilities of being drawn, proportional to [U] positive `sizes` within each stratum (at most 1); they add up to whole numbers
    there, and to `draws` in all.

    `strata` [U] are numbers from 0. Raises SettingsError where there are fewer units than draws, or too few draws for the strata.
    """
    if draws > len(sizes):
        raise SettingsError(f"n={draws}: there are only {len(sizes)} units to draw; ask for at most that")
    probabilities = np.zeros(len(sizes))
    for stratum, count in enumerate(_allocate(sizes, strata, draws)):
        members = np.flatnonzero(strata == stratum)
        probabilities[members] = _proportional(sizes[members], int(count))
    return probabilities


def _allocate(sizes: Floats, strata: Numbers, draws: int) -> Numbers:
    """[H] draws of each stratum: in proportion to its size, LEAST or all of its units at least."""
    units = np.bincount(strata)
    shares = np.bincount(strata, weights=sizes)
    lowest = np.minimum(LEAST if len(units) > 1 else 1, units)
    if lowest.sum() > draws:
        raise SettingsError(
            f"n={draws}: the {len(units)} strata need {lowest.sum()} draws, {LEAST} in each stratum that has as many units, so that the "
            "variance within them can be estimated; ask for more, or for fewer strata (years in place of months)"
        )

    def given(factor: float) -> Floats:
        return np.clip(factor * shares, lowest, units)

    low, high = 0.0, float(len(sizes) / shares.min())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if given(middle).sum() < draws else (low, middle)
    wanted = given(high)
    found = np.floor(wanted + 1e-9)
    most = np.argsort(-(wanted - found), kind="stable")
    found[most[: draws - int(found.sum())]] += 1
    return found.astype(np.int64)


def _proportional(sizes: Floats, draws: int) -> Floats:
    """Probabilities proportional to sizes that add up to `draws`; those that would exceed 1 are 1."""
    certain = np.zeros(len(sizes), dtype=np.bool_)
    while True:
        left = draws - int(certain.sum())
        open_sizes = sizes[~certain]
        found = np.ones(len(sizes))
        if not len(open_sizes):
            return found
        found[~certain] = open_sizes * left / open_sizes.sum()
        over = found > 1 - 1e-12
        if (over == certain).all():
            return found
        certain = over | certain


def draw(probabilities: Floats, strata: Numbers, random: np.random.Generator) -> Mask:
    """[U] Draw units with these inclusion probabilities; true where one is drawn.

    A stratum's probabilities need not add up to a whole number: it then has one draw more or fewer.
    """
    chosen = np.zeros(len(probabilities), dtype=np.bool_)
    for stratum in range(int(strata.max(initial=-1)) + 1):
        members = np.flatnonzero(strata == stratum)
        members = members[random.permutation(len(members))]
        reached = np.cumsum(probabilities[members])
        whole = float(np.round(reached[-1])) if len(reached) else 0.0
        if whole and abs(reached[-1] - whole) < WHOLE:
            reached *= whole / reached[-1]
        passed = np.floor(np.concatenate([[0.0], reached]) - random.random())
        chosen[members] = np.diff(passed) > 0
    return chosen | (probabilities >= 1)


def draw_further(first: Floats, drawn: Mask, wanted: Floats, strata: Numbers, random: np.random.Generator) -> Mask:
    """[U] Draw further units beside those `drawn` with inclusion probabilities `first`, so that the inclusion probabilities of both
    together are `wanted`, which are nowhere smaller than `first`; true where a unit is drawn now.
    """
    open_units = ~drawn & (first < 1)
    further = np.zeros(len(first))
    further[open_units] = (wanted - first)[open_units] / (1 - first[open_units])
    return draw(further, strata, random) & open_units
