"""Label Studio's JSON exports: full, JSON_MIN and the files of a target storage, as one array, JSON Lines or one object per file.

    [{"id": 1, "data": {"text": "Kyiv fell"}, "annotations": [{"completed_by": 3, "result": [
      {"from_name": "label", "to_name": "text", "type": "labels",
       "value": {"start": 0, "end": 4, "text": "Kyiv", "labels": ["LOCATION"]}}]}]}]

Offsets are code points in new versions and UTF-16 units in old ones (before label-studio-frontend #308), and count a CR LF as
one in some; the texts that regions carry tell which, or the edges of words, over the whole file (`formats.offsets`). A region with
several labels is several spans, and every kind of region with a place in the text is read (`formats.label_studio_regions`). A
task that no one has annotated, or that was only skipped, has no annotated region. Text covered by a region that cannot be read does not
count as annotated.

Sources: https://labelstud.io/guide/export and https://labelstud.io/guide/task_format
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from eventtag.article import Article
from eventtag.errors import DataError, FormatError
from eventtag.formats.json_file import dump_json, mapping_of
from eventtag.formats.label_studio_regions import (
    Regions,
    Shown,
    choose_field,
    is_hypertext,
    is_in_paragraphs,
    is_region,
    read_regions,
    results_of,
    shown,
    text_fields,
)
from eventtag.formats.label_studio_tasks import Fields, Task, read_single_tasks, read_tasks
from eventtag.formats.links import links_between
from eventtag.formats.offsets import ForeignSpan, Offsets, Unit, file_unit, place_spans
from eventtag.formats.prodigy import merged_regions
from eventtag.formats.records import FIELD, carried_id, carry, uncarry
from eventtag.formats.text_file import at_line
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span
from eventtag.staging import staged_file

Annotations = Literal["one", "first", "each", "predictions"]


def read_label_studio(
    path: Path,
    *,
    ledger: LossLedger,
    annotations: Annotations = "one",
    annotator: str | int | None = None,
    text_field: str | None = None,
    to_name: str | None = None,
    offsets: Offsets = "auto",
) -> Iterator[Article]:
    """Stream the tasks as articles.

    `annotations`: of several annotations of a task, `one` takes the one marked as ground truth, else the first with regions (the
    ledger names the spans of the others as dropped, which stops most commands); `first` takes the same one and drops the others as
    asked for; `each` makes an article of every one, with `annotator` in its metadata; `predictions` takes the last prediction
    instead. `annotator`: only this one's, by number or e-mail address. `text_field`: the task's field with the text (default: `text`,
    or the only text there is). `to_name`: the tag on which the regions of that text lie, where the file does not tell. The task's
    other fields become metadata. `offsets`: see `formats.offsets`. Raises FormatError with file and line; also where the file has
    regions and none is read.
    """
    reader = _Reader(path, ledger, annotations, annotator, text_field, to_name, offsets)
    reader.survey()
    for task in read_tasks(path, reader.records):
        with at_line(path, task.line):
            yield from reader.articles(task)
    if reader.elsewhere and ledger.seen == reader.before:
        tags = ", ".join(sorted(reader.objects))
        raise FormatError(
            f"none of its {reader.elsewhere} regions lies on the text that is read; "
            + (f"they lie on the tags {tags}" if tags else "they are of no text, as their start and end are no whole numbers")
            + "\nname the field and the tag: text_field=..., to_name=...",
            path=path,
        )


def sniff_label_studio(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    if re.match(r"\s*[\[{]", head):
        if re.search(r'"(?:annotations|completions|predictions|result)"\s*:\s*\[', head) and re.search(r'"data"\s*:\s*\{', head):
            return "is a Label Studio export: tasks with `data` and `annotations`"
        if re.search(r'"annotation_id"\s*:', head) and re.search(r'"lead_time"\s*:', head):
            return "is a Label Studio JSON_MIN export: rows with `annotation_id` and `lead_time`"
        if re.search(r'"\w*labels"\s*:\s*\[\s*"', head) and re.search(r'"(?:annotation_id|lead_time)"\s*:', head):
            return "is a Label Studio JSON_MIN export: regions with `labels`, and an `annotation_id`"
    return None


@dataclass
class _Reader:
    """What the tasks of one file have in common, and how each becomes articles."""

    path: Path
    ledger: LossLedger
    annotations: Annotations
    annotator: str | int | None
    text_field: str | None
    to_name: str | None
    offsets: Offsets

    def __post_init__(self) -> None:
        self.unit: Unit = "codepoints"
        self.hypertext = self.paragraphs = False
        self.objects: Counter[str] = Counter()
        """By tag of the interface, the number of regions on it in the file."""
        self.records: Counter[str] = Counter()
        """For tasks whose annotations are records of their own, the number of these records."""
        self.before, self.elsewhere = self.ledger.seen, 0

    def survey(self) -> None:
        """Look at all regions of the file: on which tags they lie, in texts of which kind, and what their offsets count."""
        odd = False  # whether there are texts in which units of offsets differ
        for task in read_single_tasks(self.path):
            if task.single and task.id is not None:
                self.records[task.id] += 1
            odd = odd or not str(task.data).isascii() or "\\r" in str(task.data)
            with at_line(self.path, task.line):
                values = [(result, result.get("value")) for item in self._chosen(task) for result in results_of(item)]
            for result, value in values:
                if isinstance(value, Mapping) and is_region(value):
                    if isinstance(name := result.get("to_name"), str):
                        self.objects[name] += 1
                    self.hypertext = self.hypertext or is_hypertext(value)
                    self.paragraphs = self.paragraphs or is_in_paragraphs(value)
        self.unit = file_unit(self._evidence() if odd else (), offsets=self.offsets, ledger=self.ledger, path=self.path)

    def _evidence(self) -> Iterator[tuple[str, list[ForeignSpan]]]:
        for task in read_single_tasks(self.path):
            with at_line(self.path, task.line):
                where = self._shown(task.data)
                if not where.text.isascii() or "\r\n" in where.text:
                    tag = self._object(task.data, where)
                    for item in self._chosen(task):
                        yield where.text, read_regions(results_of(item), where, tag).spans

    def _chosen(self, task: Task) -> list[Fields]:
        """The annotations that may be read, the one that counts first."""
        if self.annotations == "predictions":
            found = [mapping_of(item, "one of `predictions`") for item in task.predictions[-1:]]
        else:
            found = sorted(task.annotations, key=lambda item: (not item.get("ground_truth"), not _has_regions(item)))
        if self.annotator is not None:
            found = [item for item in found if str(self.annotator) in _names(item.get("completed_by"))]
        return found

    def _shown(self, data: Fields) -> Shown:
        field = choose_field(data, self.text_field, list(self.objects), paragraphs=self.paragraphs)
        return shown(data, field, hypertext=self.hypertext)

    def _object(self, data: Fields, where: Shown) -> str | None:
        """The tag on which the regions of the text lie; None where the regions do not say."""
        if self.to_name is not None:
            return self.to_name
        if not self.objects:
            return None
        if where.field in self.objects:
            return where.field
        if self.paragraphs and len(self.objects) == 1:
            return next(iter(self.objects))
        others = {name for name in text_fields(data, paragraphs=False) if name != where.field}
        free = [name for name in self.objects if name not in others]
        if len(free) == 1:
            return free[0]
        if not free:
            return where.field
        raise DataError(
            f"its regions lie on the tags {', '.join(sorted(self.objects))}; which of them shows the field {where.field!r}? "
            "name it with to_name"
        )

    def articles(self, task: Task) -> Iterator[Article]:
        """The articles of one task: one, or one of each annotation."""
        where = self._shown(task.data)
        if where.is_html:
            self.ledger.remark(f"`{where.field}` holds HTML: an article's text is what it shows")
        if len(where.paragraphs) > 1:
            self.ledger.remark(f"`{where.field}` holds paragraphs: an article's text has each on a line, without who said it")
        tag = self._object(task.data, where)
        carried = task.meta.get(FIELD)
        name = carried_id(carried) or task.id or f"{self.path.stem}-{task.number}"
        chosen = self._chosen(task)
        self._note_what_is_passed_over(task, chosen, name)
        each = self.annotations == "each"
        for position, item in enumerate(chosen):
            regions = read_regions(results_of(item), where, tag)
            spans, links = self._spans(regions, name, where)
            if position and not each:
                asked = self.annotations == "first"
                reason = "is another annotator's" + ("" if asked else " (annotations=first drops, annotations=each keeps them)")
                for span in spans:
                    self.ledger.add_span(name, "reading", "dropped", reason, span, asked=asked)
                for link in links or ():
                    self.ledger.add_link(name, "reading", "dropped", reason, link.role, link.event, link.participant, asked=asked)
                continue
            who = next(iter(_names(item.get("completed_by"))), "")
            several = each and (task.minimal or len(chosen) > 1)
            article_id = f"{name}@{who or position + 1}" if several else name
            meta = _meta(item.get("data", task.data) if task.minimal else task.data, task.meta, where.field)
            article = Article(id=article_id, text=where.laid_out(), spans=tuple(spans), meta=meta, links=links)
            article = uncarry(self._without_lost(article, regions, where), carried, ledger=self.ledger)
            yield replace(article, meta={**article.meta, "annotator": who}) if who and each else article
        if not chosen:
            article = Article(id=name, text=where.laid_out(), meta=_meta(task.data, task.meta, where.field))
            yield replace(uncarry(article, carried, ledger=self.ledger), annotated=())

    def _note_what_is_passed_over(self, task: Task, chosen: list[Fields], name: str) -> None:
        filled = [_has_regions(item) for item in chosen]
        if self.annotations in ("one", "first") and any(filled[:1]) and not all(filled):
            self.ledger.note(name, "reading", "spans", "another annotation of the task, which is empty, is passed over")
        if not chosen and self.annotations != "predictions" and task.predictions:
            self.ledger.remark("a task that nobody annotated has predictions, which annotations=predictions reads")
        if task.skipped:
            self.ledger.remark("an annotation that was skipped (cancelled) has regions, which are not read")
        if not chosen and task.drafts:
            self.ledger.remark("a task that nobody annotated has a draft, which is not read: submit it")

    def _spans(self, regions: Regions, name: str, where: Shown) -> tuple[list[Span], tuple[Link, ...] | None]:
        ledger = self.ledger
        ledger.seen += len(regions.lost)
        for lost, reason in regions.lost:
            ledger.add_span(name, "reading", "dropped", reason, _inside(lost, where), detail=lost.surface or "")
        if regions.elsewhere:
            self.elsewhere += len(regions.elsewhere)
            reason = "regions on another tag than the text's are not read (text_field, to_name)"
            ledger.note(name, "reading", "spans", reason, detail=", ".join(regions.elsewhere))
        for reason, detail in regions.notes:
            ledger.note(name, "reading", "links", reason, detail=detail)
        if regions.answers:
            detail = ", ".join(regions.answers)
            ledger.note(name, "reading", "meta", "relations, choices and other answers are not kept", detail=detail)
        placed, each = place_spans(name, where.text, regions.spans, ledger=ledger, unit=self.offsets, assumed=self.unit)
        by_id: dict[object, Span | None] = {}
        for region, span in zip(regions.ids, each, strict=True):  # of a region with several labels the first counts
            by_id.setdefault(region, None if span is None else where.moved(span))
        links = links_between(name, regions.relations, by_id, ledger=ledger)
        return [where.moved(span) for span in placed], links

    def _without_lost(self, article: Article, regions: Regions, where: Shown) -> Article:
        """The article with what a lost region covers left out of what was annotated."""
        if not regions.lost:
            return article
        self.ledger.note(article.id, "reading", "annotated", "what a region covers that is not read counts as not annotated")
        places = merged_regions(span for lost, _ in regions.lost if (span := _inside(lost, where)).start < span.end)
        if len(places) == 0:
            return replace(article, annotated=merged_regions(article.spans))
        edges = [0, *(edge for place in places for edge in place), len(article.text)]
        return replace(article, annotated=tuple((s, e) for s, e in zip(edges[::2], edges[1::2], strict=True) if s < e))


def _inside(span: ForeignSpan, where: Shown) -> Span:
    size = len(where.text)
    start = min(max(span.start, 0), size)
    return where.moved(Span(start, max(min(max(span.end, 0), size), start), span.label))


def _has_regions(annotation: Fields) -> bool:
    return any(is_region(result.get("value")) for result in results_of(annotation))


def _meta(data: Fields, outer: Fields, field: str) -> dict[str, Any]:
    """The task's other fields and its own metadata, which gives way where both have a key."""
    meta = {key: value for key, value in outer.items() if key != FIELD}
    return meta | {key: value for key, value in data.items() if key != field and value is not None}


def _names(completed_by: object) -> list[str]:
    if isinstance(completed_by, Mapping):
        return [str(completed_by[key]) for key in ("id", "email") if completed_by.get(key) is not None]
    return [] if completed_by is None else [str(completed_by)]


def write_label_studio(
    articles: Iterable[Article],
    path: Path,
    *,
    ledger: LossLedger,  # noqa: ARG001 - nothing is lost
    predictions: bool = False,
    model_version: str = "eventtag",
) -> None:
    """Write tasks to import, one annotation each. Metadata stands in `data` beside the text, where the Data Manager shows it; all that
    Label Studio has no field for is carried in `meta`.

    The control is called `label`, the text `text`, as in Label Studio's template for named entity recognition; status needs a control
    `status` as well (`<Choices name="status" toName="text" perRegion="true">`). Predicted spans
    (with scores) become a prediction. With `predictions` all spans do, and also their absence, so that no task counts as annotated. An
    article without spans at which no annotator has looked does not count as annotated either. The Data Manager sorts tasks by the
    prediction's score, which is that of the least sure span.
    """
    with staged_file(path) as file:
        file.write("[")
        for number, article in enumerate(articles, start=1):
            scores = [span.score for span in article.spans if span.score is not None]
            predicted = predictions or (bool(scores) and len(scores) == len(article.spans))
            result = _results(article)
            nobody = article.annotated == () and not article.spans
            task: dict[str, Any] = {
                "id": number,
                "data": {**article.meta, "text": article.text},
                # What is open when it is written may be annotated when it is read: the task itself says so.
                "meta": {FIELD: carry(replace(article, annotated=None) if nobody else article, links=False, status=False)},
                "annotations": [] if predicted or nobody else [{"result": result}],
                "predictions": [],
            }
            if predicted:
                lowest = {"score": min(scores)} if scores else {}
                task["predictions"] = [{"model_version": model_version, **lowest, "result": result}]
            file.write(("\n" if number == 1 else ",\n") + dump_json(task))
        file.write("\n]\n")


def _results(article: Article) -> list[dict[str, Any]]:
    """The spans as regions, their status as choices of the control `status`, and the links as relations."""
    results = []
    ids: dict[Span, str] = {}
    for number, span in enumerate(article.spans, start=1):
        region = _region(article, span, number)
        results.append(region)
        ids[span] = region["id"]
        if span.status is not None:
            place = {key: region["value"][key] for key in ("start", "end", "text")}
            choice = {**region, "from_name": "status", "type": "choices", "value": {**place, "choices": [span.status]}}
            choice.pop("score", None)
            results.append(choice | ({} if span.status_score is None else {"score": span.status_score}))
    for link in article.links or ():
        ends = {"from_id": ids[link.event], "to_id": ids[link.participant]}
        relation = {**ends, "type": "relation", "direction": "right", "labels": [link.role]}
        results.append(relation | ({} if link.score is None else {"score": link.score}))
    return results


def _region(article: Article, span: Span, number: int) -> dict[str, Any]:
    value = {"start": span.start, "end": span.end, "text": article.mention(span), "labels": [span.label]}
    region: dict[str, Any] = {"id": f"r{number}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}
    if span.score is not None:
        region["score"] = span.score
    return region
