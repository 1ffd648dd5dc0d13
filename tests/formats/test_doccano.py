import json

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError
from eventtag.formats.doccano import read_doccano, sniff_doccano, write_doccano
from eventtag.ledger import LossLedger
from eventtag.span import Span


def read(tmp_path, *records, **options):
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records), encoding="utf-8")
    ledger = LossLedger()
    return list(read_doccano(path, ledger=ledger, **options)), ledger


def mentions(article):
    return [(article.mention(span), span.label) for span in article.spans]


@pytest.mark.parametrize(
    "fields",
    [
        {"label": [[0, 4, "LOC"]]},
        {"labels": [[0, 4, "LOC"]], "meta": {}},
        {"entities": [[0, 4, "LOC"]], "username": "admin"},
        {"entities": [{"id": 9, "label": "LOC", "start_offset": 0, "end_offset": 4}], "relations": [], "Comments": []},
        {"annotations": [{"id": 1, "label": 2, "label_name": "LOC", "start_offset": 0, "end_offset": 4, "user": 1}], "meta": {}},
    ],
)
def test_every_dialect_is_read(tmp_path, fields):
    (article,), ledger = read(tmp_path, {"id": 5, "text": "Kyiv fell", **fields})
    assert (article.id, mentions(article)) == ("5", [("Kyiv", "LOC")])
    assert article.meta == {key: value for key, value in fields.items() if key in ("meta", "username")}
    assert (ledger.seen, ledger.entries) == (1, [])
    assert sniff_doccano(json.dumps({"id": 5, "text": "Kyiv fell", **fields}))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("👩👩 in Kyiv now", 6, 10),  # code points
        ("👩👩 in Kyiv now", 8, 12),  # UTF-16 units
        ("👩‍🚀 in Kyiv now", 5, 9),  # grapheme clusters
        ("a\r\nb\r\nin Kyiv now", 7, 11),  # CR LF as one
        ("👩\r\nin Kyiv now", 6, 10),  # both
    ],
)
def test_the_unit_of_the_offsets_is_found_by_the_edges_of_words(tmp_path, text, start, end):
    (article,), ledger = read(tmp_path, {"id": 1, "text": text, "label": [[start, end, "LOC"]]})
    assert mentions(article) == [("Kyiv", "LOC")]
    assert ledger.entries == []
    assert len(ledger.remarks) == 1


def test_one_unit_is_chosen_for_the_whole_file(tmp_path):
    clear = {"text": "👩👩 in Kyiv now", "label": [[8, 12, "LOC"]]}
    unclear = {"text": "👩 a b c", "label": [[3, 4, "X"]]}
    articles, _ = read(tmp_path, unclear, clear)
    assert mentions(articles[0]) == [("a", "X")]
    (article,), _ = read(tmp_path, unclear, offsets="codepoints")
    assert mentions(article) == [(" ", "X")]


def test_offsets_that_cannot_be_are_named_as_dropped(tmp_path):
    (article,), ledger = read(tmp_path, {"text": "Kyiv", "label": [[0, 4, "A"], [2, 9, "B"], [3, 3, "C"], [-1, 2, "D"]]})
    assert mentions(article) == [("Kyiv", "A")]
    assert [(e.outcome, e.label) for e in ledger.entries] == [("dropped", "B"), ("dropped", "C"), ("dropped", "D")]


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (
            {"id": 1, "text": "a", "annotations": [{"label": 7, "start_offset": 0, "end_offset": 1}]},
            "label 7, a number; write its name",
        ),
        ({"id": 1, "label": []}, "`text` is missing"),
        ({"text": "a", "label": "X"}, "`label` is a str"),
        ({"text": "a", "label": [[0, 1, None]]}, "label None; it must be a text"),
        ({"text": "a", "label": [[0, True, "X"]]}, "a span's end is 'True'"),
        ({"text": "a", "label": ["X"]}, "the span 'X' is neither an object nor"),
        ("{", "not valid JSON"),
    ],
)
def test_a_damaged_line_is_an_error_with_file_and_line(tmp_path, record, problem):
    with pytest.raises(FormatError, match=rf"all.jsonl:2: .*{problem}"):
        read(tmp_path, {"text": "a", "label": []}, record)


def test_articles_come_back_with_everything(tmp_path):
    articles = [
        Article("a/1", "👩 Kyiv\r\n", (Span(3, 5, "X"), Span(0, 6, "Y")), ((0, 2),), ("X", "Y"), {"k": [1]}),
        Article("b", ""),
    ]
    ledger = LossLedger()
    write_doccano(articles, tmp_path / "out.jsonl", ledger=ledger)
    assert list(read_doccano(tmp_path / "out.jsonl", ledger=ledger)) == articles
    assert (ledger.entries, ledger.notes) == ([], [])


@pytest.mark.parametrize("annotated", [[[0, 1e999]], [[0, "1"]], [[0]], [[0, 9]], 5, [5]])
def test_a_damaged_field_of_ours_is_an_error_with_file_and_line(tmp_path, annotated):
    record = json.dumps({"text": "ab", "label": [], "eventtag": {"id": "x", "annotated": annotated}}).replace("Infinity", "1e999")
    with pytest.raises(FormatError, match=r"all.jsonl:1: "):
        read(tmp_path, record)


def test_spans_may_stand_in_any_of_the_fields_and_the_others_are_metadata(tmp_path):
    fields = {"spans": [{"start_offset": 0, "end_offset": 4, "label": "LOC"}], "labels": ["politics"], "label": []}
    (article,), ledger = read(tmp_path, {"id": 5, "text": "Kyiv fell", **fields})
    assert (mentions(article), article.meta, ledger.seen) == ([("Kyiv", "LOC")], {"labels": ["politics"]}, 1)
    assert sniff_doccano(json.dumps({"id": 5, "text": "Kyiv fell", **fields}))
    with pytest.raises(FormatError, match="`label` and `spans` both hold spans; keep one of them"):
        read(tmp_path, {"id": 5, "text": "Kyiv fell", **fields, "label": [[0, 4, "LOC"]]})


def test_a_file_of_which_no_span_is_read_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"none of the spans in the field 'mentions' \(1\) is read"):
        read(tmp_path, {"text": "Kyiv fell", "label": [], "mentions": [{"start": 0, "end": 4, "label": "LOC"}]})


def test_an_array_over_several_lines_is_read(tmp_path):
    records = [{"id": n, "text": "Kyiv fell", "label": [[0, 4, "LOC"]]} for n in (1, 2)]
    articles, _ = read(tmp_path, json.dumps(records, indent=1))
    assert [mentions(article) for article in articles] == [[("Kyiv", "LOC")]] * 2
    assert sniff_doccano(json.dumps(records, indent=1))


def test_comments_are_named_as_lost(tmp_path):
    ledger = LossLedger()
    path = tmp_path / "all.jsonl"
    path.write_text(
        '{"id": 1, "text": "Kyiv", "entities": [{"id": 7, "label": "LOC", "start_offset": 0, "end_offset": 4}], '
        '"relations": [{"from_id": 7, "to_id": 7}], "Comments": ["hm"]}'
    )
    assert [article.id for article in read_doccano(path, ledger=ledger)] == ["1"]
    [note] = ledger.notes
    assert (note.reason, note.detail) == ("comments are not kept", "Comments")
