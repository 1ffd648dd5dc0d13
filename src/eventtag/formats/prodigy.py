"""Prodigy's JSONL, for named entities (`ner`) and overlapping spans (`spans`).

    {"text": "Kyiv fell", "tokens": [{"text": "Kyiv", "start": 0, "end": 4, "id": 0}, {"text": "fell", "start": 5, "end": 9,
    "id": 1}],
     "spans": [{"start": 0, "end": 4, "token_start": 0, "token_end": 0, "label": "LOCATION"}], "answer": "accept"}

Offsets are code points, which the tokens and their texts confirm over the whole file; `token_end` is inclusive and is not
needed. A row that was accepted, or has no answer, is annotated. In a rejected or ignored row the article has no annotated
region, and its spans are dropped as the annotator asked; but a single span that is rejected in the binary interface is kept as a
rejected one. In an accepted row of the binary interface only the shown spans were looked at. Such a row has the `_view_id` `ner`, or
none and spans with a model's `score` or `rank` and no `tokens`, which every interface for marking spans writes.

Relations are links from their head, the event, to their child, which `head_span` and `child_span` place; where these are missing, `head`
and `child` do, the numbers of the last tokens of spans.

Source: https://prodi.gy/docs/api-interfaces
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eventtag.article import Article, Region
from eventtag.errors import DataError
from eventtag.formats.json_file import dump_json, is_whole, list_of, mapping_of, read_records, text_of
from eventtag.formats.links import Relation, role_of
from eventtag.formats.offsets import ForeignSpan, Offsets, Unit
from eventtag.formats.records import FIELD, TO_ANNOTATE, Record, carried_id, carry, read_placed
from eventtag.formats.span_lists import foreign_spans, score_of, spans_field
from eventtag.formats.tokenised import words_by_line
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span
from eventtag.staging import staged_file

ANSWERS = ("accept", "reject", "ignore")
SPAN_FIELDS = ("spans", "entities", "ents")
OWN_FIELDS = {"text", "tokens", "answer", "meta", FIELD}
"""Fields of a row that are not metadata, besides its spans and those that begin with `_`."""


def read_prodigy(path: Path, *, ledger: LossLedger, session: str | None = None, offsets: Offsets = "auto") -> Iterator[Article]:
    """Stream the rows as articles; `session` keeps the rows of one annotator (`_session_id` or `_annotator_id`) only.

    The id is the one in `meta`, else the input's hash, else the file's name and the row's number. The annotator becomes the metadata
    `annotator`; an article that another has annotated before gets the id `ID@ANNOTATOR`, and one that stands in several rows the id
    `ID@NUMBER`; where their spans or answers contradict each other, the ledger notes it. Further fields of a row become metadata.
    `offsets`: see `formats.offsets`. Raises FormatError with file and line.
    """
    seen: set[str] = set()
    earlier: dict[tuple[object, str], _Earlier] = {}

    def build(row: Mapping[str, Any], default: str, _: LossLedger) -> Record | None:
        return _record(row, default) if session in (None, _annotator(row)) else None

    def finish(row: Mapping[str, Any], record: Record, shown: tuple[Span, ...]) -> Article:
        answer, who = row.get("answer", "accept"), _annotator(row)
        rejected: tuple[Span, ...] = ()
        if answer != "accept":
            if answer == "reject" and len(shown) == 1 and _is_binary(row):
                rejected = (replace(shown[0], score=None),)
            for span in () if rejected else shown:
                ledger.add_span(record.id, "reading", "dropped", f"the answer is {answer}", span, asked=True)
            record.annotated = ()
        elif _is_binary(row):
            record.annotated = merged_regions(shown)
        if answer != "accept":
            for link in record.links or ():
                ends = (link.role, link.event, link.participant)
                ledger.add_link(record.id, "reading", "dropped", f"the answer is {answer}", *ends, asked=True)
            record.links = None
        article = record.article(shown if answer == "accept" else (), ledger=ledger)
        article = replace(article, rejected=(*article.rejected, *rejected)) if rejected else article
        if who:
            name = f"{article.id}@{who}" if article.id in seen else article.id
            article = replace(article, id=name, meta={**article.meta, "annotator": who})
        if article.id in seen:  # one text in several rows, as binary questions make them
            article = replace(article, id=f"{article.id}@{record.number}")
        seen.add(article.id)
        other = earlier.setdefault((row.get("_input_hash"), article.text), _Earlier())
        if reason := other.contradicted_by(article, shown, accepted=answer == "accept"):
            ledger.note(article.id, "reading", "article", reason, detail="session=NAME takes one annotator's rows")
        return article

    yield from read_placed(path, lambda: read_records(path), build, offsets=offsets, ledger=ledger, finish=finish)


def sniff_prodigy(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    if (
        re.match(r"\s*(?:\[\s*)?\{", head)
        and '"text"' in head
        and re.search(r'"(?:answer|_input_hash|_task_hash|token_start)"\s*:', head)
    ):
        return "has lines with an `answer` or a task hash, as Prodigy writes"
    return None


@dataclass
class _Earlier:
    """What the rows before said of one text."""

    manual: set[tuple[Span, ...]] = field(default_factory=set)
    accepted: set[Span] = field(default_factory=set)
    rejected: set[Span] = field(default_factory=set)

    def contradicted_by(self, article: Article, shown: tuple[Span, ...], *, accepted: bool) -> str:
        """How a further row contradicts them, which it then joins; empty where it does not."""
        plain = tuple(Span(span.start, span.end, span.label) for span in shown)
        if accepted and article.annotated is None:
            differs = bool(self.manual) and plain not in self.manual
            self.manual.add(plain)
            return "the same text is annotated otherwise in another row" if differs else ""
        mine, others = (self.accepted, self.rejected) if accepted else (self.rejected, self.accepted)
        differs = any(span in others for span in plain)
        mine.update(plain)
        return "a span of it is accepted in one row and rejected in another" if differs else ""


def _annotator(row: Mapping[str, Any]) -> str | None:
    who = row.get("_annotator_id") or row.get("_session_id")
    return who if isinstance(who, str) else None


def _record(raw: Mapping[str, Any], default: str) -> Record:
    text, carried = text_of(raw, "text"), raw.get(FIELD)
    if (answer := raw.get("answer", "accept")) not in ANSWERS:
        raise DataError(f"`answer` is {answer!r}; allowed: {', '.join(ANSWERS)}")
    meta = dict(mapping_of(raw.get("meta") or {}, "`meta`"))
    given = meta.get("id") or raw.get("_input_hash")
    name = carried_id(carried) or (str(given) if isinstance(given, int | str) else default)
    unit: Unit | None = None
    if isinstance(carried, Mapping):
        unit = "codepoints"
        meta.pop("id", None)
        if "answer" in raw and carried.get("annotated") == []:  # open when it was written, and answered since
            carried = {key: value for key, value in carried.items() if key != "annotated"}
    field = spans_field(raw, SPAN_FIELDS)
    related = _are_relations(raw.get("relations"))
    own = {*OWN_FIELDS, field, *meta, *(("relations",) if related else ())}
    meta |= {key: value for key, value in raw.items() if key not in own and not key.startswith("_") and value is not None}
    spans = foreign_spans(list_of(raw, field) if field else [], raw.get("label"))
    tokens = (
        ForeignSpan(token["start"], token["end"], "", token["text"])
        for token in list_of(raw, "tokens")
        if isinstance(token, Mapping) and isinstance(token.get("text"), str) and token["text"].strip()
        if is_whole(token.get("start")) and is_whole(token.get("end"))
    )
    relations = _relations(raw["relations"], spans, list_of(raw, "tokens")) if related else []
    return Record(name, text, spans, meta, carried, unit, tokens, others=raw, relations=relations)


def _are_relations(value: object) -> bool:
    """Whether a field called `relations` holds some of Prodigy's."""
    known = {"head", "head_span"}
    return isinstance(value, list) and (not value or any(isinstance(item, Mapping) and known & item.keys() for item in value))


def _relations(items: Iterable[Any], spans: Sequence[ForeignSpan], tokens: Sequence[Any]) -> list[Relation]:
    """The relations between spans, by their places among the row's; -1 is what is not a span, or may be several."""
    places: dict[tuple[Any, ...], int] = {}
    for number, span in enumerate(spans):
        places.setdefault((span.start, span.end, span.label), number)
        for key in ((span.start, span.end), (span.end,)):
            known = places.setdefault(key, number)
            places[key] = known if known >= 0 and spans[known] == span else -1

    def place(item: Mapping[str, Any], name: str) -> int:
        if item.get(f"{name}_span") is not None:
            span = mapping_of(item[f"{name}_span"], f"`{name}_span` of a relation")
            where = (span.get("start"), span.get("end"), *([span["label"]] if span.get("label") else ()))
        else:
            at = item.get(name)
            token = tokens[at] if is_whole(at) and 0 <= at < len(tokens) else None
            where = (token.get("end") if isinstance(token, Mapping) else None,)
        return places.get(tuple(map(_hashable, where)), -1)

    found = []
    for number, item in enumerate(items, start=1):
        item = mapping_of(item, "one of `relations`")
        role, score = role_of(item.get("label")), score_of(item.get("score"))
        found.append(Relation(place(item, "head"), place(item, "child"), role, score, f"relation {number}"))
    return found


def _hashable(value: object) -> object:
    return value if isinstance(value, str | int | float) else None


def _is_binary(record: Mapping[str, Any]) -> bool:
    if record.get("_view_id") is not None or FIELD in record:
        return record.get("_view_id") == "ner"
    items = record.get(spans_field(record, SPAN_FIELDS) or "")
    return "tokens" not in record and any(
        isinstance(item, Mapping) and ("rank" in item or "score" in item) for item in (items if isinstance(items, list) else ())
    )


def merged_regions(spans: Iterable[Span]) -> tuple[Region, ...]:
    """The stretches that the spans cover, sorted and disjoint."""
    regions: list[Region] = []
    for span in sorted(spans):
        if regions and span.start < regions[-1][1]:
            regions[-1] = (regions[-1][0], max(regions[-1][1], span.end))
        else:
            regions.append((span.start, span.end))
    return tuple(regions)


def write_prodigy(
    articles: Iterable[Article],
    path: Path,
    *,
    ledger: LossLedger,  # noqa: ARG001 - nothing is lost
    predictions: bool = False,
) -> None:
    """Write accepted rows with tokens, cut so that every span has its own; the rest is carried in the field `eventtag`.

    With `predictions` the rows have no answer, so `ner.manual` and `spans.manual` offer them for correction. An article that no annotator
    has looked at has no answer either. A span of only white space has no token numbers; Prodigy shows it but cannot edit it.
    """
    with staged_file(path) as file:
        for article in articles:
            words = [word for sentence in words_by_line(article) for word in sentence]
            first = {start: number for number, (start, _) in enumerate(words)}
            last = {end: number for number, (_, end) in enumerate(words)}
            spans = []
            for span in article.spans:
                row: dict[str, Any] = {"start": span.start, "end": span.end, "label": span.label}
                if span.start in first and span.end in last:
                    row |= {"token_start": first[span.start], "token_end": last[span.end]}
                if span.score is not None:
                    row |= {"text": article.mention(span), "score": span.score}
                spans.append(row)
            tokens = [
                {
                    "text": article.text[start:end],
                    "start": start,
                    "end": end,
                    "id": number,
                    "ws": article.text[end : end + 1] == " ",
                }
                for number, (start, end) in enumerate(words)
            ]
            rows = dict(zip(article.spans, spans, strict=True))
            relations = [_relation_row(link, rows) for link in article.links or ()]
            record: dict[str, Any] = {"text": article.text, "tokens": tokens, "spans": spans}
            record |= {"relations": relations} if relations else {}
            shown = {"id": article.id} | {key: article.meta[key] for key in (TO_ANNOTATE,) if key in article.meta}
            record |= {"meta": shown, FIELD: carry(article, links=False)}
            file.write(dump_json(record if predictions or article.annotated == () else record | {"answer": "accept"}) + "\n")


def _relation_row(link: Link, rows: Mapping[Span, Mapping[str, Any]]) -> dict[str, Any]:
    """A link as Prodigy's relation: the numbers of the last tokens of its spans, and the spans."""
    head, child = rows[link.event], rows[link.participant]
    row = {"head": head.get("token_end"), "child": child.get("token_end"), "head_span": dict(head), "child_span": dict(child)}
    return row | {"label": link.role} | ({} if link.score is None else {"score": link.score})
