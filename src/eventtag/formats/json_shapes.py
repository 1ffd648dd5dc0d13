"""The shapes in which other people's JSON holds annotated articles, turned into the project's own.

    {"text": "Kyiv fell", "entities": [{"start": 0, "end": 4, "label": "LOC"}], "date": "2024-01-02"}
    ["Kyiv fell", {"entities": [[0, 4, "LOC"]]}]                                 spaCy 2
    {"tokens": ["Kyiv", "fell"], "ner_tags": ["B-LOC", "O"]}                     words and tags, of any scheme
    {"tokenized_text": ["Kyiv", "fell"], "ner": [[0, 0, "location"]]}            GLiNER: first and last word of a mention

Words are joined by one space, unless the record has their `text`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from eventtag.errors import DataError
from eventtag.formats.links import are_links
from eventtag.formats.offsets import OTHER_STATUS, status_named
from eventtag.formats.span_lists import SPAN_FIELDS, foreign_spans, holds_spans, spans_field
from eventtag.formats.tag_schemes import spans_of_tags
from eventtag.formats.tokenised import words_joined

KEYS = ("id", "text", "spans", "links", "annotated", "labels", "meta", "rejected")
SPAN_KEYS = {"start", "end", "label", "score", "text", "sentence", "status", "status_score", "unsure_roles"}
WORDS = ("tokens", "words", "tokenized_text")
TAGS = ("ner_tags", "tags", "labels", "ner")
IDS = ("id", "_id", "doc_id", "article_id", "guid", "uid")
_CANONICAL = {"start", "end", "label"}


def is_own(value: Any) -> bool:
    """Whether it is an article in the project's own shape."""
    if not isinstance(value, Mapping) or "id" not in value or not set(value) <= set(KEYS) or holds_spans(value.get("labels")):
        return False
    if not are_links(value.get("links") or []):
        return False
    return not isinstance(value.get("spans"), list) or _is_canonical(value["spans"])


def _is_canonical(spans: Any) -> bool:
    return isinstance(spans, list) and all(isinstance(span, Mapping) and span.keys() >= _CANONICAL for span in spans)


def name_shape(value: Any) -> str | None:
    """What the value is recognised as; None if it is not an annotated article."""
    if is_own(value) and "text" in value:
        spans = value.get("spans") or []
        if isinstance(spans, list) and all(set(span) <= SPAN_KEYS for span in spans):
            return "each line is a JSON object with `text` and `spans` of start, end and label"
    if _is_pair(value):
        return "has pairs of a text and its `entities`, as spaCy 2"
    if not isinstance(value, Mapping):
        return None
    if _words_field(value) is not None:
        return "has objects with words and their tags" if "tokenized_text" not in value else "has words and mentions, as GLiNER"
    if not isinstance(value.get("text"), str):
        return None
    field = next((name for name in SPAN_FIELDS if holds_spans(value.get(name))), "spans" if value.get("spans") == [] else None)
    return f"has JSON objects with `text` and `{field}`" if field else None


def own_shape(value: Any, default: str, said: set[str]) -> Mapping[str, Any]:
    """The record in the project's own shape. What was assumed is added to `said`.

    `default` is the id of a record without one. Raises DataError for a shape that is not certain.
    """
    if is_own(value):
        return _mapping(value)
    record: dict[str, Any] = {"text": value[0], **value[1]} if _is_pair(value) else dict(_mapping(value))
    words = _words_field(record)
    if words is not None:
        record = _joined(record, words)
        said.add(f"words in `{words}`, joined by spaces where there is no text")
    elif "text" in record:
        record = _with_spans(record, said)
    given = next((key for key in IDS if _is_id(record.get(key))), None)
    if given is None and record.get("id") not in (None, ""):
        raise DataError(f"`id` is {record['id']!r}, not a text or whole number; give every article its own id")
    if given is None:
        record["id"] = default
        said.add("articles have no id and are called by file and number")
    elif given != "id":
        record["id"] = record.pop(given)
    meta = dict(_mapping(record.get("meta") or {}, "`meta`"))
    keys = KEYS if are_links(record.get("links") or []) else tuple(key for key in KEYS if key != "links")
    others = {key: value for key, value in record.items() if key not in keys and value is not None}
    for key, other in others.items():
        if meta.setdefault(key, other) != other:
            raise DataError(f"`{key}` stands beside `meta` and in it, with two values; keep one")
    if others:
        said.add(f"other fields are kept as metadata: {', '.join(sorted(others))}")
    return {key: record[key] for key in keys if key in record} | ({"meta": meta} if meta else {})


def _is_id(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _mapping(value: Any, name: str = "") -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        what = f"{name} must be a JSON object" if name else "an article is a JSON object with `id` and `text`"
        raise DataError(f"found {type(value).__name__}; {what}")
    return value


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], Mapping)
        and isinstance(value[1].get("entities"), list)
    )


def _with_spans(record: dict[str, Any], said: set[str]) -> dict[str, Any]:
    field = spans_field(record)
    if field == "spans" and _is_canonical(record["spans"]):
        return record
    if field is None or (field != "spans" and not holds_spans(record[field])):
        for name in ("entities", "ents", "ner", "annotations"):
            if isinstance(record.get(name), list | Mapping) and record[name] and "spans" not in record:
                found = json.dumps(record[name], ensure_ascii=False)[:60]
                raise DataError(f'`{name}` is {found}; spans need START, END and LABEL: [[0, 4, "LOC"]] or objects with these')
        return record
    if field != "spans" and isinstance(record.get("spans"), list) and not record["spans"]:
        del record["spans"]
    items = record.pop(field)
    if not isinstance(items, list | Mapping):
        raise DataError(f"`{field}` must be a list, found {type(items).__name__}")
    foreign = foreign_spans(items)
    record["spans"] = [
        {"start": span.start, "end": span.end, "label": span.label}
        | ({} if span.surface is None else {"text": span.surface})
        | ({} if span.score is None else {"score": span.score})
        | ({} if (status := status_named(span.status)) is None else {"status": status})
        for span in foreign
    ]
    if any(span.status is not None and status_named(span.status) is None for span in foreign):
        said.add(OTHER_STATUS)
    if field != "spans":
        said.add(f"spans stand in the field `{field}`")
    return record


def _words_field(record: Mapping[str, Any]) -> str | None:
    """The field with the words, if another field has their tags or mentions."""
    for field in WORDS:
        words = record.get(field)
        if isinstance(words, list) and all(isinstance(word, str) for word in words) and _tags_field(record) is not None:
            return field
    return None


def _tags_field(record: Mapping[str, Any]) -> str | None:
    return next((name for name in TAGS if isinstance(record.get(name), list)), None)


def _joined(record: dict[str, Any], words_field: str) -> dict[str, Any]:
    words = record.pop(words_field)
    field = _tags_field(record) or ""
    tags = record.pop(field)
    text, places = _places(words, record.get("text"))
    spans = []
    if tags and all(isinstance(item, list) for item in tags):
        chunks = [_words_of(item, field, len(words)) for item in tags]
    else:
        if len(tags) != len(words):
            raise DataError(f"`{field}` has {len(tags)} tags for the {len(words)} words in `{words_field}`")
        numbers = [tag for tag in tags if not isinstance(tag, str)]
        if numbers:
            raise DataError(
                f"`{field}` holds {numbers[0]!r}, and the file does not say which label that is; write the tags as texts (B-LOC), or "
                "save the data with Hugging Face datasets, whose ClassLabel has the names (--from hf_dataset)"
            )
        chunks = [(chunk.first, chunk.last, chunk.label) for chunk in spans_of_tags(tags)]
    for first, last, label in chunks:
        start, end = places[first][0], places[last][1]
        if start == end:
            raise DataError(f"the mention {label} of word {first} holds only white space; remove it")
        spans.append({"start": start, "end": end, "label": label})
    return record | {"text": text, "spans": spans}


def _words_of(item: Sequence[Any], field: str, size: int) -> tuple[int, int, str]:
    if len(item) == 3:
        first, last, label = item
        if isinstance(first, int) and isinstance(last, int) and isinstance(label, str) and 0 <= first <= last < size:
            return first, last, label
    raise DataError(f"`{field}` holds {str(item)[:60]}; a mention is [FIRST, LAST, LABEL], with words from 0 to {size - 1}")


def _places(words: Sequence[str], text: Any) -> tuple[str, list[tuple[int, int]]]:
    if isinstance(text, str):
        places, position = [], 0
        for word in words:
            start = text.find(word, position)
            if start < 0:
                raise DataError(
                    f"the word {word!r} does not stand in `text` after offset {position}; remove `text` to join the words"
                )
            position = start + len(word)
            places.append((start, position))
        return text, places
    return words_joined(words)


def first_value(head: str) -> Any:
    """The first value of a JSON file's beginning, or the first item of its array; None if there is none, or only a part of it."""
    start = re.match(r"\s*(?:\[\s*(?=[\[{]))?", head)
    try:
        return json.JSONDecoder().raw_decode(head, start.end() if start else 0)[0]
    except (ValueError, RecursionError):
        return None
