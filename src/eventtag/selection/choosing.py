"""The choice: articles drawn at random with known probabilities, and units that a strategy wants most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eventtag.errors import DataError
from eventtag.estimates.drawing import describe_draw, draw_sample
from eventtag.estimates.sample_record import Design
from eventtag.selection.pool import REASONS, TaggedPool
from eventtag.selection.strategies import choose_units, score_units
from eventtag.selection.units import Floats, Ints
from eventtag.settings.select import SelectSettings, Unit


@dataclass(frozen=True)
class Choice:
    """Numbers of the drawn articles in the pool, with their probabilities, strata and units by id (`about`), and numbers of the chosen
    units with the [U] `scores` of all units, for which `budget` units or words were left. `design` and `draws` say how the articles were
    drawn.
    """

    drawn: tuple[int, ...]
    about: Mapping[str, Mapping[str, Any]]
    design: Design
    draws: int
    units: Ints
    scores: Floats
    budget: float


def choose(found: TaggedPool, settings: SelectSettings) -> Choice:
    """Draw and choose within the budget of the settings.

    Drawn are always whole articles, because figures and scores need these: one at least if `random_share` is above 0, else so many that
    their expected size is the share of the budget. The strategy chooses from the other articles, of near-duplicates from one. Raises
    DataError if no article may be chosen.
    """
    units, drawable = found.units, found.drawing_units
    if not len(drawable) and not found.partly_learnt.any():
        why = "; ".join(f"{count} because {REASONS[reason]}" for reason, count in found.left_out.items())
        raise DataError(f"{settings.input}: holds no article to choose" + (f": left out are {why}" if why else "; check input="))
    per_word = settings.words is not None
    share = settings.random_share * settings.budget
    wanted = 0 if settings.random_share == 0 else max(1, round(share / _mean_cost(found, settings)))
    draws = min(wanted, len(drawable))
    design = Design(seed=settings.seed, copies="one")
    drawn: tuple[int, ...] = ()
    about: Mapping[str, Mapping[str, Any]] = {}
    free = np.ones(len(drawable), dtype=np.bool_)
    if draws:
        sample = draw_sample(found.drawable, drawable, design, draws)
        about = describe_draw(found.drawable, drawable, sample, design)
        drawn = tuple(int(found.numbers[number]) for number in sample.articles)
        free = ~sample.units
    by_article = settings.unit is Unit.article and not per_word
    left = settings.budget - wanted if by_article else settings.budget - share
    candidates = found.partly_learnt.copy()
    candidates[_first_of_units(found)[free]] = True
    random = np.random.default_rng([settings.seed, 1])  # not the numbers of the draw
    scores = score_units(settings.strategy, units, per_word=per_word, random=random)
    known = frozenset(units.keys[np.isin(units.articles, drawn)].tolist())
    chosen = choose_units(units, scores, left, per_word=per_word, allowed=candidates[units.articles], known=known)
    return Choice(drawn, about, design, draws, chosen, scores, left)


def _mean_cost(found: TaggedPool, settings: SelectSettings) -> float:
    """What an article that may be drawn costs of the budget, on average."""
    of_eligible = found.eligible[found.units.articles]
    costs = found.units.words[of_eligible].sum() if settings.words is not None else of_eligible.sum()
    return max(1.0, float(costs) / max(1, int(found.eligible.sum())))


def _first_of_units(found: TaggedPool) -> Ints:
    """The number in the pool of one article of each unit that may be drawn: the one whose hash is lowest, whatever the pool's order."""
    order = np.argsort(np.frombuffer(found.drawable.keys, dtype=np.uint64), kind="stable")
    first = np.unique(found.drawing_units.of_article[order], return_index=True)[1]
    return found.numbers[order[first]]
