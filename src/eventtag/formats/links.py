"""Links and status as records hold them, and relations of other tools made into links.

    {"event": [5, 9, "EVENT"], "participant": [0, 4, "ACTOR"], "role": "AGENT", "score": 0.9}

A link names its spans by start, end and label. A tool's own relation names them by what they are called in its file.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from eventtag.errors import DataError
from eventtag.formats.json_file import is_whole
from eventtag.formats.span_lists import score_of
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import STATUSES, Span

_ENDS = ("event", "participant")
NO_ROLE = "relation"
"""The role of a relation that has no name."""


def are_links(value: object) -> bool:
    """Whether a field called `links` holds links, rather than addresses of pages or the like."""
    return isinstance(value, list) and (
        not value or any(isinstance(item, Mapping) and not item.keys().isdisjoint(_ENDS) for item in value)
    )


def link_record(link: Link) -> dict[str, Any]:
    """The link as a JSON object."""
    record: dict[str, Any] = {
        "event": [link.event.start, link.event.end, link.event.label],
        "participant": [link.participant.start, link.participant.end, link.participant.label],
        "role": link.role,
    }
    return record if link.score is None else record | {"score": round(link.score, 6)}


def link_from_record(item: Any) -> Link:
    """The link that a JSON object describes; raises DataError for anything else."""
    if isinstance(item, Mapping) and isinstance(role := item.get("role"), str):
        event, participant = (_end(item.get(end)) for end in _ENDS)
        score = item.get("score")
        if event is not None and participant is not None and (score is None or score_of(score) is not None):
            return Link(event, participant, role, score_of(score))
    raise DataError(
        f"link {json.dumps(item, ensure_ascii=False, default=str)[:80]} must have `event` and `participant` as [START, END, LABEL], a text "
        "`role` and, if any, a `score` from 0 to 1"
    )


def _end(value: Any) -> Span | None:
    if (
        isinstance(value, list | tuple)
        and len(value) == 3
        and is_whole(value[0])
        and is_whole(value[1])
        and isinstance(value[2], str)
    ):
        return Span(value[0], value[1], value[2])
    return None


def status_record(span: Span) -> dict[str, Any]:
    """The fields of a span's JSON object that say its status and its unsure roles; none where there is neither."""
    record: dict[str, Any] = {} if span.status is None else {"status": span.status}
    if span.status is not None and span.status_score is not None:
        record["status_score"] = round(span.status_score, 6)
    return record | ({"unsure_roles": list(span.unsure_roles)} if span.unsure_roles else {})


def with_status(span: Span, item: Mapping[str, Any]) -> Span:
    """The span with the status and the unsure roles of its JSON object; raises DataError for values of other types."""
    status, score, unsure = item.get("status"), item.get("status_score"), item.get("unsure_roles") or []
    if (status is not None and not isinstance(status, str)) or (score is not None and score_of(score) is None):
        raise DataError(
            f"the span {json.dumps(item, ensure_ascii=False, default=str)[:80]} has a `status` or `status_score` that cannot be; allowed: "
            f"{', '.join(STATUSES)}, and a number from 0 to 1"
        )
    if not isinstance(unsure, list) or not all(isinstance(role, str) for role in unsure):
        raise DataError(
            f"the span {json.dumps(item, ensure_ascii=False, default=str)[:80]}: `unsure_roles` must be a list of texts"
        )
    return replace(span, status=status, status_score=None if status is None else score_of(score), unsure_roles=tuple(unsure))


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation as a tool exports it: `event` and `participant` are what the file calls the two spans."""

    event: Hashable
    participant: Hashable
    role: str
    score: float | None = None
    detail: str = ""
    """Where it stands in the file."""


def role_of(name: object) -> str:
    """The role that a relation's name, or its number, is; NO_ROLE for a relation without one."""
    if is_whole(name):
        return str(name)
    return name if isinstance(name, str) and name.strip() else NO_ROLE


def links_between(
    article_id: str, relations: Iterable[Relation], spans: Mapping[Any, Span | None], *, ledger: LossLedger
) -> tuple[Link, ...] | None:
    """The links between an article's spans, by what its file calls them; None where there is no relation, so that nobody may have looked.

    The ledger names relations with an end that is not a span (None) or not there, and those that are the same as another.
    """
    links: dict[Link, None] = {}
    found = list(relations)
    for relation in found:
        event, participant = spans.get(relation.event), spans.get(relation.participant)
        ends = (relation.role, event, participant)
        if event is None or participant is None:
            reason = "they point to what is not read as a span"
            ledger.add_link(article_id, "reading", "dropped", reason, *ends, detail=relation.detail)
            continue
        link = Link(event, participant, relation.role, relation.score)
        if link in links:
            ledger.add_link(article_id, "reading", "merged", "are marked twice", *ends, detail=relation.detail)
        links.setdefault(link)
    return tuple(links) if found else None
