"""Agreement of two annotators on links and on the status of events.

Links: F1, which needs no count of what nobody linked; all links, links whatever their role, and links between spans that both have,
so that what they disagree on about spans does not count again. Only articles count in which both marked links, and links between spans
that were looked at and compared. Status: of events that both have and gave a status, the share with the same one and Cohen's kappa.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from eventtag.article import Article
from eventtag.link import Link
from eventtag.span import Span


@dataclass
class LinkCounts:
    """Links of A, of B, and those that both have."""

    a: int = 0
    b: int = 0
    same: int = 0

    def add(self, a: Collection[object], b: Collection[object]) -> None:
        """Count the links of one article."""
        self.a += len(a)
        self.b += len(b)
        self.same += len(set(a) & set(b))

    @property
    def f1(self) -> float | None:
        """2 x same links / all links; None if nobody marked any."""
        return 2 * self.same / (self.a + self.b) if self.a + self.b else None


@dataclass
class LinkAgreement:
    """Agreement on links over the articles in which both marked them, and on status, with every disagreement."""

    articles: int = 0
    roles: dict[str, LinkCounts] = field(default_factory=dict)
    all: LinkCounts = field(default_factory=LinkCounts)
    whatever_role: LinkCounts = field(default_factory=LinkCounts)
    same_spans: LinkCounts = field(default_factory=LinkCounts)
    """Links, with their roles, between spans that both have."""
    status: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(A's status, B's status) of the events that both have and gave one."""
    disagreements: list[LinkDisagreement] = field(default_factory=list)

    @property
    def events(self) -> int:
        """Events with a status of both."""
        return self.status.total()

    @property
    def same_status(self) -> float | None:
        """Share of these events with the same status; None if there is none."""
        return sum(count for (a, b), count in self.status.items() if a == b) / self.events if self.events else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa of the status; None if there is no event or chance agreement is complete."""
        if self.same_status is None:
            return None
        of_a, of_b = Counter[str](), Counter[str]()
        for (a, b), count in self.status.items():
            of_a[a] += count
            of_b[b] += count
        chance = sum(of_a[status] * of_b[status] for status in of_a)
        total = self.events**2
        return (self.same_status * total - chance) / (total - chance) if chance < total else None

    def add(self, a: Article, b: Article, first: Article, second: Article) -> None:
        """Count one article of both; `first` and `second` are the two with only the spans that are compared."""
        both = set(first.spans) & set(second.spans)
        of_b = {span: span.status for span in b.spans}
        for span in a.spans:
            if span in both and span.status is not None and (other := of_b[span]) is not None:
                self.status[span.status, other] += 1
                if span.status != other:
                    self.disagreements.append(LinkDisagreement(a.id, "status", span, None, span.status, other))
        if a.links is None or b.links is None:
            return
        self.articles += 1
        links_a, links_b = _between(a.links, first.spans), _between(b.links, second.spans)
        for role in sorted({link.role for link in (*links_a, *links_b)}):
            counts = self.roles.setdefault(role, LinkCounts())
            counts.add(*([link for link in links if link.role == role] for links in (links_a, links_b)))
        self.all.add(links_a, links_b)
        self.whatever_role.add(*({(link.event, link.participant) for link in links} for links in (links_a, links_b)))
        shared_a, shared_b = _between(links_a, both), _between(links_b, both)
        self.same_spans.add(shared_a, shared_b)
        self._note(a.id, shared_a, shared_b)

    def _note(self, article_id: str, a: Iterable[Link], b: Iterable[Link]) -> None:
        """Add the disagreements on links between spans that both have."""
        roles: dict[tuple[Span, Span], tuple[set[str], set[str]]] = {}
        for side, links in enumerate((a, b)):
            for link in links:
                roles.setdefault((link.event, link.participant), (set(), set()))[side].add(link.role)
        for (event, participant), (of_a, of_b) in sorted(roles.items()):
            if of_a != of_b:
                kind = "role" if of_a and of_b else "link only A" if of_a else "link only B"
                names = (", ".join(sorted(side)) or None for side in (of_a, of_b))
                self.disagreements.append(LinkDisagreement(article_id, kind, event, participant, *names))


@dataclass(frozen=True, slots=True)
class LinkDisagreement:
    """A link, or the status of an event, that the two do not have alike: `a` and `b` are their roles, or their status."""

    article_id: str
    kind: str
    """`link only A`, `link only B`, `role`, or `status`."""
    event: Span
    participant: Span | None
    a: str | None
    b: str | None


def _between(links: Iterable[Link], spans: Collection[Span]) -> list[Link]:
    there = set(spans)
    return [link for link in links if link.event in there and link.participant in there]
