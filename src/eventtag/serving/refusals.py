"""Requests that are refused, and what of their bodies is checked before anything is done with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError, EventtagError
from eventtag.jobs.reading.rows import check_text
from eventtag.stored_json import parse_stored

MAX_ARTICLE = 1_000_000
"""Characters of an article: a long book, and seconds of tagging in which others wait."""
MAX_ARTICLES = 100_000
"""Articles of a request: many empty ones would fill the memory that their text does not."""


class RequestError(EventtagError):
    """A request that is not answered as asked; `status` is that of HTTP."""

    def __init__(self, problem: str, *, status: int = 400) -> None:
        super().__init__(problem)
        self.status = status


def parse_body(body: bytes) -> Any:
    """The value of a JSON body; raises RequestError for anything else."""
    try:
        return parse_stored(body)
    except (ValueError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is no JSON ({error}); send it in UTF-8 with Content-Type: application/json") from error


def parse_object(body: bytes) -> Mapping[str, Any]:
    """The object of a JSON body; raises RequestError for anything else."""
    value = parse_body(body)
    if not isinstance(value, Mapping):
        raise RequestError(f"the body is {kind(value)}; it must be a JSON object")
    return value


def list_of(value: object, what: str) -> list[Any]:
    """A list of articles, texts or tasks; raises RequestError for anything else, and for more than MAX_ARTICLES."""
    if not isinstance(value, list):
        raise RequestError(f"{what} is {kind(value)}; it must be a list")
    if len(value) > MAX_ARTICLES:
        raise RequestError(
            f"{what} has {len(value):,} entries, at most {MAX_ARTICLES:,} are taken; send fewer at once", status=413
        )
    return value


def text_of(value: object, what: str) -> str:
    """A text that may be tagged; raises RequestError that names it by `what`."""
    if not isinstance(value, str):
        raise RequestError(f"{what} is {kind(value)}; it must be a text")
    if len(value) > MAX_ARTICLE:
        raise RequestError(
            f"{what} has {len(value):,} characters, at most {MAX_ARTICLE:,} are tagged here; divide it, or use eventtag predict",
            status=413,
        )
    if value and not value.isspace():
        try:
            check_text(value)
        except DataError as error:
            raise RequestError(f"{what}: {error}") from error
    return value


def new_article(name: str, value: object, what: str) -> Article:
    """An article to tag; raises RequestError as `text_of` does."""
    return Article(name, text_of(value, what))


def kind(value: object) -> str:
    """What a JSON value is, in a message."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else kinds.get(type(value), type(value).__name__)
