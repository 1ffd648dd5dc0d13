"""Prodigy's JSONL, for named entities (`ner`) and overlapping spans (`spans`).

    {"text": "Kyiv fell", "tokens": [{"text": "Kyiv", "start": 0, "end": 4, "id": 0}, {"text": "fell", "start": 5, "end": 9,
    "id": 1}],
     "spans": [{"start": 0, "end": 4, "token_start": 0, "token_end": 0, "label": "LOCATION"}], "answer": "accept"}

Offsets are code points; `token_end` is inclusive and is not needed. A row that was accepted, or has no answer, is annotated. In
a rejected row the spans are wrong, in an ignored one nobody decided: their spans are dropped as the annotator asked, and the
article has no annotated region. In an accepted row of the binary interface (`_view_id` is `ner`) only the shown spans were
looked at.

Source: https://prodi.gy/docs/api-interfaces
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from eventtag.articles import Article, Region
from eventtag.errors import DataError, FormatError
from eventtag.formats.carried import FIELD, carried_id, carry, uncarry, unique_spans
from eventtag.formats.json_file import dump_json, list_of, mapping_of, read_records, text_of, whole
from eventtag.formats.offsets import ForeignSpan, resolve_spans
from eventtag.formats.table_row import score_of
from eventtag.formats.tokenised import split_sentences
from eventtag.ledger import LossLedger
from eventtag.spans import ScoredSpan, Span
from eventtag.staging import staged_file

ANSWERS = ("accept", "reject", "ignore")


def read_prodigy(path: Path, *, ledger: LossLedger, session: str | None = None) -> Iterator[Article]:
    """Stream the rows as articles; `session` keeps the rows of one annotator (`_session_id` or `_annotator_id`) only.

    The id is the one in `meta`, else the input's hash, else the file's name and the line. The annotator becomes the metadata
    `annotator`; an article that another has annotated before gets the id `ID@ANNOTATOR`, and one that stands in several rows the id
    `ID@LINE`.
    Raises FormatError with file and line.
    """
    seen: set[str] = set()
    for line, record in read_records(path):
        who = record.get("_annotator_id") or record.get("_session_id")
        if session is not None and who != session:
            continue
        try:
            article = _article(record, f"{path.stem}-{line}", ledger)
            if isinstance(who, str) and who:
                name = article.id if article.id not in seen else f"{article.id}@{who}"
                article = replace(article, id=name, meta={**article.meta, "annotator": who})
            if article.id in seen:  # one text in several rows, as binary questions make them
                article = replace(article, id=f"{article.id}@{line}")
            seen.add(article.id)
            yield article
        except DataError as error:
            raise FormatError(str(error), path=path, line=line) from error


def sniff_prodigy(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    if re.match(r"\s*\{", head) and '"text"' in head and re.search(r'"(?:answer|_input_hash|_task_hash|token_start)"\s*:', head):
        return "has lines with an `answer` or a task hash, as Prodigy writes"
    return None


def _article(record: Mapping[str, Any], default: str, ledger: LossLedger) -> Article:
    text = text_of(record, "text")
    answer = record.get("answer", "accept")
    if answer not in ANSWERS:
        raise DataError(f"`answer` is {answer!r}; allowed: {', '.join(ANSWERS)}")
    meta = dict(mapping_of(record.get("meta") or {}, "`meta`"))
    given = meta.get("id") or record.get("_input_hash")
    name = carried_id(record.get(FIELD)) or (str(given) if isinstance(given, int | str) else default)
    foreign: list[ForeignSpan] = []
    scores: list[float | None] = []
    for item in list_of(record, "spans"):
        row = mapping_of(item, "one of `spans`")
        label = row.get("label")
        if not isinstance(label, str) or not label:
            raise DataError(f"one of `spans` has the label {label!r}; it must be a text")
        surface = row.get("text") if isinstance(row.get("text"), str) else None
        foreign.append(ForeignSpan(whole(row.get("start"), "`start`"), whole(row.get("end"), "`end`"), label, surface))
        scores.append(score_of(row.get("score")))
    ledger.seen += len(foreign)
    spans: list[Span] = []
    for position, span in resolve_spans(name, text, foreign, ledger=ledger, unit="codepoints"):
        score = scores[position]
        spans.append(span if score is None else ScoredSpan(span.start, span.end, span.label, score))
    for span in {span for span in spans if spans.count(span) > 1}:
        ledger.add_span(name, "reading", "merged", "is marked twice", span)
    annotated: tuple[Region, ...] | None = None
    if answer != "accept":
        for span in spans:
            ledger.add_span(name, "reading", "dropped", f"the answer is {answer}", span, asked=True)
        spans, annotated = [], ()
    elif record.get("_view_id") == "ner":
        annotated = _merged(spans)
    return uncarry(Article(id=name, text=text, spans=unique_spans(spans), annotated=annotated, meta=meta), record.get(FIELD))


def _merged(spans: Iterable[Span]) -> tuple[Region, ...]:
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

    With `predictions` the rows have no answer, which is how `ner.manual` and `spans.manual` take what is to be corrected. A span of
    white space only has no token numbers, which Prodigy shows but cannot edit.
    """
    with staged_file(path) as file:
        for article in articles:
            words = [word for sentence in split_sentences(article) for word in sentence]
            first = {start: number for number, (start, _) in enumerate(words)}
            last = {end: number for number, (_, end) in enumerate(words)}
            spans = []
            for span in article.spans:
                row: dict[str, Any] = {"start": span.start, "end": span.end, "label": span.label}
                if span.start in first and span.end in last:
                    row |= {"token_start": first[span.start], "token_end": last[span.end]}
                if isinstance(span, ScoredSpan):
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
            record = {"text": article.text, "tokens": tokens, "spans": spans, "meta": {"id": article.id}, FIELD: carry(article)}
            file.write(dump_json(record if predictions else record | {"answer": "accept"}) + "\n")
