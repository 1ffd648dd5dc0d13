"""Lists of spans as tables and other people's JSON hold them.

    [[0, 4, "LOC"]]   [{"start": 0, "end": 4, "label": "LOC", "text": "Kyiv", "score": 0.9}]   {"entities": [[0, 4, "LOC"]]}

`start_offset` and `begin` are read as `start`, `labels`, `type` and `label_name` as `label`; a list of labels is as many spans.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eventtag.errors import DataError, FormatError
from eventtag.formats.json_file import whole
from eventtag.formats.offsets import ForeignSpan
from eventtag.ledger import LossLedger

SPAN_FIELDS = ("spans", "entities", "labels", "label", "annotations", "ner", "ents")
STARTS = ("start", "start_offset", "begin", "startOffset", "start_char")
ENDS = ("end", "end_offset", "endOffset", "end_char")
LABELS = ("label_name", "label", "labels", "type", "entity_group", "tag")
NOT_SPANS = frozenset({"links", "tokens", "sentences", "sentence", "sents", "words", "annotated", "meta", "eventtag"})
"""Fields whose offsets are not annotated spans."""


def foreign_spans(items: Any, default_label: object = None) -> list[ForeignSpan]:
    """The spans of a list with their scores; raises DataError for an item that is not a span. `default_label`: of objects without one."""
    if isinstance(items, Mapping) and len(items) == 1:
        items = next((items[field] for field in SPAN_FIELDS if field in items), items)
    if not isinstance(items, list | tuple):
        raise DataError(f"the spans are {str(items)[:60]!r}; they must be a list")
    found: list[ForeignSpan] = []
    for item in items:
        surface: object = None
        score: object = None
        status: object = None
        status_score: object = None
        if isinstance(item, Mapping):
            labels = _first({"label": default_label, **item}, LABELS)
            start, end = _first(item, STARTS), _first(item, ENDS)
            surface, score = item.get("text"), item.get("score")
            status, status_score = item.get("status"), item.get("status_score")
        elif isinstance(item, list | tuple) and len(item) >= 3:
            start, end, labels = item[:3]
        else:
            raise DataError(f"the span {str(item)[:60]!r} is neither an object nor [START, END, LABEL]")
        for label in labels if isinstance(labels, list | tuple) else [labels]:
            if isinstance(label, int) and not isinstance(label, bool):
                raise DataError(
                    f"the span {str(item)[:60]} has the label {label}, a number; write its name (doccano 1.3 and later export it)"
                )
            if not isinstance(label, str) or not label.strip():
                raise DataError(f"the span {str(item)[:60]} has the label {label!r}; it must be a text that is not empty")
            mention = surface if isinstance(surface, str) and surface else None
            found.append(
                ForeignSpan(
                    _offset(start, "a span's start"),
                    _offset(end, "a span's end"),
                    label,
                    mention,
                    score_of(score),
                    status if isinstance(status, str) and status else None,
                    score_of(status_score),
                )
            )
    return found


def _first(item: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _offset(value: object, name: str) -> int:
    """Tables turn whole numbers into 4.0 and "4"."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    return whole(value, name)


def score_of(value: object) -> float | None:
    """The value as a score from 0 to 1; None where it is none."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    return None


class UnreadSpans:
    """Looks for spans in the fields that a reader does not read, as long as it has read none.

    A file that holds spans of which none is read is not what it was taken for: `require_none` raises then.
    """

    def __init__(self, ledger: LossLedger) -> None:
        self._ledger = ledger
        self._before = ledger.seen
        self._found: Counter[str] = Counter()

    def look(self, record: Mapping[str, Any]) -> None:
        """Count what looks like spans in a record."""
        if self._ledger.seen == self._before:
            for key, value in record.items():
                if key not in NOT_SPANS and (count := _count(value)):
                    self._found[key] += count

    def require_none(self, path: Path) -> None:
        """Raise FormatError when there were spans and none was read."""
        if self._ledger.seen > self._before or not self._found:
            return
        fields = ", ".join(f"{key!r} ({count})" for key, count in self._found.most_common(5))
        raise FormatError(
            f"none of the spans in the field {fields} is read, and there are no others; name the file's format (--from NAME, "
            "data.format=NAME), or rename the field to `spans`",
            path=path,
        )


def holds_spans(value: object) -> bool:
    """Whether there are things in it that look like spans."""
    return _count(value) > 0


def spans_field(record: Mapping[str, Any], fields: Sequence[str] = SPAN_FIELDS) -> str | None:
    """Which of the fields holds the record's spans; None where none does.

    A field with things that look like spans is preferred, then one that is empty, then one with anything else (of which the
    reader says what is wrong). Raises DataError where two hold spans.
    """
    present = [field for field in fields if record.get(field) is not None]
    filled = [field for field in present if _count(record[field])]
    if len(filled) > 1:
        raise DataError(f"`{filled[0]}` and `{filled[1]}` both hold spans; keep one of them")
    empty = [field for field in present if record[field] in ([], "")]
    return next(iter([*filled, *empty, *present]), None)


def _count(value: object, depth: int = 0) -> int:
    if depth > 6:
        return 0
    if isinstance(value, Mapping):
        if _is_number(_first(value, STARTS)) and _is_number(_first(value, ENDS)):
            return 1
        return sum(_count(item, depth + 1) for key, item in value.items() if key not in NOT_SPANS)
    if isinstance(value, list | tuple):
        if len(value) == 3 and _is_number(value[0]) and _is_number(value[1]) and isinstance(value[2], str):
            return 1
        return sum(_count(item, depth + 1) for item in value)
    return 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
