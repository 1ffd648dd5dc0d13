"""Articles with their spans highlighted: a self-contained HTML page, or plain text with brackets.

The page makes no request, runs no script, and shows article text escaped, so that hostile text has no effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from eventtag.article import Article
from eventtag.reporting.page import read_template, stream_template
from eventtag.span import Span, flatten

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a5195", "#666666")
"""Label colours in order, from the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), which the colour-blind can tell apart."""


_SURROGATE = re.compile("[\ud800-\udfff]")


def pieces(article: Article) -> Iterator[tuple[str, Span | None]]:
    """The article's text cut into (text, span) and (text, None) pieces, in order; of spans that overlap the longer is shown.

    Lone surrogates, which cannot be encoded, are shown as U+FFFD.
    """
    text = _SURROGATE.sub("\ufffd", article.text)
    position = 0
    for span in flatten(article.spans)[0]:
        if span.start > position:
            yield text[position : span.start], None
        yield text[span.start : span.end], span
        position = span.end
    if position < len(text):
        yield text[position:], None


def bracketed(article: Article) -> str:
    """Plain text with every span as `[mention|LABEL]`."""
    return "".join(text if span is None else f"[{text}|{span.label}]" for text, span in pieces(article))


def page(articles: Iterable[Article], labels: Sequence[str], *, title: str) -> Iterator[str]:
    """The HTML page, piece by piece, so that it can be written while articles are tagged."""
    colours = min(len(labels) + 1, len(COLOURS))
    style = read_template("articles.css") + "".join(f".l{index}{{--c:{COLOURS[index]}}}" for index in range(colours))

    def colour(label: str) -> int:
        return (labels.index(label) if label in labels else len(labels)) % len(COLOURS)

    values = {"articles": articles, "labels": labels, "title": title, "pieces": pieces, "colour": colour}
    return (_SURROGATE.sub("\ufffd", piece) for piece in stream_template("articles.html.j2", style=style, **values))
