"""`eventtag.plan`: how many articles to annotate, from a pilot."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import inf, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eventtag.api.articles import Source, name_of
from eventtag.api.pairing import PairedGold, pair_with_gold
from eventtag.article import Article
from eventtag.errors import DataError, SettingsError, require_names
from eventtag.estimates.annotated_sample import PROBABILITY, pool_size, recorded, without_chosen
from eventtag.estimates.corrected import Annotated, Tagged, estimate_mean
from eventtag.estimates.planning import Floats, Needed, in_articles, units_for_difference, units_for_interval
from eventtag.estimates.quantities import Quantity, number_of, parse_quantity
from eventtag.event_records.counting import RecordSource
from eventtag.scoring.bootstrap import AVERAGES, CORRELATED, METRICS, figure_sums, figures, marked_mask, sum_clusters
from eventtag.scoring.report import score_articles
from eventtag.scoring.tally import Pair, Tally

if TYPE_CHECKING:
    import pandas as pd

ENDLESS = 1e9
"""Weight of an annotated article in a pool that counts as infinite: the plan does not assume that a large part of it is
annotated."""


@dataclass(frozen=True)
class PlanRow:
    """What is wanted of one figure, and how many articles to annotate for it in all, including the pilot's.

    `value` is the pilot's figure, `wanted` a half-width of its interval or a difference. `low` to `high` contains the true number
    with probability 0.8, because the pilot's variance is itself uncertain. All three are None if the pilot is not enough, and
    `note` says why.
    """

    goal: str
    figure: str
    value: float
    wanted: float
    articles: int | None
    low: int | None
    high: int | None
    note: str = ""


@dataclass(frozen=True, repr=False)
class PlanResult:
    """The rows of the plan, how many articles and units the pilot has, and remarks."""

    rows: tuple[PlanRow, ...]
    articles: int
    units: int
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"PlanResult({len(self.rows)} rows, from {self.articles} articles)"

    def to_pandas(self) -> pd.DataFrame:
        """A row for each figure that is wanted."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])


def plan(
    predictions: Source,
    gold: Source,
    *,
    f1: float | None = None,
    difference: float | None = None,
    other: Source | None = None,
    estimates: Mapping[str, float] | None = None,
    record: str | os.PathLike[str] | None = None,
    level: float = 0.95,
    **pairing: Any,
) -> PlanResult:
    """Say how many articles to annotate: `plan("outputs/mine/test", "gold.jsonl", f1=0.02).to_pandas()`.

    The pilot is `predictions` (a file, or the folder of an evaluation) on `gold`. `f1`: wanted half-width of the interval of each
    label's strict F1. `difference`: the difference of F1 to another system that should be detected with a probability of 0.8; the
    system is `other` (predictions of the same articles), or is assumed to make as many errors. `estimates`: by quantity, such as
    `EVENT` or `any:EVENT`, the wanted half-width of its mean over the tagged articles of a pool. `record` is what `eventtag.sample`
    wrote beside a pilot that it drew (default: the one beside `gold`): it gives the size of the pool, which otherwise counts as
    infinite, and the probabilities of the draw for formats that lose the metadata. `pairing` are further arguments of
    `eventtag.score` for reading.

    Raises SettingsError for nothing wanted, DataError as `eventtag.score` does.
    """
    wanted = {"f1": f1, "difference": difference, **{f"estimates.{name}": width for name, width in (estimates or {}).items()}}
    tagger, people = RecordSource(key="estimate"), RecordSource(people=True, key="estimate")
    quantities = {name: parse_quantity(name, key="estimate", records=tagger) for name in estimates or {}}
    annotated = {name: parse_quantity(name, key="estimate", records=people) for name in quantities}
    shares = {"f1", "difference", *(f"estimates.{name}" for name, quantity in quantities.items() if quantity.is_share)}
    for key, value in wanted.items():
        if value is not None and not value > 0:
            raise SettingsError(f"{key}={value} is not allowed: above 0")
        if value is not None and key in shares and value >= 1:
            raise SettingsError(f"{key}={value:g} is not allowed: below 1, as it is a part of 1; two points are 0.02")
    if not any(wanted.values()):
        raise SettingsError("f1: nothing is wanted; give f1, difference or estimates, such as f1=0.02")
    if other is not None and difference is None:
        raise SettingsError("other: is compared only where a difference is wanted (difference)")
    if not 0.5 <= level < 1:
        raise SettingsError(f"level={level} is not allowed: 0.5 <= level < 1")
    pilot = pair_with_gold(predictions, gold, **pairing)
    found = {span.label for article, spans in pilot.pairs for span in (*article.spans, *spans)}
    require_names("estimate", [q.label for q in quantities.values() if q.label is not None], found, "label")
    said: list[str] = []
    if len(without_chosen(list(pilot.articles), gold, record, name_of(gold), [])) < len(pilot.articles):
        raise DataError(
            f"{name_of(gold)}: some of its articles were chosen by a strategy of `eventtag select`, so they say little of other articles; "
            "give those that it drew at random"
        )
    weights = _weights(recorded(list(pilot.articles), gold, record, name_of(gold), said), said)
    base = _jackknifed(pilot.pairs, pilot, weights)
    units = len(base.left_out)
    if units < 2:
        raise DataError(f"the pilot is one unit ({pilot.rule}), so that nothing is known of how a figure varies; annotate more")
    per_unit = len(pilot.pairs) / units
    rows: list[PlanRow] = []
    if f1 is not None:
        for place, name in enumerate(base.names):
            needed = units_for_interval(base.deviations[:, place], f1, level=level)
            rows.append(_row("interval of F1", name, base.scores[place], f1, needed, per_unit))
    if difference is not None:
        rows += _differences(pilot, base, other, pairing, weights, difference, level, per_unit)
    if quantities:
        articles = pool_size(pilot.articles, gold, record)
        said.append(
            "the estimates are for a pool without end; of a small one fewer articles do: name the record of the sample (--record)"
            if articles is None
            else f"the estimates are of the {articles} articles that the sample was drawn from"
        )
        for words, quantity in quantities.items():
            width, pool = (estimates or {})[words], inf if articles is None else articles / per_unit
            both = (annotated[words], quantity)
            rows += _estimates(pilot, weights, both, words, width, level, per_unit, pool)
    notes = [*pilot.notes, *said, f"the pilot: {len(pilot.pairs)} articles, resampled by {pilot.rule}"]
    if weights.min() < weights.max():
        least, most = (float(1 / weights.max()), float(1 / weights.min()))
        notes.append(
            f"some of the pilot's articles were up to {most / least:.3g} times as likely to be drawn as others: the plan is for articles "
            "that are drawn in the same way"
        )
    return PlanResult(tuple(rows), len(pilot.pairs), units, tuple(notes))


@dataclass(frozen=True)
class _Jackknifed:
    """[N] strict F1 of the rows `names`, [U, N] without each unit."""

    names: tuple[str, ...]
    scores: Floats
    left_out: Floats

    @property
    def deviations(self) -> Floats:
        """[U, N], whose squares sum to the variances."""
        return _deviations(self.left_out)


def _deviations(left_out: Floats) -> Floats:
    units = len(left_out)
    return np.asarray((left_out - left_out.mean(axis=0)) * sqrt((units - 1) / units))


def _weights(articles: Sequence[Article], notes: list[str]) -> Floats:
    """[A] 1 over the probability of each article, with mean 1; all 1 if an article has no probability, and a note then says so."""
    found = np.array([number_of(article.meta.get(PROBABILITY)) for article in articles])
    known = (found > 0) & (found <= 1)
    if not known.all():
        if known.any():
            notes.append(
                f"{int((~known).sum())} of the pilot's {len(found)} articles have no {PROBABILITY} between 0 and 1: all are taken to have "
                "been equally likely"
            )
        return np.ones(len(found))
    weights = 1 / found
    return np.asarray(weights / weights.mean())


def _jackknifed(pairs: Sequence[Pair], pilot: PairedGold, weights: Floats) -> _Jackknifed:
    tally = score_articles(pairs, pilot.gold.labels, words=None).tally
    assert tally is not None
    strict = tally.schemes.index("strict")
    sums = sum_clusters(figure_sums(tally)[:, strict] * weights[:, None, None], tally.article_ids, pilot.clusters)
    marked, f1 = marked_mask(tally), METRICS.index("f1")
    kept = _kept(tally, marked)
    total = sums.sum(axis=0)
    names = (*tally.labels, *AVERAGES)
    return _Jackknifed(
        tuple(names[place] for place in kept),
        figures(total, marked)[kept, f1],
        figures(total - sums, marked)[:, kept, f1],
    )


def _kept(tally: Tally, marked: npt.NDArray[np.bool_]) -> list[int]:
    """The rows of labels that were being annotated, micro and macro."""
    labels = [place for place in range(len(tally.labels)) if marked[place]]
    return [*labels, *(len(tally.labels) + AVERAGES.index(name) for name in ("micro", "macro"))]


def _differences(
    pilot: PairedGold,
    base: _Jackknifed,
    other: Source | None,
    pairing: Mapping[str, Any],
    weights: Floats,
    difference: float,
    level: float,
    per_unit: float,
) -> list[PlanRow]:
    labels = len(base.names) - 2
    if other is not None:
        rival = pair_with_gold(other, pilot.articles, **_reading_of_predictions(pairing), labels=pilot.gold.labels.labels)
        spans = {article.id: predicted for article, predicted in rival.pairs}
        second = _jackknifed([(article, spans[article.id]) for article in pilot.articles], pilot, weights)
        varied = [("difference of F1", _deviations(second.left_out - base.left_out), second.scores - base.scores)]
    else:
        # The difference of two systems with one standard error has sqrt(2 (1 - correlation)) times that standard error.
        varied = [
            (f"difference of F1, systems that err {how}", base.deviations * sqrt(2 * (1 - correlation)), base.scores)
            for how, correlation in (("independently", 0.0), (f"alike ({CORRELATED:g})", CORRELATED))
        ]
    rows = []
    for goal, deviations, values in varied:
        for place, name in enumerate(base.names):
            tests = labels if place < labels else 1
            needed = units_for_difference(deviations[:, place], difference, level=level, tests=tests)
            rows.append(_row(goal, name, values[place], difference, needed, per_unit))
    return rows


def _reading_of_predictions(pairing: Mapping[str, Any]) -> dict[str, Any]:
    return {key: pairing[key] for key in ("format", "options", "label_map", "clusters") if key in pairing}


def _estimates(
    pilot: PairedGold,
    weights: Floats,
    quantities: tuple[Quantity, Quantity],
    words: str,
    width: float,
    level: float,
    per_unit: float,
    pool: float,
) -> list[PlanRow]:
    """The mean of a quantity over a pool of so many units, corrected by its tags, and from the annotated articles alone. `quantities`: how
    people's and the tagger's numbers are counted.
    """
    annotated, quantity = quantities
    gold = np.array([annotated.value(article) for article in pilot.articles])
    predicted = [
        replace(article, spans=tuple(spans), rejected=(), links=pilot.links[article.id]) for article, spans in pilot.pairs
    ]
    tagged = np.array([quantity.value(found) for found in predicted])
    if quantity.records is not None:
        quantity.records.require_known()
    known = ~(np.isnan(gold) | np.isnan(tagged))
    if not known.all():
        note = f"{int((~known).sum())} of the pilot's articles do not say what it is there"
        return [PlanRow("estimate", words, float("nan"), width, None, None, None, note)]
    numbers: dict[Any, int] = {}
    own = pilot.clusters or {}
    units = np.array([numbers.setdefault(own.get(a.id, a.id), len(numbers)) for a in pilot.articles], dtype=np.int64)
    sample = Annotated(gold, tagged, weights * ENDLESS, units, np.zeros(len(units), dtype=np.int64))
    share = weights / weights.sum()
    tags = Tagged(int(ENDLESS), float(share @ tagged) * ENDLESS, float(share @ tagged**2) * ENDLESS)
    found = estimate_mean(tags, sample, np.ones(len(units), dtype=np.bool_), level=level, bounds=(0.0, np.inf))
    mean = float(share @ gold)
    by_unit = np.bincount(units, weights=share * (gold - mean))
    alone = np.asarray(by_unit * sqrt(len(by_unit) / max(len(by_unit) - 1, 1)), dtype=np.float64)
    return [
        _row(
            "estimate, corrected",
            words,
            mean,
            width,
            units_for_interval(found.deviations, width, level=level, pool=pool),
            per_unit,
            found.note,
        ),
        _row(
            "estimate, annotated articles alone",
            words,
            mean,
            width,
            units_for_interval(alone, width, level=level, pool=pool),
            per_unit,
        ),
    ]


def _row(goal: str, name: str, value: float, wanted: float, needed: Needed, per_unit: float, note: str = "") -> PlanRow:
    articles, low, high = (in_articles(units, per_unit) for units in (needed.units, needed.low, needed.high))
    return PlanRow(goal, name, float(value), wanted, articles, low, high, needed.note or note)
