"""Foreign offsets made into code points.

Tools count differently: Python and R in code points, JavaScript and Java in UTF-16 units, some in UTF-8 bytes or grapheme
clusters, and some count a stored CR LF as one. `file_unit` finds the unit of a whole file before any of its spans is placed: by
the surfaces that an export carries along and, for spans without one, by the edges of words. `resolve_spans` then places the spans
of one article.
"""

from __future__ import annotations

import bisect
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal, get_args

import regex

from eventtag.errors import FormatError
from eventtag.formats.mentions import Mentions
from eventtag.ledger import LossLedger
from eventtag.span import STATUSES, Span

Unit = Literal["codepoints", "utf16", "codepoints_lf", "utf16_lf", "graphemes", "utf8"]
Offsets = Literal["auto"] | Unit
"""What a reader's option `offsets` may be: a unit, or `auto` to have it found."""
UNITS: tuple[Unit, ...] = get_args(Unit)
"""In the order in which they are preferred where nothing tells them apart."""

UNIT_NAMES: dict[Unit, str] = {
    "codepoints": "code points",
    "utf16": "UTF-16 units",
    "codepoints_lf": "code points, CR LF as one",
    "utf16_lf": "UTF-16 units, CR LF as one",
    "graphemes": "grapheme clusters",
    "utf8": "UTF-8 bytes",
}
_QUOTES = str.maketrans(dict.fromkeys('"“”„‟«»‘’‚‛`´', "'"))
_ODD = {
    "utf16": regex.compile("[\U00010000-\U0010ffff]"),
    "codepoints_lf": regex.compile(r"\r(?=\n)"),
    "utf16_lf": regex.compile("[\U00010000-\U0010ffff]|\r(?=\n)"),
    "utf8": regex.compile(r"[^\x00-\x7f]"),
}
"""By unit, the characters whose width is not 1."""
_CLUSTERED = regex.compile(
    r"\r\n|[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=RI}\p{GCB=L}\p{GCB=V}\p{GCB=T}]"
)
"""What a text holds in which a grapheme cluster can be longer than one character."""
_WHITE = regex.compile(r"\s")
SEARCHED = 500
"""How many characters around its offsets a surface is looked for that does not stand there."""
_CLUSTER = regex.compile(r"[\U0001f1e6-\U0001f1ff]{2}[\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}]*+|\X")
"""A character as it is seen (https://unicode.org/reports/tr29/). Flags are taken in pairs from the left, since `\\X` counts all flags
that stand before each of them.
"""


OTHER_STATUS = f"a status is none of {', '.join(STATUSES)}, and not read"


def status_named(name: str | None) -> str | None:
    """The status of that name, in capitals or not; None where it is none."""
    plain = None if name is None else name.strip().casefold()
    return plain if plain in STATUSES else None


def cluster_starts(text: str) -> list[int]:
    """Where the characters begin as they are seen (grapheme clusters); the work grows with the text's length alone."""
    return [match.start() for match in _CLUSTER.finditer(text)]


class OffsetMap:
    """Maps offsets of one unit into a text to code points."""

    def __init__(self, text: str, unit: Unit) -> None:
        self.unit = unit
        self.size = len(text)
        self._clusters: list[int] | None = None
        self._odd: list[int] = []
        """Code point offsets of the characters whose width is not 1."""
        self._extra: list[int] = [0]
        """What the first n of them add to the width of a text before them."""
        if unit == "graphemes":
            if _CLUSTERED.search(text):
                self._clusters = [*cluster_starts(text), len(text)]
        elif unit != "codepoints":
            self._odd = [match.start() for match in _ODD[unit].finditer(text)]
            self._extra = list(accumulate((_width(text[at], unit) - 1 for at in self._odd), initial=0))
        self._after = [at + 1 + extra for at, extra in zip(self._odd, self._extra[1:], strict=True)]

    @property
    def plain(self) -> bool:
        """Whether every offset is the same in code points."""
        return self._clusters is None and not self._odd

    def code_points(self, offset: int) -> int | None:
        """The code point offset; None where the foreign offset is outside the text or inside a character."""
        if self._clusters is not None:
            return self._clusters[offset] if 0 <= offset < len(self._clusters) else None
        passed = bisect.bisect_left(self._after, offset)
        place = offset - self._extra[passed]
        if passed < len(self._odd) and place > self._odd[passed]:
            if offset != self._after[passed]:
                return None
            place = self._odd[passed] + 1
        return place if 0 <= place <= self.size else None

    def foreign(self, offset: int) -> int:
        """The foreign offset of a code point offset (for graphemes: of the cluster's beginning)."""
        if self._clusters is not None:
            return bisect.bisect_left(self._clusters, offset)
        return offset + self._extra[bisect.bisect_left(self._odd, offset)]


def _width(character: str, unit: Unit) -> int:
    if character == "\r":
        return 0
    return len(character.encode("utf-8", "surrogatepass")) if unit == "utf8" else 2


@dataclass(frozen=True, slots=True)
class ForeignSpan:
    """A span as a tool exports it: offsets of some unit, a label and, where the export has them, the text that it covers, a score and a
    status.
    """

    start: int
    end: int
    label: str
    surface: str | None = None
    score: float | None = None
    status: str | None = None
    status_score: float | None = None


def file_unit(
    texts: Iterable[tuple[str, Sequence[ForeignSpan]]], *, offsets: Offsets = "auto", ledger: LossLedger, path: Path | None = None
) -> Unit:
    """The unit of a file's offsets: the one that `offsets` names or, for `auto`, the one that fits all its texts and spans best.

    It is the unit under which most surfaces are found at their offsets, then the one under which most spans without a surface
    begin and end at the edges of words. A unit that is not code points, or that only edges of words tell, is remarked in the
    ledger. Raises FormatError where two units fit equally well and place spans differently.
    """
    if offsets != "auto":
        return offsets
    fitting, rivals, by_edges = _fitting_units(texts)
    if rivals:
        names = " or ".join(UNIT_NAMES[unit] for unit in (fitting, *rivals))
        raise FormatError(
            f"its offsets may count {names}, and nothing in the file tells which\n"
            f"say it: offsets={fitting} or offsets={rivals[0]} (--read-option offsets=..., data.options.offsets=...)",
            path=path,
        )
    if fitting != "codepoints" or by_edges:
        ledger.remark(f"offsets count {UNIT_NAMES[fitting]}")
    return fitting


def likely_unit(texts: Iterable[tuple[str, Sequence[ForeignSpan]]]) -> Unit:
    """The unit that fits best, as `file_unit` finds it; of several that fit equally well the first of `UNITS`."""
    return _fitting_units(texts)[0]


def _fitting_units(texts: Iterable[tuple[str, Sequence[ForeignSpan]]]) -> tuple[Unit, list[Unit], bool]:
    """(the unit that fits best, those that fit as well and place spans elsewhere, whether edges of words were looked at)."""
    surfaces, edges = dict.fromkeys(UNITS, 0), dict.fromkeys(UNITS, 0)
    places = dict.fromkeys(UNITS, 0)
    for text, spans in texts:
        if not spans or (text.isascii() and "\r\n" not in text):
            continue
        plain = _evidence(text, spans, OffsetMap(text, "codepoints"))
        for unit in UNITS:
            offset_map = OffsetMap(text, unit)
            surface, edge, placed = plain if offset_map.plain else _evidence(text, spans, offset_map)
            surfaces[unit] += surface
            edges[unit] += edge
            places[unit] = hash((places[unit], placed))
    most = max((surfaces[unit], edges[unit]) for unit in UNITS)
    best = [unit for unit in UNITS if (surfaces[unit], edges[unit]) == most]
    # Bytes are counted so rarely that they are taken only where nothing else fits as well.
    rivals: list[Unit] = [unit for unit in best[1:] if places[unit] != places[best[0]] and unit != "utf8"]
    return best[0], rivals, any(edges.values())


def _evidence(text: str, spans: Sequence[ForeignSpan], offsets: OffsetMap) -> tuple[int, int, int]:
    """(surfaces found at their offsets, clean edges of spans without a surface, a digest of where those are placed)."""
    surfaces = edges = digest = 0
    for span in spans:
        place = _placed(text, span, offsets)
        if span.surface is not None:
            surfaces += place is not None
            continue
        digest = hash((digest, place))
        if place is not None:
            start, end = place
            edges += _is_edge(text, start) + _is_edge(text, end) + (not text[start].isspace()) + (not text[end - 1].isspace())
    return surfaces, edges, digest


def _is_edge(text: str, position: int) -> bool:
    if position in (0, len(text)):
        return True
    before, after = text[position - 1], text[position]
    if (before == "\r" and after == "\n") or "\u200d" in (before, after) or unicodedata.category(after).startswith("M"):
        return False
    return not (before.isalnum() and after.isalnum())


def resolve_spans(
    article_id: str,
    text: str,
    spans: Sequence[ForeignSpan],
    *,
    ledger: LossLedger,
    unit: Offsets = "auto",
    assumed: Unit = "codepoints",
) -> list[Span | None]:
    """Each of the spans in code points, None where it cannot be placed; the ledger names those that are moved or dropped.

    `auto`: the unit that is `assumed` (`file_unit`), unless another finds more of the article's surfaces at their offsets. A surface
    that is not at its offsets is looked for nearby; if it is found, the span is moved there. All white space counts as equal, and so do
    all quotation marks. A backslash with n counts as a newline.
    """
    units = [unit] if unit != "auto" else [assumed, *(other for other in UNITS if other != assumed)]
    with_surface = sum(span.surface is not None for span in spans)
    places: list[tuple[int, int] | None] = []
    most, found_unit = -1, units[0]
    for candidate in units:
        offsets = OffsetMap(text, candidate)
        placed = [_placed(text, span, offsets) for span in spans]
        count = sum(place is not None and span.surface is not None for span, place in zip(spans, placed, strict=True))
        if count > most:
            places, most, found_unit = placed, count, candidate
        if count == with_surface:
            break
    if unit == "auto" and found_unit != assumed:
        ledger.remark(f"offsets count {UNIT_NAMES[found_unit]}")
    found: list[Span | None] = []
    for span, place in zip(spans, places, strict=True):
        where = place or _nearby(text, span)
        status = status_named(span.status)
        found.append(Span(*where, span.label, span.score, status, span.status_score if status else None) if where else None)
        if span.status is not None and status is None:
            ledger.note(article_id, "reading", "status", OTHER_STATUS, detail=f"{span.status[:40]!r} of {span.label}")
        if where is None:
            start = min(max(span.start, 0), len(text))
            lost = Span(start, max(min(max(span.end, 0), len(text)), start), span.label)
            reason = "is outside the text or inside a character" if span.surface is None else "its text is not at its offsets"
            detail = f"{span.start}-{span.end} {span.surface or ''}".strip()
            ledger.add_span(article_id, "reading", "dropped", reason, lost, detail=detail)
        elif place is None:
            detail, moved = f"{span.start}-{span.end} {span.surface!r}", Span(*where, span.label)
            ledger.add_span(article_id, "reading", "moved", "its text stands elsewhere nearby", moved, detail=detail)
    return found


def place_spans(
    article_id: str,
    text: str,
    spans: Sequence[ForeignSpan],
    *,
    ledger: LossLedger,
    unit: Offsets = "auto",
    assumed: Unit = "codepoints",
) -> tuple[tuple[Span, ...], list[Span | None]]:
    """(the spans of one article as `resolve_spans` places them, each once and sorted; each as it is placed). The ledger counts them."""
    mentions = Mentions(article_id, ledger)
    placed = resolve_spans(article_id, text, spans, ledger=ledger, unit=unit, assumed=assumed)
    ledger.seen += placed.count(None)
    for span in placed:
        if span is not None:
            mentions.add(span)
    return mentions.spans, placed


def _placed(text: str, span: ForeignSpan, offsets: OffsetMap) -> tuple[int, int] | None:
    start, end = offsets.code_points(span.start), offsets.code_points(span.end)
    if start is None or end is None or start >= end:
        return None
    if span.surface is not None and not same_surface(text[start:end], span.surface):
        return None
    return start, end


def same_surface(mention: str, surface: str) -> bool:
    """Whether a mention is what an export calls it, white space, quotation marks and a spelt-out newline aside."""
    if mention == surface:
        return True
    spelt_out = surface.replace("\\r", " ").replace("\\n", " ")  # as Label Studio writes line ends
    return _plain(mention) in (_plain(surface), _plain(spelt_out))


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
    window = _WHITE.sub(" ", text[first : max(span.end, 0) + SEARCHED])
    found = [
        (first + start, first + start + len(wanted))
        for wanted in {_WHITE.sub(" ", surface), _WHITE.sub(" ", surface.replace("\\n", "\n"))}
        for start in _starts_around(window, wanted, max(span.start, 0) - first)
    ]
    return min(found, key=lambda place: (abs(place[0] - span.start), place), default=None)


def _starts_around(window: str, surface: str, middle: int) -> list[int]:
    """Where the surface stands last before the middle, and first after it."""
    after = window.find(surface, middle)
    # The last one before, sought in reverse: `rfind` takes a time that grows with the product of both lengths.
    reverse = window[: middle - 1 + len(surface)][::-1]
    place = reverse.find(surface[::-1])
    return ([len(reverse) - place - len(surface)] if place >= 0 else []) + ([after] if after >= 0 else [])
