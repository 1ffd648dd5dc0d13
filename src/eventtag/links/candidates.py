"""Candidate pairs of an event and a participant, and what is known of each pair before the encoder is asked.

A participant is a candidate for an event if its sentence is at most BACK sentences before the event's or AHEAD behind it, and if it is one
of the NEAREST participants before or behind the event. So an article with E events has at most 2 NEAREST E candidates, and their number
grows linearly with its length even where no sentence ends.

Letters for shapes: N tokens of the article, S spans, E events, P pairs, F features.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eventtag.encoding.tokens import TokenisedText
from eventtag.labels import LabelSet
from eventtag.links.scheme import LinkScheme
from eventtag.span import Span

IntArray = npt.NDArray[np.int64]

BACK, AHEAD = 6, 1
"""Sentences; 98.3 % of the sample's links in the test articles are within."""
NEAREST = 32
"""Participants on each side of an event."""
DISTANCES = np.array([1, 2, 3, 4, 6, 9, 14, 21, 31, 51, 81, 131])
"""Edges of the classes of distance, in tokens."""
_QUOTED = re.compile(r'“[^”]*”|"[^"\n]*"')
_BEING = frozenset(["am", "are", "be", "been", "being", "get", "gets", "getting", "got", "is", "was", "were", "'re", "'s"])
_JOINING = frozenset(["after", "and", "as", "but", "that", "when", "which", "while", "who"])
_SIGNS = frozenset(",;:-–—")


@dataclass(frozen=True)
class Candidates:
    """`spans` [S, 2]: first token and the one behind the last; `labels` [S]: place of each label in the label set. `places` [S]: where each
    span stands among those given. `events` [E] are indices of spans, `pairs` [P, 2] an event's and a participant's. `features` [P, F] are
    rows of one table. `tags` [N]: 0, or that of the span at the token. `sentences` [N]: number of each token's sentence.
    """

    spans: IntArray
    labels: IntArray
    places: IntArray
    events: IntArray
    pairs: IntArray
    features: IntArray
    tags: IntArray
    sentences: IntArray


def feature_sizes(labels: int) -> dict[str, int]:
    """How many values each feature has, for a number of labels; their order is that of the columns."""
    return {
        "distance and order": 2 * (len(DISTANCES) + 1),
        "events between": 2 * 6,
        "participants between": 2 * 7,
        "sentences apart": BACK + AHEAD + 1,
        "label, same sentence": 2 * labels,
        "quotation": 8,
        "lines apart": 4,
        "same words nearer, in the event's sentence": 4,
        "by, being, signs, joining words": 16,
        "first of its sentence": 8,
        "participants in the event's sentence": 8,
    }


def find_candidates(text: str, tokens: TokenisedText, spans: Sequence[Span], labels: LabelSet, scheme: LinkScheme) -> Candidates:
    """The candidates among spans, which are sorted; those that touch no word are left out."""
    order = {label: number for number, label in enumerate(labels.labels)}
    chars = np.array([(span.start, span.end) for span in spans], dtype=np.int64).reshape(-1, 2)
    first = np.searchsorted(tokens.words[:, 1], chars[:, 0], side="right")
    behind = np.searchsorted(tokens.words[:, 0], chars[:, 1], side="left")
    places = np.flatnonzero(first < behind)
    first, behind, chars = first[places], behind[places], chars[places]
    of = np.array([order[spans[place].label] for place in places.tolist()], dtype=np.int64)
    size = len(tokens.input_ids)
    starts = np.append(tokens.first_token, size)
    bounds = np.stack([starts[first], starts[behind]], axis=1)
    tags = np.zeros(size, dtype=np.int64)
    for (start, end), label in zip(bounds.tolist(), of.tolist(), strict=True):
        tags[start:end] = 2 + 2 * label
        tags[start] = 1 + 2 * label
    word = np.maximum(np.maximum.accumulate(tokens.word_of), 0)  # white space belongs to the word before it
    sentences = tokens.sentence_of[word] if len(tokens.words) else np.zeros(size, dtype=np.int64)
    is_event: npt.NDArray[np.bool_] = np.isin(of, [order[label] for label in scheme.events if label in order])
    takes_part = np.asarray(scheme.allowed(labels)[:, 1:].any(axis=1))[of] & ~is_event
    events, others = np.flatnonzero(is_event), np.flatnonzero(takes_part)
    sentence = tokens.sentence_of[first]
    pairs = _pairs(events, others, bounds[:, 0], sentence)
    context = _Context(text, tokens, chars, first, behind, of, bounds, sentence, is_event, takes_part)
    return Candidates(bounds, of, places, events, pairs, context.features(pairs, labels), tags, sentences)


def _pairs(events: IntArray, others: IntArray, starts: IntArray, sentence: IntArray) -> IntArray:
    at = np.searchsorted(starts[others], starts[events])
    low = np.maximum(np.searchsorted(sentence[others], sentence[events] - BACK, side="left"), at - NEAREST)
    high = np.minimum(np.searchsorted(sentence[others], sentence[events] + AHEAD, side="right"), at + NEAREST)
    counts = np.maximum(high - low, 0)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([np.repeat(events, counts), others[np.repeat(low, counts) + within]], axis=1)


@dataclass(frozen=True)
class _Context:
    """An article's spans, in characters, words and tokens, and its words."""

    text: str
    tokens: TokenisedText
    chars: IntArray
    first: IntArray
    behind: IntArray
    labels: IntArray
    bounds: IntArray
    sentence: IntArray
    is_event: npt.NDArray[np.bool_]
    takes_part: npt.NDArray[np.bool_]

    def features(self, pairs: IntArray, labels: LabelSet) -> IntArray:
        """[P, F]: rows of the table of `feature_sizes`."""
        event, other = pairs[:, 0], pairs[:, 1]
        right = (other > event).astype(np.int64)
        low, high = np.minimum(event, other), np.maximum(event, other)
        apart = self.sentence[other] - self.sentence[event]
        same = (apart == 0).astype(np.int64)
        gap = self.bounds[high, 0] - self.bounds[low, 1]
        events, others = _sums(self.is_event), _sums(self.takes_part)
        quotes = self._quotations()
        lines = np.cumsum(self.tokens.begins_line)[self.first]
        first_other, first_event = self._is_first(self.takes_part), self._is_first(self.is_event)
        columns = [
            np.searchsorted(DISTANCES, gap, side="right") + (len(DISTANCES) + 1) * right,
            np.minimum(events[high] - events[low + 1], 5) + 6 * right,
            np.minimum(others[high] - others[low + 1], 6) + 7 * right,
            apart + BACK,
            2 * self.labels[other] + same,
            4 * (quotes[event] > 0) + 2 * (quotes[other] > 0) + (quotes[event] == quotes[other]),
            np.minimum(lines[high] - lines[low], 3),
            self._repeated(event, other),
            self._cues(event, other, low, high),
            4 * first_other[other] + 2 * first_event[event] + right,
            np.minimum(self._in_sentence(event), 7),
        ]
        sizes = np.array(list(feature_sizes(len(labels.labels)).values()))
        offsets = np.cumsum(sizes) - sizes
        return np.asarray(np.stack([column.astype(np.int64) for column in columns], axis=1) + offsets)

    def _quotations(self) -> IntArray:
        """[S]: number of the quotation in which each span begins, 0 outside of all."""
        found = [(match.start(), match.end()) for match in _QUOTED.finditer(self.text)]
        starts, ends = (np.array([edge[side] for edge in found], dtype=np.int64) for side in (0, 1))
        number = np.searchsorted(starts, self.chars[:, 0], side="right")
        inside = (number > 0) & (self.chars[:, 0] < np.append(ends, 0)[number - 1])
        return np.where(inside, number, 0)

    def _repeated(self, event: IntArray, other: IntArray) -> IntArray:
        """[P]: 2 if the participant's words stand nearer to the event too, plus 1 if they stand in the event's sentence too."""
        names = [self.text[start:end].casefold() for start, end in self.chars.tolist()]
        known = {name: number for number, name in enumerate(dict.fromkeys(names))}
        surface = np.array([known[name] for name in names], dtype=np.int64)
        behind, before = np.full(len(names), len(names)), np.full(len(names), -1)
        last: dict[int, int] = {}
        for place in np.flatnonzero(self.takes_part).tolist():
            if surface[place] in last:
                before[place], behind[last[surface[place]]] = last[surface[place]], place
            last[surface[place]] = place
        nearer = np.where(other < event, behind[other] < event, before[other] > event)
        stride = len(known) + 1
        keys, counts = np.unique((self.sentence * stride + surface)[self.takes_part], return_counts=True)
        wanted = self.sentence[event] * stride + surface[other]
        at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        there = np.where(keys[at] == wanted, counts[at], 0) if len(keys) else np.zeros(len(event), dtype=np.int64)
        own = self.sentence[event] == self.sentence[other]
        return np.asarray(2 * nearer.astype(np.int64) + (there > own))

    def _cues(self, event: IntArray, other: IntArray, low: IntArray, high: IntArray) -> IntArray:
        words = [self.text[start:end].lower() for start, end in self.tokens.words.tolist()]
        by, being, joining, signs = (
            _sums(np.array([word in some for word in words], dtype=np.bool_))
            for some in (frozenset(("by",)), _BEING, _JOINING, _SIGNS)
        )
        start, end = self.behind[low], np.maximum(self.first[high], self.behind[low])

        def before(sums: IntArray, span: IntArray, reach: int) -> npt.NDArray[np.bool_]:
            at = self.first[span]
            return np.asarray(sums[at] > sums[np.maximum(at - reach, 0)])

        return np.asarray(
            before(by, other, 2)
            + 2 * before(being, event, 3)
            + 4 * (signs[end] > signs[start])
            + 8 * (joining[end] > joining[start])
        )

    def _is_first(self, chosen: npt.NDArray[np.bool_]) -> IntArray:
        """[S]: 1 for the first of the chosen spans of each sentence."""
        found = np.zeros(len(chosen), dtype=np.int64)
        places = np.flatnonzero(chosen)
        found[places[np.diff(self.sentence[places], prepend=-1) != 0]] = 1
        return found

    def _in_sentence(self, event: IntArray) -> IntArray:
        """[P]: how many participants the event's sentence has."""
        held = self.sentence[self.takes_part]
        return np.searchsorted(held, self.sentence[event], "right") - np.searchsorted(held, self.sentence[event], "left")


def _sums(flags: npt.NDArray[np.bool_]) -> IntArray:
    """[n + 1]: how many of the first 0, 1, ... n flags are set."""
    return np.append(0, np.cumsum(flags)).astype(np.int64)
