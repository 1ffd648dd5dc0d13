r"""Words of a text, where the caller has none of its own: for the word-level score and the seqeval cross-check.

A word is a run of letters, digits and underscores (`\w` of Python's re); every other character that is not white space is a word
of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from eventtag.article import Article, Region

Words = Callable[[Article], Sequence[Region]]
"""Gives an article's words as half-open character offsets, sorted and disjoint."""

_WORD = re.compile(r"\w+|[^\w\s]")


def split_words(article: Article) -> list[Region]:
    """The words of an article's text."""
    return [match.span() for match in _WORD.finditer(article.text)]


def words_by_region(article: Article, words: Sequence[Region]) -> list[list[Region]]:
    """The words that lie wholly inside each annotated region; a region without one gives an empty list."""
    groups: list[list[Region]] = [[] for _ in article.regions]
    position = 0
    regions = article.regions
    for start, end in words:
        while position < len(regions) and regions[position][1] <= start:
            position += 1
        if position < len(regions) and regions[position][0] <= start and end <= regions[position][1]:
            groups[position].append((start, end))
    return groups
