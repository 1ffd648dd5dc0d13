"""Strategies of choosing that were tried beside those of `eventtag select`, for `measure_selection.py`.

    fluctuation   sentences whose predicted spans changed most since the tagger of the round before, for each word; in the first round,
                  which has no tagger before it, what has the most expected errors (Kohl et al. 2024)
    dropout       sentences on whose spans passes with dropout before the head disagree most, for each word: the sum over all spans found
                  of the entropy of the share of passes that find it (BALD with hard votes; Gal et al. 2017)
    diversity     of the sentences with the most expected errors for each word, three times as many words as the budget, those whose
                  words are least like what was read or chosen already (cosine of TF-IDF vectors)

Letters for shapes: U units.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import nn

from eventtag.article import Article
from eventtag.selection.units import Floats, Units
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger

FLUCTUATION, DROPOUT, DIVERSITY = TRIED = ("fluctuation", "dropout", "diversity")
PASSES = 10
"""Passes with dropout."""
CANDIDATES = 3
"""`diversity` chooses among so many times the budget."""

Found = Mapping[str, Sequence[Span]]


def find_spans(tagger: Tagger, pool: Mapping[str, Article]) -> dict[str, tuple[Span, ...]]:
    """What the tagger finds in the annotated regions of the articles, by id, without scores."""
    tagged = tagger.tag_many(pool.values(), only_annotated=True)
    return {item.article.id: tuple(Span(s.start, s.end, s.label) for s in item.spans) for item in tagged}


def score_fluctuation(units: Units, names: Sequence[str], before: Found | None, now: Found) -> Floats:
    """[U] spans that only one of the two taggers finds, for each word; the expected errors where there was no tagger before."""
    if before is None:
        return units.errors / units.words
    changed = {name: [(span, 1.0) for span in {*before[name]} ^ {*now[name]}] for name in names}
    return _sum_inside(units, names, changed)


class _AlwaysDropout(nn.Dropout):
    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that nn.Dropout gives it
        return nn.functional.dropout(input, self.p, training=True)


def score_dropout(units: Units, names: Sequence[str], tagger: Tagger, pool: Mapping[str, Article], seed: int) -> Floats:
    """[U] the disagreement of passes with dropout, for each word."""
    torch.manual_seed(seed)
    network = tagger.backend.model  # type: ignore[attr-defined] # torch's backend has one
    without = network.dropout
    network.dropout = _AlwaysDropout(without.p)
    passes = [find_spans(tagger, pool) for _ in range(PASSES)]
    network.dropout = without
    votes = {name: Counter(span for found in passes for span in found[name]) for name in names}
    return _sum_inside(
        units, names, {name: [(s, _entropy(n / PASSES)) for s, n in counted.items()] for name, counted in votes.items()}
    )


def score_diversity(
    units: Units, names: Sequence[str], pool: Mapping[str, Article], read: Sequence[str], budget: float
) -> Floats:
    """[U] the order in which sentences are chosen, the first highest; -inf for those that are no candidates. `read`: texts read so far."""
    by_errors = np.argsort(-units.errors / units.words, kind="stable")
    candidates = by_errors[np.cumsum(units.words[by_errors]) <= CANDIDATES * budget].tolist()
    texts = [pool[names[int(units.articles[n])]].text[int(units.starts[n]) : int(units.ends[n])] for n in range(len(units))]
    vectors = TfidfVectorizer().fit([*texts, *read])
    of_units = vectors.transform(texts)
    likeness = np.asarray((of_units @ vectors.transform(read).T).max(axis=1).todense()).ravel()
    scores = np.full(len(units), -np.inf)
    while candidates:
        best = min(candidates, key=lambda n: likeness[n])
        candidates.remove(best)
        scores[best] = len(candidates)
        likeness = np.maximum(likeness, np.asarray((of_units @ of_units[best].T).todense()).ravel())
    return scores


def _entropy(share: float) -> float:
    return 0.0 if share in (0, 1) else -share * math.log(share) - (1 - share) * math.log(1 - share)


def _sum_inside(units: Units, names: Sequence[str], weighed: Mapping[str, Sequence[tuple[Span, float]]]) -> Floats:
    """[U] the weights of the spans that begin in each unit, for each word."""
    sums = np.zeros(len(units))
    for number in range(len(units)):
        start, end = int(units.starts[number]), int(units.ends[number])
        inside = weighed[names[int(units.articles[number])]]
        sums[number] = sum(weight for span, weight in inside if start <= span.start < end)
    return sums / units.words
