"""Which candidate pairs become links, and of which roles it is unknown whether anybody has them.

A pair has its most probable role if that reaches the role's threshold. A further participant of a role in one event is mostly wrong (about
one in five on the sample's articles) unless it is coordinated with a surer one ("X and Y"), so it needs a higher probability, `further`.

Letters for shapes: S spans, P pairs, R roles.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from eventtag.links.candidates import Candidates
from eventtag.span import Span

Floats = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_JOINING = re.compile(r"\b(?:and|or|nor|plus|as well as|along with|together with)\b|[,/&]", re.IGNORECASE)
_FILLING = frozenset([
    "the", "a", "an", "its", "their", "his", "her", "our", "other", "both", "some", "several", "many", "of", "s",
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
])  # fmt: skip
"""Words that may stand between coordinated mentions, beside numbers and other mentions."""
_ENDING = re.compile(r"[.;:!?\n]")
MOST_BETWEEN = 1000
"""Characters between coordinated mentions; they bound the work for a long text without an end of a sentence."""


def choose_pairs(
    text: str, spans: Sequence[Span], found: Candidates, probabilities: Floats, least: Floats, further: float
) -> tuple[IntArray, IntArray]:
    """The pairs that become links, and the place of the role of each; sorted by pair.

    `spans` are those of the candidates' `places`. `probabilities` [P, 1 + R], the first of no link; `least` [R] is the threshold of each
    role; `further` that of a participant whose role a surer one has in the same event, with which it is not coordinated.
    """
    if not len(found.pairs):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    roles = probabilities[:, 1:].argmax(axis=1)
    scores = probabilities[np.arange(len(roles)), roles + 1]
    groups: dict[tuple[int, int], list[int]] = {}
    for row in np.flatnonzero((scores >= least[roles]) & (scores > 0)).tolist():
        groups.setdefault((int(found.pairs[row, 0]), int(roles[row])), []).append(row)
    kept: list[int] = []
    for rows in groups.values():
        surer: list[int] = []
        for row in sorted(rows, key=lambda row: (-scores[row], row)):
            if not surer or scores[row] >= further or _joins(text, spans, found, surer, row):
                surer.append(row)
        kept += surer
    chosen = np.array(sorted(kept), dtype=np.int64)
    return chosen, roles[chosen]


def best_of_roles(found: Candidates, probabilities: Floats) -> Floats:
    """[S, R]: of each event and role the probability of the best candidate; 0 where there is none."""
    best = np.zeros((len(found.spans), probabilities.shape[1] - 1))
    np.maximum.at(best, found.pairs[:, 0], probabilities[:, 1:])
    return best


def _joins(text: str, spans: Sequence[Span], found: Candidates, surer: Iterable[int], row: int) -> bool:
    def participant(of: int) -> Span:
        return spans[int(found.places[found.pairs[of, 1]])]

    return any(are_coordinated(text, participant(row), participant(other), spans) for other in surer)


def are_coordinated(text: str, one: Span, other: Span, spans: Sequence[Span]) -> bool:
    """Whether nothing but joining words, commas, articles, numbers and mentions of the same label stands between two mentions, in at most
    `MOST_BETWEEN` characters. `spans` are sorted.
    """
    first, second = sorted((one, other))
    if not first.end <= second.start <= first.end + MOST_BETWEEN or _ENDING.search(text, first.end, second.start):
        return False
    between = list(text[first.end : second.start])
    for at in itertools.count(bisect.bisect_left(spans, first.end, key=lambda span: span.start)):
        span = spans[at]
        if span.start >= second.start:
            break
        if span.label in (one.label, other.label) and span.end <= second.start:
            between[span.start - first.end : span.end - first.end] = " " * (span.end - span.start)
    rest, joins = _JOINING.subn(" ", "".join(between))
    return joins > 0 and all(word[0].isdigit() or word.lower() in _FILLING for word in re.findall(r"\w+", rest))
