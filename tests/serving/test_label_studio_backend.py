"""Label Studio's requests, in the shape in which its version 1.23.2 sends them."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from served_app import made_client, made_server, made_tagger, serving  # noqa: F401 - fixtures
from starlette.testclient import TestClient

from eventtag.article import Article
from eventtag.link import Link
from eventtag.serving import label_studio
from eventtag.serving.batches import Found
from eventtag.serving.label_studio import Interface
from eventtag.serving.service import Service
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger

XML = (
    '<View><Labels name="label" toName="text"><Label value="ACTOR"/><Label value="EVENT"/><Label value="LOCATION"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)
OWN = (
    '<View><Header value="Mark"/><Labels name="kind" toName="story"><Label value="Who" predicted_values="PER,ACTOR"/>'
    '<Label value="Where" alias="where" predicted_values="LOCATION"/></Labels><Text name="story" value="$body"/></View>'
)
TEXT = "Police attacked 😀 Rebels in Lima ."
PROJECT = {
    "id": 1,
    "label_config": XML,
    "created_at": "2026-11-29T16:24:10.575013Z",
    "title": "try one",
    "token": "not ours to use",
}
UNIQUE = "label_studio/1.1795969450"


def task(number: int, text: object, **data: object) -> dict[str, Any]:
    return {"id": number, "data": {"text": text, **data}, "meta": {}, "annotations": [], "predictions": [], "project": 1}


def predict(client: TestClient, tasks: list[Any], xml: str = XML) -> Any:
    body = {
        "tasks": tasks,
        "project": "1.1795969450",
        "label_config": xml,
        "params": {"login": None, "password": None, "context": None},
    }
    return client.post("/label_studio/predict", json=body)


def setup(client: TestClient, xml: str) -> Any:
    body = {
        "project": "1.1795969450",
        "schema": xml,
        "hostname": "http://localhost:8091",
        "access_token": "0" * 40,
        "extra_params": None,
    }
    return client.post("/label_studio/setup", json=body)


def test_health_setup_and_versions(served: tuple[TestClient, Service]) -> None:
    client, service = served
    assert client.get("/label_studio/health").json()["status"] == "UP"
    assert setup(client, XML).json() == {"model_version": service.model.version}
    assert client.get("/label_studio/versions").json() == {"versions": [service.model.version]}


def test_one_result_a_task_in_order(served: tuple[TestClient, Service], tagger: Tagger, caplog: pytest.LogCaptureFixture) -> None:
    client, service = served
    texts: list[object] = [TEXT, "", "of the .", None, 7, "a\0b", "Nurses praised Moscow in Osaka .", "b" * 1_000_001]
    tasks: list[Any] = [task(number, text) for number, text in enumerate(texts, start=1)]
    with caplog.at_level(logging.WARNING):
        results = predict(client, [*tasks, "no task", {"id": 9}]).json()["results"]
    assert len(results) == 10
    for text, result in zip(texts, results, strict=False):
        expected = tagger.tag(text) if isinstance(text, str) and "\0" not in text and len(text) < 1000 else ()
        found = [(r["value"]["start"], r["value"]["end"], *r["value"]["labels"]) for r in result["result"]]
        assert found == [(span.start, span.end, span.label) for span in expected]
        assert all(r["value"]["text"] == str(text)[r["value"]["start"] : r["value"]["end"]] for r in result["result"])
        assert all((r["from_name"], r["to_name"], r["type"]) == ("label", "text", "labels") for r in result["result"])
        assert result["model_version"] == service.model.version
    assert results[0]["result"]
    assert 0 < results[0]["score"] < 1
    assert 0 < results[2]["score"] <= 1
    assert [result["score"] for result in results[3:6]] == [0.0, 0.0, 0.0]
    assert "task 4 is not tagged, and has certainty 0: `text` is null" in caplog.text
    assert predict(client, []).json() == {"results": []}


def test_labels_by_their_names_in_the_interface(client: TestClient, tagger: Tagger, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert setup(client, OWN).status_code == 200
    assert "no label for EVENT" in caplog.text
    (result,) = predict(client, [{"id": 1, "data": {"body": TEXT, "text": "another field"}}], OWN).json()["results"]
    names = {"ACTOR": "Who", "LOCATION": "Where"}
    assert [r["value"]["labels"][0] for r in result["result"]] == [names[s.label] for s in tagger.tag(TEXT) if s.label in names]
    assert {(r["from_name"], r["to_name"]) for r in result["result"]} == {("kind", "story")}


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("", "has no labelling interface"),
        ("<View>", "no XML"),
        ('<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><View>&a;</View>', "no XML that can be read"),
        ("<View/>", "has no <Labels>"),
        ('<View><Labels name="l" toName="t"/></View>', "are on nothing"),
        (
            '<View><Labels name="l" toName="t"><Label value="ACTOR"/></Labels><HyperText name="t" value="$t"/></View>',
            "are on <HyperText>",
        ),
        (
            '<View><Labels name="l" toName="t"><Label value="ACTOR"/></Labels><Text name="t" valueType="url" value="$t"/></View>',
            "url",
        ),
        (
            '<View><Labels name="l" toName="t"><Label value="ACTOR"/></Labels><Text name="t" value="Read this"/></View>',
            "a field of the tasks",
        ),
        ('<View><Labels name="l" toName="t"/><Text name="t" value="$t"/></View>', "has no label"),
        (XML.replace("EVENT", "Weapon"), "the label 'Weapon' of the labelling interface is none that the tagger knows"),
        (
            XML.replace('value="EVENT"', 'value="X" predicted_values="EVENT, ACTOR"'),
            "stands for several labels of the tagger (EVENT, ACTOR)",
        ),
    ],
)
def test_an_interface_that_does_not_fit_is_refused_in_words(client: TestClient, xml: str, said: str) -> None:
    for answer in (setup(client, xml), predict(client, [task(1, TEXT)], xml)):
        assert answer.status_code == 400
        assert said in answer.json()["error"]


def region(text: str, mention: str, label: str) -> dict[str, Any]:
    start = text.index(mention)
    value = {"start": start, "end": start + len(mention), "text": mention, "labels": [label]}
    return {"id": f"r{start}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def webhook(client: TestClient, action: str, **fields: object) -> Any:
    return client.post("/label_studio/webhook", json={"action": action, "project": PROJECT, **fields})


def annotation(number: int, result: list[Any], **fields: object) -> dict[str, Any]:
    return {"id": number, "result": result, "was_cancelled": False, "ground_truth": False, "task": 1, "completed_by": 3, **fields}


def test_annotations_are_kept_changed_and_deleted(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, tmp_path / "a") as (client, service):
        first = annotation(5, [region(TEXT, "Police", "ACTOR"), region(TEXT, "Lima", "LOCATION")])
        assert webhook(client, "ANNOTATION_CREATED", annotation=first, task=task(1, TEXT)).json() == {"status": "ok"}
        (kept,) = service.corrections
        assert (kept.key, kept.annotator, kept.document) == (f"{UNIQUE}/annotation/5", "3", f"{UNIQUE}/1")
        assert [(kept.article.mention(s), s.label) for s in kept.article.spans] == [("Police", "ACTOR"), ("Lima", "LOCATION")]
        assert (kept.article.id, kept.article.text, kept.article.annotated) == (f"{UNIQUE}/1", TEXT, None)
        webhook(client, "ANNOTATION_UPDATED", annotation=annotation(5, [region(TEXT, "Rebels", "ACTOR")]), task=task(1, TEXT))
        (kept,) = service.corrections
        assert [kept.article.mention(s) for s in kept.article.spans] == ["Rebels"]
        skipped = annotation(6, [], was_cancelled=True)
        webhook(client, "ANNOTATION_CREATED", annotation=skipped, task=task(2, "Nothing happened."))
        assert [one.article.annotated for one in service.corrections] == [None, ()]
        webhook(client, "ANNOTATIONS_DELETED", annotations=[{"id": 5}])
        assert [one.key for one in service.corrections] == [f"{UNIQUE}/annotation/6"]
        webhook(client, "TASKS_DELETED", tasks=[{"id": 2}])
        assert not list(service.corrections)
        for action in ("PROJECT_UPDATED", "LABEL_LINK_CREATED", "TASKS_CREATED", "something new"):
            assert webhook(client, action).status_code == 200
        assert service.corrections.events == 5


def test_an_annotation_in_the_interfaces_words(checkpoint: Path, tmp_path: Path) -> None:
    project = {**PROJECT, "label_config": OWN}
    with serving(checkpoint, tmp_path / "a") as (client, service):
        result = [
            region(TEXT, "Police", "Who") | {"from_name": "kind", "to_name": "story"},
            region(TEXT, "Lima", "where") | {"from_name": "kind", "to_name": "story"},
        ]
        carried = {"eventtag": {"id": "mine", "meta": {"source": "AP"}}}
        one = {"id": 4, "data": {"body": TEXT, "topic": "war"}, "meta": carried}
        client.post(
            "/label_studio/webhook",
            json={"action": "ANNOTATION_CREATED", "project": project, "annotation": annotation(1, result), "task": one},
        )
        (kept,) = service.corrections
        assert kept.article.id == "mine"
        assert [(kept.article.mention(s), s.label) for s in kept.article.spans] == [("Police", "ACTOR"), ("Lima", "LOCATION")]
        assert kept.article.labels == ("ACTOR", "LOCATION")  # nobody could mark EVENT there
        assert kept.article.meta == {"topic": "war", "source": "AP"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "an annotation is missing"),
        ({"annotation": annotation(1, [])}, "`task`"),
        ({"annotation": annotation(1, [region(TEXT, "Lima", "Odd")]), "task": task(1, TEXT)}, "the label 'Odd'"),
        (
            {"annotation": annotation(1, [region("x" * 99 + "Quito", "Quito", "ACTOR")]), "task": task(1, TEXT)},
            "cannot be placed",
        ),
        ({"annotation": annotation(1, [{"value": {"start": "a", "end": 3}}]), "task": task(1, TEXT)}, "cannot be read"),
        ({"annotation": annotation(1, []), "task": {"id": 1, "data": {"other": 1}}}, "cannot be read"),
        ({"annotation": annotation(1, []), "task": task(1, TEXT), "project": {"id": "x"}}, "`project`"),
    ],
)
def test_an_annotation_that_cannot_be_kept_is_refused(
    checkpoint: Path, tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    with serving(checkpoint, tmp_path / "a") as (client, service):
        body = {"action": "ANNOTATION_CREATED", "project": PROJECT, **fields}
        answer = client.post("/label_studio/webhook", json=body)
        assert answer.status_code == 400, answer.text
        assert said in answer.json()["error"]
        assert not list(service.corrections)


def test_offsets_that_count_another_unit_are_found_by_the_texts(checkpoint: Path, tmp_path: Path) -> None:
    """Old versions count UTF-16; the texts of the regions show it."""
    shifted = region(TEXT, "Rebels", "ACTOR")
    shifted["value"] |= {"start": shifted["value"]["start"] + 1, "end": shifted["value"]["end"] + 1}
    with serving(checkpoint, tmp_path / "a") as (client, service):
        webhook(client, "ANNOTATION_CREATED", annotation=annotation(1, [shifted]), task=task(1, TEXT))
        (kept,) = service.corrections
        assert [kept.article.mention(s) for s in kept.article.spans] == ["Rebels"]


def test_training_needs_corrections(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, tmp_path / "a") as (client, _):
        answer = webhook(client, "START_TRAINING")
        assert answer.status_code == 409
        assert "no correction to learn from" in answer.json()["error"]
        assert json.loads(client.get("/api/training").text) == {
            "running": False,
            "in_force": 0,
            "corrections": 0,
            "trainings": [],
        }


def test_links_between_shown_mentions_are_relations() -> None:
    text = "Police arrested Rebels in Lima ."
    police, arrested, lima = Span(0, 6, "ACTOR", 0.9), Span(7, 15, "EVENT", 0.8), Span(26, 30, "LOCATION", 0.7)
    links = (Link(arrested, police, "AGENT", 0.6), Link(arrested, lima, "PLACE", 0.5))
    found = Found(Article("1", text), (police, arrested, lima), (), 0.5, links)
    interface = Interface("label", "text", "text", {"ACTOR": "Who", "EVENT": "What"}, {"Who": "ACTOR", "What": "EVENT"})
    result = label_studio._prediction(found, interface, "v")["result"]
    regions = {item["id"]: item["value"]["text"] for item in result if item["type"] == "labels"}
    assert list(regions.values()) == ["Police", "arrested"]
    assert [item for item in result if item["type"] == "relation"] == [
        {
            "from_id": next(key for key, value in regions.items() if value == "arrested"),
            "to_id": next(key for key, value in regions.items() if value == "Police"),
            "type": "relation",
            "direction": "right",
            "labels": ["AGENT"],
            "score": 0.6,
        }
    ]
