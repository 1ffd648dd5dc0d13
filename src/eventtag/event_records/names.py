"""Mentions of one actor or place in one article, joined by a rule; and the longest of them, by which it is called.

Two mentions are of the same one if

* they are written alike, apart from case and white space, or
* all words of the shorter stand in the longer, in the same order ("Rudenko" in "Deputy Foreign Minister Andrei Rudenko").

The second is for names alone: each word of the shorter begins with a capital and stands nowhere in the article in lower case, neither of
the two is tagged as LOCATION there, and the longer ends with a capitalised word and holds none that makes it another ("Bank of Russia" and
"Russia opposition" are not "Russia"). A shorter name that stands in two longer ones of different people ("Andrei Rudenko", "Olga Rudenko")
is joined with neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from eventtag.article import Article
from eventtag.event_records.linking import LOCATION
from eventtag.span import Span
from eventtag.text.words import NAME_PART

DIVIDING = frozenset(
    ["of", "for", "to", "in", "on", "at", "from", "against", "with", "and", "or", "by", "near", "the", "&", "vs", "versus"]
)
"""Words with which a longer mention is another one than the shorter that it holds."""


def names_of(article: Article, spans: Iterable[Span]) -> Mapping[Span, str]:
    """The longest mention of each span's actor or place; of two that are equally long, the earlier. `spans` are those to be joined."""
    mentions: dict[str, list[Span]] = {}
    for span in sorted(spans):
        mentions.setdefault(_alike(article.mention(span)), []).append(span)
    words = {key: NAME_PART.findall(article.mention(found[0])) for key, found in mentions.items()}
    places = {key for key, found in mentions.items() if any(span.label == LOCATION for span in found)}
    lower = {word for word in NAME_PART.findall(article.text) if word[:1].islower()}
    names = {key for key in mentions if key not in places and _is_name(words[key], lower)}
    groups: dict[str, str] = {}  # a mention to the longest that it is joined with
    holding: dict[str, list[str]] = {}  # a word to the longer mentions that hold it
    for key in sorted(mentions, key=lambda key: (-len(words[key]), -len(key), mentions[key][0])):
        own = [word.casefold() for word in words[key]]
        holders = (
            {groups[other] for other in holding.get(own[0] if own else "", ()) if _stands_in(own, words[other])}
            if key in names
            else set()
        )
        groups[key] = holders.pop() if len(holders) == 1 else key
        if DIVIDING.isdisjoint(own) and key not in places and words[key][-1:] and words[key][-1][:1].isupper():
            for word in set(own):
                holding.setdefault(word, []).append(key)
    return {span: article.mention(mentions[groups[key]][0]) for key, found in mentions.items() for span in found}


def _alike(text: str) -> str:
    return " ".join(text.casefold().split())


def _is_name(words: Sequence[str], lower: set[str]) -> bool:
    return bool(words) and all(word[:1].isupper() and word.casefold() not in lower for word in words)


def _stands_in(words: Sequence[str], longer: Sequence[str]) -> bool:
    """Whether all words stand in the longer mention, in their order, which has more of them."""
    rest = iter(word.casefold() for word in longer)
    return len(words) < len(longer) and all(word in rest for word in words)
