"""The text that Label Studio's regions lie in, and where in it they lie.

A `Text` tag shows a text as it is. A `HyperText` tag shows the visible text of HTML: `globalOffsets` count the characters of its text
nodes, and a `<br>` as one. A `Paragraphs` tag shows a list of paragraphs: `start` and `end` are their numbers, `startOffset` and
`endOffset` count inside them.

Source: https://labelstud.io/tags/hypertext, https://labelstud.io/tags/paragraphs and `findGlobalOffset` of its editor
(https://github.com/HumanSignal/label-studio/tree/develop/web/libs/editor)
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import Any

from eventtag.errors import DataError
from eventtag.formats.json_file import text_of, whole
from eventtag.span import Span

MINIMAL_FIELDS = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
"""What JSON_MIN adds to a task's data."""


BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer",
    "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section", "table",
    "td", "th", "title", "tr", "ul",
))  # fmt: skip
"""HTML elements that begin on a new line, or in a cell of their own."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The text that the annotators saw: the field it comes from, and the offset at which each paragraph begins.

    `breaks`: the offsets into `text` at which HTML begins a new line without a character for it.
    """

    text: str
    field: str
    paragraphs: tuple[int, ...] = (0,)
    is_html: bool = False
    breaks: tuple[int, ...] = ()

    def laid_out(self) -> str:
        """The text with a newline at each break."""
        edges = [0, *self.breaks, len(self.text)]
        return "\n".join(self.text[start:end] for start, end in itertools.pairwise(edges))

    def moved(self, span: Span) -> Span:
        """The span in the text as it is laid out."""
        start = span.start + bisect.bisect_right(self.breaks, span.start)
        return replace(span, start=start, end=span.end + bisect.bisect_left(self.breaks, span.end))


def is_region(value: object) -> bool:
    """Whether a result's value has a place in a text."""
    if not isinstance(value, Mapping):
        return False
    places = ({"start", "end"} <= set(value), isinstance(value.get("globalOffsets"), Mapping))
    return any(places) and not isinstance(value.get("start"), float) and not isinstance(value.get("end"), float)


def is_hypertext(value: Mapping[str, Any]) -> bool:
    """Whether a region's place is one in HTML: an XPath, or global offsets."""
    return isinstance(value.get("globalOffsets"), Mapping) or str(value.get("start", "")).startswith("/")


def is_in_paragraphs(value: Mapping[str, Any]) -> bool:
    """Whether a region's place is the numbers of paragraphs, and offsets inside them."""
    return "startOffset" in value and str(value.get("start", "")).isdecimal() and str(value.get("end", "")).isdecimal()


def text_fields(data: Mapping[str, Any], *, paragraphs: bool) -> list[str]:
    """The fields of a task that may hold its text; with `paragraphs` those with a list of them, where there is one."""
    lists = [key for key, value in data.items() if _paragraphs(value) is not None]
    texts = [key for key, value in data.items() if isinstance(value, str) and key not in MINIMAL_FIELDS]
    return lists if lists and (paragraphs or not texts) else texts


def shown(data: Mapping[str, Any], field: str, *, hypertext: bool) -> Shown:
    """What the field's content looks like to an annotator; raises DataError where it is no text."""
    items = _paragraphs(data.get(field))
    if items is not None:
        begins = [0]
        for item in items:
            begins.append(begins[-1] + len(item) + 1)
        return Shown("\n".join(items), field, tuple(begins[: len(items)]))
    text = text_of(data, field)
    visible, breaks = visible_text(text) if hypertext else (text, ())
    return Shown(visible, field, is_html=visible != text, breaks=breaks)


def place_of(value: Mapping[str, Any], where: Shown) -> tuple[int, int] | None:
    """The region's offsets into the text that is shown; None where it has a place that cannot be told.

    Raises DataError where offsets are no whole numbers.
    """
    offsets = value.get("globalOffsets")
    if is_in_paragraphs(value):
        numbers = int(value["start"]), int(value["end"])
        if max(numbers) >= len(where.paragraphs):
            return None
        first, last = (where.paragraphs[number] for number in numbers)
        return first + whole(value["startOffset"], "`startOffset`"), last + whole(value.get("endOffset"), "`endOffset`")
    if isinstance(offsets, Mapping):
        return whole(offsets.get("start"), "`globalOffsets.start`"), whole(offsets.get("end"), "`globalOffsets.end`")
    if is_hypertext(value):
        if where.is_html or "startOffset" not in value:
            return None
        return whole(value["startOffset"], "`startOffset`"), whole(value.get("endOffset"), "`endOffset`")
    return whole(value.get("start"), "`start`"), whole(value.get("end"), "`end`")


def choose_field(data: Mapping[str, Any], wanted: str | None, objects: Sequence[str], *, paragraphs: bool) -> str:
    """The field that holds the text: the one that is wanted, `text`, the only one, or the only one by whose name regions are.

    `objects`: the names of the tags on which the file's regions lie. Raises DataError that names the fields.
    """
    if wanted is not None:
        return wanted
    fields = text_fields(data, paragraphs=paragraphs)
    named = [name for name in objects if name in fields]
    if "text" in fields and ("text" in named or len(named) != 1 or len(objects) > 1):
        return "text"
    if len(fields) == 1:
        return fields[0]
    if len(named) == 1:
        return named[0]
    if not fields:
        kinds = ", ".join(f"{name} ({type(value).__name__})" for name, value in data.items())
        raise DataError(f"no field of its `data` holds a text; there are: {kinds or 'none'}")
    raise DataError(f"which field holds the text? there are: {', '.join(fields)}; name it with text_field")


def visible_text(html: str) -> tuple[str, tuple[int, ...]]:
    """(the characters of the text nodes of HTML and a newline for each `<br>`, the offsets at which its blocks begin and end)."""
    parser = _TextNodes()
    parser.feed(html.replace("\r\n", "\n").replace("\r", "\n"))
    parser.close()
    text = "".join(parser.pieces)
    return text, tuple(at for at in sorted(parser.breaks) if 0 < at < len(text) and "\n" not in text[at - 1 : at + 1])


class _TextNodes(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.breaks: set[int] = set()
        self.length = 0

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)
        self.length += len(data)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the parent's signature
        if tag == "br":
            self.handle_data("\n")
        self._block(tag)

    def handle_endtag(self, tag: str) -> None:
        self._block(tag)

    def _block(self, tag: str) -> None:
        if tag in BLOCKS:
            self.breaks.add(self.length)


def _paragraphs(value: object) -> list[str] | None:
    """The texts of a list of paragraphs, which are texts or objects with a `text`; None for anything else."""
    if not isinstance(value, list) or not value:
        return None
    items = [item.get("text") if isinstance(item, Mapping) and "start" not in item else item for item in value]
    return [str(item) for item in items] if all(isinstance(item, str) for item in items) else None
