import json

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, SettingsError
from eventtag.formats.label_map import map_labels
from eventtag.formats.re3d import SCHEMA, read_re3d, sniff_re3d, write_re3d
from eventtag.ledger import LossLedger
from eventtag.span import Span

DOCUMENT = {"_id": "D1", "sourceName": "CENTCOM", "sourceUrl": "u", "wordCount": 2, "title": "T", "text": "Col. “J.D.” in Kyiv"}


def entity(begin, end, kind, value, **more):
    return {"_id": "x", "begin": begin, "end": end, "type": kind, "value": value, "documentId": "D1", "confidence": 1, **more}


def folder(tmp_path, entities, documents=(DOCUMENT,)):
    root = tmp_path / "re3d" / "centcom"
    root.mkdir(parents=True)
    (root / "documents.json").write_text("\n".join(map(json.dumps, documents)))
    (root / "entities.json").write_text("\n".join(map(json.dumps, entities)))
    return tmp_path / "re3d"


def test_entities_are_joined_to_documents_and_only_the_schema_was_marked(tmp_path):
    root = folder(tmp_path, [entity(15, 19, "Location", "Kyiv"), entity(0, 11, "Person", "Col. 'J.D.'")])
    ledger = LossLedger()
    (article,) = read_re3d(root, ledger=ledger)
    assert [(article.mention(s), s.label) for s in article.spans] == [("Col. “J.D.”", "Person"), ("Kyiv", "Location")]
    assert article.labels == SCHEMA
    assert article.meta == {"sourceName": "CENTCOM", "sourceUrl": "u", "wordCount": 2, "title": "T", "collection": "centcom"}
    assert (ledger.seen, ledger.entries) == (2, [])
    (mapped,) = map_labels([article], {"Person": "ACTOR", "Organisation": "ACTOR", "Location": "LOCATION"}, ledger=ledger)
    assert mapped.labels == ("LOCATION", "ACTOR")


def test_entities_below_a_confidence_are_dropped_as_asked(tmp_path):
    root = folder(tmp_path, [entity(15, 19, "Location", "Kyiv", confidence=0.2)])
    ledger = LossLedger()
    (article,) = read_re3d(root, ledger=ledger, min_confidence=0.5)
    assert article.spans == ()
    assert [(e.outcome, e.asked) for e in ledger.entries] == [("dropped", True)]
    with pytest.raises(SettingsError, match="min_confidence: 2"):
        list(read_re3d(root, ledger=ledger, min_confidence=2))


@pytest.mark.parametrize(
    ("entities", "problem"),
    [
        (
            [entity(0, 4, "X", "Kyiv", documentId="D9")],
            r"entities.json:1: the document 'D9' of this entity is not in documents.json",
        ),
        ([entity("0", 4, "X", "Kyiv")], r"entities.json:1: `begin` is '0'"),
        ([entity(0, 4, None, "Kyiv")], r"entities.json:1: `type` is missing"),
        ([entity(0, 4, "X", "Kyiv", confidence="high")], r"entities.json:1: `confidence` is 'high'"),
    ],
)
def test_a_damaged_file_is_an_error_with_file_and_line(tmp_path, entities, problem):
    with pytest.raises(FormatError, match=problem):
        list(read_re3d(folder(tmp_path, entities), ledger=LossLedger()))


def test_articles_come_back_with_everything(tmp_path):
    articles = [
        Article("a", "👩 Kyiv", (Span(2, 6, "X"), Span(0, 6, "Y")), ((0, 2),), ("X", "Y"), {"title": "t", "k": 1}),
        Article("b", ""),
    ]
    ledger = LossLedger()
    write_re3d(articles, tmp_path / "out", ledger=ledger)
    assert list(read_re3d(tmp_path / "out", ledger=ledger)) == articles
    assert (ledger.entries, ledger.notes) == ([], [])
    assert sniff_re3d(json.dumps(entity(0, 1, "X", "a")))
