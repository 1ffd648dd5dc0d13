"""Who takes part in which event: as the articles say, or by the naive rule.

    given     the links that the articles have: of an annotator, or of a tagger with a link head
    model     the same, of the tagger with a link head that has just tagged the articles
    nearest   an actor or place takes part in the nearest event of its sentence: an actor before it as AGENT, after it as TARGET, a
              place as PLACE; of two that are equally near, in the earlier one

The naive rule is for comparison, and for taggers that find no links. It links everybody, though half of all actors take part in nothing.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args

from eventtag.article import Article
from eventtag.link import Link
from eventtag.span import Span

Linking = Literal["given", "model", "nearest"]
LINKINGS: tuple[Linking, ...] = get_args(Linking)
EVENT, ACTOR, LOCATION = "EVENT", "ACTOR", "LOCATION"
AGENT, TARGET, PLACE = "AGENT", "TARGET", "PLACE"
TAKES_PART = {AGENT: ACTOR, TARGET: ACTOR, PLACE: LOCATION}
"""The label without which nothing is known of a role."""


def find_links(
    article: Article, linking: Linking, sentences: Mapping[Span, tuple[int, int]], sure: Collection[Span]
) -> tuple[Link, ...] | None:
    """The links of an article; None where nothing says who takes part.

    `sentences` are the offsets of each span's sentence, `sure` the spans that the naive rule looks at. A tagger with a link head writes its
    links and status into the articles, so that they are given.
    """
    return article.links if linking != "nearest" else nearest_links([span for span in article.spans if span in sure], sentences)


def nearest_links(spans: Sequence[Span], sentences: Mapping[Span, tuple[int, int]]) -> tuple[Link, ...]:
    """Links by the naive rule between spans, which are sorted. Two are as far apart as there are characters between them, 0 where they
    overlap.
    """
    by_sentence: dict[int, list[Span]] = {}
    for span in spans:
        if span.label == EVENT:
            by_sentence.setdefault(sentences[span][0], []).append(span)
    reach = {place: list(itertools.accumulate((event.end for event in events), max)) for place, events in by_sentence.items()}
    links = []
    for span in spans:
        place = sentences[span][0]
        if span.label in (ACTOR, LOCATION) and place in by_sentence:
            event = _nearest(span, by_sentence[place], reach[place])
            role = PLACE if span.label == LOCATION else AGENT if span.start < event.start else TARGET
            links.append(Link(event, span, role))
    return tuple(sorted(links))


def _nearest(span: Span, events: Sequence[Span], reach: Sequence[int]) -> Span:
    """The nearest of a sentence's events, which are sorted; `reach` is how far they go up to each of them."""
    after = bisect.bisect_left(events, span.start, key=lambda event: event.start)
    found = list(events[after : after + 1])
    if after:
        found.append(events[bisect.bisect_left(reach, min(span.start, reach[after - 1]))])
    return min(found, key=lambda event: (max(event.start - span.end, span.start - event.end, 0), event))


def role_is_known(article: Article, role: str, sentence: tuple[int, int]) -> bool:
    """Whether an annotator who looked for links could have given an event of this sentence one of the role: the annotator read the
    whole sentence, and looked for the label that takes this role.
    """
    return (article.labels is None or TAKES_PART[role] in article.labels) and article.all_annotated(*sentence)
