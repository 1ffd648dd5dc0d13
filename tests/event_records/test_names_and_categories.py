"""Which mentions are of one actor, and which of the user's phrases fit an event."""

import re

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError
from eventtag.event_records.categories import Categories, read_categories
from eventtag.event_records.names import names_of
from eventtag.event_records.record import Category
from eventtag.span import Span


@pytest.mark.parametrize(
    ("text", "mentions", "names"),
    [
        ("Andrei Rudenko spoke. RUDENKO left.", ["Andrei Rudenko", "RUDENKO"], ["Andrei Rudenko"] * 2),
        (
            "Envoy Andrei V Rudenko met Andrei Rudenko.",
            ["Envoy Andrei V Rudenko", "Andrei Rudenko"],
            ["Envoy Andrei V Rudenko"] * 2,
        ),
        ("Andrei Rudenko, Olga Rudenko, Rudenko", ["Andrei Rudenko", "Olga Rudenko", "Rudenko"], None),
        ("the Bank of Russia and Russia", ["Bank of Russia", "Russia"], None),
        ("Russia met the Russia opposition", ["Russia", "Russia opposition"], None),
        ("?? met Andrei", ["??", "Andrei"], None),
        ("riot police met police", ["riot police", "police"], None),
        ("Police saw Riot Police. The police left.", ["Police", "Riot Police"], None),
        ("the  men saw The men", ["the  men", "The men"], ["the  men"] * 2),
    ],
)
def test_mentions_of_one_actor_have_one_name(text, mentions, names):
    found, position = [], 0
    for mention in mentions:
        start = text.index(mention, position)
        found.append(Span(start, start + len(mention), "ACTOR"))
        position = start + len(mention)
    article = Article("a", text, tuple(found))
    assert [names_of(article, found)[span] for span in found] == (names or mentions)


def test_a_place_is_not_joined_with_what_is_called_after_it():
    for labels in (("ACTOR", "LOCATION"), ("LOCATION", "ACTOR")):
        article = Article("a", "Lake Chad saw Chad", (Span(0, 9, labels[0]), Span(14, 18, labels[1])))
        assert list(names_of(article, article.spans).values()) == ["Lake Chad", "Chad"]


def test_categories_are_those_of_the_file(tmp_path):
    file = tmp_path / "codes.yaml"
    file.write_text("arrest: COERCE\ncall off: NO\nstop: YIELD\nstop work: PROTEST\nHIT: ASSAULT\nbr: AID\n", encoding="utf-8")
    find = read_categories(file)
    texts = ("Arrested", "calling off", "stopped", "stopped work", "hits", "mass arrests", "brought", "bring", "worked")
    codes = ["COERCE", "NO", "YIELD", "PROTEST", "ASSAULT", "COERCE", None, None, None]
    assert [found and found.code for found in map(find, texts)] == codes
    assert find("stopped work") == Category("PROTEST", "stop work")
    assert find.notes() == ["3 events have no category, because no phrase of the categories' file fits them"]
    table = tmp_path / "codes.csv"
    table.write_text("code,phrase\nCOERCE,arrest\n", encoding="utf-8")
    assert read_categories(table)("arrests") == Category("COERCE", "arrest")
    assert Categories([("arrest", "A"), ("protest", "B")])("arrest protest") is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", "arrest: [COERCE]\n", "a.yaml:1: is not `phrase: CODE`"),
        ("a.yaml", "- arrest\n", "a.yaml:1: is not `phrase: CODE`"),
        ("a.yaml", "", "holds no phrase"),
        ("a.yaml", "arrest: A\nArrest: B\n", "a.yaml:2: the phrase 'Arrest' has the codes 'A' and 'B'; keep one"),
        ("a.yaml", "'...': A\n", "both need letters"),
        ("a.yaml", "a: b: c\n", "is not YAML"),
        ("a.yaml", "[" * 2000, "is not YAML (maximum recursion depth exceeded"),
        ("a.csv", "word,code\na,B\n", "it needs phrase and code"),
    ],
)
def test_a_file_of_categories_that_is_wrong_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=re.escape(message)):
        read_categories(tmp_path / name)
