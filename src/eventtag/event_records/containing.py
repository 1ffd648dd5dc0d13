"""Places that hold another place: "a clinic in Goma, North Kivu" is one place, not three.

A place is held by the next one of its sentence if nothing stands between them but a preposition (in, of, at, on, within, inside), a comma
or an opening bracket, and an article. After a comma alone, the next place must not be the last but one of a list ("Lima, Quito and
Bogotá"). In "Kenya's coast", the first place holds the second.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

from eventtag.article import Article
from eventtag.span import Span

_INSIDE = re.compile(r"\s*,?\s*(?:in|of|at|on|within|inside)\s+(?:the\s+)?|\s*\(\s*(?:in\s+)?", re.IGNORECASE)
_COMMA = re.compile(r"\s*,\s*")
_LISTED = re.compile(r"\s*,?\s*(?:and|or|&)\s")
_POSSESSIVE = re.compile(r"\s*['’]s?\s+(?:\w+\s+)?")
_BLANKS = re.compile(r"\s+")
MOST = 8
"""Places that are named as holding one place; so many bound the work for a text that is one long list of places."""


def holding_places(
    article: Article, places: Sequence[Span], sentences: Mapping[Span, tuple[int, int]]
) -> dict[Span, tuple[Span, ...]]:
    """Of each place, which are sorted, those that hold it, the innermost first and at most `MOST`; places that none holds are left out."""
    outer: dict[Span, Span] = {}
    listed = _listed(article, places)
    for number, (place, following) in enumerate(itertools.pairwise(places)):
        if sentences[place] != sentences[following] or following.start < place.end:
            continue
        between = _between(article, place, following)
        if _INSIDE.fullmatch(between) or (_COMMA.fullmatch(between) and not listed[number + 1]):
            outer[place] = following
        elif _POSSESSIVE.fullmatch(between):
            outer.setdefault(following, place)
    found = {}
    for place in outer:
        chain: list[Span] = []
        held = place
        while len(chain) < MOST and (held := outer.get(held, place)) not in (place, *chain):
            chain.append(held)
        found[place] = tuple(chain)
    return found


def _between(article: Article, place: Span, following: Span) -> str:
    """The text between two places, with single blanks, so that the patterns take time in proportion to it."""
    return _BLANKS.sub(" ", article.text[place.end : following.start])


def _listed(article: Article, places: Sequence[Span]) -> list[bool]:
    """Of each place, whether a joining word and a further place, or a comma and then these, stand behind it."""
    found = [False] * len(places)
    for number in range(len(places) - 2, -1, -1):
        between = _between(article, places[number], places[number + 1])
        if _COMMA.fullmatch(between):
            found[number] = found[number + 1]
        else:
            found[number] = _LISTED.match(between) is not None and len(between.split()) <= 4
    return found
