"""What a tool's own format has no field for, carried along in one field of ours, so that it comes back.

Tools pass on fields that they do not know. The field `eventtag` holds an article's id, annotated regions, annotated labels and
metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eventtag.article import Article, Region
from eventtag.errors import DataError
from eventtag.formats.json_file import whole

FIELD = "eventtag"


def carry(article: Article) -> dict[str, Any]:
    """The article without text and spans, JSON-like."""
    record: dict[str, Any] = {"id": article.id}
    if article.annotated is not None:
        record["annotated"] = [list(region) for region in article.annotated]
    if article.labels is not None:
        record["labels"] = list(article.labels)
    if article.meta:
        record["meta"] = dict(article.meta)
    return record


def carried_id(record: object) -> str | None:
    """The id that was carried along; None where there is none."""
    return record["id"] if isinstance(record, Mapping) and isinstance(record.get("id"), str) else None


def uncarry(article: Article, record: object) -> Article:
    """The article with what was carried along instead of its own; itself where nothing was.

    Metadata that the article has besides (a column that somebody added) stays.

    Raises DataError when the field is not as `carry` makes it, or does not fit the text.
    """
    if not isinstance(record, Mapping):
        return article
    try:
        annotated: Sequence[Any] | None = record.get("annotated")
        labels: Sequence[Any] | None = record.get("labels")
        regions: tuple[Region, ...] | None = (
            None
            if annotated is None
            else tuple((whole(s, "a region's start"), whole(e, "a region's end")) for s, e in _list(annotated))
        )
        return replace(
            article,
            annotated=regions,
            labels=None if labels is None else tuple(map(str, _list(labels))),
            meta={**article.meta, **(record.get("meta") or {})},
        )
    except (TypeError, ValueError) as error:
        raise DataError(f"article {article.id!r}: the field `{FIELD}` is damaged ({error}); take it away") from error


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{str(value)[:40]!r} is no list")
    return value
