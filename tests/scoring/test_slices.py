import random

import pytest

from eventtag.articles import Article
from eventtag.labels import LabelSet
from eventtag.scoring.error_kinds import count_mentions
from eventtag.scoring.report import score_articles
from eventtag.scoring.slices import slice_scores, standard_slicers
from eventtag.spans import Span

LABELS = LabelSet()
TEXT = "He said the army entered KIEV on Monday. President Zelensky of Ukraine condemned it."


def at(words, label="ACTOR", text=TEXT):
    start = text.index(words)
    return Span(start, start + len(words), label)


def value(dimension, span, *, training=None, text=TEXT, **meta):
    article = Article("a", text, (span,), meta=meta)
    return standard_slicers([article], training=training, fields=list(meta))[dimension](article, span)


@pytest.mark.parametrize(
    ("dimension", "words", "expected"),
    [
        ("form", "He", "pronoun"),
        ("form", "the army", "nominal"),
        ("form", "President Zelensky", "named"),
        ("form", "KIEV", "named"),
        ("casing", "the army", "lower case"),
        ("casing", "KIEV", "UPPER CASE"),
        ("casing", "President Zelensky", "Capitalised"),
        ("casing", "of Ukraine", "mixed"),
        ("span length", "the army entered", "3-4 words"),
        ("span length", "He", "1 word"),
        ("position", "He", "first quarter"),
        ("position", "condemned", "last quarter"),
        ("label", "He", "ACTOR"),
    ],
)
def test_a_mention_falls_in_its_slice(dimension, words, expected):
    assert value(dimension, at(words)) == expected


def test_a_common_noun_that_opens_a_sentence_is_nominal():
    assert value("form", Span(0, 6, "ACTOR"), text="Police came.") == "nominal"
    assert value("form", Span(0, 4, "ACTOR"), text="NATO came.") == "named"


def test_seen_mentions_ignore_case_and_white_space_but_not_the_label():
    training = count_mentions([Article("t", "The  Army", (Span(0, 9, "ACTOR"),))])
    assert value("seen in training", at("the army"), training=training) == "seen"
    assert value("seen in training", at("the army", "EVENT"), training=training) == "unseen"
    assert value("frequency in training", at("the army"), training=training) == "1 time"


def test_metadata_fields_with_few_values_are_dimensions_by_themselves():
    articles = [Article(str(n), "x", meta={"source": f"s{n % 3}", "url": str(n), "same": 1, "list": [n]}) for n in range(30)]
    names = standard_slicers(articles)
    assert "meta.source" in names
    assert not {"meta.url", "meta.same", "meta.list"} & set(names)


def corpus(articles=80, seed=0):
    rng = random.Random(seed)
    pairs = []
    for number in range(articles):
        source = ("good", "poor")[number % 2]
        gold = tuple(Span(10 * k, 10 * k + 5, rng.choice(LABELS.labels)) for k in range(6))
        predicted = [span for span in gold if rng.random() < (0.95 if source == "good" else 0.4)]
        pairs.append((Article(str(number), "x" * 60, gold, meta={"source": source, "half": str(number // 40)}), predicted))
    return pairs


def test_the_slice_that_falls_behind_is_named_first_and_alone():
    pairs = corpus()
    slices = slice_scores(pairs, LABELS, standard_slicers([article for article, _ in pairs]), resamples=1000)
    assert (slices[0].dimension, slices[0].value, slices[0].behind) == ("meta.source", "poor", True)
    assert [s for s in slices if s.behind] == [slices[0]]
    assert slices[0].gap_high < 0
    good = next(s for s in slices if s.value == "good")
    assert not good.behind
    assert good.gap == pytest.approx(-slices[0].gap)


def test_slices_of_a_dimension_add_up_to_the_whole():
    pairs = corpus()
    whole = score_articles(pairs, LABELS, words=None).strict
    slices = slice_scores(pairs, LABELS, standard_slicers([article for article, _ in pairs]), resamples=200)
    for dimension in {s.dimension for s in slices}:
        parts = [s for s in slices if s.dimension == dimension]
        assert sum(s.support for s in parts) == whole.micro.support
        assert sum(s.predicted for s in parts) == whole.micro.predicted
    for part in (s for s in slices if s.dimension == "label"):
        assert part.f1 == pytest.approx(whole.labels[part.value].f1)
        assert part.low <= part.f1 <= part.high


def test_a_single_slice_has_no_gap():
    article = Article("a", TEXT, (at("KIEV", "LOCATION"),))
    [only] = slice_scores([(article, [])], LABELS, {"label": lambda a, s: s.label}, resamples=100)
    assert (only.gap, only.behind, only.support, only.predicted, only.articles) == (None, False, 1, 0, 1)


def test_no_span_gives_no_slice():
    assert slice_scores([(Article("a", TEXT), [])], LABELS, standard_slicers([]), resamples=10) == ()


def test_a_tiny_slice_is_never_called_behind():
    pairs = corpus()
    rare = Article("rare", "x" * 60, (Span(0, 5, "ACTOR"),), meta={"source": "rare", "half": "0"})
    slices = slice_scores([*pairs, (rare, [])], LABELS, standard_slicers([a for a, _ in pairs], fields=["source"]), resamples=500)
    assert not next(s for s in slices if s.value == "rare").behind
