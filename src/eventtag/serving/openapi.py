"""The OpenAPI 3.1 description of the server's own API (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version as package_version
from typing import Any

from eventtag.span import STATUSES

SPAN = {
    "type": "object",
    "description": "Offsets are Unicode code points into `text`, half-open.",
    "required": ["start", "end", "label"],
    "properties": {
        "start": {"type": "integer", "minimum": 0},
        "end": {"type": "integer", "minimum": 1},
        "label": {"type": "string"},
        "score": {"type": "number", "minimum": 0, "maximum": 1, "description": "Only predicted spans have a score."},
        "text": {"type": "string", "description": "The text that the span covers."},
        "status": {
            "type": "string",
            "enum": list(STATUSES),
            "description": "Only events have a status; absent: nobody annotated it.",
        },
        "unsure_roles": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Roles of a predicted event of which it is unknown whether anybody has them.",
        },
    },
}
_END = {"type": "array", "description": "Start, end and label of a span.", "minItems": 3, "maxItems": 3}
LINK = {
    "type": "object",
    "description": "Who takes part in which event.",
    "required": ["event", "participant", "role"],
    "properties": {
        "event": _END,
        "participant": _END,
        "role": {"type": "string", "description": "Such as AGENT, TARGET, PLACE."},
    },
}
ARTICLE = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "id": {"type": "string"},
        "text": {"type": "string"},
        "spans": {"type": "array", "items": {"$ref": "#/components/schemas/Span"}},
        "annotated": {
            "type": "array",
            "description": "Regions [start, end) that an annotator looked at; absent: all of the text.",
            "items": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        },
        "labels": {"type": "array", "items": {"type": "string"}, "description": "Labels that were being marked; absent: all."},
        "meta": {"type": "object"},
        "links": {"type": "array", "description": "Absent: nobody looked for links; empty: there is none.", "items": LINK},
        "rejected": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Span"},
            "description": "Spans that are not exactly mentions with that label; nothing is said of the rest.",
        },
    },
}
TEXT = {"type": "string"}


def describe(version: str) -> dict[str, Any]:
    """The description; `version` is that of the model in use."""
    articles = {"$ref": "#/components/schemas/Article"}
    tag_request = {
        "type": "object",
        "description": "Exactly one of text, texts and articles.",
        "properties": {
            "text": TEXT,
            "texts": {"type": "array", "items": TEXT},
            "articles": {"type": "array", "items": articles},
            "certainty": {"type": "boolean", "description": "Add each article's certainty (0 to 1) to its `meta`."},
        },
    }
    correction = {
        "type": "object",
        "required": ["article"],
        "properties": {
            "annotator": TEXT,
            "article": articles,
            "rejected": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/Span"},
                "description": "Spans that are not exactly mentions with that label; nothing is said of the rest.",
            },
            "deleted": {"type": "boolean", "description": "Forget this annotator's correction of the article."},
            "since": {
                "type": "integer",
                "description": "What the header Eventtag-Events said when the article was read; a later correction of it is not replaced.",
            },
        },
    }
    paths = {
        "/health": {"get": _operation("Whether the server is there", _json("Its status"), needs_token=False)},
        "/metrics": {"get": _operation("Figures for Prometheus", _content("text/plain", TEXT, "The figures"))},
        "/openapi.json": {"get": _operation("This description", _json("The description"))},
        "/api/about": {"get": _operation("The model in use, its labels, and the limits", _json("About the server"))},
        "/api/tag": {
            "post": _operation(
                "Tag texts or articles",
                _content("application/jsonl", articles, "An article a line, in the order of the request"),
                body={"application/json": {"schema": tag_request}, "application/jsonl": {"schema": articles}},
                refused=(400, 413, 429),
            )
        },
        "/api/read": {
            "post": _operation(
                "Read the articles in a file of any kind that `eventtag predict` reads",
                _json("The articles, and the rows that cannot be read"),
                body={"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
                parameters=[_parameter("name", "The file's name; its suffix says what it is.")],
                refused=(400, 413, 429),
            )
        },
        "/api/corrections": {
            "get": _operation(
                "All corrections",
                _content("application/jsonl", articles, "An article a line; `meta` holds annotator and source"),
                parameters=[_parameter("annotator", "Only the corrections of this one.")],
            ),
            "post": _operation(
                "Keep a correction; it is on the disk when this is answered",
                _json("How many corrections there are"),
                body={"application/json": {"schema": correction}},
                status=201,
                refused=(400, 409, 413, 429, 507),
            ),
        },
        "/api/training": {
            "get": _operation("All trainings on corrections, with their scores", _json("The trainings")),
            "post": _operation("Train on all corrections", _json("The training"), status=202, refused=(400, 409)),
        },
        "/api/training/adopt": {
            "post": _operation(
                "Put the checkpoint of a training into use, whatever its score",
                _json("The trainings"),
                body={"application/json": {"schema": {"type": "object", "properties": {"number": {"type": "integer"}}}}},
                refused=(400, 404, 409),
            )
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "eventtag", "version": package_version("eventtag"), "description": f"The model in use is {version}."},
        "paths": paths,
        "components": {
            "schemas": {"Article": ARTICLE, "Span": SPAN},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"}},
        },
    }


REFUSED = {
    400: "The request is wrong, and `error` says how",
    404: "There is no such thing",
    409: "It cannot be done now",
    413: "The request or an article is too large",
    429: "Too much is waiting; ask again in a few seconds",
    507: "It cannot be written to the disk, and is not kept",
}


def _operation(
    summary: str,
    answer: dict[str, Any],
    *,
    body: dict[str, Any] | None = None,
    parameters: Sequence[dict[str, Any]] = (),
    status: int = 200,
    refused: Sequence[int] = (),
    needs_token: bool = True,
) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary, "responses": {str(status): answer}}
    operation["responses"] |= {str(code): _json(REFUSED[code]) for code in refused}
    if needs_token:
        operation["security"] = [{}, {"bearer": []}, {"basic": []}]
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    if parameters:
        operation["parameters"] = list(parameters)
    return operation


def _parameter(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": text, "schema": TEXT}


def _json(text: str) -> dict[str, Any]:
    return _content("application/json", {"type": "object"}, text)


def _content(media: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": text, "content": {media: {"schema": schema}}}
