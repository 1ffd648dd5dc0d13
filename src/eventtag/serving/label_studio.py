"""A backend of Label Studio: predictions for its tasks, and corrections by its webhook.

The routes and bodies are those of Label Studio 1.23 (https://labelstud.io/guide/ml_create). It wants exactly one result a task, in the
order of the tasks, also for a task without spans: fewer, and it throws all of them away. A prediction's `score` is the article's
certainty, by which uncertainty sampling orders tasks. Nothing is asked of Label Studio, so no token of it is needed.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from eventtag.article import Article
from eventtag.errors import EventtagError
from eventtag.formats.json_file import dump_json
from eventtag.formats.label_studio import read_label_studio
from eventtag.formats.records import FIELD, carried_id
from eventtag.ledger import LossLedger
from eventtag.respan import respan
from eventtag.serving.answers import JSONAnswer
from eventtag.serving.batches import Found
from eventtag.serving.refusals import RequestError, list_of, new_article, parse_object
from eventtag.serving.service import Service, service_of
from eventtag.serving.store import Correction

log = logging.getLogger(__name__)

SOURCE = "label_studio"
CONTROLS = ("Labels", "HyperTextLabels")


@dataclass(frozen=True)
class Interface:
    """A labelling interface: the names of the tags with the labels and with the text, the field with the text, the interface's name of
    each of our labels that it has, and our label of each of its names.
    """

    control: str
    text_tag: str
    field: str
    names: Mapping[str, str]
    ours: Mapping[str, str]


def read_interface(xml: object, labels: Sequence[str]) -> Interface:
    """What the XML of a labelling interface says; raises RequestError if our labels and its do not fit, or it shows no plain text.

    `<Label value="Place" predicted_values="LOCATION,GPE">` stands for our label LOCATION; without `predicted_values` the name counts.
    """
    if not isinstance(xml, str) or not xml.strip():
        raise RequestError(
            "the project has no labelling interface; choose Named Entity Recognition under Settings > Labeling Interface"
        )
    try:
        root = fromstring(xml)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise RequestError(f"the labelling interface is no XML that can be read ({error})") from error
    control = next((tag for tag in root.iter() if tag.tag in CONTROLS), None)
    if control is None:
        raise RequestError('the labelling interface has no <Labels>; add <Labels name="label" toName="text"> with the labels')
    target = str(control.get("toName", "")).split(",")[0]
    shown = next((tag for tag in root.iter() if tag.get("name") == target), None)
    if shown is None or shown.tag != "Text" or shown.get("valueType") == "url":
        found = "nothing" if shown is None else f"<{shown.tag}>" + (' with valueType="url"' if shown.get("valueType") else "")
        raise RequestError(
            f'the labels of {control.get("name")!r} are on {found}; articles are tagged where they are on <Text value="$field">'
        )
    field = str(shown.get("value", ""))
    if not field.startswith("$") or len(field) == 1:
        raise RequestError(f'<Text name="{target}"> shows {field!r}; it must show a field of the tasks, such as value="$text"')
    names: dict[str, str] = {}
    ours: dict[str, str] = {}
    for tag in control.iter("Label"):
        name = str(tag.get("value", ""))
        predicted = [part.strip() for part in str(tag.get("predicted_values", name)).split(",")]
        known = [label for label in predicted if label in labels]
        if len(known) != 1:
            fault = f"stands for several labels of the tagger ({', '.join(known)})" if known else "is none that the tagger knows"
            raise RequestError(
                f"the label {name!r} of the labelling interface {fault}; the tagger knows {', '.join(labels)}. Take it out, or say which "
                f'one it is: <Label value="{name}" predicted_values="{labels[0]}"/>'
            )
        names.setdefault(known[0], name)
        ours |= dict.fromkeys((name, tag.get("alias") or name), known[0])
    if not names:
        raise RequestError(f"the labelling interface has no label; the tagger knows {', '.join(labels)}")
    return Interface(str(control.get("name")), target, field[1:], names, ours)


async def health(request: Request) -> JSONAnswer:
    """Label Studio asks this before anything else."""
    return JSONAnswer({"status": "UP", "model_class": "eventtag", "model_version": service_of(request).model.version})


async def setup(request: Request) -> JSONAnswer:
    """Whether the labelling interface fits, and the version of the model, at whose change Label Studio asks for new predictions."""
    service = service_of(request)
    asked = parse_object(await service.body(request))
    interface = read_interface(asked.get("schema"), service.labels)
    if missing := [label for label in service.labels if label not in interface.names]:
        log.warning(
            "Label Studio: the labelling interface has no label for %s; such spans are not shown there", ", ".join(missing)
        )
    return JSONAnswer({"model_version": service.model.version})


async def versions(request: Request) -> JSONAnswer:
    """The version in use."""
    return JSONAnswer({"versions": [service_of(request).model.version]})


async def predict(request: Request) -> JSONAnswer:
    """One prediction a task, in their order."""
    service = service_of(request)
    asked = parse_object(await service.body(request))
    tasks = list_of(asked.get("tasks"), "`tasks`")
    interface = read_interface(asked.get("label_config"), service.labels)
    articles = [_article(task, number, interface) for number, task in enumerate(tasks, start=1)]
    model, found = await service.tag(request, [article for article in articles if article is not None], certainty=True)
    each = iter(found)
    results = [_prediction(None if article is None else next(each), interface, model.version) for article in articles]
    return JSONAnswer({"results": results})


def _article(task: object, number: int, interface: Interface) -> Article | None:
    """The article of a task; None if its text cannot be tagged, which the log explains. The other tasks are still answered."""
    data = task.get("data") if isinstance(task, Mapping) else None
    try:
        return new_article(str(number), data.get(interface.field) if isinstance(data, Mapping) else None, f"`{interface.field}`")
    except RequestError as refusal:
        name = task.get("id", number) if isinstance(task, Mapping) else number
        log.warning("Label Studio: task %s is not tagged, and has certainty 0: %s", name, refusal)
        return None


def _prediction(found: Found | None, interface: Interface, version: str) -> dict[str, Any]:
    spans = () if found is None else found.spans
    ids = {span: f"p{number}" for number, span in enumerate(spans, start=1) if span.label in interface.names}
    return {
        "result": [
            {
                "id": ids[span],
                "from_name": interface.control,
                "to_name": interface.text_tag,
                "type": "labels",
                "score": span.score,
                "value": {
                    "start": span.start,
                    "end": span.end,
                    "text": found.article.text[span.start : span.end],
                    "labels": [interface.names[span.label]],
                },
            }
            for span in ids
            if found is not None
        ]
        + [
            {
                "from_id": ids[link.event],
                "to_id": ids[link.participant],
                "type": "relation",
                "direction": "right",
                "labels": [link.role],
                "score": link.score,
            }
            for link in (found.links if found is not None else None) or ()
            if link.event in ids and link.participant in ids
        ],
        "score": 0.0 if found is None else found.certainty,
        "model_version": version,
    }


async def webhook(request: Request) -> JSONAnswer:
    """An annotation that was made, changed or deleted, or the wish to train. What is kept is on the disk when this answers."""
    service = service_of(request)
    asked = parse_object(await service.body(request))
    action = asked.get("action")
    if action in ("ANNOTATION_CREATED", "ANNOTATION_UPDATED"):
        correction = _correction(asked, service)
        await run_in_threadpool(service.corrections.save, [correction])
    elif action in ("ANNOTATIONS_CREATED", "ANNOTATIONS_DELETED") and isinstance(asked.get("annotations"), list):
        if action == "ANNOTATIONS_CREATED":
            raise RequestError("several annotations at once come without their tasks and are not kept; submit them one by one")
        keys = [_key(asked, item) for item in asked["annotations"]]
        await run_in_threadpool(service.corrections.delete, keys)
    elif action == "TASKS_DELETED" and isinstance(asked.get("tasks"), list):
        documents = [f"{_project(asked)}/{task.get('id')}" for task in asked["tasks"] if isinstance(task, Mapping)]
        await run_in_threadpool(service.corrections.delete_documents, documents)
    elif action == "START_TRAINING":
        training = await run_in_threadpool(service.trainings.start)
        return JSONAnswer({"status": "ok", "training": training}, 201)
    return JSONAnswer({"status": "ok"})


def _project(asked: Mapping[str, Any]) -> str:
    """The project's number with the second in which it was made, as Label Studio itself names it elsewhere: numbers begin anew in a new
    installation.
    """
    project = asked.get("project")
    if not isinstance(project, Mapping) or not isinstance(project.get("id"), int):
        raise RequestError("`project` is missing or has no `id`")
    try:
        made = int(datetime.fromisoformat(str(project["created_at"])).timestamp())
    except (KeyError, ValueError):
        return f"{SOURCE}/{project['id']}"
    return f"{SOURCE}/{project['id']}.{made}"


def _key(asked: Mapping[str, Any], annotation: object) -> str:
    if not isinstance(annotation, Mapping) or not isinstance(annotation.get("id"), int):
        raise RequestError("an annotation is missing or has no `id`")
    return f"{_project(asked)}/annotation/{annotation['id']}"


def _correction(asked: Mapping[str, Any], service: Service) -> Correction:
    """The annotation of a webhook with its task, read as a file that Label Studio exports."""
    task, annotation = asked.get("task"), asked.get("annotation")
    key = _key(asked, annotation)
    if not isinstance(task, Mapping) or not isinstance(task.get("data"), Mapping) or not isinstance(annotation, Mapping):
        raise RequestError("`task` or its `data` is missing")
    interface = read_interface(asked["project"].get("label_config"), service.labels)
    document = f"{_project(asked)}/{task.get('id')}"
    meta = task.get("meta")
    carried = carried_id(meta.get(FIELD)) if isinstance(meta, Mapping) else None
    record = {"id": carried or document, "data": task["data"], "meta": meta or {}, "annotations": [annotation]}
    article = _read(record, interface)
    if strange := [span.label for span in article.spans if span.label not in interface.ours]:
        raise RequestError(
            f"the annotation has the label {strange[0]!r}, which the labelling interface does not have; correct it, and submit"
        )
    renamed = {span: replace(span, label=interface.ours[span.label]) for span in article.spans}
    article = respan(article, renamed.values(), moved=renamed, stage="reading", ledger=LossLedger())
    if len(interface.names) < len(service.labels):
        article = replace(article, labels=tuple(interface.names))
    return Correction(key, SOURCE, str(annotation.get("completed_by") or ""), article, document=document)


def _read(record: Mapping[str, Any], interface: Interface) -> Article:
    ledger = LossLedger()
    with tempfile.TemporaryDirectory(prefix="eventtag-") as folder:
        file = Path(folder) / "task.json"
        file.write_text(f"[{dump_json(record)}]", encoding="utf-8")
        try:
            (article,) = read_label_studio(file, ledger=ledger, text_field=interface.field, to_name=interface.text_tag)
        except EventtagError as error:
            raise RequestError(f"the annotation cannot be read: {str(error).replace(str(file), 'annotation')}") from error
    if ledger.dropped:
        raise RequestError(f"the annotation is not kept, as regions of it cannot be placed: {'; '.join(ledger.summary())}")
    for line in ledger.summary():
        log.warning("Label Studio, %s: %s", record["id"], line)
    return article
