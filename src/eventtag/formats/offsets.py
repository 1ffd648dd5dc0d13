"""Foreign offsets made into code points.

Tools count differently: Python in code points, JavaScript and Java in UTF-16 units, some in UTF-8 bytes or grapheme clusters,
and some count a stored CR LF as one. `resolve_spans` tries them against the surfaces that an export carries along; where an
export has none (doccano), `likely_unit` chooses the unit under which spans begin and end at the edges of words.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import regex

from eventtag.errors import SettingsError
from eventtag.ledger import LossLedger
from eventtag.spans import Span

Unit = Literal["codepoints", "utf16", "utf8", "graphemes", "codepoints_lf", "utf16_lf"]
UNITS: tuple[Unit, ...] = get_args(Unit)

UNIT_NAMES: dict[Unit, str] = {
    "codepoints": "code points",
    "utf16": "UTF-16 units",
    "utf8": "UTF-8 bytes",
    "graphemes": "grapheme clusters",
    "codepoints_lf": "code points, CR LF as one",
    "utf16_lf": "UTF-16 units, CR LF as one",
}
_QUOTES = str.maketrans(dict.fromkeys('"“”„‟«»‘’‚‛`´', "'"))
SEARCHED = 500
"""How many characters around its offsets a surface is looked for that does not stand there."""
_CLUSTER = regex.compile(r"[\U0001f1e6-\U0001f1ff]{2}[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]*+|\X")
"""A character as it is seen (https://unicode.org/reports/tr29/). Flags are taken in pairs from the left, since `\\X` counts all flags
that stand before each of them.
"""


def cluster_starts(text: str) -> list[int]:
    """Where the characters begin as they are seen (grapheme clusters); the work grows with the text's length alone."""
    return [match.start() for match in _CLUSTER.finditer(text)]


class OffsetMap:
    """Maps offsets of one unit into a text to code points."""

    def __init__(self, text: str, unit: Unit) -> None:
        self.unit = unit
        self.size = len(text)
        self._edges: list[int] | None = None
        plain = text.isascii() and (not unit.endswith("_lf") or "\r\n" not in text)
        if unit == "codepoints" or (plain and (unit != "graphemes" or "\r\n" not in text)):
            return
        self._edges = [0]
        if unit == "graphemes":
            self._edges = [*cluster_starts(text), len(text)]
            return
        units = 0
        for position, character in enumerate(text):
            if unit.endswith("_lf") and character == "\r" and text[position + 1 : position + 2] == "\n":
                width = 0
            elif unit.startswith("utf16"):
                width = 2 if character > "\uffff" else 1
            else:
                width = len(character.encode("utf-8", "surrogatepass")) if unit == "utf8" else 1
            units += width
            self._edges.append(units)

    def code_points(self, offset: int) -> int | None:
        """The code point offset; None where the foreign offset is outside the text or inside a character."""
        if self._edges is None:
            return offset if 0 <= offset <= self.size else None
        if self.unit == "graphemes":
            return self._edges[offset] if 0 <= offset < len(self._edges) else None
        position = bisect.bisect_left(self._edges, offset)
        return position if position < len(self._edges) and self._edges[position] == offset else None

    def foreign(self, offset: int) -> int:
        """The foreign offset of a code point offset (for graphemes: of the cluster's beginning)."""
        if self._edges is None:
            return offset
        if self.unit == "graphemes":
            return bisect.bisect_left(self._edges, offset)
        return self._edges[offset]


@dataclass(frozen=True, slots=True)
class ForeignSpan:
    """A span as a tool exports it: offsets of some unit, a label and, where the export has it, the text that it covers."""

    start: int
    end: int
    label: str
    surface: str | None = None


def check_unit(unit: str) -> None:
    """Raise SettingsError unless it is `auto` or a known unit."""
    if unit != "auto" and unit not in UNITS:
        raise SettingsError(f"offsets: {unit!r} is unknown; allowed: auto, {', '.join(UNITS)}")


def likely_unit(texts: Iterable[tuple[str, Sequence[ForeignSpan]]]) -> Unit:
    """The unit under which most span edges are edges of words; code points where the texts do not tell them apart."""
    clean = dict.fromkeys(UNITS, 0)
    for text, spans in texts:
        if text.isascii() and "\r\n" not in text:
            continue
        for unit in UNITS:
            offsets = OffsetMap(text, unit)
            for span in spans:
                start, end = offsets.code_points(span.start), offsets.code_points(span.end)
                if start is not None and end is not None and start < end:
                    clean[unit] += _is_edge(text, start) + _is_edge(text, end) + (text[start:end] == text[start:end].strip())
    return max(UNITS, key=lambda unit: clean[unit])


def _is_edge(text: str, position: int) -> bool:
    if position in (0, len(text)):
        return True
    return not (text[position - 1].isalnum() and text[position].isalnum())


def resolve_spans(
    article_id: str, text: str, spans: Sequence[ForeignSpan], *, ledger: LossLedger, unit: str = "auto", stage: str = "reading"
) -> list[tuple[int, Span]]:
    """(position in `spans`, span in code points) for all that can be placed; the ledger names those that are moved or dropped.

    `auto`: the first unit under which every surface is found at its offsets, else the one under which most are. A surface that is
    not at its offsets is looked for nearby and, found, is moved there. All white space counts as equal,
    and so do all quotation marks.
    """
    units = UNITS if unit == "auto" else tuple(known for known in UNITS if known == unit)
    best: list[tuple[int, int] | None] = []
    most = -1
    found_unit: Unit = "codepoints"
    for candidate in units:
        offsets = OffsetMap(text, candidate)
        placed = [_placed(text, span, offsets) for span in spans]
        count = sum(place is not None for place in placed)
        if count > most:
            best, most, found_unit = placed, count, candidate
        if count == len(spans):
            break
    if unit == "auto" and found_unit != "codepoints":
        ledger.remark(f"offsets count {UNIT_NAMES[found_unit]}")
    found = []
    for position, (span, place) in enumerate(zip(spans, best, strict=True)):
        where = place or _nearby(text, span)
        if where is None:
            start = min(max(span.start, 0), len(text))
            lost = Span(start, max(min(max(span.end, 0), len(text)), start), span.label)
            reason = "is outside the text or inside a character" if span.surface is None else "its text is not at its offsets"
            ledger.add_span(
                article_id, stage, "dropped", reason, lost, detail=f"{span.start}-{span.end} {span.surface or ''}".strip()
            )
            continue
        chosen = Span(*where, span.label)
        if place is None:
            detail = f"{span.start}-{span.end} {span.surface!r}"
            ledger.add_span(article_id, stage, "moved", "its text stands elsewhere nearby", chosen, detail=detail)
        found.append((position, chosen))
    return found


def _placed(text: str, span: ForeignSpan, offsets: OffsetMap) -> tuple[int, int] | None:
    start, end = offsets.code_points(span.start), offsets.code_points(span.end)
    if start is None or end is None or start >= end:
        return None
    if span.surface is not None and _plain(text[start:end]) != _plain(span.surface):
        return None
    return start, end


def _plain(text: str) -> str:
    if text.isascii() and text.isalnum():
        return text
    # Some exports hold astral characters as two surrogates.
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return " ".join(joined.translate(_QUOTES).split())


def _nearby(text: str, span: ForeignSpan) -> tuple[int, int] | None:
    surface = span.surface.strip() if span.surface else ""
    if not surface:
        return None
    first = max(span.start - SEARCHED, 0)
    last = max(span.end, 0) + SEARCHED
    after = text.find(surface, max(span.start, 0), last)
    # The last one before, sought in reverse: `rfind` takes a time that grows with the product of both lengths.
    reverse = text[first : min(max(span.start, 0) - 1 + len(surface), last)][::-1]
    place = reverse.find(surface[::-1])
    starts = [first + len(reverse) - place - len(surface)] if place >= 0 else []
    starts += [after] if after >= 0 else []
    if not starts:
        return None
    start = min(starts, key=lambda s: (abs(s - span.start), s))
    return start, start + len(surface)
