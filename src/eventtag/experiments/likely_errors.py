"""Likely annotation errors: places where a model that learnt from the other annotations clearly prefers another label.

The probabilities of each word's tags are summed by label, B- and I- together, and compared with the annotation by confident learning
(Northcutt et al. 2021, https://doi.org/10.1613/jair.1.12125; for tokens: Wang and Mueller 2022, https://arxiv.org/abs/2210.03920). The
optional dependency cleanlab does this. A word is in doubt if its own label is less probable than is usual for words of that label, and
another label is at least as probable as is usual for it. The words in doubt of one mention make one finding. Findings are sorted by the
model's probability of the annotation over all words of the finding, lowest first.

Letters for shapes: W words of an article, C tags, K classes (no label, then each label).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Protocol

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.corpus.lint import Finding, show_context
from eventtag.encoding.align import IGNORED, align_spans
from eventtag.errors import DataError
from eventtag.formats.extras import load_extra
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.span import Span, flatten

RULE = "likely error"


class Judged(Protocol):
    """A model's judgement of an article: `words` [W, 2], `probabilities` [W, C], NaN where nobody annotated."""

    @property
    def article(self) -> Article: ...  # noqa: D102
    @property
    def words(self) -> npt.NDArray[np.int64]: ...  # noqa: D102
    @property
    def probabilities(self) -> npt.NDArray[np.float64]: ...  # noqa: D102


@dataclass(frozen=True)
class _Words:
    """The words of an article that are judged: offsets [W, 2], annotated class [W], probabilities [W, K], the span of each [W]."""

    article: Article
    places: npt.NDArray[np.int64]
    given: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    spans: list[Span | None]


def find_likely_errors(judged: Iterable[Judged], labels: LabelSet) -> list[Finding]:
    """The likely errors of all articles, the most certain first.

    `labels` are the model's. A label that an annotator was not marking counts as no label. Words under spans of labels that the model does
    not know are left out. Raises DataError if no word is left, SettingsError if cleanlab is not installed.
    """
    load_extra("cleanlab", "lint")
    from cleanlab.token_classification.filter import find_label_issues
    from cleanlab.token_classification.rank import get_label_quality_scores

    articles = [words for item in judged if len((words := _words_of(item, labels)).given)]
    if not articles:
        raise DataError("no article has an annotated word for the model to judge")
    given = [words.given.tolist() for words in articles]
    probabilities = [words.probabilities for words in articles]
    doubted: dict[int, set[int]] = {}
    for number, word in find_label_issues(given, probabilities, n_jobs=1):
        doubted.setdefault(int(number), set()).add(int(word))
    _, quality = get_label_quality_scores(given, probabilities)
    findings = [
        finding
        for number, words in enumerate(articles)
        for finding in _findings(words, doubted.get(number, set()), 1 - np.asarray(quality[number]), labels)
    ]
    return sorted(findings, key=lambda finding: -finding.rank)


def _words_of(judged: Judged, labels: LabelSet) -> _Words:
    known = [span for span in judged.article.spans if span.label in labels.labels]
    flat, _ = flatten(span for span in known if judged.article.counts(span))
    tags = align_spans(replace(judged.article, spans=tuple(flat), links=None), judged.words, labels, ledger=LossLedger())
    counts = (tags != IGNORED) & ~np.isnan(judged.probabilities[:, 0])
    for span in set(judged.article.spans) - set(known):
        counts &= (judged.words[:, 1] <= span.start) | (judged.words[:, 0] >= span.end)
    places = judged.words[counts]
    summed = judged.probabilities[counts]
    by_label = np.concatenate([summed[:, :1], summed[:, 1::2] + summed[:, 2::2]], axis=1)
    for number, label in enumerate(labels.labels, start=1):
        if judged.article.labels is not None and label not in judged.article.labels:
            by_label[:, 0] += by_label[:, number]
            by_label[:, number] = 0
    spans: list[Span | None] = [None] * len(places)
    for span in flat:
        for word in np.flatnonzero((places[:, 1] > span.start) & (places[:, 0] < span.end)).tolist():
            spans[word] = span
    return _Words(judged.article, places, (tags[counts] + 1) // 2, by_label, spans)


def _findings(words: _Words, doubted: set[int], doubt: npt.NDArray[np.float64], labels: LabelSet) -> Iterator[Finding]:
    """One finding for each mention with words in doubt: an annotated span with the neighbouring words that the model adds to it, or a run
    of other words to which the model gives one label.
    """
    best = words.probabilities.argmax(axis=1)
    spans = _widened(words, best, labels)

    def mention(word: int) -> tuple[Span | None, int]:
        return (spans[word], 0) if spans[word] is not None else (None, int(best[word]))

    for (span, _), group in groupby(range(len(words.given)), key=mention):
        members = list(group)
        wrong = [word for word in members if word in doubted]
        if not wrong:
            continue
        start, end = (span.start, span.end) if span else (int(words.places[members[0], 0]), int(words.places[members[-1], 1]))
        sums = words.probabilities[wrong].mean(axis=0)
        other = int(np.argmax(np.where(np.arange(len(sums)) == words.given[wrong[0]], -1, sums)))
        says, sure = "no mention" if other == 0 else labels.labels[other - 1], f"({sums[other]:.2f})"
        fix = "correct it, unless it is right"
        if span is None:
            message, fix = f"is not annotated, the model says {says} {sure}", "annotate it, unless it is not a mention"
        elif not words.given[wrong].any():
            message = f"is {span.label}, the model says that {_text(words, wrong)!r} belongs to it {sure}"
        elif len(wrong) < sum(bool(words.given[word]) for word in members):
            message = f"is {span.label}, the model says {says} of {_text(words, wrong)!r} {sure}"
        else:
            message = f"is {span.label}, the model says {says} {sure}"
        yield Finding(
            RULE,
            "warning",
            message,
            fix,
            words.article.id,
            start,
            end,
            span.label if span else None,
            show_context(words.article.text, start, end),
            rank=float(doubt[members].mean()),
        )


def _widened(words: _Words, best: npt.NDArray[np.int64], labels: LabelSet) -> list[Span | None]:
    """The span of each word; a word without a span gets that of its neighbour if the model gives it the same label."""
    spans = list(words.spans)
    forwards = range(1, len(spans))
    for order, step in ((forwards, -1), (reversed(range(len(spans) - 1)), 1)):
        for word in order:
            beside = spans[word + step]
            if spans[word] is None and best[word] and beside is not None and beside.label == labels.labels[best[word] - 1]:
                spans[word] = beside
    return spans


def _text(words: _Words, members: list[int]) -> str:
    return words.article.text[int(words.places[members[0], 0]) : int(words.places[members[-1], 1])]
