import pytest

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.scoring.pairing import pair_predictions
from eventtag.span import Span

GOLD = {"a": Article("a", "Police came.", (Span(0, 6, "ACTOR"),), annotated=((0, 8),)), "b": Article("b", "Nothing.")}


def test_pairs_follow_gold_and_others_are_counted():
    predictions = [Article("c", "?"), Article("b", "Nothing."), Article("a", "Police came.", (Span(7, 11, "EVENT"),))]
    pairs, others = pair_predictions(GOLD, predictions, source="x.jsonl")
    assert [(article.id, tuple(spans)) for article, spans in pairs] == [("a", (Span(7, 11, "EVENT"),)), ("b", ())]
    assert pairs[0][0] is GOLD["a"]
    assert others == 1


def test_missing_articles_and_other_texts_are_named():
    with pytest.raises(DataError, match=r"x.jsonl does not fit.*\n.*article 'a'.*from character 7 on \('came.' in gold, ' came"):
        pair_predictions(GOLD, [Article("a", "Police  came."), Article("b", "Nothing.")], source="x.jsonl")
    with pytest.raises(DataError, match="1 of 2 gold articles are not there, the first is 'b'"):
        pair_predictions(GOLD, [GOLD["a"]], source="x.jsonl")


def test_an_article_predicted_twice_is_an_error():
    twice = [Article("a", "one"), Article("a", "one", (Span(0, 3, "EVENT"),))]
    with pytest.raises(DataError, match="article 'a' stands there twice"):
        pair_predictions({"a": Article("a", "one")}, twice, source="theirs.jsonl")
