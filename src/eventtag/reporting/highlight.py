"""Articles with their spans highlighted: a self-contained HTML page, or plain text with brackets.

The page makes no request, runs no script, and shows article text escaped: hostile text does nothing in it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from eventtag.article import Article
from eventtag.span import Span, flatten

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#7a5195", "#666666")
"""Label colours in order, from the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), which the colour-blind can tell apart."""


_SURROGATE = re.compile("[\ud800-\udfff]")


def pieces(article: Article) -> Iterator[tuple[str, Span | None]]:
    """The article's text cut into (text, span) and (text, None) pieces, in order; of spans that overlap the longer is shown.

    Lone surrogates, which no file or terminal takes, are shown as U+FFFD.
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
    style = _style(labels)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    legend = " ".join(f'<span class="key l{_class(labels, label)}">{escape(label)}</span>' for label in labels)
    yield (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n<body><header><h1>{escape(title)}</h1><p>{legend}</p></header>\n<main>\n"
    )
    for article in articles:
        yield f"<article><h2>{escape(article.id)}</h2>\n<p>"
        for text, span in pieces(article):
            if span is None:
                yield escape(text)
                continue
            score = f" {span.score:.2f}" if span.score is not None else ""
            yield (
                f'<mark class="l{_class(labels, span.label)}" title="{escape(span.label)}{score}">{escape(text)}'
                f"<small> {escape(span.label)}</small></mark>"
            )
        yield "</p></article>\n"
    yield "</main></body></html>\n"


def _class(labels: Sequence[str], label: str) -> int:
    return (labels.index(label) if label in labels else len(labels)) % len(COLOURS)


def _style(labels: Sequence[str]) -> str:
    colours = "".join(f".l{index}{{--c:{COLOURS[index]}}}" for index in range(min(len(labels) + 1, len(COLOURS))))
    return (
        ":root{color-scheme:light dark}body{font:17px/1.75 Georgia,serif;max-width:46rem;margin:0 auto;padding:1rem}"
        "h1{font:600 1.3rem system-ui,sans-serif}h2{font:600 1rem system-ui,sans-serif;margin-top:2.5rem;overflow-wrap:anywhere}"
        "p{white-space:pre-wrap;overflow-wrap:anywhere}"
        "mark{color:inherit;background:color-mix(in srgb,var(--c) 18%,transparent);border-bottom:2px solid var(--c)}"
        "mark{border-radius:3px;padding:1px 2px}"
        "small{font:600 .62rem system-ui,sans-serif;letter-spacing:.03em;opacity:.8}"
        ".key{font:600 .8rem system-ui,sans-serif;border-bottom:3px solid var(--c);margin-right:1rem}" + colours
    )
