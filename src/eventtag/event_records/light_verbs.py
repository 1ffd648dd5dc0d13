"""Light verbs that a tagger took for events: "Rebels [carried out] an [attack]" tells of one event, so it gets one row.

In the guidelines, only the noun is the event, and the verb's subject and object belong to it. A predicted event is merged into the next
event of its sentence if it is a form of one of these verbs and at most four words stand between the two. None of these words may be a
mention, a preposition, a conjunction or a pronoun, and no punctuation mark may follow them. Events that people annotated stay as they are.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Mapping, Sequence

from eventtag.article import Article
from eventtag.span import Span

FORMS = {
    "hold": "holds held holding", "make": "makes made making", "take": "takes took taken taking", "give": "gives gave given giving",
    "have": "has had having", "stage": "stages staged staging", "launch": "launches launched launching",
    "carry out": "carries carried carrying", "conduct": "conducts conducted conducting", "commit": "commits committed committing",
    "suffer": "suffers suffered suffering", "reach": "reaches reached reaching", "perform": "performs performed performing",
    "perpetrate": "perpetrates perpetrated perpetrating", "undergo": "undergoes underwent undergone undergoing",
    "mount": "mounts mounted mounting", "deliver": "delivers delivered delivering",
}  # fmt: skip
"""The light verbs of the guidelines that stand before their noun, and a few of the same kind, with their other forms."""
_ENDINGS = {verb: verb.partition(" ")[2] for verb in FORMS}
LIGHT = frozenset(
    f"{form} {_ENDINGS[verb]}".strip() for verb, forms in FORMS.items() for form in (verb.partition(" ")[0], *forms.split())
)
BETWEEN = 4
"""Words."""
_OTHERS = frozenset([
    "about", "after", "against", "and", "as", "at", "because", "before", "between", "but", "by", "during", "for", "from", "he", "him",
    "if", "in", "into", "it", "itself", "me", "nor", "of", "off", "on", "or", "out", "over", "she", "since", "so", "than", "that",
    "them", "they", "through", "to", "under", "until", "up", "us", "we", "when", "where", "which", "while", "who", "whom", "with",
    "without", "yet", "you"
])  # fmt: skip
"""Words behind which the noun no longer is the verb's object."""
_PLAIN = re.compile(r"[\w'’-]+(?:\s+[\w'’-]+)*")


def merged_events(article: Article, events: Sequence[Span], sentences: Mapping[Span, tuple[int, int]]) -> dict[Span, Span]:
    """The events that have no row of their own, each with the event whose row they belong to; `events` are sorted."""
    found: dict[Span, Span] = {}
    starts = [span.start for span in article.spans]
    for event, following in reversed(list(itertools.pairwise(events))):
        if event.score is not None and sentences[event] == sentences[following] and _is_light(article, event, following, starts):
            found[event] = found.get(following, following)
    return dict(reversed(found.items()))


def _is_light(article: Article, verb: Span, noun: Span, starts: Sequence[int]) -> bool:
    if " ".join(article.mention(verb).casefold().split()) not in LIGHT or noun.start <= verb.end:
        return False
    between = article.text[verb.end : noun.start].strip().casefold()
    if between and not _PLAIN.fullmatch(between):
        return False
    words = between.split()
    mentions = bisect.bisect_left(starts, verb.end) < bisect.bisect_left(starts, noun.start)
    return len(words) <= BETWEEN and _OTHERS.isdisjoint(words) and not mentions
