"""Quoted mentions, placed in the texts that they are quoted from."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eventtag
from eventtag.article import Article
from eventtag.cli.commands import align as command
from eventtag.corpus.quoted import Quoted, _Text, align_mentions, read_mentions
from eventtag.errors import DataError, FormatError
from eventtag.ledger import LossLedger
from eventtag.span import Span


def test_a_quote_that_stands_very_often_is_looked_for_once_and_named_in_short():
    text, ledger = "a " * 20_000, LossLedger()
    list(align_mentions([Article("a", text)], {"a": [Quoted("X", "a")] * 300}, ledger=ledger))
    [entry] = {entry.detail for entry in ledger.entries}
    assert entry.endswith(" 14, 16, 18 and 19990 more")
    asked = []
    once = _Text(text)
    once._look_for = lambda *key: asked.append(key) or [(0, 1), (2, 3)]
    for _ in range(3):
        once.places("a ")
    assert asked == [("a", True)]


def aligned(text: str, *mentions: Quoted) -> tuple[Article, list[str]]:
    ledger = LossLedger()
    [article] = align_mentions([Article("a", text)], {"a": mentions}, ledger=ledger)
    return article, [entry.reason for entry in ledger.entries]


def placed(text: str, *mentions: Quoted) -> list[tuple[int, str]]:
    article, reasons = aligned(text, *mentions)
    assert reasons == []
    return [(span.start, article.mention(span)) for span in article.spans]


@pytest.mark.parametrize(
    ("text", "quote", "found"),
    [
        ("Police met rebels.", "rebels", "rebels"),
        ("He said “it’s  a\nwar” today.", '"it\'s a war"', "“it’s  a\nwar”"),
        ("A cease\u00adfire — brief – held", "ceasefire - brief - held", "cease\u00adfire — brief – held"),
        ("Zürich fell", "Zu\u0308rich", "Zürich"),
        ("POLICE met men", "the police".removeprefix("the "), "POLICE"),
        ("In the U.S., he said", "U.S.", "U.S."),
        ("👩‍🚀 in Kyiv 👍 now", "Kyiv 👍", "Kyiv 👍"),
        ("東京で警察が抗議した。", "警察", "警察"),
    ],
)
def test_a_quote_is_found_however_it_is_written(text: str, quote: str, found: str) -> None:
    assert [mention for _, mention in placed(text, Quoted("X", quote))] == [found]


def test_the_spelling_of_the_quote_comes_first() -> None:
    assert placed("us and US", Quoted("X", "US")) == [(7, "US")]


def test_context_decides_between_places() -> None:
    text = "Rebels in Paris met police in Paris and left Paris."
    assert placed(text, Quoted("X", "Paris", before="met police in ")) == [(30, "Paris")]
    assert placed(text, Quoted("X", "Paris", after="met")) == [(10, "Paris")]
    assert placed(text, Quoted("X", "Paris", before="LEFT", after=".")) == [(45, "Paris")]


def test_order_decides_between_places() -> None:
    text = "Rebels in Paris met police in Paris and left Paris."
    paris = Quoted("LOC", "Paris")
    assert [start for start, _ in placed(text, paris, paris, paris)] == [10, 30, 45]
    assert placed(text, Quoted("A", "police"), paris, Quoted("E", "left"))[1] == (30, "Paris")
    article, reasons = aligned(text, Quoted("E", "left"), paris, Quoted("A", "police"))  # not in the order of the text
    assert [article.mention(span) for span in article.spans] == ["police", "left"]
    assert reasons == ["stands several times, and neither context nor order says which is meant"]


def test_nested_mentions_are_both_placed() -> None:
    assert placed("the police of Lima left", Quoted("A", "the police of Lima"), Quoted("L", "Lima")) == [
        (0, "the police of Lima"),
        (14, "Lima"),
    ]


def test_what_cannot_be_placed_is_named_and_where_it_may_be_is_open() -> None:
    text = "Men in Paris, in Paris again, left for buses."
    paris = Quoted("LOC", "Paris", before="xyz xyz")
    article, reasons = aligned(text, paris, Quoted("A", "Men"), Quoted("A", "us"), Quoted("A", "rebels"), Quoted("A", "Men"))
    assert article.spans == (Span(0, 3, "A"),)
    assert sorted(reasons) == [
        "does not stand in the text",
        "is quoted more often than it stands there",
        "stands only inside other words",
        "stands several times, and neither context nor order says which is meant",
    ]
    assert article.annotated == ((0, 7), (12, 17), (22, len(text)))
    assert article.labels == ("A", "LOC")


def test_articles_without_mentions_are_open_unless_they_were_looked_at() -> None:
    ledger = LossLedger()
    given = [Article(name, "Kyiv fell", (Span(0, 4, "OLD"),)) for name in ("a", "b", "c")]
    mentions = {"a": [Quoted("L", "Kyiv")], "b": [], "lost": [Quoted("L", "Kyiv")]}
    found = list(align_mentions(given, mentions, ledger=ledger))
    assert [(a.spans, a.annotated) for a in found] == [((Span(0, 4, "L"),), None), ((), None), ((), ())]
    assert [note.article_id for note in ledger.notes] == ["c"]
    assert [(e.article_id, e.reason) for e in ledger.entries if not e.asked] == [("lost", "there is no article with this id")]
    with pytest.raises(DataError, match="none of the 1 ids of the mentions is that of an article, the first is 'x'"):
        list(align_mentions(given, {"x": []}, ledger=LossLedger()))


@given(data=st.data())
@settings(max_examples=80)
def test_mentions_of_any_text_in_order_come_back_where_they_stood(data: st.DataObject) -> None:
    words = data.draw(
        st.lists(st.sampled_from(["Kyiv", "Lima", "police", "met", "“x”", "U.S.", "é", "👍", "東"]), min_size=1, max_size=12)
    )
    text, places = "", []
    for word in words:
        text += data.draw(st.sampled_from([" ", "\n", "  ", ", "])) if text else ""
        places.append((len(text), len(text) + len(word)))
        text += word
    ledger = LossLedger()
    quoted = [Quoted("X", text[start:end]) for start, end in places]
    [article] = align_mentions([Article("a", text)], {"a": quoted}, ledger=ledger)
    assert [(span.start, span.end) for span in article.spans] == places
    chosen = data.draw(st.integers(0, len(places) - 1))
    start, end = places[chosen]
    whole = Quoted("X", text[start:end], before=text[:start], after=text[end:])
    [article] = align_mentions([Article("a", text)], {"a": [whole]}, ledger=ledger)
    assert [(span.start, span.end) for span in article.spans] in ([(start, end)], [])


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"label": "X", "quote": "y"}', "`id` is None; it must be the id of an article"),
        ('{"id": "a", "quote": "y"}', "has no `label`; a mention has id, label and quote"),
        ('{"id": "a", "label": "X", "quote": " "}', "has no `quote`"),
        ('{"id": "a", "label": "X", "quote": 7}', "`quote` is 7; it must be a text"),
        ('{"id": "a"', "not valid JSON"),
    ],
)
def test_a_record_that_is_no_mention_is_an_error_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "m.jsonl").write_text('{"id": "a"}\n' + line, encoding="utf-8")
    with pytest.raises(FormatError, match=f"m.jsonl:2: .*{problem}"):
        read_mentions(tmp_path / "m.jsonl")


def test_the_command_writes_articles_and_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    eventtag.write_articles([Article("a", "Kyiv fell", meta={"desk": "x"})], tmp_path / "articles.jsonl")
    lines = [{"id": "a", "label": "LOC", "quote": "Kyiv"}, {"id": "a", "label": "LOC", "quote": "Lviv", "before": None}]
    (tmp_path / "mentions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["eventtag align", "articles.jsonl", "mentions.jsonl", "silver.jsonl", "--ledger", "lost.jsonl"]
    )
    assert command.run() == 0
    said = capsys.readouterr()
    assert "1 span dropped at aligning mentions: does not stand in the text" in said.err
    assert "silver.jsonl: 1 articles, 1 spans of 2 mentions" in said.err
    [article] = eventtag.read_articles("silver.jsonl")
    assert (article.spans, article.meta) == ((Span(0, 4, "LOC"),), {"desk": "x"})
    lost = json.loads((tmp_path / "lost.jsonl").read_text(encoding="utf-8"))
    assert (lost["article_id"], lost["label"], lost["detail"]) == ("a", "LOC", "'Lviv'")
