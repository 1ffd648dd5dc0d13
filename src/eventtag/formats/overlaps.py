"""Overlapping spans made flat, for formats and taggers that hold one layer.

Policies: `longest` (the longer span stays; then the earlier, then the label in order), `innermost` (the shorter stays),
`priority` (the label that is named first stays; then the longer), `error` (refuse). What goes is in the ledger, as asked for.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Literal, get_args

from eventtag.articles import Article
from eventtag.errors import DataError, SettingsError
from eventtag.ledger import LossLedger
from eventtag.spans import AnySpan

OverlapPolicy = Literal["longest", "innermost", "priority", "error"]


def resolve_overlaps(
    articles: Iterable[Article], policy: str, *, ledger: LossLedger, priority: Sequence[str] = ()
) -> Iterator[Article]:
    """The articles, each with one flat layer of spans.

    `priority` lists labels, the strongest first; labels that it does not name come after. Raises SettingsError for an unknown
    policy or `priority` without a list, DataError for an overlap under the policy `error`.
    """
    if policy not in get_args(OverlapPolicy):
        raise SettingsError(f"overlaps: {policy!r} is unknown; allowed: {', '.join(get_args(OverlapPolicy))}")
    if policy == "priority" and not priority:
        raise SettingsError("overlaps=priority needs the labels in their order, the strongest first")
    for article in articles:
        kept, dropped = flatten(article.spans, policy, priority=priority)
        if dropped and policy == "error":
            span, by = dropped[0]
            raise DataError(
                f"article {article.id!r}: span {span.label} {span.start}-{span.end} overlaps {by.label} {by.start}-{by.end}; "
                "choose which stays (overlaps=longest, innermost or priority)"
            )
        for span, by in dropped:
            detail = f"{by.label} {by.start}-{by.end} stays"
            ledger.add_span(
                article.id, "resolving overlaps", "dropped", f"overlaps another ({policy})", span, detail=detail, asked=True
            )
        yield replace(article, spans=tuple(kept)) if dropped else article


def flatten(
    spans: Iterable[AnySpan], policy: str, *, priority: Sequence[str] = ()
) -> tuple[list[AnySpan], list[tuple[AnySpan, AnySpan]]]:
    """(kept, [(dropped, the kept span that it overlaps)]), both in the order of the text; `error` chooses like `longest`."""
    rank = {label: position for position, label in enumerate(priority)}

    def strength(span: AnySpan) -> tuple[int, int, int, str]:
        size = span.end - span.start
        first = rank.get(span.label, len(rank)) if policy == "priority" else 0
        return (first, size if policy == "innermost" else -size, span.start, span.label)

    kept: list[AnySpan] = []  # sorted and disjoint, so that only its neighbours can overlap a span
    dropped: list[tuple[AnySpan, AnySpan]] = []
    for span in sorted(spans, key=strength):
        place = bisect.bisect_left(kept, span.start, key=attrgetter("start"))
        if place > 0 and kept[place - 1].end > span.start:
            dropped.append((span, kept[place - 1]))
        elif place < len(kept) and kept[place].start < span.end:
            dropped.append((span, kept[place]))
        else:
            kept.insert(place, span)
    return kept, sorted(dropped)
