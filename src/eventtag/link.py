"""Links: who takes part in an event, in which role.

A link joins two spans of one article. It refers to them by value, so it needs no ids. Code that moves, renames or drops spans uses
`eventtag.respan`, which adapts the links.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from eventtag.errors import DataError
from eventtag.span import Span

ROLES = ("AGENT", "TARGET", "PLACE")
"""The roles of the project's guidelines. Roles with other names in other people's exports are kept."""


@dataclass(frozen=True, slots=True, order=True)
class Link:
    """`participant` takes part in `event` as `role`. A predicted link has a `score` from 0 to 1; gold has None.

    Scores and status, also those of the two spans, take no part in equality, hashing and order.
    """

    event: Span
    participant: Span
    role: str
    score: float | None = field(default=None, compare=False)

    def __str__(self) -> str:
        event, other = self.event, self.participant
        return f"{self.role} {event.label} {event.start}-{event.end} to {other.label} {other.start}-{other.end}"


def settled(article_id: str, links: Iterable[Link], spans: Iterable[Span]) -> tuple[Link, ...]:
    """The links without repetitions, sorted, and joining these very `spans` of an article.

    Raises DataError, naming the article, for a link to a span that is not among them, or without a role.
    """
    own = {span: span for span in spans}
    found: dict[Link, None] = {}
    for link in links:
        if not link.role.strip():
            raise DataError(
                f"article {article_id!r}: a link has the role {link.role!r}; give it a name, such as {', '.join(ROLES)}"
            )
        for end in (link.event, link.participant):
            if end not in own:
                raise DataError(
                    f"article {article_id!r}: the link {link} points to {end.label} {end.start}-{end.end}, which is not one of its "
                    "spans; add the span, or remove the link"
                )
        found.setdefault(Link(own[link.event], own[link.participant], link.role, link.score))
    return tuple(sorted(found))
