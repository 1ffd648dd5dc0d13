"""INCEpTION's requests, in the shape in which its external recommender sends them; the answers are read back by dkpro-cassis."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cassis
import pytest
from served_app import made_client, made_server, made_tagger, serving  # noqa: F401 - fixtures
from starlette.testclient import TestClient

from eventtag.serving.inception import Wish, place
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger

LAYER = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
SEGMENTS = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type."
TEXT = "😀 Police attacked Rebels in Lima.\nNurses praised Moscow in Osaka."


def type_system() -> Any:
    system = cassis.TypeSystem()
    layer = system.create_type(LAYER, supertypeName="uima.tcas.Annotation")
    for name, kind in (
        ("value", "String"), ("identifier", "String"), ("inception_internal_predicted", "Boolean"), ("value_score", "Double"),
        ("value_score_explanation", "String"), ("value_auto_accept", "String"),
    ):  # fmt: skip
        system.create_feature(layer, name, f"uima.cas.{kind}")
    for name in ("Token", "Sentence"):
        system.create_type(SEGMENTS + name, supertypeName="uima.tcas.Annotation")
    return system


def cas_of(text: str, tokens: list[str], *, sentences: bool = True) -> Any:
    cas = cassis.Cas(typesystem=type_system())
    cas.sofa_string, cas.sofa_mime = text, "text/plain"
    begin = 0
    for token in tokens:
        begin = text.index(token, begin)
        cas.add(cas.typesystem.get_type(SEGMENTS + "Token")(begin=begin, end=begin + len(token)))
        begin += len(token)
    begin = 0
    for line in text.splitlines(keepends=True) if sentences else []:
        cas.add(cas.typesystem.get_type(SEGMENTS + "Sentence")(begin=begin, end=begin + len(line.rstrip())))
        begin += len(line)
    return cas


def request(cas: Any, **metadata: object) -> dict[str, Any]:
    about = {"projectId": 134, "layer": LAYER, "feature": "value", "crossSentence": False, "anchoringMode": "tokens", **metadata}
    document = {"xmi": cas.to_xmi(), "documentId": 838, "userId": "klie"}
    return {"metadata": about, "document": document, "typeSystem": cas.typesystem.to_xml()}


def predictions(answer: Any) -> list[tuple[str, str, float]]:
    assert answer.status_code == 200, answer.text
    cas = cassis.load_cas_from_xmi(answer.json()["document"], typesystem=type_system())
    return [(one.get_covered_text(), one.value, one.value_score) for one in cas.select(LAYER) if one.inception_internal_predicted]


WORDS = ["😀", "Police", "attacked", "Rebels", "in", "Lima", ".", "Nurses", "praised", "Moscow", "in", "Osaka", "."]


def test_a_document_comes_back_with_predictions(client: TestClient, tagger: Tagger) -> None:
    cas = cas_of(TEXT, WORDS)
    layer = cas.typesystem.get_type(LAYER)
    cas.add(layer(begin=2, end=8, value="ACTOR"))
    cas.add(layer(begin=2, end=4, value="OLD", inception_internal_predicted=True))
    answer = client.post("/inception/predict", json=request(cas))
    assert predictions(answer) == [(TEXT[s.start : s.end], s.label, s.score) for s in tagger.tag(TEXT)]
    back = cassis.load_cas_from_xmi(answer.json()["document"], typesystem=type_system())
    assert back.sofa_string == TEXT
    own = [(one.begin, one.end, one.value) for one in back.select(LAYER) if not one.inception_internal_predicted]
    assert own == [(2, 8, "ACTOR")]
    assert len(back.select(SEGMENTS + "Token")) == len(WORDS)


def test_spans_are_widened_to_the_tokens_of_the_document(client: TestClient) -> None:
    tokens = ["😀 Police", "attacked", "Rebels", "in", "Lima.", "Nurses", "praised", "Moscow", "in", "Osaka."]
    found = {text for text, *_ in predictions(client.post("/inception/predict", json=request(cas_of(TEXT, tokens))))}
    assert found <= {*tokens, "Nurses praised"}
    assert {"😀 Police", "Lima."} <= found


def test_a_range_counts_utf_16(client: TestClient) -> None:
    cas = cas_of(TEXT, WORDS)
    second = TEXT.index("Nurses") + 1  # one more unit for the emoji
    whole = predictions(client.post("/inception/predict", json=request(cas)))
    part = predictions(client.post("/inception/predict", json=request(cas, range={"begin": second, "end": 9999})))
    assert 0 < len(part) < len(whole)
    assert part == whole[-len(part) :]
    assert part[0][0] == "Nurses"


def wish(anchoring: str, *, cross: bool = False) -> Wish:
    return Wish(LAYER, "value", anchoring, cross, None, "1")


@pytest.mark.parametrize(
    ("anchoring", "cross", "given", "placed"),
    [
        ("characters", False, Span(3, 5, "A", 0.5), [(3, 5)]),
        ("tokens", False, Span(3, 5, "A", 0.5), [(2, 8)]),
        ("tokens", False, Span(3, 10, "A", 0.5), [(2, 17)]),
        ("singleToken", False, Span(3, 10, "A", 0.5), []),
        ("singleToken", False, Span(3, 5, "A", 0.5), [(2, 8)]),
        ("sentences", False, Span(3, 5, "A", 0.5), [(0, 33)]),
        ("tokens", False, Span(30, 40, "A", 0.5), []),
        ("tokens", True, Span(30, 40, "A", 0.5), [(28, 40)]),
        ("tokens", False, Span(1, 2, "A", 0.5), []),
    ],
)
def test_where_a_span_goes(anchoring: str, cross: bool, given: Span, placed: list[tuple[int, int]]) -> None:
    found = place([given], cas_of(TEXT, WORDS), wish(anchoring, cross=cross))
    assert [(span.start, span.end) for span in found] == placed


def test_of_spans_in_one_place_the_most_probable_stays() -> None:
    spans = [Span(2, 4, "A", 0.3), Span(5, 8, "A", 0.8), Span(2, 8, "B", 0.1)]
    found = place(spans, cas_of(TEXT, WORDS), wish("tokens"))
    assert [(span.start, span.end, span.label, span.score) for span in found] == [(2, 8, "A", 0.8), (2, 8, "B", 0.1)]


def changed(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda body: body.update({key: value})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed("metadata", None), "`metadata` is null"),
        (changed("typeSystem", 3), "`typeSystem` is a number"),
        (changed("document", {}), "no `xmi`"),
        (changed("document", {"xmi": "<a>"}), "CAS"),
        (changed("typeSystem", "<typeSystemDescription/>"), "no layer"),
        (lambda body: body["metadata"].update(anchoringMode="lines"), "tokens, singleToken, characters, sentences"),
        (lambda body: body["metadata"].update(feature="other"), "no layer"),
        (lambda body: body["metadata"].update(layer=None), "`layer` and `feature`"),
        (lambda body: body["metadata"].update(range={"begin": "a", "end": 3}), "`range`"),
    ],
)
def test_a_wrong_document_is_refused_in_words(client: TestClient, change: Callable[[dict[str, Any]], None], said: str) -> None:
    body = request(cas_of(TEXT, WORDS))
    change(body)
    answer = client.post("/inception/predict", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize("declaration", ["", '<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0" encoding="UTF-7"?>'])
def test_no_file_is_opened_by_an_entity(client: TestClient, tmp_path: Path, declaration: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("Moscow", encoding="utf-8")
    for key in ("typeSystem", "xmi"):
        body = request(cas_of(TEXT, WORDS))
        place_of = body if key == "typeSystem" else body["document"]
        root = place_of[key].partition("?>")[2] or place_of[key]
        document_type = f'<!DOCTYPE x [<!ENTITY s SYSTEM "file://{secret}">]>'
        if "UTF-7" in declaration:
            document_type = document_type.replace("<!", "+ADwAIQ-")
        place_of[key] = declaration + document_type + root.replace("Police", "&s;")
        answer = client.post("/inception/predict", json=body)
        assert answer.status_code == 400
        assert "Moscow" not in answer.text


def test_documents_of_a_user_are_kept_until_they_are_sent_no_more(checkpoint: Path, tmp_path: Path) -> None:
    cas = cas_of(TEXT, WORDS)
    layer = cas.typesystem.get_type(LAYER)
    for begin, end, label, predicted in (
        (2, 8, "ACTOR", False),
        (9, 17, "OTHER", False),
        (18, 24, "ACTOR", True),
        (28, 32, "LOCATION", False),
    ):
        cas.add(layer(begin=begin, end=end, value=label, inception_internal_predicted=predicted))
    body = request(cas)
    one = body.pop("document")
    with serving(checkpoint, tmp_path / "a") as (client, service):
        service.trainings.start = dict  # type: ignore[method-assign]
        for documents in (
            [one, {**one, "documentId": 839}],
            [one, {**one, "documentId": 839}],
            [one],
            [{**one, "userId": "ann"}],
        ):
            assert client.post("/inception/train", json={**body, "documents": documents}).status_code == 204
        assert [kept.key for kept in service.corrections] == ["inception/134/klie/838", "inception/134/ann/838"]
        assert service.corrections.events == 4  # what has not changed is not written again
        kept = service.corrections.get("inception/134/klie/838")
        assert kept is not None
        assert [(kept.article.mention(s), s.label) for s in kept.article.spans] == [("Police", "ACTOR"), ("Lima", "LOCATION")]
        assert kept.article.annotated == ((0, 33),)  # the second sentence holds no annotation


def test_a_training_that_goes_on_is_busy_and_nothing_is_lost(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cas = cas_of(TEXT, WORDS)
    cas.add(cas.typesystem.get_type(LAYER)(begin=2, end=8, value="ACTOR"))
    body = request(cas)
    with serving(checkpoint, tmp_path / "a") as (client, service):
        monkeypatch.setattr(type(service.trainings), "running", True)
        answer = client.post("/inception/train", json={**body, "documents": [body.pop("document")]})
        assert answer.status_code == 429
        assert len(service.corrections) == 1
        monkeypatch.undo()
