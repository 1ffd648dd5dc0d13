"""What a design draws from a pool, at first and when a sample is extended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from eventtag.errors import DataError
from eventtag.estimates.annotated_sample import PROBABILITY, STRATUM, UNIT
from eventtag.estimates.pool import Pool, Units
from eventtag.estimates.sample_record import Design, SampleRecord
from eventtag.estimates.sampling import Floats, Mask, draw, draw_further, inclusion_probabilities, sizes_by_counts

_SAME = 1e-6
"""Probabilities that differ by no more, relatively, are the same: sums of floating-point numbers depend on their order."""


@dataclass(frozen=True)
class Drawn:
    """[U] `probabilities` of each unit to be in the sample, those that are in it, and those of them that are `new`; `articles` are the
    numbers of the sample's articles in the pool.
    """

    probabilities: Floats
    units: Mask
    new: Mask
    articles: tuple[int, ...]


def draw_sample(pool: Pool, units: Units, design: Design, further: int, earlier: SampleRecord | None = None) -> Drawn:
    """Draw `further` units, beside those of an `earlier` sample by the same design.

    Raises SettingsError as `inclusion_probabilities` does, DataError where the earlier sample was drawn from other articles.
    """
    sizes = sizes_by_counts(units.counts) if design.counts else np.full(len(units), 1 / max(len(units), 1))
    totals = () if earlier is None else earlier.totals
    first = np.zeros(len(units))
    for total in totals:
        first = np.maximum(first, inclusion_probabilities(sizes, units.strata, total))
    wanted = np.maximum(first, inclusion_probabilities(sizes, units.strata, sum(totals[-1:]) + further))
    # The seed and the number of the draw, so that an extension does not draw by the numbers of the draw before it.
    random = np.random.default_rng([design.seed, len(totals)])
    if earlier is None:
        new = draw(wanted, units.strata, random)
        return Drawn(wanted, new, new, _members(units, new, design, random))
    kept = _articles_of(earlier, pool, units, first)
    before = np.zeros(len(units), dtype=np.bool_)
    before[units.of_article[list(kept)]] = True
    new = draw_further(first, before, wanted, units.strata, random)
    return Drawn(wanted, before | new, new, (*kept, *_members(units, new, design, random)))


def article_probabilities(drawn: Drawn, units: Units, design: Design) -> Floats:
    """[U] The probability of each article of a unit to be in the sample."""
    return drawn.probabilities / np.bincount(units.of_article) if design.copies == "one" else drawn.probabilities


def describe_draw(pool: Pool, units: Units, drawn: Drawn, design: Design) -> dict[str, dict[str, Any]]:
    """By id, the probability, stratum and unit of every drawn article, as metadata; a unit is named by its first id."""
    shares = article_probabilities(drawn, units, design)
    wanted = {int(units.of_article[number]) for number in drawn.articles}
    names: dict[int, str] = {}
    for number in np.flatnonzero(drawn.units[units.of_article]).tolist():
        unit = int(units.of_article[number])
        if unit in wanted:
            names[unit] = min(names.get(unit, pool.ids[number]), pool.ids[number])
    found = {}
    for number in drawn.articles:
        unit = int(units.of_article[number])
        fields = {PROBABILITY: float(shares[unit]), STRATUM: units.names[units.strata[unit]], UNIT: names[unit]}
        found[pool.ids[number]] = fields
    return found


def _members(units: Units, chosen: Mask, design: Design, random: np.random.Generator) -> tuple[int, ...]:
    """The articles of the chosen units, all or a random one of each."""
    members: list[int] = np.flatnonzero(chosen[units.of_article]).tolist()
    if design.copies == "all":
        return tuple(members)
    one: dict[int, int] = {}
    for member in random.permutation(np.array(members, dtype=np.int64)).tolist():
        one.setdefault(int(units.of_article[member]), member)
    return tuple(sorted(one.values()))


def _articles_of(earlier: SampleRecord, pool: Pool, units: Units, first: Floats) -> tuple[int, ...]:
    """The numbers of the earlier sample's articles; raises DataError unless pool and probabilities are those of the earlier draw."""
    numbers = {name: number for number, name in enumerate(pool.ids)}
    missing = next((name for name in earlier.drawn if name not in numbers), None)
    if missing is not None or pool.fingerprint != earlier.fingerprint:
        example = "" if missing is None else f", the first missing is {missing!r}"
        raise DataError(
            f"the pool is another: {len(pool)} articles where the sample was drawn from {earlier.articles}{example}\n"
            f"extend a sample from the pool it was drawn from ({earlier.pool}), with the same --checkpoint; new articles need a sample of "
            "their own"
        )
    kept = tuple(sorted(numbers[name] for name in earlier.drawn))
    share = np.bincount(units.of_article) if earlier.design.copies == "one" else np.ones(len(units))
    for number in kept:
        unit = units.of_article[number]
        was, would_be = earlier.drawn[pool.ids[number]][PROBABILITY], first[unit] / share[unit]
        if abs(was - would_be) > _SAME * was:
            raise DataError(
                f"article {pool.ids[number]!r} was drawn with probability {was:.6g}, and from this pool it would have been {would_be:.6g}: "
                "its predicted spans, fields or near-duplicates have changed\nextend a sample from the file that it was drawn from"
            )
    return kept
