import pytest

from eventtag.article import Article
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


def test_articles_that_are_all_copies_are_one_cluster():
    found, rule = clusters_of([Article("a", LONG), Article("b", LONG)], None)
    assert found == {"a": "a", "b": "a"}
    assert rule == "near-duplicates (2 articles in 1 clusters)"


def test_a_field_decides_and_some_article_must_have_it():
    articles = [Article("a", LONG, meta={"topic": 1}), Article("b", LONG, meta={"topic": 2}), Article("c", LONG)]
    found, rule = clusters_of(articles, "topic")
    assert found == {"a": "1", "b": "2", "c": ("article", "c")}
    assert rule == "meta field 'topic' (1 articles without it stand for themselves)"
    with pytest.raises(DataError, match="no article has a metadata field 'source' to resample by; the first has: topic"):
        clusters_of(articles, "source")


@pytest.mark.parametrize("empty", [None, "", " ", float("nan")])
def test_an_empty_value_is_none_and_an_id_that_reads_like_a_value_is_no_cluster_of_it(empty):
    articles = [Article("x", LONG, meta={"topic": empty}), Article("y", LONG, meta={"topic": empty})]
    articles += [Article(str(n), LONG, meta={"topic": "x"}) for n in range(2)]
    assert len(set(clusters_of(articles, "topic")[0].values())) == 3
