"""doccano's JSONL for sequence labelling, both dialects and the older ones.

    {"id": 1, "text": "Kyiv fell", "label": [[0, 4, "LOCATION"]]}
    {"id": 2, "text": "Kyiv fell", "entities": [{"id": 7, "label": "LOCATION", "start_offset": 0, "end_offset": 4}], "relations": []}

Offsets are UTF-16 units, code points or, in grapheme mode, grapheme clusters, depending on version and project, and some count
a stored CR LF as one; the export does not say. The unit is chosen over the whole file: the one under which spans begin and end
at the edges of words (`offsets` names it instead). Relations, comments and the number of a text are not spans and stay behind;
any further field becomes metadata.

Sources: https://doccano.github.io/doccano/, https://github.com/doccano/doccano/issues/2290 and /2114
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.formats.carried import FIELD, carried_id, carry, uncarry, unique_spans
from eventtag.formats.json_file import at_line, dump_json, list_of, mapping_of, read_records, text_of, whole
from eventtag.formats.json_shapes import first_value, is_own
from eventtag.formats.offsets import UNIT_NAMES, ForeignSpan, Unit, check_unit, file_unit, place_spans
from eventtag.formats.span_lists import UnreadSpans, spans_field
from eventtag.ledger import LossLedger
from eventtag.staging import staged_file

SPAN_FIELDS = ("label", "labels", "entities", "annotations", "spans")
NOT_KEPT = ("relations", "Comments", "comments")
OWN_FIELDS = {"id", "doc_id", "text", "data", *NOT_KEPT, FIELD}


def read_doccano(path: Path, *, ledger: LossLedger, offsets: str = "auto") -> Iterator[Article]:
    """Stream the articles; the file is read twice where the unit of the offsets is to be found.

    `offsets`: codepoints, utf16, graphemes, ... (see `formats.offsets`). The id is `id`, else made of the file's name and the
    record's number. Raises FormatError with file and line; for spans whose labels are numbers (exports before 1.3) it says what to do.
    """
    check_unit(offsets)
    unit = file_unit(_texts(path), offsets=offsets, ledger=LossLedger(), path=path)
    ledger.remark(f"offsets count {UNIT_NAMES[unit]}")
    unread = UnreadSpans(ledger)
    for number, (line, record) in enumerate(read_records(path), start=1):
        with at_line(path, line):
            article = _article(record, f"{path.stem}-{number}", unit, ledger)
        unread.look(record)
        yield article
    unread.require_none(path)


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


def _texts(path: Path) -> Iterator[tuple[str, list[ForeignSpan]]]:
    for line, record in read_records(path):
        with at_line(path, line):
            if not _is_as_written(record):
                yield _text(record), _spans(record)


def _is_as_written(record: Mapping[str, Any]) -> bool:
    """Whether the spans are still those that `write_doccano` wrote."""
    carried = record.get(FIELD)
    return isinstance(carried, Mapping) and carried.get("spans") is not None and carried["spans"] == record.get("label")


def _text(record: Mapping[str, Any]) -> str:
    return text_of(record, "text" if "text" in record or "data" not in record else "data")


def _spans(record: Mapping[str, Any]) -> list[ForeignSpan]:
    field = spans_field(record, SPAN_FIELDS)
    found = []
    for item in list_of(record, field) if field else ():
        if isinstance(item, list) and len(item) >= 3:
            start, end, label = item[:3]
        else:
            fields = mapping_of(item, f"one of `{field}`")
            start, end, label = (
                fields.get("start_offset", fields.get("start")),
                fields.get("end_offset", fields.get("end")),
                fields.get("label_name") or fields.get("label"),
            )
        if isinstance(label, int):
            raise DataError(f"the label {label} is a number; export again as JSONL with label names (doccano 1.3 or later)")
        if not isinstance(label, str) or not label:
            raise DataError(f"one of `{field}` has the label {label!r}; it must be a text")
        found.append(ForeignSpan(whole(start, "its beginning"), whole(end, "its end"), label))
    return found


def _article(record: Mapping[str, Any], default: str, unit: Unit, ledger: LossLedger) -> Article:
    text = _text(record)
    given = record.get("id", record.get("doc_id"))
    name = carried_id(record.get(FIELD)) or (str(given) if isinstance(given, int | str) and given != "" else default)
    foreign = _spans(record)
    if _is_as_written(record):
        written = record[FIELD].get("offsets", "codepoints")
        unit = written if written in get_args(Unit) else "codepoints"
    spans = place_spans(name, text, foreign, ledger=ledger, unit=unit)
    if lost := [key for key in NOT_KEPT if record.get(key)]:
        ledger.note(name, "reading", "meta", "relations and comments are not kept", detail=", ".join(lost))
    own = OWN_FIELDS | {spans_field(record, SPAN_FIELDS), *(key for key in SPAN_FIELDS if not record.get(key))}
    meta = {key: value for key, value in record.items() if key not in own}
    return uncarry(Article(id=name, text=text, spans=unique_spans(spans), meta=meta), record.get(FIELD))


def write_doccano(
    articles: Iterable[Article],
    path: Path,
    *,
    ledger: LossLedger,  # noqa: ARG001 - nothing is lost
    offsets: Literal["codepoints", "utf16"] = "codepoints",
) -> None:
    """Write lines to import, with `label` as lists; the rest is carried in the field `eventtag`, with the spans once more, so that a
    reader can tell whether doccano changed them.

    `offsets`: the unit. doccano's pages count UTF-16 units, unless the project was made to count grapheme clusters; they differ from
    code points in texts with emoji.
    """
    if offsets not in ("codepoints", "utf16"):
        raise SettingsError(f"offsets: {offsets!r} cannot be written; allowed: codepoints, utf16")
    with staged_file(path) as file:
        for number, article in enumerate(articles, start=1):
            wide = [n for n, character in enumerate(article.text) if character > "\uffff"] if offsets == "utf16" else []
            label = [
                [span.start + bisect.bisect_left(wide, span.start), span.end + bisect.bisect_left(wide, span.end), span.label]
                for span in article.spans
            ]
            carried = {**carry(article), "spans": label, "offsets": offsets}
            file.write(dump_json({"id": number, "text": article.text, "label": label, FIELD: carried}) + "\n")
