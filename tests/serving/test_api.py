"""The server's own API."""

from __future__ import annotations

import gzip
import json
import re
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from conftest import make_article
from served_app import made_client, made_server, made_tagger, serving  # noqa: F401 - fixtures
from starlette.testclient import TestClient

from eventtag.article import Article
from eventtag.cli.commands import agreement
from eventtag.errors import DataError
from eventtag.formats.jsonl import json_line
from eventtag.jobs.reading import inputs
from eventtag.serving import api
from eventtag.serving.app import ROUTES
from eventtag.serving.page import PAGE_ROUTES
from eventtag.serving.service import Service
from eventtag.tagging.tagged import with_spans
from eventtag.tagging.tagger import Tagger

TEXT = "Police attacked Rebels in Lima . Nurses praised Moscow in Osaka ."
STRANGE = (
    "",
    "   \n",
    "😀 Police 👩‍👩‍👧 attacked Rebels\r\nin Lima .",
    "e\u0301 Moscow met Kigali",
    "\u202eMiners freed\u202c 東京 in Perth",
    TEXT * 40,
)


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def expected(tagger: Tagger, texts: list[str]) -> list[str]:
    tagged = tagger.tag_many([Article(str(number), text) for number, text in enumerate(texts, start=1)])
    return [json_line(with_spans(item)) for item in tagged]


def test_texts_get_the_spans_that_the_tagger_gives(client: TestClient, tagger: Tagger) -> None:
    answer = client.post("/api/tag", json={"texts": [TEXT, *STRANGE]})
    assert answer.status_code == 200
    assert answer.text.splitlines() == expected(tagger, [TEXT, *STRANGE])
    assert lines_of(answer.text)[0]["spans"]
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.headers["eventtag-model-version"] == f"eventtag-{(tagger.about or {})['sha256'][:10]}"
    assert client.post("/api/tag", json={"text": TEXT}).text.splitlines() == expected(tagger, [TEXT])


def test_articles_keep_id_and_metadata_and_lose_their_annotations(client: TestClient) -> None:
    article = {
        "id": "a",
        "text": TEXT,
        "spans": [{"start": 0, "end": 1, "label": "ODD"}, {"start": 2, "end": 3, "label": "ACTOR"}],
        "rejected": [{"start": 4, "end": 5, "label": "ODD"}],
        "links": [{"event": [0, 1, "ODD"], "participant": [2, 3, "ACTOR"], "role": "AGENT"}],
        "annotated": [[0, 3]],
        "meta": {"x": [1]},
    }
    (tagged,) = lines_of(client.post("/api/tag", json={"articles": [article]}).text)
    assert (tagged["id"], tagged["meta"]) == ("a", {"x": [1]})
    assert "annotated" not in tagged
    assert "ODD" not in {span["label"] for span in tagged["spans"]}
    by_line = client.post("/api/tag", content=json.dumps(article) + "\n\n", headers={"content-type": "application/jsonl"})
    assert lines_of(by_line.text) == [tagged]


def test_certainty_is_given_where_it_is_asked_for(client: TestClient) -> None:
    sure, empty = lines_of(client.post("/api/tag", json={"texts": [TEXT, ""], "certainty": True}).text)
    assert 0 < sure["meta"]["certainty"] < 1
    assert empty["meta"]["certainty"] == 1
    assert "meta" not in lines_of(client.post("/api/tag", json={"text": TEXT}).text)[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"text": ' + b"9" * 5000 + b"}", "no JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "give one of"),
        (b'{"text": "a", "texts": []}', "give one of"),
        (b'{"text": null}', "is null"),
        (b'{"text": "a", "txet": 1}', "unknown field 'txet'"),
        (b'{"texts": "a"}', "must be a list"),
        (b'{"texts": [1]}', "text 1 is a number"),
        (b'{"articles": ["a"]}', "article 1: found str"),
        (b'{"articles": [{"id": "x"}]}', "`text` is null"),
        (b'{"articles": [{"text": "a", "author": "b"}]}', "unknown field 'author'"),
        (b'{"text": "a\\u0000b"}', "NUL at character 1"),
        (b'{"text": "a\\ud800b"}', "lone surrogate U+D800 at character 1"),
        (b'{"articles": [{"text": "a", "id": "\\udfff"}]}', "surrogate"),
        (b'{"text": "a", "certainty": 1}', "true or false"),
    ],
)
def test_a_request_that_is_wrong_is_refused_in_words(client: TestClient, body: bytes, said: str) -> None:
    answer = client.post("/api/tag", content=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_an_article_that_is_too_long_is_refused(client: TestClient) -> None:
    answer = client.post("/api/tag", json={"texts": ["a", "b" * 1_000_001]})
    assert answer.status_code == 413
    assert "text 2 has 1,000,001 characters" in answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/tag", {"texts": [""] * 100_001}),
        ("/api/tag", {"articles": [0] * 100_001}),
        ("/hf", {"inputs": [""] * 100_001}),
        ("/label_studio/predict", {"tasks": [0] * 100_001}),
    ],
)
def test_too_many_articles_are_refused_before_they_take_memory(client: TestClient, path: str, body: dict[str, Any]) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 413
    assert "100,001 entries, at most 100,000" in answer.json()["error"]


def test_a_file_of_too_many_rows_is_refused(client: TestClient) -> None:
    answer = client.post("/api/read", params={"name": "a.jsonl"}, content=b"1\n" * 100_001)
    assert answer.status_code == 413
    assert "100,000 articles" in answer.json()["error"]


def test_every_address_of_the_api_is_described(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    here = {
        (route.path, method.lower())
        for route in ROUTES
        if route not in PAGE_ROUTES and not re.match(r"/(hf|doccano|label_studio|inception)", route.path)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert {(path, method) for path, item in described["paths"].items() for method in item} == here
    references = re.findall(r"#/components/schemas/(\w+)", json.dumps(described))
    assert set(references) == set(described["components"]["schemas"])


def test_health_about_and_metrics(served: tuple[TestClient, Service]) -> None:
    client, service = served
    assert client.get("/health").json() == {"status": "UP"}
    about = client.get("/api/about").json()
    assert about["labels"] == ["ACTOR", "EVENT", "LOCATION"]
    assert about["model_version"] == service.model.version
    client.post("/api/tag", json={"text": TEXT})
    client.get("/no/such/path")
    text = client.get("/metrics").text
    assert re.search(r'^eventtag_requests_total\{path="/api/tag",status="200"\} \d+$', text, re.MULTILINE)
    assert re.search(r'^eventtag_requests_total\{path="other",status="404"\} 1$', text, re.MULTILINE)
    assert f'eventtag_model_info{{version="{service.model.version}"}} 1' in text
    assert re.search(r"^eventtag_articles_total [1-9]\d*$", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "content", "ids", "texts"),
    [
        ("../../etc/a.txt", b"Police met .", ["a.txt"], ["Police met ."]),
        ("a.jsonl", b'{"id": "x", "text": "one"}\n{"text": "two"}\n', ["x", "line-2"], ["one", "two"]),
        ("rows.CSV", "id,text\n1,é\n2,b\n".encode(), ["1", "2"], ["é", "b"]),
        ("", b'{"id": "x", "text": "one"}', ["x"], ["one"]),
    ],
)
def test_files_of_every_kind_are_read(client: TestClient, name: str, content: bytes, ids: list[str], texts: list[str]) -> None:
    answer = client.post("/api/read", params={"name": name}, content=content)
    assert answer.status_code == 200
    assert [article["id"] for article in answer.json()["articles"]] == ids
    assert [article["text"] for article in answer.json()["articles"]] == texts


def test_a_file_that_is_packed_is_unpacked_up_to_a_bound(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    body = gzip.compress(b'{"id": "my articles.jsonl", "text": "one"}\n')
    answer = client.post("/api/read", params={"name": "b.jsonl.gz"}, content=body)
    assert [article["id"] for article in answer.json()["articles"]] == ["my articles.jsonl"]
    monkeypatch.setattr(api, "MAX_UNPACKED", 1000)
    refused = client.post("/api/read", params={"name": "a.jsonl.gz"}, content=gzip.compress(b"\n" * 1001))
    assert refused.status_code == 413
    assert "a.jsonl.gz holds more than 1,000 bytes when it is unpacked" in refused.json()["error"]


def test_what_is_no_unicode_is_answered_still(client: TestClient) -> None:
    answer = client.post("/api/read", params={"name": "a\0\u202e.txt"}, content=b"one")
    assert answer.json()["articles"][0]["id"] == "a\\u0000\\u202e.txt"
    answer = client.post("/api/read", params={"name": "a.jsonl"}, content=b'{"text": "one", "by": "\\ud800"}')
    assert answer.json()["articles"][0]["meta"] == {"by": "\ud800"}


def test_corrections_never_stand_in_each_other_s_way(checkpoint: Path, tmp_path: Path) -> None:
    article = {"id": "b/c", "text": "Police met .", "spans": [{"start": 0, "end": 6, "label": "ACTOR"}]}
    with serving(checkpoint, tmp_path / "a") as (client, service):
        bad = client.post("/api/corrections", content=json.dumps({"annotator": "\ud800", "article": article}))
        assert bad.status_code == 400  # else nobody could read any correction from then on
        for annotator, name in (("a", "b/c"), ("a/b", "c"), ("a", "b/c@a"), ("z", "b/c")):
            assert client.post("/api/corrections", json={"annotator": annotator, "article": {**article, "id": name}}).is_success
        again = replace(next(iter(service.corrections)), key="another/annotation", source="label_studio")
        service.corrections.save([again])
        names = [line["id"] for line in lines_of(client.get("/api/corrections").text)]
        assert names == ["b/c@a@2", "c", "b/c@a", "b/c@z", "b/c@a@3"]


def test_a_page_is_read_and_rows_that_are_bad_are_named(client: TestClient) -> None:
    page = (
        "<html><body><article><p>"
        + "Police arrested five men in the old town of Lyon on Monday. " * 5
        + "</p></article></body></html>"
    )
    (article,) = client.post("/api/read", params={"name": "p.html"}, content=page.encode()).json()["articles"]
    assert "Police arrested" in article["text"]
    answer = client.post("/api/read", params={"name": "a.jsonl"}, content=b'{"text": "ok"}\n{"text": ""}\n').json()
    assert len(answer["articles"]) == 1
    assert answer["problems"] == ["a.jsonl:2: the text is empty"]
    refused = client.post("/api/read", params={"name": "a.pdf"}, content=b"%PDF-1.7")
    assert refused.status_code == 400
    assert "PDF" in refused.json()["error"]
    assert "/tmp" not in refused.json()["error"]


def test_an_unknown_address_and_method_are_answered_in_words(client: TestClient) -> None:
    assert "there is no /nothing" in client.get("/nothing").json()["error"]
    assert client.get("/api/tag").status_code == 405
    assert client.post("/label_studio/../../etc/passwd").status_code in (404, 405)


def test_articles_of_the_corpus_through_the_api(client: TestClient, articles: tuple[Article, ...], tagger: Tagger) -> None:
    records = [{"id": article.id, "text": article.text} for article in articles]
    answer = client.post("/api/tag", json={"articles": records})
    found = [[(s["start"], s["end"], s["label"]) for s in line["spans"]] for line in lines_of(answer.text)]
    assert found == [[(s.start, s.end, s.label) for s in tagger.tag(article.text)] for article in articles]
    assert sum(map(len, found)) > 100


def test_agreement_reads_the_corrections_of_two_annotators(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    article = make_article("a", "Police/ACTOR met Rebels/ACTOR in Lima/LOCATION .")
    with serving(checkpoint, tmp_path / "a") as (client, _):
        for who, spans in (("Ann", article.spans), ("Bob", article.spans[:2])):
            record = json.loads(json_line(replace(article, spans=spans)))
            assert client.post("/api/corrections", json={"annotator": who, "article": record}).status_code == 201
        (tmp_path / "both.jsonl").write_text(client.get("/api/corrections").text, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["eventtag", str(tmp_path / "both.jsonl")])
    assert agreement.run() == 0
    shown = capsys.readouterr().out
    assert "Ann / Bob" in shown
    assert "1 articles; only in A: 0, only in B: 0" in shown
    assert "1 disagreements" in shown


def test_corrections_come_back_as_articles(checkpoint: Path, tmp_path: Path) -> None:
    article = make_article("é 1", "Police/ACTOR met 😀 Rebels/ACTOR in Lima/LOCATION .", annotated=((0, 20),))
    with serving(checkpoint, tmp_path / "a") as (client, _):
        body = {
            "annotator": "Ann",
            "article": json.loads(json_line(article)),
            "rejected": [{"start": 7, "end": 10, "label": "EVENT"}],
        }
        assert client.post("/api/corrections", json=body).json() == {"saved": 1, "corrections": 1}
        assert client.post("/api/corrections", json={**body, "annotator": "Bob"}).status_code == 201
        (back,) = lines_of(client.get("/api/corrections", params={"annotator": "Ann"}).text)
        assert back["spans"] == json.loads(json_line(article))["spans"]
        assert (back["id"], back["annotated"]) == ("é 1", [[0, 20]])
        assert back["meta"] == {"source": "page", "annotator": "Ann"}
        assert back["rejected"] == [{"start": 7, "end": 10, "label": "EVENT"}]
        assert len(lines_of(client.get("/api/corrections").text)) == 2
        gone = client.post(
            "/api/corrections", json={"annotator": "Bob", "article": json.loads(json_line(article)), "deleted": True}
        )
        assert gone.json() == {"deleted": 1, "corrections": 1}
        for wrong, said in (
            ({"article": {"id": "a", "text": "ab", "spans": [{"start": 0, "end": 9, "label": "ACTOR"}]}}, "outside its text"),
            ({"article": {"id": "a", "text": "ab", "spans": [{"start": 0, "end": 1, "label": "ODD"}]}}, "'ODD' is not one of"),
            ({"article": {"id": "a", "text": "ab"}, "rejected": [{"start": 0, "end": 1, "label": "ODD"}]}, "'ODD' is not one of"),
            ({"article": {"id": "a", "text": "ab"}, "rejected": [{"start": 0}]}, "`rejected`"),
            ({"article": {"id": "a", "text": "ab"}, "path": "/etc/passwd"}, "unknown field 'path'"),
            ({"article": 1}, "an article is a JSON object"),
        ):
            refused = client.post("/api/corrections", json=wrong)
            assert refused.status_code == 400
            assert said in refused.json()["error"]
        assert len(lines_of(client.get("/api/corrections").text)) == 1


def test_a_correction_of_another_text_with_the_same_id_is_not_replaced(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, tmp_path / "a") as (client, _):
        first, other = ({"annotator": "Ann", "article": {"id": "1", "text": text}} for text in ("Police met .", "Nurses met ."))
        assert client.post("/api/corrections", json=first).status_code == 201
        refused = client.post("/api/corrections", json=other)
        assert refused.status_code == 409
        assert "a correction of another text with the id '1' is kept" in refused.json()["error"]
        assert client.post("/api/corrections", json={**first, "since": "1"}).status_code == 400
        seen = int(client.get("/api/corrections").headers["Eventtag-Events"])
        assert client.post("/api/corrections", json={**first, "since": seen}).headers["Eventtag-Events"] == str(seen + 1)
        assert client.post("/api/corrections", json={**first, "deleted": True}).is_success
        assert client.post("/api/corrections", json=other).status_code == 201


def test_a_page_may_take_five_seconds_and_says_so(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def slow(page: str, *, seconds: float) -> dict[str, Any]:
        limits.append(seconds)
        raise DataError("too slow")

    monkeypatch.setattr(inputs, "extract_page", slow)
    answer = client.post("/api/read", params={"name": "p.html"}, content=b"<html><body><p a b c>x</p></body></html>").json()
    assert answer == {"articles": [], "problems": ["p.html: too slow"]}
    assert limits == [5.0]


def test_the_page_and_each_of_its_files_are_served(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    names = {path.name for path in (files("eventtag.serving") / "page").iterdir()}
    assert {route.path.removeprefix("/") or "index.html" for route in PAGE_ROUTES} == names
    for name in names - {"index.html"}:
        assert client.get(f"/{name}").content == (files("eventtag.serving") / "page" / name).read_bytes()
    assert not re.findall(r"\son\w+=|style=|https?://", page.text)
