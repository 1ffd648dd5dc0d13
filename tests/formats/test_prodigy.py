import json

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError
from eventtag.formats.prodigy import read_prodigy, sniff_prodigy, write_prodigy
from eventtag.ledger import LossLedger
from eventtag.span import Span

ROW = {
    "text": "Kyiv fell",
    "_input_hash": 1,
    "_task_hash": 2,
    "_session_id": "db-anna",
    "_view_id": "ner_manual",
    "tokens": [{"text": "Kyiv", "start": 0, "end": 4, "id": 0}, {"text": "fell", "start": 5, "end": 9, "id": 1}],
    "spans": [{"start": 0, "end": 4, "token_start": 0, "token_end": 0, "label": "LOC"}],
    "meta": {"source": "wire"},
    "answer": "accept",
}


def read(tmp_path, *records, **options):
    path = tmp_path / "db.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records), encoding="utf-8")
    ledger = LossLedger()
    return list(read_prodigy(path, ledger=ledger, **options)), ledger


def mentions(article):
    return [(article.mention(span), span.label) for span in article.spans]


def test_one_text_in_several_rows_is_several_articles(tmp_path):
    """Binary questions ask about each span of a text in a row of its own."""
    rows = [{**ROW, "_session_id": None, "_view_id": "ner", "answer": answer} for answer in ("accept", "reject", "accept")]
    articles, _ = read(tmp_path, *rows)
    assert [(article.id, article.annotated) for article in articles] == [("1", ((0, 4),)), ("1@2", ()), ("1@3", ((0, 4),))]


def test_an_accepted_row_is_an_article(tmp_path):
    (article,), ledger = read(tmp_path, ROW)
    assert (article.id, mentions(article), article.annotated) == ("1", [("Kyiv", "LOC")], None)
    assert article.meta == {"source": "wire", "annotator": "db-anna"}
    assert ledger.seen == 1
    assert sniff_prodigy(json.dumps(ROW))


@pytest.mark.parametrize("answer", ["reject", "ignore"])
def test_the_spans_of_other_answers_are_dropped_as_the_annotator_asked(tmp_path, answer):
    (article,), ledger = read(tmp_path, ROW | {"answer": answer})
    assert (article.spans, article.annotated) == ((), ())
    assert [(e.outcome, e.reason, e.asked) for e in ledger.entries] == [("dropped", f"the answer is {answer}", True)]


def test_in_the_binary_interface_only_the_shown_span_was_looked_at(tmp_path):
    (article,), _ = read(tmp_path, ROW | {"_view_id": "ner"})
    assert article.annotated == ((0, 4),)


def test_overlapping_spans_are_kept(tmp_path):
    (article,), ledger = read(tmp_path, ROW | {"spans": [*ROW["spans"], {"start": 0, "end": 9, "label": "EVENT"}]})
    assert mentions(article) == [("Kyiv", "LOC"), ("Kyiv fell", "EVENT")]
    assert ledger.entries == []


def test_one_session_can_be_chosen_and_several_get_ids_of_their_own(tmp_path):
    rows = (ROW, ROW | {"_session_id": "db-ben"})
    articles, _ = read(tmp_path, *rows, session="db-ben")
    assert [(article.id, article.meta["annotator"]) for article in articles] == [("1", "db-ben")]
    articles, _ = read(tmp_path, *rows)
    assert [(article.id, article.meta["annotator"]) for article in articles] == [("1", "db-anna"), ("1@db-ben", "db-ben")]
    nameless, _ = read(tmp_path, {"text": "x"})
    assert [article.id for article in nameless] == ["db-1"]


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (ROW | {"answer": "maybe"}, "`answer` is 'maybe'; allowed: accept, reject, ignore"),
        (ROW | {"text": None}, "`text` is missing"),
        (ROW | {"spans": [{"start": 0, "end": 4}]}, "label None; it must be a text"),
        (ROW | {"spans": [{"start": 0.5, "end": 4, "label": "X"}]}, "a span's start is '0.5'"),
        (ROW | {"meta": [1]}, "`meta` is"),
        ("[]", "a JSON list where an object is needed"),
    ],
)
def test_a_damaged_line_is_an_error_with_file_and_line(tmp_path, record, problem):
    with pytest.raises(FormatError, match=rf"db.jsonl:2: .*{problem}"):
        read(tmp_path, ROW, record)


def test_articles_come_back_with_everything_and_spans_have_tokens(tmp_path):
    articles = [
        Article("a/1", "👩 Kyiv,\r\n", (Span(2, 6, "X"), Span(0, 6, "Y")), ((0, 2),), ("X", "Y"), {"k": [1]}),
        Article("b", ""),
    ]
    ledger = LossLedger()
    write_prodigy(articles, tmp_path / "out.jsonl", ledger=ledger)
    assert list(read_prodigy(tmp_path / "out.jsonl", ledger=ledger)) == articles
    row = json.loads((tmp_path / "out.jsonl").read_text().split("\n")[0])
    assert [token["text"] for token in row["tokens"]] == ["👩", "Kyiv", ","]
    assert row["spans"][0] == {"start": 0, "end": 6, "label": "Y", "token_start": 0, "token_end": 1}


def test_rows_without_a_view_are_binary_where_a_model_scored_their_spans(tmp_path):
    rows = [
        {"text": "Kyiv fell", "spans": [{"start": 0, "end": 4, "label": "LOC", "score": 0.5}], "answer": answer, "_input_hash": 5}
        for answer in ("accept", "reject")
    ]
    articles, ledger = read(tmp_path, *rows)
    assert [(mentions(a), a.annotated) for a in articles] == [([("Kyiv", "LOC")], ((0, 4),)), ([], ())]
    assert [a.rejected for a in articles] == [(), (Span(0, 4, "LOC"),)]
    assert ledger.entries == []
    assert [note.reason for note in ledger.notes] == ["a span of it is accepted in one row and rejected in another"]


def test_which_of_several_rejected_spans_is_wrong_is_not_known(tmp_path):
    both = [{"start": 0, "end": 4, "label": "LOC", "score": 0.5}, {"start": 5, "end": 9, "label": "EVENT", "score": 0.5}]
    (article,), ledger = read(tmp_path, {"text": "Kyiv fell", "spans": both, "answer": "reject"})
    assert (article.spans, article.annotated, article.rejected) == ((), (), ())
    assert [entry.reason for entry in ledger.entries] == ["the answer is reject"] * 2


def test_two_annotators_who_differ_are_named(tmp_path):
    _, ledger = read(tmp_path, ROW, ROW | {"_session_id": "db-ben", "spans": []})
    assert [(note.article_id, note.part) for note in ledger.notes] == [("1@db-ben", "article")]
    _, ledger = read(tmp_path, ROW, ROW | {"_session_id": "db-ben"})
    assert ledger.notes == []


@pytest.mark.parametrize("items", [[{"start": 0, "end": 4, "label": "LOC"}], [[0, 4, "LOC"]]])
def test_entities_are_read_as_spans_and_other_fields_are_metadata(tmp_path, items):
    (article,), _ = read(tmp_path, {"text": "Kyiv fell", "entities": items, "answer": "accept", "date": "2024", "labels": ["x"]})
    assert (mentions(article), article.meta) == ([("Kyiv", "LOC")], {"date": "2024", "labels": ["x"]})


def test_a_file_of_which_no_span_is_read_is_refused(tmp_path):
    row = {"text": "Kyiv fell", "relations": [{"head_span": {"start": 0, "end": 4, "label": "LOC"}}], "answer": "accept"}
    with pytest.raises(FormatError, match=r"none of the spans in the field 'relations' \(1\) is read"):
        read(tmp_path, row)


def test_tokens_tell_what_offsets_count(tmp_path):
    tokens = [{"text": "👩", "start": 0, "end": 2}, {"text": "Kyiv", "start": 3, "end": 7}]
    (article,), ledger = read(tmp_path, {"text": "👩 Kyiv", "tokens": tokens, "spans": [{"start": 3, "end": 7, "label": "L"}]})
    assert mentions(article) == [("Kyiv", "L")]
    assert "offsets count UTF-16 units" in ledger.remarks
