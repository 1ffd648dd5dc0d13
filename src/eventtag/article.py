"""The article: the one type that everything reads and writes.

Offsets are Unicode code points into `text` as stored, half-open. Nothing ever rewrites `text`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eventtag.errors import DataError
from eventtag.link import Link, settled
from eventtag.notebook import excerpt, highlighted
from eventtag.span import STATUSES, Span

Region = tuple[int, int]
_SURROGATE = re.compile("[\ud800-\udfff]")


def _refuse_surrogates(name: str, what: str, article_id: str) -> None:
    if not name.isascii() and _SURROGATE.search(name):
        raise DataError(f"article {article_id!r}: {what} {name!r} holds half of a surrogate pair, from damaged JSON; rename it")


@dataclass(frozen=True, slots=True, repr=False)
class Article:
    """A text with its gold spans and what is known about how they came about.

    `annotated`: the regions that an annotator has looked at, sorted and disjoint; None means all of the text, an empty tuple none
    of it. `labels`: the labels that the annotator was marking; None means all. Where nobody looked, or for a label that nobody
    marked, there is no gold: neither loss nor score counts it. `meta` is JSON-like and carried along. Spans are sorted; they may
    overlap. `rejected`: spans that an annotator says are not exactly mentions with that label, anywhere in the text; nothing is said
    of what else is there. `links` say who takes part in which event, sorted and each once; None means that nobody was marking them, an
    empty tuple that there is none.

    Raises DataError, naming the article, when a span or region is empty, lies outside the text or is not of its type, when regions
    overlap, when a span has a label that `labels` excludes or a status that does not exist, when a label is empty, when a gold span is
    rejected too, when a link points to what is not one of the spans, or when the id, a label or a role holds a lone surrogate, which no
    file in UTF-8 can hold.
    """

    id: str
    text: str
    spans: tuple[Span, ...] = ()
    annotated: tuple[Region, ...] | None = None
    labels: tuple[str, ...] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    rejected: tuple[Span, ...] = ()
    links: tuple[Link, ...] | None = None

    def __post_init__(self) -> None:
        size = len(self.text)
        _refuse_surrogates(self.id, "its id", self.id)
        for label in {*(span.label for span in (*self.spans, *self.rejected)), *(self.labels or ())}:
            if not label.strip():
                raise DataError(f"article {self.id!r}: a span or `labels` has the label {label!r}; give it a name")
            _refuse_surrogates(label, "a label", self.id)
        for span in (*self.spans, *self.rejected):
            if not 0 <= span.start < span.end <= size:
                raise DataError(
                    f"article {self.id!r}: span {span.label} {span.start}-{span.end} is outside its text "
                    f"(0 <= start < end <= {size} is allowed)"
                )
        for span in self.spans:
            if self.labels is not None and span.label not in self.labels:
                raise DataError(
                    f"article {self.id!r}: span {span.start}-{span.end} has the label {span.label!r}, "
                    f"but its annotated labels are {list(self.labels)}"
                )
            if span.status is not None and span.status not in STATUSES:
                raise DataError(
                    f"article {self.id!r}: span {span.label} {span.start}-{span.end} has the status {span.status!r}; "
                    f"allowed: {', '.join(STATUSES)}"
                )
        if self.rejected:
            no = set(self.rejected)
            both = next((span for span in self.spans if span.score is None and span in no), None)
            if both is not None:
                raise DataError(
                    f"article {self.id!r}: {both.label} {both.start}-{both.end} is among its spans and among its rejected spans; keep one"
                )
            object.__setattr__(self, "rejected", tuple(sorted(no)))
        object.__setattr__(self, "spans", tuple(sorted(self.spans)))
        if self.links is not None:
            object.__setattr__(self, "links", settled(self.id, self.links, self.spans))
            for role in {link.role for link in self.links}:
                _refuse_surrogates(role, "a role", self.id)
        if self.annotated is not None:
            regions = tuple(sorted(self.annotated))
            last = 0
            for start, end in regions:
                if not last <= start < end <= size:
                    raise DataError(
                        f"article {self.id!r}: annotated region {start}-{end} is empty, overlaps another or is outside the text "
                        f"(0 <= start < end <= {size} is allowed)"
                    )
                last = end
            object.__setattr__(self, "annotated", regions)

    def __repr__(self) -> str:
        return f"Article({self.id!r}, {excerpt(self.text)}, {len(self.spans)} spans)"

    def _repr_html_(self) -> str:
        return highlighted(self.id, self.text, self.spans)

    def mention(self, span: Span) -> str:
        """The text that the span covers."""
        return self.text[span.start : span.end]

    def mentions(self, label: str | None = None) -> list[tuple[str, Span]]:
        """The text of each span with the span, in order; of one label where it is named."""
        return [(self.mention(span), span) for span in self.spans if label is None or span.label == label]

    @property
    def regions(self) -> tuple[Region, ...]:
        """The annotated regions, spelt out: all of the text where `annotated` is None."""
        if self.annotated is not None:
            return self.annotated
        return ((0, len(self.text)),) if self.text else ()

    def annotated_labels(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Those of `labels` that the annotator was marking, in their order."""
        return tuple(label for label in labels if self.labels is None or label in self.labels)

    def may_be_scored(self, labels: Sequence[str]) -> bool:
        """Whether an annotator has looked at some of the text for one of these labels: else nobody knows what is right there."""
        return bool(self.regions and self.annotated_labels(labels))

    def counts(self, span: Span) -> bool:
        """Whether the span takes part in scoring: its label was being marked and it touches an annotated region."""
        if self.labels is not None and span.label not in self.labels:
            return False
        return self.region_at(span.start, span.end) is not None

    def region_at(self, start: int, end: int) -> Region | None:
        """The first annotated region that [start, end) touches; the only one that can hold all of it."""
        if self.annotated is None:
            return 0, len(self.text)
        at = bisect_right(self.annotated, start, key=lambda region: region[1])
        return self.annotated[at] if at < len(self.annotated) and self.annotated[at][0] < end else None

    def all_annotated(self, start: int, end: int) -> bool:
        """Whether all of [start, end) lies in one annotated region."""
        region = self.region_at(start, end)
        return region is not None and region[0] <= start and end <= region[1]
