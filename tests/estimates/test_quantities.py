import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.estimates.batches import batches_of
from eventtag.estimates.quantities import parse_quantity
from eventtag.span import Span

TEXT = "Rebels from South Sudan, SOUTH  sudan and Sudanese soldiers met in Sudan's north."


def spans_of(text, *wanted):
    found = []
    for surface, label, score in wanted:
        start = text.index(surface)
        found.append(Span(start, start + len(surface), label, score))
    return tuple(found)


ARTICLE = Article(
    "a",
    TEXT,
    spans_of(
        TEXT,
        ("South Sudan", "LOCATION", 0.9),
        ("SOUTH  sudan", "LOCATION", 0.6),
        ("Sudanese soldiers", "ACTOR", 0.8),
        ("Rebels", "ACTOR", 0.3),
        ("met", "EVENT", 0.5),
    ),
    meta={"deaths": "12", "injured": 3.5, "note": "many"},
)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("EVENT", 1),
        ("ACTOR", 2),
        ("LOCATION", 2),
        ("*", 5),
        ("any:ACTOR", 1),
        ("any:OTHER", 0),
        ("LOCATION~Sudan", 1),
        ("LOCATION~sudan", 1),
        ("LOCATION~south  SUDAN", 1),
        ("LOCATION=Sudan", 0),
        ("LOCATION=South Sudan", 1),
        ("spans:LOCATION=South Sudan", 2),
        ("ACTOR~Sudan", 0),  # "Sudanese" is another word
        ("*~Sudan", 1),
        ("column:deaths", 12),
        ("column:injured", 3.5),
    ],
)
def test_a_quantity_is_what_its_words_say(words, value):
    quantity = parse_quantity(words)
    assert quantity.value(ARTICLE) == value
    assert parse_quantity(str(quantity)) == quantity


def test_a_surface_counts_once_and_thresholds_hold_for_their_label():
    assert parse_quantity("LOCATION", unique=True).value(ARTICLE) == 1
    assert parse_quantity("spans:LOCATION~Sudan", unique=True).value(ARTICLE) == 1
    limits = {"LOCATION": 0.7, "ACTOR": 0.3}
    assert parse_quantity("LOCATION", thresholds=limits).value(ARTICLE) == 1
    assert parse_quantity("ACTOR", thresholds=limits).value(ARTICLE) == 2
    assert parse_quantity("*", thresholds=limits).value(ARTICLE) == 4
    gold = Article("g", "Lima", (Span(0, 4, "LOCATION"),))
    assert parse_quantity("LOCATION", thresholds={"LOCATION": 1.0}).value(gold) == 1


def test_what_nobody_looked_at_is_unknown():
    text = "Kyiv fell."
    spans = (Span(0, 4, "LOCATION"),)
    partly = Article("p", text, spans, annotated=((0, 5),))
    narrow = Article("n", text, spans, labels=("LOCATION",))
    whole = Article("w", text, spans, annotated=((0, 10),))
    place, event, anything = map(parse_quantity, ("LOCATION", "any:EVENT", "*"))
    assert math.isnan(place.value(partly))
    assert (place.value(narrow), math.isnan(event.value(narrow)), anything.value(narrow)) == (1, True, 1)
    assert (place.value(whole), event.value(whole)) == (1, 0)
    both = next(batches_of([narrow, Article("e", text, (Span(5, 9, "EVENT"),))]))
    assert math.isnan(anything.values(both)[0])


@pytest.mark.parametrize("words", ["column:note", "column:missing"])
def test_a_column_without_a_number_is_unknown(words):
    assert math.isnan(parse_quantity(words).value(ARTICLE))


@pytest.mark.parametrize("words", ["", " ", "any:", "column:", "EVENT~", "EVENT= ", "~Sudan", "spans:~x"])
def test_words_that_say_no_quantity_are_refused_with_examples(words):
    with pytest.raises(SettingsError, match="any:EVENT"):
        parse_quantity(words)


def test_a_threshold_that_is_no_score_is_refused():
    with pytest.raises(SettingsError, match=r"threshold: EVENT=1\.5"):
        parse_quantity("EVENT", thresholds={"EVENT": 1.5})


LABELS = ("EVENT", "LOCATION")
words = st.lists(st.sampled_from(["Sudan", "south", "fell", "SUDAN", "é", "e\u0301"]), min_size=1, max_size=6)


@st.composite
def tagged_articles(draw):
    text = " ".join(draw(words))
    places = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text))).filter(lambda place: place[0] < place[1])
    spans = st.builds(lambda place, label, score: Span(*place, label, score), places, st.sampled_from(LABELS), st.floats(0, 1))
    return Article("a", text, tuple(draw(st.lists(spans, max_size=5))))


@given(st.lists(tagged_articles(), max_size=5), st.sampled_from(LABELS), st.booleans(), st.floats(0, 1))
def test_counts_of_batches_are_those_of_articles(articles, label, unique, least):
    import unicodedata

    quantity = parse_quantity(label, unique=unique, thresholds={label: least})
    values = [number for batch in batches_of(articles, size=2) for number in quantity.values(batch)]
    for article, value in zip(articles, values, strict=True):
        found = [article.mention(span) for span in article.spans if span.label == label and span.score >= least]
        surfaces = {" ".join(unicodedata.normalize("NFC", surface.casefold()).split()) for surface in found}
        assert value == (len(surfaces) if unique else len(found))
        assert parse_quantity(f"any:{label}", thresholds={label: least}).value(article) == bool(found)
