"""Annotated mentions by their words and label. Taggers know those of their training articles, so this needs no scipy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from eventtag.article import Article
from eventtag.span import Span


class Mentions(Protocol):
    """How often a (surface, label) is annotated; surfaces as `surface` gives them."""

    def get(self, key: tuple[str, str], default: int, /) -> int:
        """How often, `default` where never."""
        ...


def surface(article: Article, span: Span) -> str:
    """The mention as it is compared with others: case folded, white space collapsed."""
    return " ".join(article.mention(span).casefold().split())


def count_mentions(articles: Sequence[Article]) -> Counter[tuple[str, str]]:
    """How often each (surface, label) is annotated."""
    return Counter((surface(article, span), span.label) for article in articles for span in article.spans)
