import json

import pytest

from eventtag.articles import Article
from eventtag.errors import FormatError
from eventtag.formats.jsonl import read_jsonl, sniff_jsonl, write_jsonl
from eventtag.ledger import LossLedger
from eventtag.spans import ScoredSpan, Span


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
        Article("b", "x", (ScoredSpan(0, 1, "L", 0.5),), ()),
        Article("c", ""),
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
        ({"id": "a", "text": "ab", "spans": {}}, "`spans` must be a list"),
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
        ({"id": "a", "text": "ab", "meta": [1]}, "`meta` must be a JSON object"),
    ],
)
def test_a_damaged_line_is_an_error_with_file_and_line(tmp_path, line, problem):
    with pytest.raises(FormatError, match=r"a.jsonl:2: ") as raised:
        read(tmp_path, {"id": "z", "text": "ab"}, line)
    assert problem in str(raised.value)
