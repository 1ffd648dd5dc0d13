import json

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError
from eventtag.formats.json_file import read_records
from eventtag.formats.jsonl import read_jsonl, sniff_jsonl, write_jsonl
from eventtag.formats.registry import recognise
from eventtag.ledger import LossLedger
from eventtag.span import Span


def read(tmp_path, *lines):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines))
    ledger = LossLedger()
    return list(read_jsonl(path, ledger=ledger)), ledger


def test_articles_come_back_with_everything(tmp_path):
    articles = [
        Article(
            "a", "Kyiv 👩\r\n\ud800", (Span(0, 4, "L"), Span(0, 6, "E")), ((0, 3), (4, 5)), ("L", "E"), {"k": {"x": [1, None]}}
        ),
        Article("b", "x", (Span(0, 1, "L", 0.5),), ()),
        Article("c", "Kyiv fell", rejected=(Span(5, 9, "E"), Span(0, 4, "L"))),
        Article("d", ""),
    ]
    ledger = LossLedger()
    write_jsonl(articles, tmp_path / "o.jsonl", ledger=ledger)
    assert list(read_jsonl(tmp_path / "o.jsonl", ledger=ledger)) == articles
    assert (ledger.seen, ledger.entries, ledger.notes) == (3, [], [])
    assert sniff_jsonl((tmp_path / "o.jsonl").read_text())


def test_whole_numbers_are_ids_and_empty_lines_are_nothing(tmp_path):
    articles, _ = read(tmp_path, {"id": 7, "text": "x"}, b"", b"  ", {"id": "8", "text": "y", "spans": None})
    assert [article.id for article in articles] == ["7", "8"]


SPAN = {"start": 0, "end": 2, "label": "X"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "not valid JSON"),
        (b'{"id": "a", "text": NaN}', "NaN is not JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"id": "a", "text": "\xff"}', "byte 0xff at offset 21 is not UTF-8"),
        ([], "JSON object with `id` and `text`"),
        ({"id": True, "text": "ab"}, "`id` is missing or not a text or whole number"),
        ({"id": 7.5, "text": "ab", "topic": 1}, "`id` is 7.5, not a text or whole number"),
        ({"id": "a"}, "article 'a': `text` is missing"),
        ({"id": "a", "text": "ab", "topic": 1, "meta": {"topic": 2}}, "`topic` stands beside `meta` and in it"),
        ({"id": "a", "text": "ab", "spans": {}}, "`spans` is a dict; it must be a list"),
        ({"id": "a", "text": "ab", "spans": [{"start": 0}]}, "the span {'start': 0} has the label None"),
        ({"id": "a", "text": "ab", "spans": [SPAN | {"end": 3}]}, "span X 0-3 is outside its text"),
        ({"id": "a", "text": "ab", "spans": [SPAN | {"start": 2}]}, "span X 2-2 is outside its text"),
        ({"id": "a", "text": "ab", "spans": [SPAN | {"score": 2}]}, "`score` from 0 to 1"),
        (
            {"id": "a", "text": "ab", "spans": [SPAN | {"score": 0.5}, SPAN]},
            "some of its spans have a `score` and some have none",
        ),
        ({"id": "a", "text": "ab", "spans": [SPAN], "labels": ["Y"]}, "has the label 'X', but its annotated labels are"),
        ({"id": "a", "text": "ab", "labels": [1]}, "`labels` must be a list of texts"),
        ({"id": "a", "text": "ab", "annotated": [[0, 1], [0, 2]]}, "overlaps another"),
        ({"id": "a", "text": "ab", "annotated": [[0]]}, "must be a pair"),
        ({"id": "a", "text": "ab", "meta": [1]}, "`meta` is '[1]'; it must be an object"),
    ],
)
def test_a_damaged_line_is_an_error_with_file_and_line(tmp_path, line, problem):
    with pytest.raises(FormatError, match=r"a.jsonl:2: ") as raised:
        read(tmp_path, {"id": "z", "text": "ab"}, line)
    assert problem in str(raised.value)


KYIV = ("Kyiv fell.", [("Kyiv", "LOC")])


@pytest.mark.parametrize(
    "value",
    [
        {"text": "Kyiv fell.", "spans": [{"start": 0, "end": 4, "label": "LOC"}]},
        {"text": "Kyiv fell.", "spans": [[0, 4, "LOC"]]},
        {"text": "Kyiv fell.", "entities": [{"start": 0, "end": 4, "label": "LOC", "text": "Kyiv"}]},
        {"text": "Kyiv fell.", "entities": [{"begin": 0, "end": 4, "type": "LOC"}], "spans": []},
        {"text": "Kyiv fell.", "label": [{"start": 0, "end": 4, "label": "LOC"}]},
        {"text": "Kyiv fell.", "ner": {"entities": [[0, 4, "LOC"]]}},
        ["Kyiv fell.", {"entities": [[0, 4, "LOC"]]}],
        {"tokens": ["Kyiv", "fell."], "ner_tags": ["B-LOC", "O"]},
        {"words": ["Kyiv", "fell", "."], "text": "Kyiv fell.", "tags": ["LOC", "O", "O"]},
        {"tokenized_text": ["Kyiv", "fell."], "ner": [[0, 0, "LOC"]]},
    ],
)
@pytest.mark.parametrize("shape", ["lines", "array", "pretty", "comma"])
def test_other_shapes_of_json_are_read_where_they_mean_one_thing(tmp_path, value, shape):
    path = tmp_path / "a.jsonl"
    content = {
        "lines": json.dumps(value) + "\n" + json.dumps(value),
        "array": json.dumps([value, value]),
        "pretty": json.dumps([value, value], indent=2),
        "comma": json.dumps(value) + ",\n" + json.dumps(value) + "\n",
    }[shape]
    path.write_text(content, encoding="utf-8")
    assert recognise(path)[0].name in ("jsonl", "doccano")
    ledger = LossLedger()
    articles = list(read_jsonl(path, ledger=ledger))
    assert [(a.text, [(a.mention(s), s.label) for s in a.spans]) for a in articles] == [KYIV, KYIV]
    assert len({a.id for a in articles}) == 2
    assert "articles have no id and are called by file and number" in ledger.remarks


def test_fields_that_are_not_the_formats_are_metadata(tmp_path):
    record = {"id": "a", "text": "x", "spans": [], "source": "AP", "labels": ["X"], "meta": {"k": 1}}
    articles, ledger = read(tmp_path, record)
    assert (articles[0].meta, articles[0].labels) == ({"k": 1, "source": "AP"}, ("X",))
    assert "other fields are kept as metadata: source" in ledger.remarks


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"id": "a", "words": ["Kyiv"], "ner": [5]}, "`ner` holds 5, and the file does not say which label that is"),
        ({"id": "a", "tokens": ["Kyiv"], "tags": []}, "`tags` has 0 tags for the 1 words in `tokens`"),
        ({"id": "a", "tokens": ["Kyiv"], "tags": ["O"], "text": "Lviv"}, "the word 'Kyiv' does not stand in `text`"),
        (
            {"id": "a", "tokenized_text": ["Kyiv"], "ner": [[0, 1, "L"]]},
            "a mention is [FIRST, LAST, LABEL], with words from 0 to 0",
        ),
        ({"id": "a", "text": "ab", "entities": ["ab"]}, '`entities` is ["ab"]; spans need START, END and LABEL'),
        ({"id": "a", "text": "ab", "spans": [[0, 1, "X"]], "entities": [[0, 1, "X"]]}, "both hold spans; keep one of them"),
        ({"id": "a", "text": "ab", "spans": [{"start": 0, "end": 1, "label": ""}]}, "has the label ''"),
        ({"id": "a", "text": "ab", "spans": [[0, 1, ""]]}, "has the label ''; it must be a text that is not empty"),
        ({"id": "a", "text": "ab", "spans": [SPAN | {"text": "bc"}]}, "the span X 0-2 covers 'ab', but its `text` is 'bc'"),
        ({"id": "\ud800", "text": "ab"}, "holds half of a surrogate pair"),
        (b'{"id": "b", "text": "ab", "text": "cd"}', "the key 'text' occurs twice in one object"),
        (b'{"id": "a", "text": "b", "meta": {"score": NaN}}', "NaN is not JSON: the key 'score' has it; write null"),
    ],
)
def test_what_does_not_mean_one_thing_is_refused_with_its_key(tmp_path, value, problem):
    with pytest.raises(FormatError, match=r"a.jsonl:2: ") as raised:
        read(tmp_path, {"id": "z", "text": "ab"}, value)
    assert problem in str(raised.value)


def test_spans_that_are_not_read_stop_a_file_without_others(tmp_path):
    with pytest.raises(FormatError, match=r"none of the spans in the field 'mentions' \(1\) is read"):
        read(tmp_path, {"id": "a", "text": "ab", "mentions": [{"start": 0, "end": 2, "label": "X"}]})


def test_another_unit_is_found_by_the_text_of_the_spans(tmp_path):
    record = {"id": "a", "text": "👩 Kyiv fell", "spans": [{"start": 3, "end": 7, "label": "L", "text": "Kyiv"}]}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(FormatError, match="but its `text` is 'Kyiv'"):
        list(read_jsonl(path, ledger=LossLedger()))
    (article,) = read_jsonl(path, ledger=LossLedger(), offsets="auto")
    assert article.spans == (Span(2, 6, "L"),)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 64])
def test_a_byte_order_mark_inside_a_file_is_a_character(tmp_path, monkeypatch, size):
    monkeypatch.setattr("eventtag.formats.json_file.CHUNK", size)
    records = [{"text": "\ufeffa\ufeff\ufeffé\ufeff", "n": n} for n in range(3)]
    for content in (json.dumps(records, ensure_ascii=False), "\n".join(json.dumps(r, ensure_ascii=False) for r in records)):
        for mark in ("", "\ufeff"):
            (tmp_path / "a.json").write_text(mark + content, encoding="utf-8")
            assert [record for _, record in read_records(tmp_path / "a.json")] == records


def test_a_byte_order_mark_that_begins_a_later_line_stays(tmp_path):
    from eventtag.formats.text_file import read_lines

    (tmp_path / "a.txt").write_bytes("\ufeffa\n\ufeffb\n".encode())
    assert list(read_lines(tmp_path / "a.txt")) == [(1, "a"), (2, "\ufeffb")]


def test_what_no_format_fits_is_named_by_its_keys(tmp_path):
    (tmp_path / "a.json").write_text('{"headline": "x", "body": "y"}')
    with pytest.raises(FormatError, match="its first object has the keys 'headline', 'body'; an article in JSON needs `text`"):
        recognise(tmp_path / "a.json")
    (tmp_path / "a.tsv").write_text("headline\tstory\tlead\nx\ty\tz z\n")
    with pytest.raises(FormatError, match="its first line has the columns 'headline', 'story', 'lead'; a table needs"):
        recognise(tmp_path / "a.tsv")
