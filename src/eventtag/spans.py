"""Spans: labelled pieces of an article's text.

Offsets are Unicode code points into the text as stored, half-open: the mention is `text[start:end]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A mention: `text[start:end]` carries `label`. Sorts by start, end, label."""

    start: int
    end: int
    label: str

    def overlaps(self, other: Span) -> bool:
        """Whether the two share at least one character; neighbours that only touch do not."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True, order=True)
class ScoredSpan(Span):
    """A predicted mention with its `score` in [0, 1] (its meaning: `eventtag.decoding.decode`; calibrated by the tagger)."""

    score: float = 1.0


AnySpan = TypeVar("AnySpan", bound=Span)


def drop_overlaps(spans: Iterable[AnySpan]) -> tuple[list[AnySpan], list[AnySpan]]:
    """Split `spans` into a flat layer and the rest: the longest span wins, then the earlier, then the label in order.

    Returns (kept, dropped), both sorted. Token tags can hold the flat layer only.
    """
    kept: list[AnySpan] = []
    dropped: list[AnySpan] = []
    for span in sorted(spans, key=lambda s: (s.start - s.end, s.start, s.label)):
        (dropped if any(span.overlaps(other) for other in kept) else kept).append(span)
    return sorted(kept), sorted(dropped)
