"""Strict scores of parts of the data, each with support and interval, those that fall significantly behind first.

A slicer says which slice a span of an article belongs to. It looks at the article and the span's offsets and label only, so that
a gold span and the identical predicted span are always in one slice, and precision, recall and F1 of a slice mean what they say.

A slice has an F1 only where it has a span, so each interval comes from the resamples that have one, and its degrees of freedom are
those of the articles or clusters that hold the slice, not of all. A slice that lies in a single cluster, as every value of the field
that is resampled by does, cannot tell how clusters differ: the units inside that cluster are resampled, and the interval is about
further articles of it. A slice that lies in a single unit has no interval.

A slice is behind if its F1 is lower than that of the rest of its dimension and the difference, by its standard error from
resampling articles, is significant at 5 % after Holm's correction over all slices.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.labels import LabelSet
from eventtag.scoring.bootstrap import (
    RESAMPLES,
    Floats,
    resampled_sums,
    sum_clusters,
)
from eventtag.scoring.compare import holm
from eventtag.scoring.interval_ends import difference_interval, share_interval
from eventtag.scoring.mentions import Mentions, surface
from eventtag.scoring.tally import Pair, scored_spans
from eventtag.span import Span
from eventtag.text.words import find_words

Item = TypeVar("Item", bound=Hashable)
"""A span or a link."""
Slicer = Callable[[Article, Span], str | None]
"""The slice of a span in one dimension; None leaves it out of the dimension."""

SIGNIFICANT = 0.05
LEAST_SUPPORT = 10
LEAST_ARTICLES = 5
MOST_VALUES = 20
"""A metadata field with more distinct values than this is not a dimension by itself (ids, dates, titles)."""

SIMPLE = str | int | float | bool
"""Values of metadata that make a slice."""
NOT_GIVEN = "not given"

PRONOUNS = frozenset(
    (
        *("i", "me", "my", "mine", "we", "us", "our", "ours", "you", "your", "yours", "he", "him", "his", "himself"),
        *("she", "her", "hers", "herself", "it", "its", "itself", "they", "them", "their", "theirs", "themselves"),
        *("who", "whom", "whose", "this", "that", "these", "those", "one"),
    )
)


@dataclass(frozen=True, slots=True)
class Slice:
    """Scores of one value of one dimension.

    `low` and `high` are the interval of `f1`, from `units` articles or clusters that hold the slice, or from the units inside its only
    cluster where `one_cluster`; None if that is a single unit. `gap` is `f1` minus that of the dimension's other slices together, with
    its interval; None if there are no others, its interval where either lies in a single unit or nothing varies. `behind` as the
    module says. `articles` counts articles with a gold or predicted span in it.
    """

    dimension: str
    value: str
    precision: float
    recall: float
    f1: float
    low: float | None
    high: float | None
    support: int
    predicted: int
    articles: int
    units: int
    one_cluster: bool
    gap: float | None
    gap_low: float | None
    gap_high: float | None
    behind: bool


def slice_scores(
    pairs: Sequence[Pair],
    labels: LabelSet,
    slicers: Mapping[str, Slicer],
    *,
    clusters: Mapping[str, Hashable] | None = None,
    within: Mapping[str, Hashable] | None = None,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 12345,
) -> tuple[Slice, ...]:
    """Strict micro scores of every slice that has a span, as `slice_items` gives them. Raises DataError as `score_articles` does."""
    if not pairs:
        raise DataError("there is no article to score; check the data and its split")
    rows = [(article, *scored_spans(article, predicted, labels)) for article, predicted in pairs]
    return slice_items(rows, slicers, clusters=clusters, within=within, resamples=resamples, level=level, seed=seed)


def slice_items(
    rows: Sequence[tuple[Article, Collection[Item], Collection[Item]]],
    slicers: Mapping[str, Callable[[Article, Item], str | None]],
    *,
    clusters: Mapping[str, Hashable] | None,
    within: Mapping[str, Hashable] | None,
    resamples: int,
    level: float,
    seed: int,
) -> tuple[Slice, ...]:
    """The scores of every slice that has something, from articles with their distinct gold and predicted items (spans or links), of which
    equal ones are right: slices that are behind first, widest gap first, the others by dimension.

    `clusters` are resampled together; `within` are the units inside a cluster, such as near-duplicates of one topic (None: articles).
    """
    places: dict[tuple[str, str], int] = {}
    cells: list[tuple[int, int, int]] = []
    for row, (article, gold, predicted) in enumerate(rows):
        both = set(gold) & set(predicted)
        for items, column in ((both, 0), (predicted, 1), (gold, 2)):
            for item in items:
                for dimension, slicer in slicers.items():
                    value = slicer(article, item)
                    if value is not None:
                        cells.append((row, places.setdefault((dimension, value), len(places)), column))
    if not places:
        return ()
    sums = np.zeros((len(rows), len(places), 3))
    np.add.at(sums, tuple(np.array(cells).T), 1)
    dimension_of = np.array([list(slicers).index(dimension) for dimension, _ in places])
    same = (dimension_of[:, None] == dimension_of[None, :]).astype(np.float64)
    others = same - np.eye(len(places))
    total = sums.sum(axis=0)
    ids = [article.id for article, _, _ in rows]
    spread = _measure(sum_clusters(sums, ids, clusters), others, resamples=resamples, level=level, seed=seed)
    inside = None
    if clusters is not None and (np.minimum(spread.units, spread.gap_units) < 2).any():
        inside = _measure(sum_clusters(sums, ids, within), others, resamples=resamples, level=level, seed=seed)
    articles = (sums.sum(axis=-1) > 0).sum(axis=0)
    f1, rest = _f1(total), others @ total
    gap = f1 - _f1(rest)
    compared = rest.sum(axis=-1) > 0
    own = [inside if inside is not None and spread.units[k] < 2 else spread for k in range(len(places))]
    beside = [inside if inside is not None and spread.gap_units[k] < 2 else spread for k in range(len(places))]
    error = np.array([measured.error[k] for k, measured in enumerate(beside)])
    freedom = np.array([measured.gap_units[k] - 1 for k, measured in enumerate(beside)])
    enough = (total[:, 2] >= LEAST_SUPPORT) & (articles >= LEAST_ARTICLES)
    behind = _behind(gap, error, freedom, compared & enough)
    width = stdtrit(np.maximum(freedom, 1), (1 + level) / 2) * error
    found = []
    for (dimension, value), k in places.items():
        known, tested = own[k].units[k] >= 2, compared[k] and freedom[k] >= 1 and error[k] > 0
        found.append(
            Slice(
                dimension,
                value,
                precision=float(total[k, 0] / total[k, 1]) if total[k, 1] else 0.0,
                recall=float(total[k, 0] / total[k, 2]) if total[k, 2] else 0.0,
                f1=float(f1[k]),
                low=float(own[k].low[k]) if known else None,
                high=float(own[k].high[k]) if known else None,
                support=int(total[k, 2]),
                predicted=int(total[k, 1]),
                articles=int(articles[k]),
                units=int(own[k].units[k]),
                one_cluster=own[k] is inside,
                gap=float(gap[k]) if compared[k] else None,
                gap_low=max(float(gap[k] - width[k]), -1.0) if tested else None,
                gap_high=min(float(gap[k] + width[k]), 1.0) if tested else None,
                behind=bool(behind[k]),
            )
        )
    order = list(slicers)
    return tuple(
        sorted(found, key=lambda s: (not s.behind, s.gap if s.behind and s.gap else 0.0, order.index(s.dimension), s.value))
    )


@dataclass(frozen=True)
class _Spread:
    """[K] of K slices: the interval of F1, the units that hold the slice, the standard error of the gap, and the units on the smaller side
    of it.
    """

    low: Floats
    high: Floats
    units: npt.NDArray[np.int64]
    error: Floats
    gap_units: npt.NDArray[np.int64]


def _measure(values: Floats, others: Floats, *, resamples: int, level: float, seed: int) -> _Spread:
    """From [U, K, 3] counts of correct, predicted and gold spans by unit and slice; `others` [K, K] marks the rest of each dimension.
    Where a slice or its rest is in fewer than two units, its figures are 0.
    """

    def scores_and_rests(sums: Floats) -> tuple[Floats, Floats]:
        rest = np.einsum("...kc,jk->...jc", sums, others, optimize=True)
        return _f1(sums, missing=np.nan), _f1(rest, missing=np.nan)

    held = values.sum(axis=-1) > 0
    held_beside = (held @ others) > 0
    units, rests = held.sum(axis=0), held_beside.sum(axis=0)
    total = values.sum(axis=0)
    f1, rest = scores_and_rests(total)
    batches = [scores_and_rests(batch) for batch in resampled_sums(values, resamples=resamples, seed=seed)]
    f1_samples, rest_samples = (np.concatenate([batch[part] for batch in batches]) for part in (0, 1))
    f1_left_out, rest_left_out = scores_and_rests(total - values)
    low, high, error = np.zeros(len(f1)), np.zeros(len(f1)), np.zeros(len(f1))
    for k in range(len(f1)):
        if units[k] < 2:
            continue
        drawn = f1_samples[~np.isnan(f1_samples[:, k]), k : k + 1]
        sizes = total[k : k + 1, 1:].mean(axis=-1)
        ends = share_interval(drawn, f1[k : k + 1], f1_left_out[held[:, k], k : k + 1], sizes, level=level)
        low[k], high[k] = float(ends[0][0]), float(ends[1][0])
        if rests[k] < 2:
            continue
        gaps = f1_samples[:, k] - rest_samples[:, k]
        either = held[:, k] | held_beside[:, k]
        left_out = f1_left_out[either, k] - rest_left_out[either, k]
        gap = f1[k : k + 1] - rest[k : k + 1]
        _, _, spread = difference_interval(gaps[~np.isnan(gaps), None], gap, left_out[:, None], level=level)
        error[k] = float(spread[0]) if spread[0] > 1e-12 else 0.0
    return _Spread(low, high, units, error, np.minimum(units, rests))


def _f1(sums: Floats, *, missing: float = 0.0) -> Floats:
    whole = sums[..., 1] + sums[..., 2]
    f1: Floats = np.divide(2 * sums[..., 0], whole, out=np.full(whole.shape, missing), where=whole > 0)
    return f1


def _behind(gap: Floats, error: Floats, freedom: npt.NDArray[np.int64], compared: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    testable = compared & (error > 0) & (freedom >= 1)
    behind = np.zeros(len(gap), dtype=np.bool_)
    if testable.any():
        p = 2 * stdtr(freedom[testable], -np.abs(gap[testable] / error[testable]))
        behind[testable] = (holm(p) < SIGNIFICANT) & (gap[testable] < 0)
    return behind


def standard_slicers(
    articles: Sequence[Article], *, training: Mentions | None = None, fields: Sequence[str] | None = None
) -> dict[str, Slicer]:
    """The dimensions that apply to these articles, by name.

    Label; article length (thirds of these articles); span length in words; position in the article; casing; named, nominal or
    pronoun (a heuristic for cased scripts); with `training` mentions: seen or unseen, and of those seen the frequency in
    training. `fields` are metadata fields; None takes those with 2 to 20 distinct simple values. In the dimension of a metadata field, an
    article without it is in the slice "not given". Raises SettingsError for a field that no article has.
    """
    sizes = sorted(len(article.text) for article in articles)
    edges = sorted({sizes[len(sizes) // 3], sizes[2 * len(sizes) // 3]}) if sizes else []
    slicers: dict[str, Slicer] = {
        "label": lambda article, span: span.label,  # noqa: ARG005 - every slicer is given both
        "article length": lambda article, span: _length_slice(len(article.text), edges),  # noqa: ARG005
        "span length": _span_length,
        "position": _position,
        "casing": _casing,
        "form": _form,
    }
    if training is not None:
        slicers["seen in training"] = lambda article, span: (
            "seen" if training.get((surface(article, span), span.label), 0) else "unseen"
        )
        slicers["frequency in training"] = lambda article, span: _frequency(training.get((surface(article, span), span.label), 0))
    return slicers | field_slicers(articles, fields)


def field_slicers(
    articles: Sequence[Article], fields: Sequence[str] | None = None
) -> dict[str, Callable[[Article, object], str | None]]:
    """The dimensions of metadata `fields` (None: those with 2 to 20 distinct simple values), for spans and links alike.

    Raises SettingsError for a field that no article has.
    """
    if articles:
        require_fields(articles, fields or ())
    names = _meta_fields(articles) if fields is None else fields
    return {f"meta.{name}": _meta_slicer(name) for name in names}


def require_fields(articles: Sequence[Article], fields: Sequence[str]) -> None:
    """Raise SettingsError for a name in `fields` that no article's `meta` has with a text, number or truth value."""
    simple = sorted({name for article in articles for name, value in article.meta.items() if isinstance(value, SIMPLE)})
    for name in fields:
        if name not in simple:
            held = any(name in article.meta for article in articles)
            found = "holds lists or objects, which are no slices" if held else f"is in none of the {len(articles)} articles"
            raise SettingsError(
                f"evaluation.slices: the metadata field {name!r} {found}; "
                + (f"name one of: {', '.join(simple)}" if simple else "these articles have no field to slice by, so leave it out")
            )


def _meta_fields(articles: Sequence[Article]) -> list[str]:
    values: dict[str, set[str]] = {}
    for article in articles:
        for name, value in article.meta.items():
            if isinstance(value, str | int | bool):
                values.setdefault(name, set()).add(str(value))
    return sorted(name for name, found in values.items() if 2 <= len(found) <= MOST_VALUES)


def _meta_slicer(name: str) -> Callable[[Article, object], str | None]:
    def slicer(article: Article, item: object) -> str | None:  # noqa: ARG001 - every slicer is given both
        value = article.meta.get(name)
        return str(value) if isinstance(value, SIMPLE) else NOT_GIVEN

    return slicer


def _length_slice(size: int, edges: Sequence[int]) -> str:
    bounds = [0, *edges]
    place = bisect_right(edges, size)
    return f"{bounds[place]}+ characters" if place == len(edges) else f"{bounds[place]}-{edges[place] - 1} characters"


def _span_length(article: Article, span: Span) -> str:
    words = len(find_words(article.mention(span)))
    return "1 word" if words <= 1 else "2 words" if words == 2 else "3-4 words" if words <= 4 else "5+ words"


def _position(article: Article, span: Span) -> str:
    return ("first quarter", "second quarter", "third quarter", "last quarter")[min(3, 4 * span.start // len(article.text))]


def _casing(article: Article, span: Span) -> str:
    mention = article.mention(span)
    if not any(character.isalpha() for character in mention):
        return "no letters"
    if mention.islower() or not any(character.isupper() for character in mention):
        return "lower case"
    if mention.isupper() and sum(character.isalpha() for character in mention) > 1:
        return "UPPER CASE"
    return "Capitalised" if mention[0].isupper() else "mixed"


def _form(article: Article, span: Span) -> str:
    """Named if a word other than one that opens a sentence is capitalised, or all words of two or more are."""
    words = re.findall(r"[^\W\d_]+", article.mention(span))
    if words and all(word.casefold() in PRONOUNS for word in words):
        return "pronoun"
    before = article.text[: span.start].rstrip(" \t\"'“‘([«—–-")
    opens = not before or before[-1] in ".!?…\n:"
    capitalised = [word[0].isupper() for word in words]
    inner = capitalised[1:] if opens else capitalised
    return "named" if any(inner) or (len(words) == 1 and opens and words[0].isupper()) else "nominal"


def _frequency(count: int) -> str | None:
    """None for an unseen mention: that is a slice of "seen in training" already."""
    return None if count == 0 else "1 time" if count == 1 else "2-5 times" if count <= 5 else "6+ times"
