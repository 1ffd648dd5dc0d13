"""The annotated articles of a sample, matched with the tagged ones by id.

How an article came into the sample stands in its metadata, as `eventtag sample` writes it: `sample_probability`, `sample_stratum` and
`sample_unit`. Where it does not, nothing says that the sample is random, unless the user does.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.estimates.batches import TaggedBatch, batches_of
from eventtag.estimates.corrected import Annotated
from eventtag.estimates.quantities import Quantity, number_of
from eventtag.estimates.sample_record import read_record, record_path
from eventtag.estimates.tagged import TaggedTable

PROBABILITY, STRATUM, UNIT = "sample_probability", "sample_stratum", "sample_unit"
"""Metadata fields of a drawn article."""
SELECTED_BY, DRAWN = "selected_by", "sample"
"""Metadata field of an article that `eventtag select` wrote, and its value for one that was drawn at random."""
Drawn = Literal["recorded", "random"]
"""How the sample was drawn: as its metadata say, or at random, each article with the same probability."""
OFF = 0.1
"""By what share the articles that a sample stands for may differ from the tagged ones before the notes say so."""

NOT_RANDOM = (
    "the annotated articles have no sample_probability, so nothing says that they are a random sample: if they were "
    "chosen because they were "
    "interesting, recent or easy to get, the tagger's errors in them are not those of the other articles, and neither is the correction. "
    "There are no intervals. If `eventtag sample` drew them, name what it wrote beside the sample: --record SAMPLE.sample.json. If each of "
    "the tagged articles had the same chance to be annotated, say so: --drawn random"
)


@dataclass(frozen=True)
class SampledArticles:
    """The annotated articles that are among the tagged ones.

    `places` [n] are theirs in the table; `values` [n, Q] people's numbers, NaN where they are not known; `weights` [n] are 1 over the
    probability of being in the sample; `units` and `strata` [n] are whole numbers. `random`: whether intervals can be had at all.
    """

    places: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    units: npt.NDArray[np.int64]
    strata: npt.NDArray[np.int64]
    random: bool
    notes: tuple[str, ...]

    def known(self, tagged: npt.NDArray[np.float64], number: int) -> tuple[Annotated, npt.NDArray[np.int64]]:
        """The articles whose quantity of this number is known to people and tagger, and their places in the table."""
        numbers = tagged[self.places]
        known = ~(np.isnan(self.values[:, number]) | np.isnan(numbers))
        units = np.unique(self.units[known], return_inverse=True)[1]
        strata = _joined(self.strata[known], units)
        sample = Annotated(self.values[known, number], numbers[known], self.weights[known], units, strata)
        return sample, self.places[known]


def recorded(
    articles: list[Article], source: object, record: str | os.PathLike[str] | None, name: str, notes: list[str]
) -> list[Article]:
    """The articles with what the record of their sample says of their draw in their metadata, which many formats lose.

    Where none of them says it and no `record` is named, the one beside the `source` is taken, if there is one, and `notes` say so; `name`
    is the source's for messages. Raises DataError for an article that was not drawn, and one whose own metadata say something else.
    """
    if record is None:
        if any(PROBABILITY in article.meta for article in articles):
            return articles
        record = _beside(source)
        if record is None:
            return articles
        notes.append(f"the probabilities of the draw are taken from {record}")
    known = read_record(Path(record)).drawn
    found = []
    for article in articles:
        drawn = known.get(article.id)
        if drawn is None:
            raise DataError(
                f"{name}: the article {article.id!r} is not in the record of the sample, which has {len(known)}; give the record of this "
                "sample, and the articles with the ids that they had in it"
            )
        own = number_of(article.meta.get(PROBABILITY))
        if np.isfinite(own) and not np.isclose(own, drawn[PROBABILITY]):
            raise DataError(
                f"{name}: the article {article.id!r} has the {PROBABILITY} {own:g}, and the record of the sample says "
                f"{drawn[PROBABILITY]:g}; give the record of this sample, or leave --record out"
            )
        found.append(replace(article, meta={**article.meta, **drawn}))
    return found


def _beside(source: object) -> Path | None:
    """The record of a sample that lies beside a file; None if there is none."""
    if not isinstance(source, str | os.PathLike):
        return None
    path = record_path(Path(source))
    return path if path.is_file() else None


def without_chosen(
    articles: list[Article], source: object, record: str | os.PathLike[str] | None, name: str, notes: list[str]
) -> list[Article]:
    """The articles without those that `eventtag select` chose by a strategy, as their metadata or the record say: these stand for no
    others. `notes` say how many they are. The record is found as in `recorded`. Raises DataError if no article remains.
    """
    path = _beside(source) if record is None else Path(record)
    besides = frozenset() if path is None else frozenset(read_record(path).besides)
    found = [a for a in articles if a.id not in besides and a.meta.get(SELECTED_BY, DRAWN) == DRAWN]
    chosen = len(articles) - len(found)
    if chosen and not found:
        raise DataError(
            f"{name}: all of its {chosen} articles were chosen by a strategy of `eventtag select`, so they stand for no others; give the "
            "articles that it drew at random, or draw a sample: eventtag sample"
        )
    if chosen:
        notes.append(
            f"{chosen} of {len(articles)} annotated articles were chosen by a strategy of `eventtag select`, so they stand for no others, "
            "and are left out"
        )
    return found


def pool_size(articles: Sequence[Article], source: object, record: str | os.PathLike[str] | None) -> int | None:
    """How many articles the sample was drawn from, by the `record` or the one beside the `source`; None where it is not about these."""
    path = _beside(source) if record is None else Path(record)
    if path is None:
        return None
    found = read_record(path)
    return found.articles if all(article.id in found.drawn for article in articles) else None


class TextCheck:
    """Looks whether the tagged articles have the texts of the annotated ones with their ids, by the mentions that the tagger found."""

    def __init__(self, gold: Sequence[Article]) -> None:
        self._texts = {article.id: article.text for article in gold}
        self._checked: set[str] = set()
        self._others: dict[str, str] = {}

    def __call__(self, batch: TaggedBatch) -> None:
        """Look at a batch of the tagged articles."""
        ours = np.array([name in self._texts for name in batch.ids], dtype=np.bool_)
        for place in np.flatnonzero(ours[batch.rows]).tolist():
            name = batch.ids[int(batch.rows[place])]
            start, end = int(batch.starts[place]), int(batch.ends[place])
            self._checked.add(name)
            if self._texts[name][start:end] != batch.surfaces[place]:
                there, found = self._texts[name][start:end], batch.surfaces[place]
                self._others.setdefault(name, f"at {start}-{end} the tagger found {found!r}, and there stands {there!r}")

    def notes(self, source: str) -> list[str]:
        """A line where texts differ. Raises DataError where most of them do: then the ids are those of other articles."""
        if not self._others:
            return []
        name, example = next(iter(self._others.items()))
        found = (
            f"{len(self._others)} of {len(self._checked)} annotated articles have another text than the tagged one with "
            "their id, the first is "
            f"{name!r}: {example}"
        )
        if len(self._others) * 2 > len(self._checked):
            raise DataError(
                f"{source}: {found}\ngive the annotated articles of a sample of the tagged ones, with their ids and texts"
            )
        return [f"{found}; check that these are the same articles"]


def match_sample(
    table: TaggedTable, gold: Sequence[Article], quantities: Sequence[Quantity], *, drawn: Drawn, source: str
) -> SampledArticles:
    """Match the annotated articles with the tagged ones.

    Raises DataError where none is among the tagged ones, or where some have a probability and others none; SettingsError for
    probabilities that contradict `drawn`.
    """
    place_of = {name: place for place, name in enumerate(table.ids.tolist())}
    matched = [article for article in gold if article.id in place_of]
    strangers = [article.id for article in gold if article.id not in place_of]
    if not matched:
        example = f", the first is {gold[0].id!r}" if gold else ""
        raise DataError(
            f"{source}: none of its {len(gold)} articles has the id of a tagged one{example}; the tagged ones begin with "
            f"{table.ids[0] if len(table.ids) else 'nothing'!r}\ngive the annotated articles of a sample of the tagged ones, with their ids"
        )
    notes = []
    if strangers:
        notes.append(
            f"{len(strangers)} of {len(gold)} annotated articles are not among the tagged ones and are left out, the "
            f"first is {strangers[0]!r}"
        )
    batch = next(iter(batches_of(matched, size=len(matched), keep=True)))
    values = np.stack([quantity.values(batch) for quantity in quantities], axis=1)
    for quantity, missing in zip(quantities, np.isnan(values).sum(axis=0).tolist(), strict=True):
        if missing:
            notes.append(
                f"{quantity}: {missing} of {len(matched)} articles of the sample are not annotated for it; the figures "
                "suppose that these are "
                "like the others"
            )
        if quantity.records is not None:
            quantity.records.require_known()
            notes += quantity.records.notes()
    places = np.array([place_of[article.id] for article in matched], dtype=np.int64)
    shares = _probabilities(matched, drawn, source)
    count = len(matched)
    if shares is None:
        weights = np.full(count, len(table.ids) / count)
        alone = np.arange(count)
        if drawn == "recorded":
            notes.append(NOT_RANDOM)
        return SampledArticles(places, values, weights, alone, np.zeros(count, dtype=np.int64), drawn == "random", tuple(notes))
    stands_for = float((1 / shares).sum())
    if abs(stands_for - len(table.ids)) > OFF * len(table.ids):
        notes.append(
            f"the annotated articles stand for {stands_for:,.0f} articles by their probabilities, and "
            f"{len(table.ids):,} are tagged: check that "
            "the tagged articles are those of which the sample was drawn, and that all of the sample is given"
        )
    return SampledArticles(
        places,
        values,
        1 / shares,
        _codes([str(article.meta.get(UNIT) or article.id) for article in matched]),
        _codes([str(article.meta.get(STRATUM) or "") for article in matched]),
        True,
        tuple(notes),
    )


def _probabilities(articles: Sequence[Article], drawn: Drawn, source: str) -> npt.NDArray[np.float64] | None:
    """[n]: each article's probability of being in the sample; None where no article has one."""
    shares = np.array([number_of(article.meta.get(PROBABILITY)) for article in articles])
    without = np.isnan(shares)
    if without.all():
        return None
    if drawn == "random":
        raise SettingsError(f"drawn: random contradicts the field {PROBABILITY} of {source}; leave it out")
    wrong = without | ~((shares > 0) & (shares <= 1))
    if wrong.any():
        first = articles[int(wrong.argmax())]
        raise DataError(
            f"{source}: {int(wrong.sum())} of {len(articles)} annotated articles have no {PROBABILITY} between 0 and 1 "
            "in their metadata, the "
            f"first is {first.id!r} ({first.meta.get(PROBABILITY)!r})\ngive only the articles that `eventtag sample` "
            "drew, with all of their "
            "metadata"
        )
    return shares


def _codes(names: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.unique(np.array(names, dtype=object), return_inverse=True)[1].astype(np.int64)


def _joined(strata: npt.NDArray[np.int64], units: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The strata, from 0 on; those with a single unit, of which the variance cannot be known, are joined with each other, and a last one
    of them with the smallest of the others. The variance is then a little too large.
    """
    first = np.unique(units, return_index=True)[1]
    names, sizes = np.unique(strata[first], return_counts=True)
    single = names[sizes == 1]
    joined = strata.copy()
    if len(single) and len(names) > 1:
        joined[np.isin(strata, single)] = single[0]
        if len(single) == 1:
            others = names[sizes > 1]
            joined[strata == single[0]] = others[sizes[sizes > 1].argmin()]
    return np.unique(joined, return_inverse=True)[1].astype(np.int64)
