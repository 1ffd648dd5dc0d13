"""What can be wrong with one article's spans and text, rule by rule, and what can be repaired without a judgement."""

from __future__ import annotations

import re
import sys
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.entities import html5

import regex

from eventtag.article import Article
from eventtag.formats.offsets import cluster_starts
from eventtag.span import Span, merged
from eventtag.text.sentences import find_sentences
from eventtag.text.words import find_words

Found = tuple[str, int | None, int | None, str | None]
"""Rule, and the span's start, end and label (None if it is about the article)."""

_JOINING = regex.compile(
    r"[\p{GCB=Extend}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=ZWJ}\p{GCB=L}\p{GCB=V}\p{GCB=T}\U0001f1e6-\U0001f1ff]|\r\n"
)
"""What makes one character of several code points (https://unicode.org/reports/tr29/): without it there is no need to look."""
INVISIBLE = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufff8"
"""Soft hyphen, zero-width characters, byte order mark, marks of direction, fillers; not variation selectors, which change a look."""
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_HELD = re.compile("[\u034f\u200c\u200d]+")
"""Invisible characters that Unicode counts to the character before them."""
_ENTITY = re.compile(r"&(?:amp;)*(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|([a-zA-Z][a-zA-Z0-9]{1,31}));")
_BLANK_LINE = re.compile(r"\n\s*\n")
_DAMAGE = re.compile(
    "[ÃÂ][\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"  # UTF-8 read as Latin-1 or windows-1252
    "|â€[\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u203a\u20ac\u2122™œ¦]?"
    "|\ufffd+|[\u0080-\u0084\u0086-\u009f]|[\x00-\x08\x0b\x0e-\x1f]|[\ud800-\udfff]"
)
_OPENING = {"(": ")", "[": "]", "{": "}", "“": "”", "‘": "’", "«": "»", '"': '"', "'": "'"}
_KEPT_SIGNS = set("$€£¥%‰°#@&+*/§№’'")
"""Signs that are part of a mention: prices, shares, handles, genitives."""


def check_article(article: Article, *, max_words: int, max_span_words: int) -> Iterator[Found]:
    """Everything that is wrong with one article."""
    text = article.text
    if not text.strip():
        yield "empty text", None, None, None
        return
    if not article.regions:
        yield "not annotated", None, None, None
    elif not any(article.counts(span) for span in article.spans):
        yield "no span", None, None, None
    yield from (("encoding damage", match.start(), match.end(), None) for match in _DAMAGE.finditer(text))
    if sum(text[start].isalnum() for start, _ in find_words(text).tolist()) > max_words:
        yield "long article", None, None, None
    entities = _entities(text)
    yield from (("HTML entity", start, end, None) for start, end in entities)
    edges = _cluster_edges(text)
    places = Counter((span.start, span.end) for span in set(article.spans))
    repeated = Counter(article.spans)
    reach = -1
    for span in sorted(repeated):
        rules = [*_edge_rules(text, span, edges), *_extent_rules(article, span, max_span_words)]
        if any(start <= span.start < end or start < span.end <= end for start, end in _near(entities, span)):
            rules.append("HTML entity at edge")
        if repeated[span] > 1:
            rules.append("twice")
        if places[span.start, span.end] > 1:
            rules.append("two labels")
        elif span.start < reach:
            rules.append("overlap")
        reach = max(reach, span.end)
        yield from ((rule, span.start, span.end, span.label) for rule in rules)


def _cluster_edges(text: str) -> set[int] | None:
    """Where characters as they are seen begin and end; None if every code point is one.

    A joiner behind the last visible part of a character is not seen, so a character ends before it, too.
    """
    if not _JOINING.search(text):
        return None
    edges = {*cluster_starts(text), len(text)}
    return edges | {position for match in _HELD.finditer(text) if match.end() in edges for position in range(*match.span())}


def _entities(text: str) -> list[tuple[int, int]]:
    """Where HTML entities stand, however often they were escaped, in order."""
    if "&" not in text:
        return []
    return [match.span() for match in _ENTITY.finditer(text) if match[1] is None or f"{match[1]};" in html5]


def _near(entities: list[tuple[int, int]], span: Span) -> Iterator[tuple[int, int]]:
    """The entities that touch the first or the last character of the span."""
    for position in (span.start, span.end - 1):
        at = bisect_right(entities, (position, sys.maxsize)) - 1
        if at >= 0 and position < entities[at][1]:
            yield entities[at]


def _visible_part(text: str, start: int, end: int, edges: set[int] | None) -> tuple[int, int]:
    """The offsets without the white space and the invisible characters at both ends; empty if there is nothing else.

    White space that carries a mark, such as an accent that stands alone, is a character as it is seen.
    """
    first = start
    while start < end and (text[start].isspace() or _INVISIBLE.match(text[start])):
        start += 1
    while first < start < end and edges is not None and start not in edges:
        start -= 1
    while start < end and (text[end - 1].isspace() or _INVISIBLE.match(text[end - 1])):
        end -= 1
    return start, end


def name_invisible(text: str) -> str:
    """The text with invisible characters written as `<U+200B>`."""
    return _INVISIBLE.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def _edge_rules(text: str, span: Span, edges: set[int] | None) -> Iterator[str]:
    if edges is not None and not {span.start, span.end} <= edges:
        yield "half character"
    start, end = _visible_part(text, span.start, span.end, edges)
    if start == end:
        yield "white space only"
        return
    cut = text[span.start : start] + text[end : span.end]
    if any(character.isspace() for character in cut):
        yield "white space at edge"
    if _INVISIBLE.search(cut):
        yield "invisible character at edge"
    mention = text[start:end]
    if not any(character.isalnum() for character in mention):
        yield "no letter or digit"
    elif _has_loose_edge(mention):
        yield "punctuation at edge"
    if _is_cut(text, span.start) or _is_cut(text, span.end):
        yield "inside a word"


def _is_cut(text: str, position: int) -> bool:
    return 0 < position < len(text) and text[position - 1].isalnum() and text[position].isalnum()


def _has_loose_edge(mention: str) -> bool:
    first, last = mention[0], mention[-1]
    if first in _OPENING and last == _OPENING[first]:
        return False
    if unicodedata.category(first).startswith("P") and first not in _KEPT_SIGNS:
        return not (first in _OPENING and _OPENING[first] in mention)
    if not unicodedata.category(last).startswith("P") or last in _KEPT_SIGNS:
        return False
    if last == ".":  # the point of an abbreviation belongs to it
        return not re.search(r"(?:\b\w|\b[A-Z]\w{1,4})\.$", mention)
    opening = next((sign for sign, closing in _OPENING.items() if closing == last), None)
    return opening is None or opening not in mention[:-1]


def _extent_rules(article: Article, span: Span, max_span_words: int) -> Iterator[str]:
    mention = article.mention(span)
    # A line end inside a mention is a wrapped line, unless a blank one follows.
    if _BLANK_LINE.search(mention.strip()) or len(find_sentences(" ".join(mention.split()))) > 1:
        yield "crosses a sentence"
    if len(mention.split()) > max_span_words:
        yield "long span"
    if article.region_at(span.start, span.end) is None:
        yield "not annotated there"
    elif not article.all_annotated(span.start, span.end):
        yield "half annotated"


def fix_article(article: Article) -> dict[Span, Span]:
    """By span, the repaired span; spans that cannot be kept are left out. Only what needs no judgement is repaired.

    Edges inside a character move outwards, white space and invisible characters at the edges go, spans of nothing else go, and of two
    equal spans one.
    """
    edges = _cluster_edges(article.text)
    ordered = sorted(edges) if edges is not None else []
    kept: dict[Span, Span] = {}
    for span in article.spans:
        start, end = span.start, span.end
        if edges is not None and start not in edges:
            start = ordered[bisect_left(ordered, start) - 1]
        if edges is not None and end not in edges:
            end = ordered[bisect_left(ordered, end)]
        start, end = _visible_part(article.text, start, end, edges)
        if start < end:
            kept[span] = replace(merged(kept.get(span, span), span), start=start, end=end)
    return kept
