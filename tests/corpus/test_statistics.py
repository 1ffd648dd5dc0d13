import json
import math

import pytest

from eventtag.article import Article
from eventtag.corpus.statistics import corpus_statistics
from eventtag.link import Link
from eventtag.reporting.statistics_page import render_statistics
from eventtag.span import Span

ARTICLES = [
    Article(
        "a", "Kyiv fell. New York held.", (Span(0, 4, "LOC"), Span(11, 19, "LOC"), Span(0, 9, "EV")), meta={"split": "train"}
    ),
    Article("b", "KYIV fell", (Span(0, 4, "LOC"),), meta={"split": "test"}),
    Article("c", "Lviv fell", (Span(0, 4, "LOC"), Span(5, 9, "EV")), ((0, 4),), meta={"split": "test"}),
    Article("d", "nothing here", meta={"split": "test"}),
]


def test_every_split_and_label_is_counted():
    found = corpus_statistics(ARTICLES).splits
    assert list(found) == ["train", "test"]
    train, test = found["train"], found["test"]
    assert (train.articles, train.words, train.spans, train.overlapping_spans) == (1, 7, 3, 1)
    assert (test.articles, test.words, test.spans, test.articles_without_spans) == (3, 6, 2, 1)
    assert test.annotated_share == pytest.approx(5 / 6)
    loc = train.labels["LOC"]
    assert (loc.spans, loc.distinct_surfaces, loc.mean_length, loc.longest, loc.unseen_share) == (2, 2, 1.5, 2, None)
    assert loc.lengths == (1, 1, 0, 0, 0, 0, 0, 0, 0, 0)
    assert loc.most_frequent == (("Kyiv", 1), ("New York", 1))
    assert (test.labels["LOC"].articles, test.labels["LOC"].unseen_share) == (2, 0.5)
    assert "EV" not in test.labels


def test_distinctiveness_is_the_divergence_from_the_words_of_the_split():
    text = "a b a b"
    (split,) = corpus_statistics([Article("x", text, (Span(0, 1, "X"),))]).splits.values()
    assert split.labels["X"].span_distinctiveness == pytest.approx(1.0)
    (split,) = corpus_statistics([Article("x", text, (Span(0, 3, "X"),))]).splits.values()
    assert split.labels["X"].span_distinctiveness == pytest.approx(0.0)
    assert split.labels["X"].boundary_distinctiveness == pytest.approx(math.log2(2))


def test_articles_without_a_split_or_words_are_counted_and_all_is_json():
    found = corpus_statistics([Article("a", ""), Article("b", "x")])
    assert found.splits["all"].articles == 2
    assert json.loads(json.dumps(found.to_json()))["splits"]["all"]["words"] == 1
    assert corpus_statistics([]).splits == {}


def test_links_and_status_are_counted_where_they_count():
    actor, event, late = Span(0, 6, "ACTOR"), Span(7, 11, "EVENT", status="negated"), Span(16, 20, "EVENT", status="asserted")
    text, links = "Police left and fled", (Link(event, actor, "AGENT"), Link(late, actor, "AGENT"))
    articles = [
        Article("a", text, (actor, event, late), annotated=((0, 11),), links=links),
        Article("b", text, (actor,), links=()),
        Article("c", text, (actor, late)),
    ]
    (split,) = corpus_statistics(articles).splits.values()
    assert (split.articles_with_links, split.links, split.status) == (2, {"AGENT": 1}, {"asserted": 1, "negated": 1})
    assert "asserted" in render_statistics(corpus_statistics(articles), title="x")
