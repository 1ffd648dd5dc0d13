"""doccano's JSONL for sequence labelling, both dialects and the older ones.

    {"id": 1, "text": "Kyiv fell", "label": [[0, 4, "LOCATION"]]}
    {"id": 2, "text": "Kyiv fell", "entities": [{"id": 7, "label": "LOCATION", "start_offset": 0, "end_offset": 4}], "relations": []}

Offsets are UTF-16 units, code points or, in grapheme mode, grapheme clusters, depending on version and project, and some count
a stored CR LF as one; the export does not say. The unit is chosen over the whole file: the one under which spans begin and end
at the edges of words (`offsets` names it instead). Relations are links from `from_id`, the event, to `to_id`. Comments and the number of
a text stay behind; any further field becomes metadata.

Sources: https://doccano.github.io/doccano/, https://github.com/doccano/doccano/issues/2290 and /2114
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from eventtag.article import Article
from eventtag.formats.json_file import dump_json, list_of, mapping_of, read_records, text_of
from eventtag.formats.json_shapes import first_value, is_own
from eventtag.formats.links import Relation, role_of
from eventtag.formats.offsets import UNITS, ForeignSpan, OffsetMap, Offsets, Unit
from eventtag.formats.records import FIELD, Record, carried_id, carry, read_placed
from eventtag.formats.span_lists import foreign_spans, spans_field
from eventtag.ledger import LossLedger
from eventtag.staging import staged_file

SPAN_FIELDS = ("label", "labels", "entities", "annotations", "spans")
NOT_KEPT = ("Comments", "comments")
OWN_FIELDS = {"id", "doc_id", "text", "data", "relations", *NOT_KEPT, FIELD}


def read_doccano(path: Path, *, ledger: LossLedger, offsets: Offsets = "auto") -> Iterator[Article]:
    """Stream the articles; the file is read twice where the unit of the offsets is to be found.

    `offsets`: codepoints, utf16, graphemes, ... (see `formats.offsets`). The id is `id`, else made of the file's name and the
    record's number. Raises FormatError with file and line; for spans whose labels are numbers (exports before 1.3) it says what to do.
    """
    yield from read_placed(path, lambda: read_records(path), _record, offsets=offsets, ledger=ledger)


def sniff_doccano(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    if not re.match(r"\s*(?:\[\s*)?\{", head) or '"text"' not in head:
        return None
    value = first_value(head)
    if isinstance(value, Mapping):
        if not isinstance(value.get("text"), str) or is_own(value) or {"answer", "_input_hash", "_task_hash"} & set(value):
            return None
        head = dump_json({field: value[field] for field in SPAN_FIELDS if field in value})
    if re.search(r'"start_offset"\s*:\s*\d', head):
        return "has spans with `start_offset` and `end_offset`, as doccano exports"
    if re.search(r'"(?:labels?|entities)"\s*:\s*\[\s*(?:\[\s*\d+\s*,\s*\d+\s*,\s*"|\])', head) and '"spans": [{' not in head:
        return "has spans as lists [start, end, label], as doccano exports"
    return None


def _record(raw: Mapping[str, Any], default: str, ledger: LossLedger) -> Record:
    carried, given = raw.get(FIELD), raw.get("id", raw.get("doc_id"))
    name = carried_id(carried) or (str(given) if isinstance(given, int | str) and given != "" else default)
    text = text_of(raw, "text" if "text" in raw or "data" not in raw else "data")
    field = spans_field(raw, SPAN_FIELDS)
    if lost := [key for key in NOT_KEPT if raw.get(key)]:
        ledger.note(name, "reading", "meta", "comments are not kept", detail=", ".join(lost))
    own = OWN_FIELDS | {field, *(key for key in SPAN_FIELDS if not raw.get(key))}
    meta = {key: value for key, value in raw.items() if key not in own}
    unit: Unit | None = None
    items = list_of(raw, field) if field else []
    if isinstance(carried, Mapping) and carried.get("spans") is not None and carried["spans"] == _as_lists(items):
        unit = carried["offsets"] if carried.get("offsets") in UNITS else "codepoints"  # doccano changed nothing
    spans: list[ForeignSpan] = []
    ids: dict[object, int] = {}
    for item in items:
        if (
            isinstance(item, Mapping)
            and isinstance(key := item.get("id"), str | int)
            and ids.setdefault(key, len(spans)) < len(spans)
        ):
            ledger.note(name, "reading", "links", "an id occurs twice: relations are its first span's", detail=f"id {key}")
        spans += foreign_spans([item])
    relations = [_relation(item, ids) for item in list_of(raw, "relations")]
    return Record(name, text, spans, meta, carried, unit, others=raw, relations=relations)


def _as_lists(items: list[Any]) -> list[Any]:
    """The spans as the older dialect has them."""
    keys = ("start_offset", "end_offset", "label")
    return [[item.get(key) for key in keys] if isinstance(item, Mapping) else item for item in items]


def _relation(item: Any, ids: Mapping[object, int]) -> Relation:
    """The relation between spans, by their places."""
    item = mapping_of(item, "one of `relations`")
    event, participant = (
        ids.get(end, -1) if isinstance(end := item.get(name), str | int) else -1 for name in ("from_id", "to_id")
    )
    return Relation(event, participant, role_of(item.get("type")), detail=f"relation {item.get('id', '')}")


def write_doccano(
    articles: Iterable[Article],
    path: Path,
    *,
    ledger: LossLedger,  # noqa: ARG001 - nothing is lost
    offsets: Literal["codepoints", "utf16"] = "codepoints",
) -> None:
    """Write lines to import, with `label` as lists, or with entities and relations where links were marked; the rest is carried in the
    field `eventtag`, with the spans once more, so that a reader can tell whether doccano changed them.

    `offsets`: the unit. doccano's pages count UTF-16 units, unless the project was made to count grapheme clusters; they differ from
    code points in texts with emoji.
    """
    with staged_file(path) as file:
        for number, article in enumerate(articles, start=1):
            unit = OffsetMap(article.text, offsets)
            label = [[unit.foreign(span.start), unit.foreign(span.end), span.label] for span in article.spans]
            carried = {**carry(article, links=False), "spans": label, "offsets": offsets}
            shown = {"label": label} if article.links is None else _with_relations(article, label)
            file.write(dump_json({"id": number, "text": article.text, **shown, FIELD: carried}) + "\n")


def _with_relations(article: Article, label: list[list[Any]]) -> dict[str, Any]:
    """The dialect with relations, of which spans have numbers; `label` are the spans as lists."""
    ids = {span: number for number, span in enumerate(article.spans, start=1)}
    entities = [
        {"id": number, "label": name, "start_offset": start, "end_offset": end}
        for number, (start, end, name) in enumerate(label, start=1)
    ]
    relations = [
        {"id": number, "from_id": ids[link.event], "to_id": ids[link.participant], "type": link.role}
        for number, link in enumerate(article.links or (), start=1)
    ]
    return {"entities": entities, "relations": relations}
