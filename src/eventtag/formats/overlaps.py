"""Overlapping spans made flat, for formats and taggers that hold one layer.

Policies: `longest` (the longer span stays; then the earlier, then the label in order), `innermost` (the shorter stays),
`priority` (the label that is named first stays; then the longer), `error` (refuse). What goes is in the ledger, as asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.ledger import LossLedger
from eventtag.respan import respan
from eventtag.settings.model import LEARN_OVERLAPS
from eventtag.span import flatten

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
                "choose which stays: longest, innermost or priority (data.overlaps=longest in training, --overlaps longest in convert); "
                f"to learn all of them: {LEARN_OVERLAPS}"
            )
        for span, by in dropped:
            detail = f"{by.label} {by.start}-{by.end} stays"
            ledger.add_span(
                article.id, "resolving overlaps", "dropped", f"overlaps another ({policy})", span, detail=detail, asked=True
            )
        yield respan(article, kept, stage="resolving overlaps", ledger=ledger, asked=True) if dropped else article
