import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.corpus.balanced_draw import draw_balanced
from eventtag.corpus.splits import fold_articles, split_articles
from eventtag.span import Span


def skewed_corpus(count: int, seed: int = 0) -> list[Article]:
    """Articles of log-normal lengths whose number of spans follows their length; one label is in every twentieth article."""
    random = np.random.default_rng(seed)
    made = []
    for number, words in enumerate(random.lognormal(4, 1, count).astype(int) + 3):
        spans = [Span(5 * n, 5 * n + 4, "ACTOR") for n in range(words // 3)] + [Span(0, 4, "RARE")] * (number % 20 == 0)
        made.append(Article(f"a{number}", "".join(f"{(number * 7 + n) % 9973:04} " for n in range(words)), tuple(spans)))
    return made


def share_outside_train(articles, split_of) -> float:
    return sum(split_of[article.id] != "train" for article in articles) / len(articles)


@pytest.mark.parametrize("count", [120, 200])
def test_long_articles_and_rare_labels_reach_every_split_by_their_share(count):
    corpus = skewed_corpus(count)
    longest = sorted(corpus, key=lambda article: -len(article.text))[: count // 10]
    rare = [article for article in corpus if any(span.label == "RARE" for span in article.spans)]
    draws = [split_articles(corpus, seed=seed).split_of for seed in range(30)]
    for chosen in (longest, rare):
        shares = [share_outside_train(chosen, split_of) for split_of in draws]
        assert np.mean(shares) == pytest.approx(0.3, abs=0.03)
        assert np.std(shares) < 0.1


def test_every_article_is_as_likely_to_be_a_test_article():
    corpus = skewed_corpus(20)
    draws = [split_articles(corpus, seed=seed).split_of for seed in range(400)]
    drawn = np.array([sum(split_of[article.id] == "test" for split_of in draws) for article in corpus])
    # 400 draws with probability 0.15: five standard deviations are 36.
    assert np.abs(drawn - 60).max() < 36


def test_a_score_on_the_test_articles_is_on_average_that_of_the_corpus():
    corpus = skewed_corpus(150)
    # A tagger that finds less in longer articles: of n spans about n ** 0.8.
    found = {article.id: len(article.spans) ** 0.8 for article in corpus}
    recall = [
        sum(found[article.id] for article in chosen) / sum(len(article.spans) for article in chosen)
        for chosen in (split_articles(corpus, seed=seed).articles(corpus, "test") for seed in range(60))
    ]
    truth = sum(found.values()) / sum(len(article.spans) for article in corpus)
    assert np.mean(recall) == pytest.approx(truth, abs=0.006)
    assert np.std(recall) < 0.02


def test_the_draw_depends_on_the_texts_and_not_on_order_or_ids():
    corpus = skewed_corpus(60)
    renamed = [Article(f"other{n}", article.text, article.spans) for n, article in enumerate(reversed(corpus))]
    first = split_articles(corpus, seed=3)
    second = split_articles(renamed, seed=3)
    assert {a.text: first.split_of[a.id] for a in corpus} == {a.text: second.split_of[a.id] for a in renamed}


def test_a_group_with_more_articles_than_a_split_should_have_is_in_train():
    corpus = [Article(str(n), f"text {n}", (Span(0, 4, "X"),), meta={"g": "big" if n < 60 else str(n)}) for n in range(100)]
    for seed in range(10):
        split = split_articles(corpus, seed=seed, group_field="g")
        assert split.split_of["0"] == "train"
        assert len(split.articles(corpus, "test")) == len(split.articles(corpus, "validation")) == 15


def test_folds_have_their_share_of_long_articles_and_labels():
    corpus = skewed_corpus(100)
    folds = fold_articles(corpus, 5, seed=1)
    assert [len(fold) for fold in folds] == [20] * 5
    assert [sum(span.label == "RARE" for article in fold for span in article.spans) for fold in folds] == [1] * 5
    lengths = [sum(len(article.text) for article in fold) for fold in folds]
    assert max(lengths) < 1.15 * min(lengths)


@given(
    measures=st.integers(0, 4).flatmap(
        lambda columns: st.lists(st.lists(st.integers(0, 9), min_size=columns, max_size=columns), min_size=1, max_size=30)
    ),
    share=st.floats(0, 1),
    seed=st.integers(0, 3),
)
@settings(max_examples=80)
def test_as_many_units_are_drawn_as_were_asked_for(measures, share, seed):
    table = np.array(measures, dtype=np.float64).reshape(len(measures), -1)
    count = round(share * len(measures))
    assert draw_balanced(table, count, np.random.default_rng(seed)).sum() == count


def test_totals_of_the_drawn_units_are_their_share_where_that_can_be():
    table = np.array([[number % 5 == 0, number % 2] for number in range(100)], dtype=np.float64)
    for seed in range(10):
        drawn = draw_balanced(table, 20, np.random.default_rng(seed))
        assert table[drawn].sum(axis=0) == pytest.approx([4, 10], abs=1)
