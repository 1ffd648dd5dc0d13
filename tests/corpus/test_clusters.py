import pytest

from eventtag.articles import Article
from eventtag.corpus.clusters import clusters_of
from eventtag.errors import DataError

LONG = " ".join(f"word{n}" for n in range(60))


def test_near_duplicates_hang_together_where_no_field_is_given():
    articles = [Article("b", LONG), Article("a", LONG + " Corrected."), Article("c", "Something else entirely .")]
    found, rule = clusters_of(articles, None)
    assert found == {"a": "a", "b": "a", "c": "c"}
    assert rule == "near-duplicates (2 articles in 1 clusters)"


def test_articles_of_their_own_need_no_clusters():
    assert clusters_of([Article("a", LONG), Article("b", "Police .")], None) == (None, "articles")


def test_copies_alone_are_not_put_into_a_single_cluster():
    assert clusters_of([Article("a", LONG), Article("b", LONG)], None)[0] is None


def test_a_field_decides_and_some_article_must_have_it():
    articles = [Article("a", LONG, meta={"topic": 1}), Article("b", LONG, meta={"topic": 2}), Article("c", LONG)]
    assert clusters_of(articles, "topic")[0] == {"a": "1", "b": "2", "c": "c"}
    with pytest.raises(DataError, match="no article has a metadata field 'source' to resample by; the first has: topic"):
        clusters_of(articles, "source")
