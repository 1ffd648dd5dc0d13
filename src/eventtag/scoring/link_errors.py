"""Every wrong link in exactly one kind, so that the sums reconcile with the strict counts.

An error is a gold link that is not predicted, or a predicted link that is not in gold. They are paired one to one, in this order:

    wrong role              the same event and participant, another role
    wrong participant span  the same event and role; the participants share characters but differ in offsets or label
    wrong event span        the same participant and role; the events share characters but differ in offsets or label
    both spans wrong        the same role; events and participants share characters, and both differ
    missed                  a gold link that is left
    spurious                a predicted link that is left
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from eventtag.article import Article
from eventtag.link import Link
from eventtag.scoring.links import ArticleLinks
from eventtag.span import Span

LinkErrorKind = Literal["missed", "spurious", "wrong role", "wrong participant span", "wrong event span", "both spans wrong"]
LINK_ERRORS: tuple[LinkErrorKind, ...] = get_args(LinkErrorKind)


@dataclass(frozen=True, slots=True)
class LinkError:
    """One error: the gold and the predicted link that belong to it; one of them is None if it is missed or spurious."""

    kind: LinkErrorKind
    article: Article
    gold: Link | None
    predicted: Link | None

    def to_json(self) -> dict[str, Any]:
        """Kind, article id, and both links with offsets and texts."""
        sides = {"gold": self.gold, "predicted": self.predicted}
        return {
            "kind": self.kind,
            "article_id": self.article.id,
            **{side: None if link is None else self._link(link) for side, link in sides.items()},
        }

    def _link(self, link: Link) -> dict[str, Any]:
        ends = {"event": link.event, "participant": link.participant}
        return {
            name: {"start": span.start, "end": span.end, "label": span.label, "text": self.article.mention(span)}
            for name, span in ends.items()
        } | {"role": link.role}


@dataclass(frozen=True)
class LinkErrors:
    """All errors, in the order of the articles. For each role the gold links of all kinds add up to its gold links that are not predicted,
    the predicted links to its predicted links that are not in gold.
    """

    cases: tuple[LinkError, ...]
    roles: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """By kind: how many cases, and how many gold and predicted links of each role."""
        cases, gold, predicted = Counter[str](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for case in self.cases:
            cases[case.kind] += 1
            gold.update([] if case.gold is None else [(case.kind, case.gold.role)])
            predicted.update([] if case.predicted is None else [(case.kind, case.predicted.role)])
        return {
            kind: {
                "cases": cases[kind],
                "gold": {role: gold[kind, role] for role in self.roles},
                "predicted": {role: predicted[kind, role] for role in self.roles},
            }
            for kind in LINK_ERRORS
        }

    def json_lines(self) -> Iterator[str]:
        """Every error as a JSON object on one line."""
        for case in self.cases:
            yield json.dumps(case.to_json(), ensure_ascii=False)


def find_link_errors(articles: Sequence[ArticleLinks], roles: Sequence[str]) -> LinkErrors:
    """Sort every wrong link of some articles into its kind."""
    return LinkErrors(tuple(case for item in articles for case in _of_article(item)), tuple(roles))


def _of_article(item: ArticleLinks) -> list[LinkError]:
    gold, predicted = sorted(item.gold - item.predicted), sorted(item.predicted - item.gold)
    found = []
    kinds: tuple[tuple[LinkErrorKind, Callable[[Link, Link], int]], ...] = (
        ("wrong role", lambda a, b: int(a.event == b.event and a.participant == b.participant)),
        ("wrong participant span", lambda a, b: (a.event == b.event) * _shared(a.participant, b.participant)),
        ("wrong event span", lambda a, b: (a.participant == b.participant) * _shared(a.event, b.event)),
        ("both spans wrong", lambda a, b: min(_shared(a.event, b.event), _shared(a.participant, b.participant))),
    )
    for kind, likeness in kinds:
        alike = [
            (-degree, one, other)
            for one in gold
            for other in predicted
            if (kind == "wrong role" or one.role == other.role) and (degree := likeness(one, other)) > 0
        ]
        for _, one, other in sorted(alike):
            if one in gold and other in predicted:
                found.append(LinkError(kind, item.article, one, other))
                gold.remove(one)
                predicted.remove(other)
    found += [LinkError("missed", item.article, link, None) for link in gold]
    found += [LinkError("spurious", item.article, None, link) for link in predicted]
    return sorted(found, key=lambda case: min(link for link in (case.gold, case.predicted) if link is not None))


def _shared(one: Span, other: Span) -> int:
    """How many characters two spans share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))
