"""Differences and trends between cells, from the deviations that the jackknife gives.

Cells that share units (near-duplicates in two months, say) and strata are not independent; the deviations of the same unit are added, so
that the variance of a contrast holds their covariance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from eventtag.estimates.corrected import LEAST_ERRORS, Estimate, Figure, figure, freedom

EVERYWHERE = (-np.inf, np.inf)
ROUNDING = 1e-12
"""A contrast that is so small a part of what it is made of is 0."""
LEAST_PART = 5
"""Annotated units that each period of a trend needs."""


@dataclass(frozen=True)
class Contrast:
    """A sum of cells' means with weights, and the two-sided p-value of its being 0; None where the cells have no intervals."""

    figure: Figure
    p: float | None
    note: str = ""


def difference(first: Estimate, second: Estimate, *, level: float = 0.95) -> Contrast:
    """The mean of the second cell minus that of the first; without an interval where one of them has none."""
    without = sum(bool(cell.note) for cell in (first, second))
    notes = ("", "one of the two has no interval", "both have no interval")
    return _contrast([first, second], [-1.0, 1.0], level, notes[without])


def trend(cells: Sequence[Estimate], times: Sequence[int] | None = None, *, level: float = 0.95) -> Contrast:
    """The least-squares slope of the means over the cells' times, by default 0, 1, 2 and so on.

    Cells with fewer units than an interval of their own needs will do, as long as each has LEAST_PART and all together have enough errors.
    """
    places = np.arange(len(cells)) if times is None else np.array(times)
    places = places - places.mean()
    fewest, errors = min(cell.units for cell in cells), sum(cell.errors for cell in cells)
    note = ""
    if fewest < LEAST_PART:
        note = f"a period has {fewest} annotated units, {LEAST_PART} are needed in each"
    elif errors < LEAST_ERRORS:
        note = f"the tagger errs in {errors:.2g} annotated units (by weight), {LEAST_ERRORS} are needed"
    return _contrast(cells, (places / (places**2).sum()).tolist(), level, note)


def _contrast(cells: Sequence[Estimate], weights: Sequence[float], level: float, note: str) -> Contrast:
    if not all(cell.units for cell in cells):
        return Contrast(Figure(None), None, note)
    parts = np.asarray(weights) * [cell.mean for cell in cells]
    value = float(parts.sum())
    value = 0.0 if abs(value) < ROUNDING * float(np.abs(parts).max()) else value
    if note:
        return Contrast(Figure(value), None, note)
    deviations = np.asarray(weights) @ np.stack([cell.deviations for cell in cells])
    moved = deviations[np.stack([cell.inside for cell in cells]).any(axis=0)]
    degrees = freedom(moved, spent=2 * len(cells))
    found = figure(value, deviations, degrees, level, EVERYWHERE)
    if not found.error:
        return Contrast(found, None)
    return Contrast(found, float(2 * stdtr(degrees, -abs(value) / found.error)))
