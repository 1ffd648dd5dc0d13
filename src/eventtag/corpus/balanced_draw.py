"""Random draws of units that have the corpus's own share of everything that is counted.

The cube method (Deville and Tillé 2004, https://doi.org/10.1093/biomet/91.4.893), in its fast form (Chauvet and Tillé 2006,
https://doi.org/10.1007/s00180-006-0250-2). Every unit has the same probability of being drawn, so what is drawn is not biased, and
the drawn units' totals of each measure are as close to their share of the corpus's totals as whole units allow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SETTLED = 1e-9
"""A probability this close to 0 or 1 is decided."""


def draw_balanced(measures: NDArray[np.float64], count: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Draw `count` of U units, each with probability `count` / U; true where a unit is drawn.

    `measures` (U, M) are what the draw is balanced on, the most important first; where whole units cannot balance all, the last are
    given up first. Neighbours in the order of units are balanced against each other: units in order of size give a draw of all sizes.
    """
    units = len(measures)
    probabilities = np.full(units, count / units if units else 0.0)
    totals = np.abs(measures).sum(axis=0)
    measures = measures[:, totals > 0] / totals[totals > 0]
    columns = np.column_stack([np.full(units, 1 / max(units, 1)), measures])
    for kept in range(columns.shape[1], 0, -1):
        _settle(probabilities, columns[:, :kept], random)
    return probabilities > 0.5


def _settle(probabilities: NDArray[np.float64], columns: NDArray[np.float64], random: np.random.Generator) -> None:
    """Move the open probabilities to 0 or 1, at random but keeping the columns' expected totals, until too few are open to go on."""
    waiting = list(np.flatnonzero((probabilities > _SETTLED) & (probabilities < 1 - _SETTLED))[::-1])
    window: list[int] = []
    size = columns.shape[1] + 1
    while True:
        window = [unit for unit in window if _SETTLED < probabilities[unit] < 1 - _SETTLED]
        while waiting and len(window) < size:
            window.append(waiting.pop())
        if len(window) < size:
            return
        direction = _direction_that_keeps_totals(columns[window].T)
        now = probabilities[window]
        moving = np.abs(direction) > _SETTLED * np.abs(direction).max()
        step = direction[moving]
        up = np.min(np.where(step > 0, 1 - now[moving], now[moving]) / np.abs(step))
        down = np.min(np.where(step > 0, now[moving], 1 - now[moving]) / np.abs(step))
        # Each end is taken with the probability that leaves every unit's own probability as it was.
        moved = now + (up if random.random() < down / (up + down) else -down) * direction
        moved[moved < _SETTLED] = 0.0
        moved[moved > 1 - _SETTLED] = 1.0
        probabilities[window] = moved


def _direction_that_keeps_totals(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """A vector that a matrix with more columns than rows takes to 0.

    By elimination, not by singular values: those depend on the processor where several vectors would do, and the same seed is to
    give the same draw on every machine.
    """
    rows = matrix.copy()
    zero = _SETTLED * np.abs(matrix).max()
    pivots: list[int] = []
    for column in range(rows.shape[1]):
        done = len(pivots)
        best = done + int(np.argmax(np.abs(rows[done:, column]))) if done < len(rows) else done
        if best == len(rows) or abs(rows[best, column]) <= zero:
            direction = np.zeros(rows.shape[1])
            direction[column] = 1.0
            direction[pivots] = -rows[:done, column]
            return direction
        if best != done:
            rows[[done, best]] = rows[[best, done]]
        rows[done] /= rows[done, column]
        factors = rows[:, column].copy()
        factors[done] = 0.0
        rows -= factors[:, None] * rows[done]
        pivots.append(column)
    raise ValueError(f"a matrix of {matrix.shape[0]} rows and {matrix.shape[1]} columns")
