"""How articles show themselves where one works with them: in one line, or with highlighted spans in Jupyter."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from html import escape

from eventtag.span import Span, flatten

SHOWN = 40
"""Characters of a text in one line."""


def excerpt(text: str) -> str:
    """The beginning of a text, quoted."""
    return repr(text if len(text) <= SHOWN else text[: SHOWN - 1] + "\u2026")


def highlighted(name: str, text: str, spans: Iterable[Span]) -> str:
    """HTML with the spans highlighted and everything else escaped; of spans that overlap, the longer is shown."""
    parts, position = [], 0
    for span in flatten(spans)[0]:
        hue = zlib.crc32(span.label.encode("utf-8", "replace")) % 360
        style = f"background:hsl({hue} 70% 50% / .25);border-bottom:2px solid hsl({hue} 70% 45%);padding:0 2px;color:inherit"
        title = "" if span.score is None else f' title="{span.score:.2f}"'
        parts += [
            escape(text[position : span.start]),
            f'<mark style="{style}"{title}>{escape(text[span.start : span.end])} <small>{escape(span.label)}</small></mark>',
        ]
        position = span.end
    body = "".join(parts) + escape(text[position:])
    page = f'<div style="white-space:pre-wrap;max-width:46rem;line-height:1.7"><b>{escape(name)}</b>\n{body}</div>'
    return page.encode("utf-8", "replace").decode("utf-8")
