"""What can be wrong with the links and status of one article. Labels are judged by the project's own; others may mean anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from eventtag.article import Article
from eventtag.labels import DEFAULT_LABELS
from eventtag.link import ROLES

EVENT = "EVENT"
_NO_EVENTS = frozenset(DEFAULT_LABELS) - {EVENT}
_WRONG = {("AGENT", "LOCATION"): "AGENT is a LOCATION", ("PLACE", "ACTOR"): "PLACE is an ACTOR"}


def check_links(article: Article) -> Iterator[tuple[str, int, int, str]]:
    """(rule, start and end of the event, role of the link), or (rule, start, end, label) of a span."""
    pairs = Counter((link.event, link.participant) for link in article.links or ())
    for link in article.links or ():
        rules = []
        if link.role not in ROLES:
            rules.append("unknown role")
        if link.event == link.participant:
            rules.append("link to itself")
        if link.event.label in _NO_EVENTS:
            rules.append("link from no event")
        if wrong := _WRONG.get((link.role, link.participant.label)):
            rules.append(wrong)
        if pairs[link.event, link.participant] > 1:
            rules.append("two roles")
        yield from ((rule, link.event.start, link.event.end, link.role) for rule in rules)
    marked = any(span.status is not None for span in article.spans)
    for span in article.spans:
        if span.status is not None and span.label in _NO_EVENTS:
            yield "status of no event", span.start, span.end, span.label
        elif marked and span.status is None and span.label == EVENT and article.counts(span):
            yield "event without status", span.start, span.end, span.label
