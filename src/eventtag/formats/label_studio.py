"""Label Studio's JSON exports, full and JSON_MIN, as one array or JSON Lines.

    [{"id": 1, "data": {"text": "Kyiv fell"}, "annotations": [{"completed_by": 3, "result": [
      {"from_name": "label", "to_name": "text", "type": "labels",
       "value": {"start": 0, "end": 4, "text": "Kyiv", "labels": ["LOCATION"]}}]}]}]

Offsets are code points in new versions and UTF-16 units in old ones (before label-studio-frontend #308), and count a CR LF as
one in some; the text that each region carries tells which, and a region whose text is not at its offsets is looked for nearby.
A region with several labels is several spans. A task that no one has annotated, or that was only skipped, has no annotated
region.

Sources: https://labelstud.io/guide/export and https://labelstud.io/guide/task_format
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from eventtag.articles import Article
from eventtag.errors import DataError, FormatError, SettingsError
from eventtag.formats.carried import FIELD, carried_id, carry, uncarry, unique_spans
from eventtag.formats.json_file import dump_json, list_of, mapping_of, read_records, text_of, whole
from eventtag.formats.offsets import ForeignSpan, check_unit, resolve_spans
from eventtag.ledger import LossLedger
from eventtag.spans import ScoredSpan, Span
from eventtag.staging import staged_file

Annotations = Literal["one", "each", "predictions"]
LABEL_TYPES = ("labels", "hypertextlabels")


def read_label_studio(
    path: Path,
    *,
    ledger: LossLedger,
    annotations: Annotations = "one",
    annotator: str | int | None = None,
    text_field: str | None = None,
    offsets: str = "auto",
) -> Iterator[Article]:
    """Stream the tasks as articles.

    `annotations`: of several annotations of a task, `one` takes the one marked as ground truth, else the first (the ledger
    names the spans of the others as dropped); `each` makes an article of every one, with `annotator` in its metadata;
    `predictions` takes the last prediction instead. `annotator`: only this one's, by number or e-mail address. `text_field`:
    the task's field with the text (default: `text`, or the only text there is). `offsets`: see `formats.offsets`. Raises
    FormatError with file and line.
    """
    check_unit(offsets)
    if annotations not in get_args(Annotations):
        raise SettingsError(f"annotations: {annotations!r} is unknown; allowed: {', '.join(get_args(Annotations))}")
    for number, (line, task) in enumerate(read_records(path), start=1):
        try:
            yield from _articles(task, f"{path.stem}-{number}", annotations, annotator, text_field, offsets, ledger)
        except DataError as error:
            raise FormatError(str(error), path=path, line=line) from error


def sniff_label_studio(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    if re.match(r"\s*[\[{]", head):
        if re.search(r'"(?:annotations|completions|predictions)"\s*:\s*\[', head) and re.search(r'"data"\s*:\s*\{', head):
            return "is a Label Studio export: tasks with `data` and `annotations`"
        if re.search(r'"labels"\s*:\s*\[\s*"', head) and re.search(r'"(?:annotation_id|lead_time)"\s*:', head):
            return "is a Label Studio JSON_MIN export: regions with `labels`, and an `annotation_id`"
    return None


def _articles(
    task: Mapping[str, Any],
    default: str,
    annotations: Annotations,
    annotator: str | int | None,
    text_field: str | None,
    offsets: str,
    ledger: LossLedger,
) -> Iterator[Article]:
    minimal = not isinstance(task.get("data"), Mapping)
    data = task if minimal else mapping_of(task["data"], "`data`")
    text = text_of(data, text_field or _text_field(data))
    outer = task.get("meta")
    carried = outer.get(FIELD) if isinstance(outer, Mapping) else None
    name = carried_id(carried) or (str(task["id"]) if isinstance(task.get("id"), int | str) else default)
    candidates = [_minimal_annotation(task)] if minimal else _full_annotations(task, annotations)
    if annotator is not None:
        candidates = [item for item in candidates if str(annotator) in _names(item.get("completed_by"))]
    used = len(candidates) if annotations == "each" else 1
    for position, item in enumerate(candidates):
        spans = _spans(item, name, text, offsets, ledger)
        if position >= used:
            for span in spans:
                ledger.add_span(name, "reading", "dropped", "is another annotator's (annotations=each keeps all)", span)
            continue
        several = annotations == "each" and (minimal or len(candidates) > 1)
        who = next(iter(_names(item.get("completed_by"))), "")
        meta = {"annotator": who} if who and annotations == "each" else {}
        article_id = f"{name}@{who or position + 1}" if several else name
        article = uncarry(Article(id=article_id, text=text, spans=unique_spans(spans)), carried)
        yield replace(article, meta={**article.meta, **meta})
    if not candidates:
        yield replace(uncarry(Article(id=name, text=text), carried), annotated=())


def _text_field(data: Mapping[str, Any]) -> str:
    if isinstance(data.get("text"), str):
        return "text"
    texts = [
        key for key, value in data.items() if isinstance(value, str) and key not in ("created_at", "updated_at", "annotator")
    ]
    if len(texts) != 1:
        raise DataError(f"which field holds the text? there are: {', '.join(texts) or 'none'}; name it with text_field")
    return texts[0]


def _full_annotations(task: Mapping[str, Any], annotations: Annotations) -> list[Mapping[str, Any]]:
    key = "predictions" if annotations == "predictions" else "annotations" if "annotations" in task else "completions"
    found = [mapping_of(item, f"one of `{key}`") for item in list_of(task, key)]
    found = [item for item in found if not item.get("was_cancelled") and not item.get("skipped")]
    if annotations == "predictions":
        return found[-1:]
    return sorted(found, key=lambda item: not item.get("ground_truth"))


def _minimal_annotation(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """JSON_MIN names the regions' list after the control, and has `annotator` for `completed_by`."""
    regions = [
        {"type": "labels", "value": value}
        for field in task.values()
        if isinstance(field, list)
        for value in field
        if isinstance(value, Mapping) and {"start", "end"} <= set(value)
    ]
    return {"result": regions, "completed_by": task.get("annotator")}


def _names(completed_by: object) -> list[str]:
    if isinstance(completed_by, Mapping):
        return [str(completed_by[key]) for key in ("id", "email") if completed_by.get(key) is not None]
    return [] if completed_by is None else [str(completed_by)]


def _spans(item: Mapping[str, Any], name: str, text: str, offsets: str, ledger: LossLedger) -> list[Span]:
    foreign: list[ForeignSpan] = []
    scores: list[float | None] = []
    for result in list_of(item, "result"):
        region = mapping_of(result, "one of `result`")
        kind = region.get("type")
        if kind not in (*LABEL_TYPES, None) or "value" not in region:
            continue
        value = mapping_of(region["value"], "`value`")
        labels = next((value[key] for key in LABEL_TYPES if isinstance(value.get(key), list)), None)
        if labels is None:
            continue
        place = (
            value.get("globalOffsets") if kind == "hypertextlabels" and isinstance(value.get("globalOffsets"), Mapping) else value
        )
        place = mapping_of(place, "`globalOffsets`")
        surface = value.get("text") if isinstance(value.get("text"), str) and value.get("text") else None
        score = region.get("score", value.get("score"))
        for label in labels:
            if not isinstance(label, str) or not label:
                raise DataError(f"article {name!r}: the label {label!r} is not a text")
            foreign.append(ForeignSpan(whole(place.get("start"), "`start`"), whole(place.get("end"), "`end`"), label, surface))
            scores.append(
                float(score) if isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1 else None
            )
    ledger.seen += len(foreign)
    placed = resolve_spans(name, text, foreign, ledger=ledger, unit=offsets)
    spans: list[Span] = []
    for position, span in placed:
        score = scores[position]
        final = span if score is None else ScoredSpan(span.start, span.end, span.label, score)
        if final in spans:
            ledger.add_span(name, "reading", "merged", "is marked twice", span)
        spans.append(final)
    return spans


def write_label_studio(
    articles: Iterable[Article],
    path: Path,
    *,
    ledger: LossLedger,  # noqa: ARG001 - nothing is lost
    predictions: bool = False,
    model_version: str = "eventtag",
) -> None:
    """Write tasks to import, one annotation each; what Label Studio has no field for is carried in `meta`.

    The control is called `label`, the text `text`, as in Label Studio's template for named entity recognition. Predicted spans
    (with scores) become a prediction, with `predictions` all spans and also their absence, so that no task counts as annotated. The
    prediction's score, by which the Data Manager sorts tasks, is that of the least sure span.
    """
    with staged_file(path) as file:
        file.write("[")
        for number, article in enumerate(articles, start=1):
            scores = [span.score for span in article.spans if isinstance(span, ScoredSpan)]
            predicted = predictions or (bool(scores) and len(scores) == len(article.spans))
            result = [_region(article, span, position) for position, span in enumerate(article.spans, start=1)]
            task: dict[str, Any] = {
                "id": number,
                "data": {"text": article.text},
                "meta": {FIELD: carry(article)},
                "annotations": [] if predicted else [{"result": result}],
                "predictions": [],
            }
            if predicted:
                lowest = {"score": min(scores)} if scores else {}
                task["predictions"] = [{"model_version": model_version, **lowest, "result": result}]
            file.write(("\n" if number == 1 else ",\n") + dump_json(task))
        file.write("\n]\n")


def _region(article: Article, span: Span, number: int) -> dict[str, Any]:
    value = {"start": span.start, "end": span.end, "text": article.mention(span), "labels": [span.label]}
    region: dict[str, Any] = {"id": f"r{number}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}
    if isinstance(span, ScoredSpan):
        region["score"] = span.score
    return region
