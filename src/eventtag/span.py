"""Spans: labelled pieces of an article's text.

Offsets are Unicode code points into the text as stored, half-open: the mention is `text[start:end]`.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter

STATUSES = ("asserted", "negated", "future", "possible")
"""What a text says of an event: it happened or happens, it did not, it is to come, or it may be so."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A mention: `text[start:end]` carries `label`. A predicted one has a `score` from 0 to 1 (docs/architecture.md); gold has None.

    `status`: of an event, one of STATUSES; None means that nobody marked it. A predicted status has a `status_score`. `unsure_roles`: of an
    event, the roles of which it is unknown whether anybody has them. Only the offsets and the label take part in equality, hashing and
    order: a predicted span is equal to the gold span that it matches.
    """

    start: int
    end: int
    label: str
    score: float | None = field(default=None, compare=False)
    status: str | None = field(default=None, compare=False)
    status_score: float | None = field(default=None, compare=False)
    unsure_roles: tuple[str, ...] = field(default=(), compare=False)

    def overlaps(self, other: Span) -> bool:
        """Whether the two share at least one character; neighbours that only touch do not."""
        return self.start < other.end and other.start < self.end


def score_of(span: Span) -> float:
    """The score of a predicted span; raises ValueError for a span without one."""
    if span.score is None:
        raise ValueError(f"{span} has no score, so nothing predicted it")
    return span.score


def merged(first: Span, second: Span) -> Span:
    """One span for two equal ones: the first, with the status of the second where it has none."""
    if first.status is not None or second.status is None:
        return first
    return replace(first, status=second.status, status_score=second.status_score)


def other_status(first: Span, second: Span) -> str:
    """What is lost of the status of two equal spans that become one (`merged`); empty where nothing is."""
    if first.status == second.status or None in (first.status, second.status):
        return ""
    return f"its status {second.status} gives way to {first.status}"


def flatten(
    spans: Iterable[Span], policy: str = "longest", *, priority: Sequence[str] = ()
) -> tuple[list[Span], list[tuple[Span, Span]]]:
    """One flat layer of spans, which is all that word tags can hold: (kept, [(dropped, the kept span that it overlaps)]), sorted.

    `longest` keeps the longer span, then the earlier, then by label; `innermost` the shorter; `priority` the label that stands
    first in `priority`, then the longer. Any other policy chooses like `longest`.
    """
    rank = {label: position for position, label in enumerate(priority)}

    def strength(span: Span) -> tuple[int, int, int, str]:
        size = span.end - span.start
        first = rank.get(span.label, len(rank)) if policy == "priority" else 0
        return (first, size if policy == "innermost" else -size, span.start, span.label)

    kept: list[Span] = []  # sorted and disjoint, so that only its neighbours can overlap a span
    dropped: list[tuple[Span, Span]] = []
    for span in sorted(spans, key=strength):
        place = bisect.bisect_left(kept, span.start, key=attrgetter("start"))
        if place > 0 and kept[place - 1].end > span.start:
            dropped.append((span, kept[place - 1]))
        elif place < len(kept) and kept[place].start < span.end:
            dropped.append((span, kept[place]))
        else:
            kept.insert(place, span)
    return kept, sorted(dropped)
