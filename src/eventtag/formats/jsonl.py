"""The project's own format: one article a line, as a JSON object.

    {"id": "a1", "text": "...", "spans": [{"start": 0, "end": 4, "label": "ACTOR"}, {"start": 5, "end": 9, "label": "EVENT",
     "status": "asserted"}], "links": [{"event": [5, 9, "EVENT"], "participant": [0, 4, "ACTOR"], "role": "AGENT"}],
     "annotated": [[0, 120]], "labels": ["ACTOR", "EVENT"], "meta": {"split": "train"},
     "rejected": [{"start": 10, "end": 14, "label": "EVENT"}]}

Offsets are Unicode code points, half-open. `annotated` absent: all of the text was annotated. `labels` absent: for all labels.
`spans`, `meta` and `rejected` (what is not exactly a mention with that label) may be absent. `links` absent: nobody marked who takes
part in which event; empty: nobody does. A link names its spans by offsets and label, so that it says the same where spans are added,
left out or sorted, or counted from 1; a link to no span is an error. Its `score`, and the `status_score` of a span, are those of a
prediction. A predicted span carries its `score` as well, its `text`, and where it was asked for its
`sentence` (`{"start": 0, "end": 20, "text": "..."}`); a `text` that contradicts its offsets is an error. JSON: RFC 8259.

An array of such objects is read as well, one object over several lines, and what else is certain (`formats.json_shapes`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.formats.doccano import sniff_doccano
from eventtag.formats.json_file import dump_json, is_whole, list_of, mapping_of, read_values, text_of
from eventtag.formats.json_shapes import KEYS, first_value, name_shape, own_shape
from eventtag.formats.label_studio import sniff_label_studio
from eventtag.formats.links import Relation, link_from_record, link_record, links_between, status_record, with_status
from eventtag.formats.offsets import ForeignSpan, Offsets, Unit, file_unit, resolve_spans, same_surface
from eventtag.formats.prodigy import sniff_prodigy
from eventtag.formats.re3d import sniff_re3d
from eventtag.formats.records import carry
from eventtag.formats.span_lists import UnreadSpans, score_of
from eventtag.formats.text_file import at_line
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.staging import staged_file
from eventtag.text.sentences import shown_sentences

_BEGINNING = re.compile(r'(?:\[\s*)?\{"id": "(?:[^"\\]|\\.)*", "text": "')
"""An article may be longer than what a recogniser sees."""


def read_jsonl(path: Path, *, ledger: LossLedger, offsets: Offsets = "codepoints") -> Iterator[Article]:
    """Stream the articles of a file in the project's format, or in one that can mean but one thing.

    An article without an id is called by file and number; fields that are not the format's become metadata. `offsets`: `auto` finds
    the unit by the spans' `text`, or by the edges of words (`formats.offsets`). Raises FormatError with file and line for bad JSON, a
    missing or mistyped field, spans outside their text, or a span's `text` that is not at its offsets.
    """
    unread, said = UnreadSpans(ledger), set[str]()
    unit: Unit = "codepoints"
    if offsets != "codepoints":
        unit = file_unit(_texts(path), offsets=offsets, ledger=ledger, path=path)
    for line, record in _records(path, said, unread):
        with at_line(path, line):
            if unit != "codepoints":
                text, items = str(record.get("text")), record.get("spans") or []
                placed = resolve_spans(str(record["id"]), text, _foreign(record), ledger=ledger, unit=unit)
                spans = [{**item, "start": s.start, "end": s.end} for item, s in zip(items, placed, strict=True) if s is not None]
                if record.get("rejected"):
                    raise DataError(f"its rejected spans count code points; write offsets in {unit} as code points too")
                record = {**record, "spans": spans} | _placed_links(record, placed, ledger)
            article = article_from_json(record)
        ledger.seen += len(article.spans)
        yield article
    for remark in sorted(said):
        ledger.remark(remark)
    unread.require_none(path)


def _records(path: Path, said: set[str], unread: UnreadSpans) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, (line, value) in enumerate(read_values(path), start=1):
        with at_line(path, line):
            record = own_shape(value, f"{path.stem}-{number}", said)
        if record is not value and isinstance(value, Mapping):
            unread.look(value)
        yield line, record


def _texts(path: Path) -> Iterator[tuple[str, list[ForeignSpan]]]:
    for line, record in _records(path, set(), UnreadSpans(LossLedger())):
        with at_line(path, line):
            yield str(record.get("text")), _foreign(record)


def _placed_links(record: Mapping[str, Any], placed: Sequence[Span | None], ledger: LossLedger) -> dict[str, Any]:
    """The links of a record between its spans where they are placed."""
    found = [link_from_record(item) for item in list_of(record, "links")]
    spans: dict[Span, Span | None] = dict(zip(map(_span, record.get("spans") or []), placed, strict=True))
    lost = [link for link in found if not {link.event, link.participant} <= spans.keys()]
    relations = (Relation(link.event, link.participant, link.role, link.score) for link in found if link not in lost)
    links = links_between(str(record["id"]), relations, spans, ledger=ledger)
    return {"links": [link_record(link) for link in (*(links or ()), *lost)]} if "links" in record else {}


def _foreign(record: Mapping[str, Any]) -> list[ForeignSpan]:
    items = list_of(record, "spans")
    spans = [(_span(item), item.get("text")) for item in items]
    return [ForeignSpan(span.start, span.end, span.label, surface) for span, surface in spans]


def write_jsonl(articles: Iterable[Article], path: Path, *, ledger: LossLedger, sentences: bool = False) -> None:
    """Write the articles in the project's format, which holds everything.

    `sentences`: with every predicted span stands its sentence; the ledger names the articles in which it is cut.
    """
    with staged_file(path) as file:
        for article in articles:
            file.write(json_line(article, sentences=ledger if sentences else None) + "\n")


def sniff_jsonl(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    value = first_value(head)
    if value is None:
        return "begins like an article in the project's JSONL" if _BEGINNING.match(head) and "\n" not in head else None
    reason = name_shape(value)
    if reason is None or "each line" in reason:
        return reason
    others = (sniff_doccano, sniff_prodigy, sniff_label_studio, sniff_re3d)
    return None if any(sniff(head) for sniff in others) else reason


def json_line(article: Article, *, sentences: LossLedger | None = None) -> str:
    """One line for the article, without the line end. Lone surrogates are escaped, so that it is valid UTF-8.

    `sentences`: with every predicted span stands its sentence; this ledger names the article if one is cut.
    """
    places = {} if sentences is None else shown_sentences(article, "writing jsonl", sentences)
    spans = [_span_json(article, span, places.get(span)) for span in article.spans]
    return dump_json({"id": article.id, "text": article.text, "spans": spans} | carry(article, status=False))


def _span_json(article: Article, span: Span, sentence: tuple[int, int] | None) -> dict[str, Any]:
    record: dict[str, Any] = {"start": span.start, "end": span.end, "label": span.label}
    record |= status_record(span)
    if span.score is not None:
        record["score"] = round(span.score, 6)
        record["text"] = article.mention(span)
        if sentence is not None:
            record["sentence"] = sentence_record(article, sentence)
    return record


def sentence_record(article: Article, sentence: tuple[int, int]) -> dict[str, Any]:
    """A sentence as a JSON object."""
    start, end = sentence
    return {"start": start, "end": end, "text": article.text[start:end]}


def article_from_json(record: Any) -> Article:
    """The article that a parsed JSON object describes; raises DataError saying which field is wrong and what is allowed."""
    if not isinstance(record, Mapping):
        raise DataError(f"found {type(record).__name__}; an article is a JSON object with `id` and `text`")
    if not isinstance(record.get("id"), str | int) or isinstance(record.get("id"), bool):
        raise DataError("`id` is missing or not a text or whole number; give every article its own id")
    name, annotated, labels = str(record["id"]), record.get("annotated"), record.get("labels")
    try:
        text = text_of(record, "text")
        if unknown := sorted(set(record) - set(KEYS)):
            raise DataError(f"unknown field {unknown[0]!r}; allowed: {', '.join(KEYS)}; put others into `meta`")
        meta = mapping_of(record.get("meta") or {}, "`meta`")
        spans = _spans(record, text)
        rejected = tuple(map(_span, list_of(record, "rejected")))
        regions = None if annotated is None else tuple(map(_region, list_of(record, "annotated")))
        if labels is not None and not all(isinstance(label, str) for label in list_of(record, "labels")):
            raise DataError(f"`labels` must be a list of texts, found {str(labels)[:60]}")
        links = None if record.get("links") is None else tuple(map(link_from_record, list_of(record, "links")))
    except DataError as error:
        raise DataError(f"article {name!r}: {error}") from error
    return Article(name, text, spans, regions, None if labels is None else tuple(labels), meta, rejected, links)


def _spans(record: Mapping[str, Any], text: str) -> tuple[Span, ...]:
    items = list_of(record, "spans")
    spans = tuple(map(_span, items))
    for span, item in zip(spans, items, strict=True):
        surface, mention = item.get("text"), text[max(span.start, 0) : max(span.end, 0)]
        inside = 0 <= span.start < span.end <= len(text)
        if inside and isinstance(surface, str) and surface and not same_surface(mention, surface):
            raise DataError(
                f"the span {span.label} {span.start}-{span.end} covers {mention[:60]!r}, but its `text` is {surface[:60]!r}\n"
                "offsets count code points (offsets=auto finds another unit); correct them, or remove `text`"
            )
    if len({span.score is None for span in spans}) > 1:
        raise DataError("some of its spans have a `score` and some have none; give all of them one, or none")
    return spans


def _span(item: Any) -> Span:
    if isinstance(item, Mapping) and isinstance(label := item.get("label"), str):
        start, end, score = item.get("start"), item.get("end"), item.get("score")
        if is_whole(start) and is_whole(end) and (score is None or score_of(score) is not None):
            span = Span(start, end, label, None if score is None else score_of(score))
            return span if item.get("status") is None and not item.get("unsure_roles") else with_status(span, item)
    raise DataError(
        f"span {json.dumps(item, ensure_ascii=False)[:80]} must have whole numbers `start` and `end`, a text `label` and, if any, a "
        "`score` from 0 to 1"
    )


def _region(item: Any) -> tuple[int, int]:
    if isinstance(item, list) and len(item) == 2 and is_whole(item[0]) and is_whole(item[1]):
        return (item[0], item[1])
    raise DataError(f"annotated region {str(item)[:60]} must be a pair [start, end] of whole numbers")
