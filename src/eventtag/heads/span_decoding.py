"""Spans from scores of spans: all with a probability of at least LEAST, or the most probable of them that do not overlap.

Scores are log-odds [W, M, L] of an article's spans: first word, number of words - 1, label. They never stand in a [W, W] array: M is
small. A span's score is the probability that the model gives it, as in `eventtag.heads.tag_decoding`.

Each span is decided separately, so the threshold with the best F1 is half of the F1 that it reaches (Lipton et al. 2014,
https://arxiv.org/abs/1402.1892). Spans are therefore found from LEAST on, and thresholds are applied later.

Letters for shapes: W words, M widths, L labels, N spans.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from eventtag.errors import SettingsError
from eventtag.labels import LabelSet
from eventtag.span import Span

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


LEAST = 0.1
"""Least probability of a span that is found."""
USUAL = 0.5
"""Threshold of a label for which none was chosen."""


@dataclass(frozen=True)
class SpanDecoder:
    """`Decoder` of emissions [W, M, L], log-odds of the spans of up to M words that begin with each word."""

    max_width: int
    overlap: bool
    usual_threshold = USUAL
    tags_words = False
    transitions = None

    def shape(self, labels: LabelSet) -> tuple[int, ...]:
        """(M, L)."""
        return (self.max_width, len(labels.labels))

    def keep_within_lines(self, emissions: FloatArray, begins_line: npt.NDArray[np.bool_]) -> None:
        """As `Decoder.keep_within_lines`."""
        words = np.arange(len(begins_line))
        line = np.append(np.flatnonzero(begins_line), len(begins_line))
        next_line = line[np.searchsorted(line, words, side="right")]
        emissions[words[:, None] + np.arange(self.max_width) >= next_line[:, None]] = -np.inf

    def decode(self, emissions: Sequence[FloatArray], words: Sequence[IntArray], labels: LabelSet) -> list[tuple[Span, ...]]:
        """As `Decoder.decode`, by `decode_spans`."""
        return [decode_spans(scores, of, labels, overlap=self.overlap) for scores, of in zip(emissions, words, strict=True)]

    def tag_probabilities(self, emissions: Sequence[FloatArray], labels: LabelSet) -> NoReturn:  # noqa: ARG002
        """Raise SettingsError."""
        raise SettingsError("this model scores whole spans and tags no single words; take one with model.head=crf or softmax")

    def expected_errors(self, emissions: Sequence[FloatArray], labels: LabelSet) -> list[npt.NDArray[np.float64]]:  # noqa: ARG002
        """As `Decoder.expected_errors`, with spans as decisions, at their first words."""
        unlikely = (np.exp(-np.abs(odds.astype(np.float64))) for odds in emissions)
        return [np.nansum(odds / (1 + odds), axis=(1, 2)) for odds in unlikely]

    def soft_targets(self, emissions: FloatArray, labels: LabelSet) -> NoReturn:
        """Raise SettingsError."""
        self.tag_probabilities([emissions], labels)


def decode_spans(scores: FloatArray, words: IntArray, labels: LabelSet, *, overlap: bool) -> tuple[Span, ...]:
    """The spans of one article that have a probability of LEAST at least, sorted; without `overlap` the most probable first, and each
    further one that overlaps none before it.

    One threshold for all labels may therefore be applied before or after. `words` [W, 2] are character offsets. NaN marks a first word that
    no model read; spans beyond the last word have very low log-odds.
    """
    found = np.argwhere(scores >= np.log(LEAST / (1 - LEAST)))
    odds = scores[tuple(found.T)].astype(np.float64)
    if not overlap:
        kept = most_probable_disjoint(found[:, 0], found[:, 0] + found[:, 1], odds)
        found, odds = found[kept], odds[kept]
    return tuple(
        sorted(
            Span(int(words[first, 0]), int(words[first + more, 1]), labels.labels[label], float(1 / (1 + np.exp(-odd))))
            for (first, more, label), odd in zip(found.tolist(), odds, strict=True)
        )
    )


def overshadowed(spans: Sequence[Span]) -> list[bool]:
    """For each span of a text whether `decode_spans` would leave it out without `overlap`: whether it overlaps one with a higher score
    that is not left out itself.
    """
    offsets = np.array([(span.start, span.end - 1) for span in spans], dtype=np.int64).reshape(-1, 2)
    scores = np.array([span.score for span in spans], dtype=np.float64)
    alone = set(most_probable_disjoint(offsets[:, 0], offsets[:, 1], scores))
    return [index not in alone for index in range(len(spans))]


def most_probable_disjoint(first: IntArray, last: IntArray, scores: npt.NDArray[np.float64]) -> list[int]:
    """Indices, sorted, of the spans of words [first, last] that are left if the highest score is taken first and what overlaps it
    dropped; of equal scores the earlier index.
    """
    taken: list[tuple[int, int]] = []
    kept = []
    for index in np.argsort(-scores, kind="stable").tolist():
        begin, end = int(first[index]), int(last[index])
        place = bisect_left(taken, (begin, begin))
        if (place == 0 or taken[place - 1][1] < begin) and (place == len(taken) or taken[place][0] > end):
            insort(taken, (begin, end))
            kept.append(index)
    return sorted(kept)
