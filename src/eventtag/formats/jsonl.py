"""The project's own format: one article a line, as a JSON object.

    {"id": "a1", "text": "...", "spans": [{"start": 0, "end": 4, "label": "ACTOR"}],
     "annotated": [[0, 120]], "labels": ["ACTOR", "EVENT"], "meta": {"split": "train"}}

Offsets are Unicode code points, half-open. `annotated` absent: all of the text was annotated. `labels` absent: for all labels.
`spans` and `meta` may be absent. A predicted span carries its `score` as well, its `text`, and where it was asked for its
`sentence` (`{"start": 0, "end": 20, "text": "..."}`); a `text` that contradicts its offsets is an error. JSON: RFC 8259.

An array of such objects is read as well, one object over several lines, and what else is certain (`formats.json_shapes`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.formats.carried import carry
from eventtag.formats.doccano import sniff_doccano
from eventtag.formats.json_file import at_line, dump_json, read_values
from eventtag.formats.json_shapes import KEYS, first_value, name_shape, own_shape
from eventtag.formats.label_studio import sniff_label_studio
from eventtag.formats.offsets import ForeignSpan, Unit, check_unit, file_unit, resolve_spans, same_surface
from eventtag.formats.prodigy import sniff_prodigy
from eventtag.formats.re3d import sniff_re3d
from eventtag.formats.span_lists import UnreadSpans
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.staging import staged_file
from eventtag.text.sentences import sentences_of_spans

_BEGINNING = re.compile(r'(?:\[\s*)?\{"id": "(?:[^"\\]|\\.)*", "text": "')
"""An article may be longer than what a recogniser sees."""


def read_jsonl(path: Path, *, ledger: LossLedger, offsets: str = "codepoints") -> Iterator[Article]:
    """Stream the articles of a file in the project's format, or in one that can mean but one thing.

    An article without an id is called by file and number; fields that are not the format's become metadata. `offsets`: `auto` finds
    the unit by the spans' `text`, or by the edges of words (`formats.offsets`). Raises FormatError with file and line for bad JSON, a
    missing or mistyped field, spans outside their text, or a span's `text` that is not at its offsets.
    """
    check_unit(offsets)
    unread, said = UnreadSpans(ledger), set[str]()
    unit: Unit = "codepoints"
    if offsets != "codepoints":
        texts = ((str(record.get("text")), _foreign(record)) for _, record in _records(path, set(), UnreadSpans(ledger)))
        unit = file_unit(texts, offsets=offsets, ledger=ledger, path=path)
    for line, record in _records(path, said, unread):
        with at_line(path, line):
            if unit != "codepoints":
                record = {**record, "spans": _converted(record, unit, ledger)}
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


def _foreign(record: Mapping[str, Any]) -> list[ForeignSpan]:
    name = str(record.get("id"))
    spans = (_span(name, item) for item in _list(name, record, "spans"))
    return [
        ForeignSpan(span.start, span.end, span.label, item.get("text"))
        for span, item in zip(spans, record.get("spans") or (), strict=True)
    ]


def _converted(record: Mapping[str, Any], unit: Unit, ledger: LossLedger) -> list[dict[str, Any]]:
    placed = resolve_spans(str(record["id"]), str(record.get("text")), _foreign(record), ledger=ledger, unit=unit)
    items = record.get("spans") or []
    return [{**items[position], "start": span.start, "end": span.end} for position, span in placed]


def write_jsonl(articles: Iterable[Article], path: Path, *, ledger: LossLedger, sentences: bool = False) -> None:  # noqa: ARG001 - nothing is lost
    """Write the articles in the project's format; holds everything, so the ledger gets no entry.

    `sentences`: with every predicted span stands its sentence.
    """
    with staged_file(path) as file:
        for article in articles:
            file.write(json_line(article, sentences=sentences) + "\n")


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


def json_line(article: Article, *, sentences: bool = False) -> str:
    """One line for the article, without the line end. Lone surrogates are escaped, so that it is valid UTF-8.

    `sentences`: with every predicted span stands its sentence.
    """
    places = sentences_of_spans(article) if sentences else {}
    spans = [_span_json(article, span, places.get(span)) for span in article.spans]
    return dump_json({"id": article.id, "text": article.text, "spans": spans} | carry(article))


def _span_json(article: Article, span: Span, sentence: tuple[int, int] | None) -> dict[str, Any]:
    record: dict[str, Any] = {"start": span.start, "end": span.end, "label": span.label}
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
    name = str(record["id"])
    text = record.get("text")
    if not isinstance(text, str):
        raise DataError(f"article {name!r}: `text` is missing or not a text")
    unknown = sorted(set(record) - set(KEYS))
    if unknown:
        raise DataError(f"article {name!r}: unknown field {unknown[0]!r}; allowed: {', '.join(KEYS)}; put others into `meta`")
    meta = record.get("meta") or {}
    if not isinstance(meta, Mapping):
        raise DataError(f"article {name!r}: `meta` must be a JSON object")
    return Article(
        id=name,
        text=text,
        spans=_spans(name, record, text),
        annotated=None if record.get("annotated") is None else tuple(_region(name, r) for r in _list(name, record, "annotated")),
        labels=None if record.get("labels") is None else tuple(_label(name, label) for label in _list(name, record, "labels")),
        meta=meta,
    )


def _list(name: str, record: Mapping[str, Any], key: str) -> list[Any]:
    value = record.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f"article {name!r}: `{key}` must be a list, found {type(value).__name__}")
    return value


def _spans(name: str, record: Mapping[str, Any], text: str) -> tuple[Span, ...]:
    items = _list(name, record, "spans")
    spans = tuple(_span(name, item) for item in items)
    for span, item in zip(spans, items, strict=True):
        surface, mention = item.get("text"), text[max(span.start, 0) : max(span.end, 0)]
        if (
            isinstance(surface, str)
            and surface
            and 0 <= span.start < span.end <= len(text)
            and not same_surface(mention, surface)
        ):
            raise DataError(
                f"article {name!r}: the span {span.label} {span.start}-{span.end} covers {mention[:60]!r}, but its `text` is "
                f"{surface[:60]!r}\noffsets count code points (offsets=auto finds another unit); correct them, or take `text` away"
            )
    if len({span.score is None for span in spans}) > 1:
        raise DataError(f"article {name!r}: some of its spans have a `score` and some have none; give all of them one, or none")
    return spans


def _span(name: str, item: Any) -> Span:
    if (
        isinstance(item, Mapping)
        and _is_whole(item.get("start"))
        and _is_whole(item.get("end"))
        and isinstance(item.get("label"), str)
    ):
        score = item.get("score")
        if score is None:
            return Span(item["start"], item["end"], item["label"])
        if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1:
            return Span(item["start"], item["end"], item["label"], float(score))
    raise DataError(
        f"article {name!r}: span {json.dumps(item, ensure_ascii=False)[:80]} must have whole numbers `start` and `end`, "
        "a text `label` and, if any, a `score` from 0 to 1"
    )


def _region(name: str, item: Any) -> tuple[int, int]:
    if isinstance(item, list) and len(item) == 2 and _is_whole(item[0]) and _is_whole(item[1]):
        return (item[0], item[1])
    raise DataError(f"article {name!r}: annotated region {str(item)[:60]} must be a pair [start, end] of whole numbers")


def _label(name: str, item: Any) -> str:
    if isinstance(item, str):
        return item
    raise DataError(f"article {name!r}: `labels` must be a list of texts, found {str(item)[:60]}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
