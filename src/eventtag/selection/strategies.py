"""The strategies, and the choice of units by one of them within a budget.

A strategy is a function of the units and whether the budget counts words; it gives each unit a score, and the highest are chosen. Kohl et
al. (2024) compare strategies for named entity recognition and find the number of predicted mentions among the best.

Letters for shapes: U units.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import numpy as np
import numpy.typing as npt

from eventtag.selection.units import Floats, Ints, Units
from eventtag.settings.select import Strategy

Score = Callable[[Units, bool, np.random.Generator], Floats]


def _errors(units: Units, per_word: bool, random: np.random.Generator) -> Floats:  # noqa: ARG001
    return units.errors / units.words


def _mentions(units: Units, per_word: bool, random: np.random.Generator) -> Floats:  # noqa: ARG001
    return units.mentions / units.words if per_word else units.mentions


def _random(units: Units, per_word: bool, random: np.random.Generator) -> Floats:  # noqa: ARG001
    """By the units' keys, so that the choice does not depend on their order."""
    order = np.argsort(units.keys, kind="stable")
    scores = np.empty(len(units))
    scores[order] = random.random(len(units))
    return scores


STRATEGIES: Mapping[Strategy, Score] = {Strategy.errors: _errors, Strategy.mentions: _mentions, Strategy.random: _random}


def score_units(strategy: Strategy, units: Units, *, per_word: bool, random: np.random.Generator) -> Floats:
    """[U] how much each unit is wanted; `per_word`: the budget counts words."""
    return STRATEGIES[strategy](units, per_word, random)


def choose_units(
    units: Units,
    scores: Floats,
    budget: float,
    *,
    per_word: bool,
    allowed: npt.NDArray[np.bool_],
    known: Collection[int] = (),
) -> Ints:
    """Numbers of the units of the highest scores among those `allowed` [U], the most wanted first.

    `budget` is their number, or with `per_word` that of their words: the choice ends before the unit that would exceed it, but has one
    unit if the budget is above 0. Only one of several units with the same letters and digits is chosen, and none with a key in `known`. If
    scores are equal, the key decides, so the choice does not depend on the order of the pool.
    """
    chosen: list[int] = []
    seen = set(known)
    left = budget
    for number in np.lexsort((units.keys, -scores)).tolist():
        if left <= 0:
            break
        key = int(units.keys[number])
        if not allowed[number] or key in seen:
            continue
        cost = float(units.words[number]) if per_word else 1.0
        if cost > left and chosen:
            break
        seen.add(key)
        chosen.append(number)
        left -= cost
    return np.array(chosen, dtype=np.int64)
