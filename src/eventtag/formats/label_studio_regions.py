"""The regions of one Label Studio annotation as spans, and the text that they lie in.

A `Text` tag shows a text as it is. A `HyperText` tag shows the visible text of HTML: `globalOffsets` count the characters of its text
nodes, and a `<br>` as one. A `Paragraphs` tag shows a list of paragraphs: `start` and `end` are their numbers, `startOffset` and
`endOffset` count inside them.

A result is a region where its value has a place in the text. Its labels are the list under its type, or under any key that ends in
`labels` (`hypertextlabels`, `htmllabels`, `paragraphlabels`, ...); a taxonomy's are its paths ("Place/City"). Results of another
type with the id of a labelled region (choices, notes, ...) are answers about it, and no spans; a choice called like a status is the
span's status; where it has no id, as in JSON_MIN, it is about the regions at its place. A relation is a link from the region at which its
arrow begins; one with two heads from its first region, which is noted.

Sources: https://labelstud.io/guide/export, https://labelstud.io/tags/hypertext, https://labelstud.io/tags/paragraphs and
`findGlobalOffset` of its editor (https://github.com/HumanSignal/label-studio/tree/develop/web/libs/editor)
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any

from eventtag.errors import DataError
from eventtag.formats.json_file import list_of, mapping_of, text_of, whole
from eventtag.formats.links import Relation, role_of
from eventtag.formats.offsets import ForeignSpan
from eventtag.formats.span_lists import score_of
from eventtag.span import STATUSES, Span

ANSWERS = frozenset({"choices", "textarea", "rating", "number", "datetime", "pairwise", "ranker", "relation", "taxonomy"})
NO_LABEL = "(no label)"
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
    """What the field's content looks like to an annotator; raises DataError where it is not a text."""
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

    Raises DataError where offsets are not whole numbers.
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


@dataclass
class Regions:
    """What an annotation's results are.

    `spans` with their scores, and the `ids` of their regions; `relations` between these; `lost`: regions of which the label or the place
    cannot be told, and why; `elsewhere`: tag and type of results that lie on another tag than the text's; `answers`: types of results
    that are not regions; `notes`: (reason, detail) of what was taken for granted about links and status.
    """

    spans: list[ForeignSpan] = field(default_factory=list)
    ids: list[object] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    lost: list[tuple[ForeignSpan, str]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


def results_of(annotation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The results of an annotation or prediction; raises DataError where one is not an object."""
    return [mapping_of(result, "one of `result`") for result in list_of(annotation, "result")]


def read_regions(results: Iterable[Mapping[str, Any]], where: Shown, tag: str | None) -> Regions:
    """The spans among the results that lie on `tag` (None: on any), in the offsets of the export.

    Raises DataError for a label that is not a text, and for offsets that are not whole numbers.
    """
    found = Regions()
    labelled: set[object] = set()
    chosen: dict[object, tuple[str, float | None]] = {}
    """By the id of a region, or its place, the status that was chosen for it."""
    later: list[Mapping[str, Any]] = []
    for result in results:
        kind = str(result.get("type", "labels"))
        value = result.get("value")
        if (relation := _relation(kind, result)) is not None:
            found.relations += relation
            if result.get("direction") == "bi":
                found.notes.append(("a relation has two heads: its link is from its first region", str(result["from_id"])))
        elif (status := _status(kind, value)) is not None and (about := _about(result, where)) is not None:
            known, _ = chosen.setdefault(about, (status, score_of(result.get("score"))))
            if known != status:
                found.notes.append(("a region has two statuses, of which the first counts", f"{known}, {status}"))
        elif kind in ANSWERS - {"taxonomy"} or not isinstance(value, Mapping):
            found.answers.append(kind)
        elif tag is not None and result.get("to_name", tag) != tag:
            found.elsewhere.append(f"{result['to_name']} ({kind})")
        elif not is_region(value):
            (found.answers if kind in ANSWERS else found.elsewhere).append(kind)
        elif kind in ANSWERS or not _labels(kind, value):
            later.append(result)
        else:
            labelled.add(_name(result))
            _add(found, result, kind, value, _labels(kind, value), where)
    labelled.discard(None)
    for result in sorted(later, key=lambda item: item.get("type") != "taxonomy"):
        kind = str(result.get("type", "labels"))
        if _name(result) in labelled:
            found.answers.append(kind)
            continue
        labels = _labels(kind, result["value"])
        if labels:
            labelled.add(_name(result))
            labelled.discard(None)
        _add(found, result, kind, result["value"], labels or [NO_LABEL], where)
    used = set()
    ends = {end for relation in found.relations for end in (relation.event, relation.participant)}
    for position, (name, span) in enumerate(zip(found.ids, found.spans, strict=True)):
        if about := next((key for key in (name, (span.start, span.end)) if key in chosen), None):
            used.add(about)
            status, score = chosen[about]
            found.spans[position] = replace(span, status=status, status_score=score)
        if name in ends and position and found.ids[position - 1] == name:
            found.notes.append(("a region has several labels: its links are those of the first", f"{name}: {span.label}"))
    found.answers += ["choices"] * len(chosen.keys() - used)
    return found


def _name(result: Mapping[str, Any]) -> str | int | None:
    return name if isinstance(name := result.get("id"), str | int) else None


def _about(result: Mapping[str, Any], where: Shown) -> Hashable | None:
    """What a choice is about: the id of a region, or its place where it has none; None for a choice about the task."""
    if (name := _name(result)) is not None:
        return name
    return place_of(result["value"], where) if is_region(result["value"]) else None


def _relation(kind: str, result: Mapping[str, Any]) -> list[Relation] | None:
    """The links that a relation with two ends is, one for each of its labels; None for any other result."""
    ends = result.get("from_id"), result.get("to_id")
    if kind != "relation" or not all(isinstance(end, str | int) for end in ends):
        return None
    event, participant = reversed(ends) if result.get("direction") == "left" else ends
    labels = result.get("labels")
    roles = {role_of(label): None for label in (labels if isinstance(labels, list) and labels else [None])}
    return [Relation(event, participant, role, score_of(result.get("score"))) for role in roles]


def _status(kind: str, value: object) -> str | None:
    """The status that somebody chose for a region; None where the result is no such choice."""
    choices = value.get("choices") if kind == "choices" and isinstance(value, Mapping) else None
    names = [str(choice).casefold() for choice in choices] if isinstance(choices, list) else []
    return names[0] if len(names) == 1 and names[0] in STATUSES else None


def _labels(kind: str, value: Mapping[str, Any]) -> list[Any]:
    keys = [kind, *(key for key in value if key.endswith("labels")), "taxonomy"]
    labels: list[Any] = next((value[key] for key in keys if isinstance(value.get(key), list) and value[key]), [])
    return ["/".join(map(str, label)) if isinstance(label, list) and label else label for label in labels]


def _add(found: Regions, result: Mapping[str, Any], kind: str, value: Mapping[str, Any], labels: list[Any], where: Shown) -> None:
    surface = value["text"] if isinstance(value.get("text"), str) and value["text"] else None
    place = place_of(value, where)
    for label in labels:
        if not isinstance(label, str) or not label.strip():
            raise DataError(f"the label {label!r} of a region ({kind}) is not a text; label it in Label Studio")
        if place is None:
            lost = ForeignSpan(0, 0, label, surface)
            found.lost.append((lost, "its place is an XPath or a paragraph that is not there; export it with globalOffsets"))
        elif label == NO_LABEL:
            found.lost.append((ForeignSpan(*place, label, surface), "the region has no label; give it one in Label Studio"))
        else:
            found.ids.append(_name(result))
            found.spans.append(ForeignSpan(*place, label, surface, score_of(result.get("score", value.get("score")))))
