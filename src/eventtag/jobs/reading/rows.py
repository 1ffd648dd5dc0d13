"""Rows of new articles: each has its place, and either an article or the reason why it is none."""

from __future__ import annotations

import hashlib
import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.formats.json_file import distinct_keys, is_whole, refuse_constant
from eventtag.formats.jsonl import article_from_json
from eventtag.formats.links import are_links
from eventtag.jobs.reading.pages import PAGE_SECONDS

MAX_ROW_BYTES = 8_000_000
"""Longer rows are bad rows; the longest books have fewer bytes."""
RAW_BYTES = 1024
"""Bytes that are kept of a row that is too long."""
ANNOTATIONS = ("spans", "annotated", "labels", "rejected", "links")
"""Fields of an article that eventtag wrote, besides id, text and meta."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a row: its file, its line (from 1) and the offset of its first byte in the file, after decompression.

    In Parquet and datasets `line` is the number of the row, and there is no offset. A file that is one article has neither.
    """

    file: str
    line: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class InputRow:
    """An article, or a bad row: then `problem` says what is wrong, and `raw` holds its bytes where there are any.

    If a row is longer than allowed, `raw` is its first RAW_BYTES.
    """

    place: Place
    article: Article | None
    problem: str | None = None
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class RowFields:
    """Which field of a row holds the text and which its id, whether a row must have an id (None: if a file's first row has one), how
    long a row may be, how long the reading of a page may take, and in which encoding text is (None: UTF-8, a page as it declares).
    `annotations`: whether articles that eventtag wrote keep their annotations; in all others, nobody has looked at anything then.
    """

    text: str = "text"
    id: str = "id"
    require_id: bool | None = False
    max_row_bytes: int = MAX_ROW_BYTES
    page_seconds: float = PAGE_SECONDS
    encoding: str | None = None
    annotations: bool = False


def article_from_record(record: object, *, fields: RowFields, prefix: str, default: str) -> Article:
    """The article of a row's fields; fields other than text and id become `meta`. An article that eventtag wrote has its annotations only
    if `fields` ask for them.

    Its id is `prefix` and the id field, or `prefix` and `default` where the row has no such field. Raises DataError for a row that
    is not an object, an id that is neither text nor whole number, and as `check_text` does.
    """
    if not isinstance(record, Mapping):
        raise DataError(f"found {type(record).__name__}; a line must be a JSON object")
    text = record.get(fields.text)
    if not isinstance(text, str):
        found = ", ".join(map(str, record)) or "none"
        raise DataError(f"has no text in the field {fields.text!r} (fields: {found[:200]}); name it with text_field=")
    check_text(text, max_bytes=fields.max_row_bytes)
    name = default
    if fields.id in record:
        given = record[fields.id]
        if not isinstance(given, str | int) or isinstance(given, bool) or given == "":
            raise DataError(f"`{fields.id}` is {_shown(given)}; an id is a text or a whole number")
        name = str(given)
        if not _is_clean(name):
            raise DataError(f"`{fields.id}` is {_shown(name)}; an id holds neither NUL nor lone surrogates")
    elif fields.require_id:
        raise DataError(f"has no `{fields.id}`; name the field with id_field=")
    used = {fields.text, fields.id}
    if not fields.annotations:
        return Article(prefix + name, text, meta=_metadata(record, used))
    if not (_has_our_spans(record) or _are_regions(record.get("annotated"))):
        return Article(prefix + name, text, annotated=(), meta=_metadata(record, used))
    own = {key: record[key] for key in ANNOTATIONS if key in record and (key != "links" or are_links(record[key]))}
    return replace(article_from_json({"id": prefix + name, "text": text, **own}), meta=_metadata(record, used | own.keys()))


def _metadata(record: Mapping[str, Any], used: set[str]) -> dict[str, Any]:
    """The fields of a row except `used`, with those in `meta` beside the others (as `meta.KEY` if both have a field of that name).

    Annotations of an article that eventtag wrote (`spans` with its `annotated`, `labels`, `rejected` and `links`) are not metadata.
    """
    if _has_our_spans(record):
        used = used | {*ANNOTATIONS} - ({"links"} if not are_links(record.get("links")) else set())
    found = {str(key): value for key, value in record.items() if key not in used}
    given = found.get("meta")
    if isinstance(given, Mapping):
        del found["meta"]
        found |= {f"meta.{key}" if key in found else str(key): value for key, value in given.items()}
    return found


def _has_our_spans(record: Mapping[str, Any]) -> bool:
    """Whether the row is an article as eventtag writes it: `spans` is a list of objects with start, end and label."""
    spans = record.get("spans")
    return isinstance(spans, list) and all(
        isinstance(span, Mapping) and {"start", "end", "label"} <= span.keys() for span in spans
    )


def _are_regions(value: object) -> bool:
    """Whether the value is a list of annotated regions, as eventtag writes them."""
    return isinstance(value, list) and all(
        isinstance(item, list) and len(item) == 2 and all(map(is_whole, item)) for item in value
    )


def check_text(text: str, *, max_bytes: int = MAX_ROW_BYTES) -> None:
    """Raise DataError for a text that is empty, holds NUL or a lone surrogate, or is longer than `max_bytes` as UTF-8."""
    if not text or text.isspace():
        raise DataError("the text is empty")
    if "\0" in text:
        raise DataError(f"the text holds NUL at character {text.index(chr(0))}, which no text has; take it out")
    try:
        size = len(text) if text.isascii() else len(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise DataError(
            f"the text holds the lone surrogate U+{ord(text[error.start]):04X} at character {error.start}; it was damaged before"
        ) from error
    if size > max_bytes:
        raise DataError(too_long(max_bytes))


def too_long(max_bytes: int) -> str:
    """What is wrong with a row of more bytes."""
    return f"is longer than {max_bytes:,} bytes; is it one article? max_row_bytes= allows more"


def not_utf8(error: UnicodeDecodeError) -> str:
    """What is wrong with bytes that cannot be decoded."""
    found = f"byte 0x{error.object[error.start]:02x} at offset {error.start}"
    return f"{found} is not UTF-8; save the file as UTF-8, or give predict its encoding="


def _is_clean(name: str) -> bool:
    return "\0" not in name and (name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name))


def _shown(value: object) -> str:
    return json.dumps(value, default=repr)[:60]


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:40]} is too large for a number")
    return value


_DECODER = json.JSONDecoder(parse_constant=refuse_constant, parse_float=_finite, object_pairs_hook=distinct_keys)


def record_from_json(data: bytes) -> Any:
    """The value of one line of JSON; raises DataError for bad UTF-8 or JSON."""
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(not_utf8(error)) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"not valid JSON ({error}); every line must be one JSON object") from error


class DistinctIds:
    """Tells whether an id has been seen, in about 16 bytes an id: an open hash table of 64-bit digests (BLAKE2b).

    Two of a million different ids share a digest with a probability of 3 in 100 million; the second would count as seen.
    """

    def __init__(self) -> None:
        self._table = array("Q", bytes(8 * 1024))
        self._count = 0

    def add(self, name: str) -> bool:
        """Add the id; False when it was there already."""
        digest = int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little") or 1
        if not _insert(self._table, digest):
            return False
        self._count += 1
        if 2 * self._count > len(self._table):
            old = self._table
            self._table = array("Q", bytes(2 * 8 * len(old)))
            for value in old:
                if value:
                    _insert(self._table, value)
        return True


def _insert(table: array[int], digest: int) -> bool:
    mask = len(table) - 1
    place = digest & mask
    while found := table[place]:
        if found == digest:
            return False
        place = (place + 1) & mask
    table[place] = digest
    return True


def mark_duplicates(rows: Iterable[InputRow]) -> Iterator[InputRow]:
    """The rows, those with the id of an earlier article turned into bad rows."""
    seen = DistinctIds()
    for row in rows:
        if row.article is not None and not seen.add(row.article.id):
            raw = row.article.text.encode("utf-8")[:RAW_BYTES]
            yield InputRow(row.place, None, f"the id {row.article.id[:200]!r} stands in an earlier row already", raw)
        else:
            yield row
