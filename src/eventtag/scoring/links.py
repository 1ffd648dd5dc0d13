"""Which predicted links are right, and what every score of links and of whole records is computed from.

A link counts where both its spans do (`eventtag.scoring.tally`): they touch an annotated region, and their labels were being annotated. An
article whose `links` are None was not annotated for links, so nothing in it is scored. The measures, each with precision, recall and F1:

    strict            a link is right if both spans (offsets and label) and its role are
    unlabelled        the pair of event and participant, with any role; a pair with two roles counts once
    strict_found      strict among the links whose two spans are both in gold and among the predictions
    unlabelled_found  unlabelled among the same links
    records           an event is right if it is found exactly, with exactly its participants and their roles
    records_credit    an event that is found exactly counts as the F1 of its participants (1 where it has none in gold and predictions)

Events are the spans that carry an event's label (`event_labels`), with participants or without, and those that a link calls its event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import fsum

import numpy as np

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.link import ROLES, Link, settled
from eventtag.scoring.bootstrap import Floats
from eventtag.scoring.counts import STATISTICS
from eventtag.scoring.tally import GOLD_COLUMN, PREDICTED_COLUMN, Pair, Tally, scored_spans
from eventtag.span import Span

PredictedLinks = Mapping[str, Sequence[Link] | None]
"""The predicted links by article id; None, or no entry, where the predictions say nothing of links."""

MEASURES = ("strict", "unlabelled", "strict_found", "unlabelled_found", "records", "records_credit")
ROLE_MEASURES = ("strict", "strict_found")
EVENT = "EVENT"
"""The project's own label of events; gold may have others."""


@dataclass(frozen=True, slots=True)
class ArticleLinks:
    """The links of one article that count, in gold and among the predictions, and the spans that count on both sides."""

    article: Article
    gold: frozenset[Link]
    predicted: frozenset[Link]
    gold_spans: frozenset[Span]
    predicted_spans: frozenset[Span]

    @property
    def found(self) -> frozenset[Span]:
        """The spans that are in gold and predicted exactly."""
        return self.gold_spans & self.predicted_spans

    def between_found(self) -> tuple[frozenset[Link], frozenset[Link]]:
        """The gold and the predicted links both of whose spans are found exactly."""
        found = self.found
        gold, predicted = (
            frozenset(link for link in links if link.event in found and link.participant in found)
            for links in (self.gold, self.predicted)
        )
        return gold, predicted


@dataclass(frozen=True)
class LinkTally:
    """Counts by article: `overall` under MEASURES with one label that stands for all links, `roles` under ROLE_MEASURES by role."""

    overall: Tally
    roles: Tally

    def with_roles(self, roles: Sequence[str]) -> LinkTally:
        """The same counts with these roles, which contain its own."""
        values = np.zeros((*self.roles.values.shape[:2], len(roles), len(STATISTICS)))
        values[:, :, [roles.index(role) for role in self.roles.labels]] = self.roles.values
        return replace(self, roles=replace(self.roles, labels=tuple(roles), values=values))


def scored_links(pair: Pair, predicted: Sequence[Link] | None, labels: LabelSet) -> ArticleLinks:
    """The links of an article that count.

    Raises DataError as `scored_spans` does, and for a predicted link between spans that are not predicted.
    """
    article, spans = pair
    gold_spans, predicted_spans = (frozenset(side) for side in scored_spans(article, spans, labels))
    return ArticleLinks(
        article,
        _between(article.links or (), gold_spans),
        _between(settled(article.id, predicted or (), spans), predicted_spans),
        gold_spans,
        predicted_spans,
    )


def _between(links: Sequence[Link], spans: Set[Span]) -> frozenset[Link]:
    return frozenset(link for link in links if link.event in spans and link.participant in spans)


def event_labels(articles: Sequence[Article]) -> frozenset[str]:
    """The labels of events: EVENT, and every label of a gold span that has a status or that a gold link calls its event."""
    found = {link.event.label for article in articles for link in article.links or ()}
    found |= {span.label for article in articles for span in article.spans if span.status is not None}
    return frozenset(found | {EVENT})


def sort_roles(roles: Set[str]) -> tuple[str, ...]:
    """The project's own roles first, in their order, then the others by name; the project's own where there is none."""
    return tuple(sorted(roles, key=lambda role: (ROLES.index(role) if role in ROLES else len(ROLES), role))) or ROLES


def tally_links(articles: Sequence[ArticleLinks], events: Set[str]) -> LinkTally:
    """The counts of articles that were annotated for links; `events` are the labels of events."""
    roles = sort_roles({link.role for item in articles for link in (*item.gold, *item.predicted)})
    ids = tuple(item.article.id for item in articles)
    overall = np.zeros((len(articles), len(MEASURES), 1, len(STATISTICS)))
    by_role = np.zeros((len(articles), len(ROLE_MEASURES), len(roles), len(STATISTICS)))
    for row, item in enumerate(articles):
        found = item.between_found()
        overall[row, :, 0] = [
            _counts(item.gold, item.predicted),
            _counts(_pairs(item.gold), _pairs(item.predicted)),
            _counts(*found),
            _counts(*map(_pairs, found)),
            *_record_counts(item, events),
        ]
        for column, role in enumerate(roles):
            for place, sides in enumerate(((item.gold, item.predicted), found)):
                by_role[row, place, column] = _counts(*({link for link in side if link.role == role} for side in sides))
    return LinkTally(Tally(ids, MEASURES, ("links",), overall), Tally(ids, ROLE_MEASURES, roles, by_role))


def _pairs(links: Set[Link]) -> Set[tuple[Span, Span]]:
    return {(link.event, link.participant) for link in links}


def _counts(gold: Set[object], predicted: Set[object]) -> Floats:
    return _vector(len(gold & predicted), len(gold), len(predicted))


def _vector(correct: float, gold: int, predicted: int) -> Floats:
    """[8] in the order of STATISTICS; `correct` may be a share."""
    values = np.zeros(len(STATISTICS))
    values[[GOLD_COLUMN["correct"], PREDICTED_COLUMN["correct"]]] = correct
    values[GOLD_COLUMN["missed"]], values[PREDICTED_COLUMN["spurious"]] = gold - correct, predicted - correct
    return values


def _record_counts(item: ArticleLinks, events: Set[str]) -> tuple[Floats, Floats]:
    """Of whole records, and of records with credit."""
    gold = _records(item.gold_spans, item.gold, events)
    predicted = _records(item.predicted_spans, item.predicted, events)
    both = [(gold[event], predicted[event]) for event in gold.keys() & predicted.keys()]
    whole = sum(one == other for one, other in both)
    credit = fsum(_credit(one, other) for one, other in both)  # exact, so that no order of spans changes it
    return _vector(whole, len(gold), len(predicted)), _vector(credit, len(gold), len(predicted))


def _records(spans: Set[Span], links: Set[Link], events: Set[str]) -> dict[Span, set[tuple[Span, str]]]:
    """The participants, with their roles, of every event."""
    found: dict[Span, set[tuple[Span, str]]] = {span: set() for span in spans if span.label in events}
    for link in links:
        found.setdefault(link.event, set()).add((link.participant, link.role))
    return found


def _credit(gold: Set[object], predicted: Set[object]) -> float:
    size = len(gold) + len(predicted)
    return 2 * len(gold & predicted) / size if size else 1.0
