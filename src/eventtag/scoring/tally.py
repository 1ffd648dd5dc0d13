"""What every score is computed from: per article, scheme and label, eight counts.

Articles are the unit: gold and predicted character spans of whole articles, so that whatever was lost on the way to a prediction
counts as missed. A span counts where `Article.counts` says so: it touches an annotated region and its label was being annotated. All
such gold counts, overlapping gold included. A span that occurs twice on one side of an article counts once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eventtag.article import Article, Region
from eventtag.errors import DataError, summarise_problems
from eventtag.labels import LabelSet
from eventtag.scoring.counts import STATISTICS, Counts
from eventtag.scoring.matching import SCHEMES, Outcome, match_component, overlap_components
from eventtag.span import Span
from eventtag.text.words import find_words

Pair = tuple[Article, Sequence[Span]]
"""An article with its gold spans, and the spans predicted for it."""

Words = Callable[[Article], Sequence[Region]]
"""Gives an article's words as half-open character offsets, sorted and disjoint."""

WORD_SCHEME = "word"
"""Name of the word-level (token-level) score among the matching schemes."""

GOLD_COLUMN: dict[Outcome, int] = {"correct": 0, "incorrect": 1, "partial": 2, "missed": 3}
PREDICTED_COLUMN: dict[Outcome, int] = {"correct": 4, "incorrect": 5, "partial": 6, "spurious": 7}


@dataclass(frozen=True)
class Tally:
    """Sufficient statistics of every score.

    `values` is [A articles, S schemes, L labels, 8]; the last axis is `counts.STATISTICS`, whole numbers unless something can be right in
    part (`scoring.links`). Articles stand in the order in which they were given, labels in the order of the label set. `marked` are the
    labels that were being annotated in an article at least; None means all.
    """

    article_ids: tuple[str, ...]
    schemes: tuple[str, ...]
    labels: tuple[str, ...]
    values: npt.NDArray[np.int64] | npt.NDArray[np.float64]
    marked: tuple[str, ...] | None = None

    @cached_property
    def totals(self) -> npt.NDArray[np.int64]:
        """[S, L, 8]: sums over articles, of whole numbers."""
        return np.asarray(self.values.sum(axis=0), dtype=np.int64)

    def of_marked_labels(self) -> Tally:
        """The tally without labels that nobody was annotating, of which nothing is known; all labels where that would leave none."""
        kept = [place for place, label in enumerate(self.labels) if self.marked is None or label in self.marked]
        if len(kept) in (0, len(self.labels)):
            return self
        return replace(self, labels=tuple(self.labels[place] for place in kept), values=self.values[:, :, kept])

    def counts(self, scheme: str, label: str | None = None) -> Counts:
        """Counts of a label, or of all labels together."""
        totals = self.totals[self.schemes.index(scheme)]
        return Counts.from_vector(totals.sum(axis=0) if label is None else totals[self.labels.index(label)])


def scored_spans(article: Article, predicted: Sequence[Span], labels: LabelSet) -> tuple[list[Span], list[Span]]:
    """The gold and the predicted spans of an article that count, sorted, each once.

    Raises DataError, naming article and label, for a label outside `labels` or a predicted span outside the text.
    """
    known, size = set(labels.labels), len(article.text)
    problems = [
        f"{side} span {span.start}-{span.end} has the label {span.label!r}"
        for side, spans in (("gold", article.spans), ("predicted", predicted))
        for span in spans
        if span.label not in known
    ]
    problems += [
        f"predicted span {span.label} {span.start}-{span.end} is outside its text (allowed: 0 <= start < end <= {size})"
        for span in predicted
        if not 0 <= span.start < span.end <= size
    ]
    if problems:
        title = (
            f"article {article.id!r} cannot be scored with the labels {list(labels.labels)}; map or correct these spans first:"
        )
        raise DataError(summarise_problems(title, problems))
    gold = {(s.start, s.end, s.label) for s in article.spans if article.counts(s)}
    tagged = {(s.start, s.end, s.label) for s in predicted if article.counts(s)}
    return [Span(*key) for key in sorted(gold)], [Span(*key) for key in sorted(tagged)]


def marked_labels(article: Article, labels: LabelSet) -> tuple[str, ...]:
    """The labels that somebody was marking in the article; none where no region is annotated."""
    return article.annotated_labels(labels.labels) if article.regions else ()


def tally_spans(gold: Sequence[Span], predicted: Sequence[Span], labels: LabelSet) -> npt.NDArray[np.int64]:
    """[S, L, 8]: counts of one article whose spans all count."""
    column_of = {label: position for position, label in enumerate(labels.labels)}
    values = np.zeros((len(SCHEMES), len(labels.labels), len(STATISTICS)), dtype=np.int64)
    for component in overlap_components(gold, predicted):
        for row, scheme in enumerate(SCHEMES):
            for match in match_component(*component, scheme):
                if match.gold is not None:
                    values[row, column_of[match.gold.label], GOLD_COLUMN[match.outcome]] += 1
                if match.predicted is not None:
                    values[row, column_of[match.predicted.label], PREDICTED_COLUMN[match.outcome]] += 1
    return values


def words_of(article: Article) -> list[Region]:
    """The words of an article's text (`text.words`), where the caller has none of its own."""
    return [(start, end) for start, end in find_words(article.text).tolist()]


def words_by_region(words: Sequence[Region], regions: Sequence[Region]) -> list[list[Region]]:
    """The words that lie wholly inside each region; a region without one gives an empty list."""
    starts, ends = [start for start, _ in words], [end for _, end in words]
    return [list(words[bisect_left(starts, start) : bisect_right(ends, end)]) for start, end in regions]


def tally_words(
    gold: Sequence[Span], predicted: Sequence[Span], words: Sequence[Region], labels: LabelSet
) -> npt.NDArray[np.int64]:
    """[L, 8]: word-level counts of one article; `words` are the annotated ones, sorted and disjoint.

    For each label, a word is gold (predicted) if a gold (predicted) span of that label shares a character with it. A word is
    correct where it is both, else missed or spurious; there is no incorrect or partial word.
    """
    values = np.zeros((len(labels.labels), len(STATISTICS)), dtype=np.int64)
    starts, ends = [start for start, _ in words], [end for _, end in words]
    for row, label in enumerate(labels.labels):
        under_gold, under_predicted = (
            {
                position
                for span in spans
                if span.label == label
                for position in range(bisect_right(ends, span.start), bisect_left(starts, span.end))
            }
            for spans in (gold, predicted)
        )
        correct = len(under_gold & under_predicted)
        values[row, [0, 4]] = correct
        values[row, [3, 7]] = len(under_gold) - correct, len(under_predicted) - correct
    return values


def require_distinct(article_ids: Sequence[str]) -> None:
    """Raise DataError if an article id occurs twice: its article would count twice."""
    if len(set(article_ids)) < len(article_ids):
        seen: set[str] = set()
        twice = next(name for name in article_ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DataError(f"the article {twice!r} is scored twice; give every article its own id and score it once")
