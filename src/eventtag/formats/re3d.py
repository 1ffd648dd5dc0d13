"""re3d's JSON: a folder with `documents.json` and `entities.json`, one object a line, as mongoexport writes them.

    {"_id": "D1", "text": "Kyiv fell", "sourceName": "CENTCOM", "sourceUrl": "...", "title": "..."}
    {"_id": "D1-0-0-4-Location", "documentId": "D1", "begin": 0, "end": 4, "type": "Location", "value": "Kyiv", "confidence": 1}

Offsets are code points; `value` is the mention. Only the types of re3d's schema were marked: they are the article's annotated
labels, so that what re3d never annotated (events) is not taken for absent. Relations are not read.

Source: https://github.com/dstl/re3d
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError, FormatError, SettingsError
from eventtag.formats.json_file import dump_json, read_records, text_of, whole
from eventtag.formats.offsets import ForeignSpan
from eventtag.formats.records import FIELD, Record, carried_id, carry, read_placed
from eventtag.formats.text_file import at_line
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.staging import staged_folder

SCHEMA = (
    "CommsIdentifier", "DocumentReference", "Frequency", "Location", "MilitaryPlatform", "Money", "Nationality",
    "Organisation", "Person", "Quantity", "Temporal", "Url", "Vehicle", "Weapon",
)  # fmt: skip
"""The entity types of re3d, all of which its annotators were marking."""
META = ("sourceName", "sourceUrl", "title")
"""The metadata that have a field of their own when articles are written."""
OWN_FIELDS = ("_id", "text", FIELD)


def read_re3d(path: Path, *, ledger: LossLedger, min_confidence: float = 0.0) -> Iterator[Article]:
    """Stream the articles of a folder with the two files, or of all such folders under it.

    `min_confidence`: entities below it are dropped, as asked for. The folder's name is the metadata `collection`,
    beside the document's other fields. Raises FormatError with file and line; also for an entity whose document is not there.
    """
    if not 0 <= min_confidence <= 1:
        raise SettingsError(f"min_confidence: {min_confidence} is not allowed; give a number from 0 to 1")
    folders = sorted(file.parent for file in path.rglob("documents.json")) if path.is_dir() else [path.parent]
    if not folders:
        raise FormatError("holds no documents.json; give the folder of the corpus", path=path)
    for folder in folders:
        yield from _read_folder(folder, min_confidence, ledger)


def sniff_re3d(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    line = head.split("\n", 1)[0]
    if re.match(r'\s*+(?:\[\s*+)?\{\s*"_id"', line) and (
        all(f'"{key}"' in line for key in ("documentId", "begin", "end"))
        or all(f'"{key}"' in head for key in ("text", "sourceName"))
    ):
        return "has objects with `_id` and `documentId` or `sourceName`, as re3d"
    return None


def _read_folder(folder: Path, min_confidence: float, ledger: LossLedger) -> Iterator[Article]:
    file, documents = folder / "entities.json", folder / "documents.json"
    entities: dict[str, list[tuple[ForeignSpan, float]]] = {}
    lines: dict[str, int] = {}
    for line, raw in read_records(file):
        with at_line(file, line):
            surface, confidence = raw.get("value"), raw.get("confidence", 1)
            if not isinstance(confidence, int | float):
                raise DataError(f"`confidence` is {confidence!r}; it must be a number")
            start, end = whole(raw.get("begin"), "`begin`"), whole(raw.get("end"), "`end`")
            name = text_of(raw, "documentId")
            span = ForeignSpan(start, end, text_of(raw, "type"), surface if isinstance(surface, str) else None)
            entities.setdefault(name, []).append((span, confidence))
        lines.setdefault(name, line)

    def build(raw: Mapping[str, Any], _: str, ledger: LossLedger) -> Record:
        key = raw.get("_id")
        key = key.get("$oid") if isinstance(key, Mapping) else key
        if not isinstance(key, str) or not key:
            raise DataError(f"`_id` is {raw.get('_id')!r}; it must be a text")
        lines.pop(key, None)
        carried = raw.get(FIELD)
        name = carried_id(carried) or key
        spans = []
        for span, confidence in entities.get(key, ()):
            if confidence >= min_confidence:
                spans.append(span)
            else:
                ledger.seen += 1
                lost = Span(span.start, span.end, span.label)
                reason = f"its confidence is below {min_confidence}"
                ledger.add_span(name, "reading", "dropped", reason, lost, asked=True)
        labels = tuple(dict.fromkeys((*SCHEMA, *sorted(span.label for span in spans))))
        meta = {key: value for key, value in raw.items() if key not in OWN_FIELDS and value is not None}
        if not isinstance(carried, Mapping):
            meta["collection"] = folder.name
        return Record(name, text_of(raw, "text"), spans, meta, carried, labels=labels)

    yield from read_placed(documents, lambda: read_records(documents), build, offsets="auto", ledger=ledger)
    for name, line in lines.items():
        raise FormatError(f"the document {name!r} of this entity is not in documents.json", path=file, line=line)


def write_re3d(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:  # noqa: ARG001 - nothing is lost
    """Write a folder with documents.json and entities.json; what has no field is carried in the field `eventtag`."""
    with (
        staged_folder(path) as folder,
        (folder / "documents.json").open("w", encoding="utf-8", newline="") as documents,
        (folder / "entities.json").open("w", encoding="utf-8", newline="") as entities,
    ):
        for article in articles:
            meta = {field: article.meta[field] for field in META if isinstance(article.meta.get(field), str)}
            documents.write(dump_json({"_id": article.id, **meta, "text": article.text, FIELD: carry(article)}) + "\n")
            entities.writelines(dump_json(_entity(article, span)) + "\n" for span in article.spans)


def _entity(article: Article, span: Span) -> dict[str, Any]:
    return {
        "_id": f"{article.id}-{span.start}-{span.end}-{span.label}",
        "documentId": article.id,
        "begin": span.start,
        "end": span.end,
        "type": span.label,
        "value": article.mention(span),
        "confidence": span.score if span.score is not None else 1,
    }
