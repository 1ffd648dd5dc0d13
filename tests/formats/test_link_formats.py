import json

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError
from eventtag.formats.jsonl import json_line
from eventtag.formats.registry import read_articles, write_articles
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span

TEXT = "👩 Police arrested men"
POLICE, ARREST, MEN = Span(2, 8, "ACTOR"), Span(9, 17, "EVENT", status="negated"), Span(18, 21, "ACTOR")
ARTICLE = Article("a", TEXT, (POLICE, ARREST, MEN), links=(Link(ARREST, POLICE, "AGENT"), Link(ARREST, MEN, "TARGET")))


def read(path, *records, **options):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    ledger = LossLedger()
    return list(read_articles(path, ledger=ledger, options=options)), ledger


def record(**changes):
    return json.loads(json_line(ARTICLE)) | changes


def test_a_link_names_its_spans_by_offsets_and_label():
    line = json.loads(json_line(ARTICLE))
    assert line["links"][0] == {"event": [9, 17, "EVENT"], "participant": [2, 8, "ACTOR"], "role": "AGENT"}
    assert line["spans"][1] == {"start": 9, "end": 17, "label": "EVENT", "status": "negated"}


def test_scores_of_links_and_status_come_back(tmp_path):
    event = Span(9, 17, "EVENT", 0.5, "future", 0.75)
    article = Article("a", TEXT, (Span(2, 8, "ACTOR", 0.25), event), links=(Link(event, Span(2, 8, "ACTOR"), "AGENT", 0.125),))
    write_articles([article], tmp_path / "o.jsonl")
    (back,) = read_articles(tmp_path / "o.jsonl", ledger=LossLedger())
    assert (back.links[0].score, back.spans[1].status_score) == (0.125, 0.75)


def test_unsure_roles_come_back_or_the_ledger_says_that_they_are_not_kept(tmp_path):
    event = Span(9, 17, "EVENT", 0.5, unsure_roles=("AGENT", "PLACE"))
    article = Article("a", TEXT, (Span(2, 8, "ACTOR", 0.25), event), links=())
    for suffix in ("jsonl", "parquet"):
        ledger = LossLedger()
        write_articles([article], tmp_path / f"o.{suffix}", ledger=ledger)
        (back,) = read_articles(tmp_path / f"o.{suffix}", ledger=ledger)
        assert [span.unsure_roles for span in back.spans] == [(), ("AGENT", "PLACE")]
        assert ledger.notes == []
    for name in ("label_studio", "prodigy", "doccano", "csv", "brat"):
        ledger = LossLedger()
        write_articles([article], tmp_path / f"o.{name}", name, ledger=ledger)
        assert any("the tagger is unsure whether anybody has them is not kept" in line for line in ledger.summary())
        (back,) = read_articles(tmp_path / f"o.{name}", name, ledger=LossLedger())
        assert all(span.unsure_roles == () for span in back.spans)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"links": [{"event": [9, 17, "EVENT"], "participant": [0, 8, "ACTOR"], "role": "AGENT"}]},
            "points to ACTOR 0-8, which is not",
        ),
        ({"links": [{"event": 1, "participant": [2, 8, "ACTOR"], "role": "AGENT"}]}, "must have `event` and `participant` as"),
        ({"links": [{"event": [9, 17, "EVENT"], "participant": [2, 8, "ACTOR"]}]}, "a text `role`"),
        (
            {"spans": [{"start": 2, "end": 8, "label": "ACTOR", "status": "denied"}], "links": []},
            "has the status 'denied'; allowed",
        ),
        (
            {"spans": [{"start": 2, "end": 8, "label": "ACTOR", "status": 1}], "links": []},
            "`status` or `status_score` that cannot be",
        ),
        (
            {"spans": [{"start": 2, "end": 8, "label": "ACTOR", "unsure_roles": "AGENT"}], "links": []},
            "`unsure_roles` must be a list of texts",
        ),
    ],
)
def test_wrong_links_are_an_error_with_file_line_and_article(tmp_path, changes, problem):
    with pytest.raises(FormatError) as raised:
        read(tmp_path / "a.jsonl", record(**changes))
    assert "a.jsonl:1: article 'a': " in str(raised.value)
    assert problem in str(raised.value)


def test_links_follow_offsets_of_another_unit(tmp_path):
    spans = [
        {"start": 3, "end": 9, "label": "ACTOR", "text": "Police"},
        {"start": 10, "end": 18, "label": "EVENT", "text": "arrested"},
    ]
    links = [{"event": [10, 18, "EVENT"], "participant": [3, 9, "ACTOR"], "role": "AGENT"}]
    (article,), _ = read(tmp_path / "a.jsonl", record(spans=spans, links=links), offsets="auto")
    assert article.links == (Link(ARREST, POLICE, "AGENT"),)


def test_a_link_to_a_span_that_cannot_be_placed_is_in_the_ledger(tmp_path):
    spans = [
        {"start": 3, "end": 9, "label": "ACTOR", "text": "Police"},
        {"start": 9, "end": 99, "label": "EVENT"},
    ]
    links = [{"event": [9, 99, "EVENT"], "participant": [3, 9, "ACTOR"], "role": "AGENT"}]
    (article,), ledger = read(tmp_path / "a.jsonl", record(spans=spans, links=links), offsets="utf16")
    assert article.links == ()
    assert "1 link dropped at reading: they point to what is not read as a span" in ledger.summary()


def test_other_things_called_links_stay_metadata(tmp_path):
    (article,), ledger = read(tmp_path / "a.jsonl", record(links=["https://example.org"]))
    assert (article.links, article.meta) == (None, {"links": ["https://example.org"]})
    assert "other fields are kept as metadata: links" in ledger.remarks


def test_links_carried_along_that_have_lost_a_span_are_in_the_ledger(tmp_path):
    write_articles([ARTICLE], tmp_path / "a.csv")
    table = (tmp_path / "a.csv").read_text()
    (tmp_path / "b.csv").write_text(table.replace('{""start"": 2, ""end"": 8, ""label"": ""ACTOR""}, ', ""))
    ledger = LossLedger()
    (back,) = read_articles(tmp_path / "b.csv", ledger=ledger)
    assert back.links == (Link(ARREST, MEN, "TARGET"),)
    assert [(link.role, link.participant) for link in ledger.links] == [("AGENT", None)]


@pytest.mark.parametrize("damage", ['""role"": 1', '""role"": """"'])
def test_damaged_links_that_were_carried_along_are_an_error_that_names_the_article(tmp_path, damage):
    write_articles([ARTICLE], tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text((tmp_path / "a.csv").read_text().replace('""role"": ""AGENT""', damage))
    with pytest.raises(FormatError, match=r"b.csv:2: article 'a': "):
        list(read_articles(tmp_path / "b.csv", ledger=LossLedger()))


def test_a_table_of_spans_says_that_it_holds_no_links(tmp_path):
    ledger = LossLedger()
    write_articles([ARTICLE], tmp_path / "a.csv", ledger=ledger, options={"rows": "spans"})
    assert {"status", "links"} <= {note.part for note in ledger.notes}


def test_doccanos_relations_are_links(tmp_path):
    entities = [
        {"id": 7, "label": "ACTOR", "start_offset": 2, "end_offset": 8},
        {"id": 9, "label": "EVENT", "start_offset": 9, "end_offset": 17},
    ]
    relations = [{"id": 1, "from_id": 9, "to_id": 7, "type": "AGENT"}, {"id": 2, "from_id": 9, "to_id": 8, "type": "PLACE"}]
    (article,), ledger = read(tmp_path / "a.jsonl", {"id": 1, "text": TEXT, "entities": entities, "relations": relations})
    assert article.links == (Link(ARREST, POLICE, "AGENT"),)
    assert [(link.role, link.detail) for link in ledger.links] == [("PLACE", "relation 2")]


def test_relations_that_were_taken_away_in_the_tool_do_not_come_back(tmp_path):
    write_articles([ARTICLE], tmp_path / "a.jsonl", "doccano")
    row = json.loads((tmp_path / "a.jsonl").read_text())
    assert row["relations"][0] == {"id": 1, "from_id": 2, "to_id": 1, "type": "AGENT"}
    (article,), _ = read(tmp_path / "b.jsonl", row | {"relations": row["relations"][1:]})
    assert [link.role for link in article.links] == ["TARGET"]


def test_prodigys_relations_are_links_from_their_head(tmp_path):
    spans = [{"start": 2, "end": 8, "label": "ACTOR"}, {"start": 9, "end": 17, "label": "EVENT"}]
    relation = {"head": 2, "child": 1, "head_span": spans[1], "child_span": spans[0], "label": "AGENT"}
    no_span = relation | {"child_span": {"start": 18, "end": 21, "label": None}}
    row = {"text": TEXT, "spans": spans, "relations": [relation, no_span], "answer": "accept"}
    accepted, rejected = row, row | {"answer": "reject", "text": TEXT + "."}
    (article, other), ledger = read(tmp_path / "a.jsonl", accepted, rejected)
    assert (article.links, other.links) == ((Link(ARREST, POLICE, "AGENT"),), None)
    assert [link.reason for link in ledger.links] == [
        "they point to what is not read as a span", "they point to what is not read as a span", "the answer is reject",
    ]  # fmt: skip


def region(name, start, end, label):
    value = {"start": start, "end": end, "text": TEXT[start:end], "labels": [label]}
    return {"id": name, "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def test_label_studios_relations_are_links_and_choices_of_a_region_its_status(tmp_path):
    choice = {
        "from_name": "status",
        "to_name": "text",
        "type": "choices",
        "value": {"start": 9, "end": 17, "choices": ["Negated"]},
    }
    results = [
        region("p", 2, 8, "ACTOR"), region("e", 9, 17, "EVENT"), region("m", 18, 21, "ACTOR"), {"id": "e", **choice},
        {"from_id": "e", "to_id": "p", "type": "relation", "direction": "right", "labels": ["AGENT"]},
        {"from_id": "m", "to_id": "e", "type": "relation", "direction": "left"},
        {"from_id": "e", "to_id": "x", "type": "relation", "labels": ["PLACE"]},
    ]  # fmt: skip
    tasks = [{"id": 1, "data": {"text": TEXT}, "annotations": [{"result": results}]}]
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    ledger = LossLedger()
    (article,) = read_articles(tmp_path / "a.json", ledger=ledger)
    assert article.links == (Link(ARREST, POLICE, "AGENT"), Link(ARREST, MEN, "relation"))
    assert [span.status for span in article.spans] == [None, "negated", None]
    assert ([link.role for link in ledger.links], ledger.notes) == (["PLACE"], [])


def test_label_studio_gets_relations_and_choices(tmp_path):
    write_articles([ARTICLE], tmp_path / "a.json", "label_studio")
    (task,) = json.loads((tmp_path / "a.json").read_text())
    choice, relation = task["annotations"][0]["result"][2], task["annotations"][0]["result"][-1]
    assert (choice["id"], choice["from_name"], choice["value"]["choices"]) == ("r2", "status", ["negated"])
    assert relation == {"from_id": "r2", "to_id": "r3", "type": "relation", "direction": "right", "labels": ["TARGET"]}
