"""Clients of Hugging Face's inference API, and doccano."""

from __future__ import annotations

from typing import Any

import pytest
from served_app import made_client, made_server, made_tagger  # noqa: F401 - fixtures
from starlette.testclient import TestClient

from eventtag.serving import doccano
from eventtag.tagging.tagger import Tagger

TEXT = "😀 Police attacked Rebels in Lima ."


def hf(client: TestClient, inputs: object, **parameters: object) -> Any:
    return client.post("/hf", json={"inputs": inputs, "parameters": parameters})


def test_mentions_as_the_inference_api_gives_them(client: TestClient, tagger: Tagger) -> None:
    expected = [
        {"entity_group": s.label, "score": s.score, "word": TEXT[s.start : s.end], "start": s.start, "end": s.end}
        for s in tagger.tag(TEXT)
    ]
    assert expected
    assert hf(client, TEXT).json() == expected
    assert hf(client, TEXT, aggregation_strategy="simple", stride=16).json() == expected
    assert client.post("/hf", json={"inputs": TEXT}).json() == expected
    assert hf(client, [TEXT, "", TEXT]).json() == [expected, [], expected]
    ignored = hf(client, TEXT, ignore_labels=["ACTOR"]).json()
    assert ignored == [one for one in expected if one["entity_group"] != "ACTOR"]


def test_words_where_nothing_is_aggregated(client: TestClient, tagger: Tagger) -> None:
    words = hf(client, TEXT, aggregation_strategy="none").json()
    assert [word["entity"] for word in words] == [f"B-{span.label}" for span in tagger.tag(TEXT)]
    assert [TEXT[word["start"] : word["end"]] for word in words] == [word["word"] for word in words]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "`inputs` 1 is null"),
        ({"inputs": {"text": "a"}}, "is an object"),
        ({"inputs": ["a", 1]}, "`inputs` 2 is a number"),
        ({"inputs": "a", "parameters": 3}, "`parameters` is a number"),
        ({"inputs": "a", "parameters": {"aggregation_strategy": "all"}}, "none, simple, first, average, max"),
        ({"inputs": "a", "parameters": {"ignore_labels": "O"}}, "must be a list"),
    ],
)
def test_a_wrong_request_of_a_client_is_refused_in_words(client: TestClient, body: dict[str, Any], said: str) -> None:
    answer = client.post("/hf", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_doccano_gets_a_bare_list(client: TestClient, tagger: Tagger) -> None:
    expected = [{"label": s.label, "start_offset": s.start, "end_offset": s.end} for s in tagger.tag(TEXT)]
    assert client.post("/doccano", json={"text": TEXT}).json() == expected
    assert client.post("/doccano", json={"text": ""}).json() == []
    assert client.post("/doccano", json={"texts": []}).status_code == 400


def test_doccano_gets_the_most_probable_of_overlapping_spans() -> None:
    from eventtag.span import Span

    spans = (Span(0, 5, "ACTOR", 0.6), Span(3, 9, "EVENT", 0.9), Span(9, 12, "ACTOR", 0.2), Span(8, 10, "EVENT", 0.3))
    assert doccano.flat(spans) == [Span(3, 9, "EVENT"), Span(9, 12, "ACTOR")]
