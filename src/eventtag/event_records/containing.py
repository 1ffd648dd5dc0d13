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


def holding_places(
    article: Article, places: Sequence[Span], sentences: Mapping[Span, tuple[int, int]]
) -> dict[Span, tuple[Span, ...]]:
    """Of each place, which are sorted, those that hold it, the innermost first; places that none holds are left out."""
    outer: dict[Span, Span] = {}
    for number, (place, following) in enumerate(itertools.pairwise(places)):
        if sentences[place] != sentences[following] or following.start < place.end:
            continue
        between = article.text[place.end : following.start]
        if _INSIDE.fullmatch(between) or (_COMMA.fullmatch(between) and not _in_list(article, places, number + 1)):
            outer[place] = following
        elif _POSSESSIVE.fullmatch(between):
            outer.setdefault(following, place)
    found = {}
    for place in outer:
        chain: list[Span] = []
        held = place
        while (held := outer.get(held, place)) not in (place, *chain):
            chain.append(held)
        found[place] = tuple(chain)
    return found


def _in_list(article: Article, places: Sequence[Span], number: int) -> bool:
    """Whether a joining word and a further place, or a comma and then these, stand behind a place."""
    if number + 1 >= len(places):
        return False
    between = article.text[places[number].end : places[number + 1].start]
    if _COMMA.fullmatch(between):
        return _in_list(article, places, number + 1)
    return _LISTED.match(between) is not None and len(between.split()) <= 4
