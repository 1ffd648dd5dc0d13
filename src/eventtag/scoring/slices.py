"""Strict scores of parts of the data, each with support and interval, those that fall significantly behind first.

A slicer says which slice a span of an article belongs to. It looks at the article and the span's offsets and label only, so that
a gold span and the identical predicted span are always in one slice, and precision, recall and F1 of a slice mean what they say.

A slice is behind if its F1 is lower than that of the rest of its dimension and the difference, by its standard error from
resampling articles, is significant at 5 % after Holm's correction over all slices.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from eventtag.articles import Article
from eventtag.errors import DataError
from eventtag.labels import LabelSet
from eventtag.scoring.bootstrap import (
    RESAMPLES,
    Floats,
    difference_interval,
    resampled_sums,
    share_interval,
    sum_clusters,
)
from eventtag.scoring.compare import holm
from eventtag.scoring.error_kinds import Mentions, surface
from eventtag.scoring.tally import Pair, scored_spans
from eventtag.spans import Span

Slicer = Callable[[Article, Span], str | None]
"""The slice of a span in one dimension; None leaves it out of the dimension."""

SIGNIFICANT = 0.05
LEAST_SUPPORT = 10
LEAST_ARTICLES = 5
MOST_VALUES = 20
"""A metadata field with more distinct values than this is not a dimension by itself (ids, dates, titles)."""

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

    `low` and `high` are the interval of `f1`; `gap` is `f1` minus that of the dimension's other slices together, with its
    interval; None where there are no others. `behind` as the module says. `articles` counts articles with a gold or predicted
    span in it.
    """

    dimension: str
    value: str
    precision: float
    recall: float
    f1: float
    low: float
    high: float
    support: int
    predicted: int
    articles: int
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
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 12345,
) -> tuple[Slice, ...]:
    """Strict micro scores of every slice that has a span: those behind first, widest gap first, the others by dimension.

    Raises DataError as `score_articles` does.
    """
    if not pairs:
        raise DataError("there is no article to score; check the data and its split")
    places: dict[tuple[str, str], int] = {}
    cells: list[tuple[int, int, int]] = []
    for row, (article, predicted) in enumerate(pairs):
        gold, tagged = scored_spans(article, predicted, labels)
        both = set(gold) & set(tagged)
        for spans, column in ((both, 0), (tagged, 1), (gold, 2)):
            for span in spans:
                for dimension, slicer in slicers.items():
                    value = slicer(article, span)
                    if value is not None:
                        cells.append((row, places.setdefault((dimension, value), len(places)), column))
    if not places:
        return ()
    sums = np.zeros((len(pairs), len(places), 3))
    np.add.at(sums, tuple(np.array(cells).T), 1)
    articles = (sums.sum(axis=-1) > 0).sum(axis=0)
    units = sum_clusters(sums, [article.id for article, _ in pairs], clusters)
    dimension_of = np.array([list(slicers).index(dimension) for dimension, _ in places])
    same = (dimension_of[:, None] == dimension_of[None, :]).astype(np.float64)
    others = same - np.eye(len(places))

    def scores_and_gaps(values: Floats) -> tuple[Floats, Floats]:
        own = _f1(values)
        return own, own - _f1(np.einsum("...kc,jk->...jc", values, others, optimize=True))

    total = units.sum(axis=0)
    f1, gap = scores_and_gaps(total)
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        batches = [scores_and_gaps(batch) for batch in resampled_sums(units, resamples=resamples, seed=seed)]
    f1_samples, gap_samples = (np.concatenate([batch[part] for batch in batches]) for part in (0, 1))
    f1_left_out, gap_left_out = scores_and_gaps(total - units)
    low, high, _ = share_interval(f1_samples, f1, f1_left_out, total[:, 1:].mean(axis=-1), level=level)
    gap_low, gap_high, error = difference_interval(gap_samples, gap, gap_left_out, level=level)
    compared = (others @ total).sum(axis=-1) > 0
    enough = (total[:, 2] >= LEAST_SUPPORT) & (articles >= LEAST_ARTICLES)
    behind = _behind(gap, error, compared & enough, len(units))
    found = [
        Slice(
            dimension,
            value,
            precision=float(total[k, 0] / total[k, 1]) if total[k, 1] else 0.0,
            recall=float(total[k, 0] / total[k, 2]) if total[k, 2] else 0.0,
            f1=float(f1[k]),
            low=float(low[k]),
            high=float(high[k]),
            support=int(total[k, 2]),
            predicted=int(total[k, 1]),
            articles=int(articles[k]),
            gap=float(gap[k]) if compared[k] else None,
            gap_low=float(gap_low[k]) if compared[k] else None,
            gap_high=float(gap_high[k]) if compared[k] else None,
            behind=bool(behind[k]),
        )
        for (dimension, value), k in places.items()
    ]
    order = list(slicers)
    return tuple(
        sorted(found, key=lambda s: (not s.behind, s.gap if s.behind and s.gap else 0.0, order.index(s.dimension), s.value))
    )


def _f1(sums: Floats) -> Floats:
    whole = sums[..., 1] + sums[..., 2]
    return np.divide(2 * sums[..., 0], whole, out=np.zeros(whole.shape), where=whole > 0)


def _behind(gap: Floats, error: Floats, compared: npt.NDArray[np.bool_], units: int) -> npt.NDArray[np.bool_]:
    testable = compared & (error > 0)
    behind = np.zeros(len(gap), dtype=np.bool_)
    if testable.any():
        p = 2 * student.sf(np.abs(gap[testable] / error[testable]), max(1, units - 1))
        behind[testable] = (holm(p) < SIGNIFICANT) & (gap[testable] < 0)
    return behind


def standard_slicers(
    articles: Sequence[Article], *, training: Mentions | None = None, fields: Sequence[str] | None = None
) -> dict[str, Slicer]:
    """The dimensions that apply to these articles, by name.

    Label; article length (thirds of these articles); span length in words; position in the article; casing; named, nominal or
    pronoun (a heuristic for cased scripts); with `training` mentions: seen or unseen, and of those seen the frequency in
    training. `fields` are metadata fields; None takes those with 2 to 20 distinct simple values.
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
    for name in _meta_fields(articles) if fields is None else fields:
        slicers[f"meta.{name}"] = _meta_slicer(name)
    return slicers


def _meta_fields(articles: Sequence[Article]) -> list[str]:
    values: dict[str, set[str]] = {}
    for article in articles:
        for name, value in article.meta.items():
            if isinstance(value, str | int | bool):
                values.setdefault(name, set()).add(str(value))
    return sorted(name for name, found in values.items() if 2 <= len(found) <= MOST_VALUES)


def _meta_slicer(name: str) -> Slicer:
    def slicer(article: Article, span: Span) -> str | None:  # noqa: ARG001 - every slicer is given both
        value = article.meta.get(name)
        return str(value) if isinstance(value, str | int | float | bool) else None

    return slicer


def _length_slice(size: int, edges: Sequence[int]) -> str:
    bounds = [0, *edges]
    place = bisect_right(edges, size)
    return f"{bounds[place]}+ characters" if place == len(edges) else f"{bounds[place]}-{edges[place] - 1} characters"


def _span_length(article: Article, span: Span) -> str:
    words = len(re.findall(r"\w+|[^\w\s]", article.mention(span)))
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
