"""An article with other spans: what becomes of its links."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from eventtag.article import Article
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span


def respan(
    article: Article,
    spans: Iterable[Span],
    *,
    stage: str,
    ledger: LossLedger,
    moved: Mapping[Span, Span] | None = None,
    asked: bool = False,
    **changes: Any,
) -> Article:
    """The article with these spans in place of its own, the `changes` of other fields, and its links between the spans that are left.

    `moved` says which of the new spans one of its own became; a span that it does not name stays as it is. The ledger names the links
    that are dropped, because one of their spans is not among the new ones, and those that become the same as another. `asked`: the user's
    own settings drop the spans. A role of which an event loses all participants is among its unsure roles.
    """
    kept = tuple(spans)
    if not article.links:
        return replace(article, spans=kept, **changes)
    there, moved = set(kept), moved or {}
    links: dict[Link, None] = {}
    lost: set[tuple[Span, str]] = set()
    for link in article.links:
        event, participant = moved.get(link.event, link.event), moved.get(link.participant, link.participant)
        ends = (link.role, link.event, link.participant)
        new = replace(link, event=event, participant=participant)
        if event not in there or participant not in there:
            ledger.add_link(article.id, stage, "dropped", "a span of theirs is dropped", *ends, asked=asked)
            lost.add((event, link.role))
        elif new in links:
            ledger.add_link(article.id, stage, "merged", "their spans become the same", *ends)
        else:
            links[new] = None
    return replace(article, spans=with_unsure_roles(kept, lost, links), links=tuple(links), **changes)


def with_unsure_roles(spans: Iterable[Span], lost: Collection[tuple[Span, str]], links: Iterable[Link]) -> tuple[Span, ...]:
    """The spans, among whose unsure roles are those of the events and roles that lost links and have none of the `links` left."""
    left = {(link.event, link.role) for link in links}
    more: dict[Span, list[str]] = {}
    for event, role in sorted(set(lost) - left):
        more.setdefault(event, []).append(role)
    return tuple(
        replace(span, unsure_roles=tuple(dict.fromkeys((*span.unsure_roles, *more[span])))) if span in more else span
        for span in spans
    )
