"""Units and their numbers, and the choice within a budget."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.selection.strategies import STRATEGIES, choose_units, score_units
from eventtag.selection.units import Units, UnitTable
from eventtag.settings.select import Strategy
from eventtag.span import Span
from eventtag.tagging.tagged import TaggedArticle
from eventtag.text.words import find_words

TEXT = "Police met miners. Then nurses left Quito! It rained."


def tagged(article: Article, spans: tuple[Span, ...]) -> TaggedArticle:
    return TaggedArticle(article, spans, np.array(find_words(article.text), dtype=np.int64).reshape(-1, 2))


def units_of(article: Article, spans: tuple[Span, ...], *, by_sentence: bool) -> Units:
    item = tagged(article, spans)
    table = UnitTable(by_sentence)
    table.add(7, item, np.arange(len(item.words)) / 10)
    return table.units()


@pytest.mark.parametrize("annotated", [None, (), ((0, 18),), ((19, 30),), ((0, len(TEXT)),)])
def test_sentences_have_what_lies_in_them_and_nothing_annotated(annotated: tuple[tuple[int, int], ...] | None) -> None:
    article = Article("a", TEXT, annotated=annotated)
    spans = tuple(Span(TEXT.index(word), TEXT.index(word) + len(word), "A", 0.9) for word in ("Police", "miners", "Quito"))
    item = tagged(article, spans)
    places = [(0, 18), (19, 42), (43, len(TEXT))]
    free = [(s, e) for s, e in places if not any(s < end and start < e for start, end in annotated or ())]
    found = units_of(article, spans, by_sentence=True)
    assert list(zip(found.starts.tolist(), found.ends.tolist(), strict=True)) == free
    for number, (start, end) in enumerate(free):
        inside = (item.words[:, 0] >= start) & (item.words[:, 0] < end)
        assert found.words[number] == inside.sum()
        assert found.errors[number] == pytest.approx(np.arange(len(inside))[inside].sum() / 10)
        assert found.mentions[number] == sum(start <= span.start < end for span in spans)
    whole = units_of(article, spans, by_sentence=False)
    open_words = [not any(s < end and start < e for start, end in annotated or ()) for s, e in item.words.tolist()]
    assert whole.words.tolist() == ([sum(open_words)] if any(open_words) else [])
    assert set(whole.articles.tolist()) <= {7}


def test_a_text_without_words_has_no_units() -> None:
    for text in ("", " \n "):
        assert not len(units_of(Article("a", text), (), by_sentence=True))
        assert not len(units_of(Article("a", text), (), by_sentence=False))


def made(words: list[int], keys: list[int]) -> Units:
    count = len(words)
    numbers = np.arange(count)
    values = np.random.default_rng(count).random((2, count))
    return Units(numbers, numbers, numbers + 1, np.array(words, dtype=float), *values, np.array(keys, dtype=np.uint64))


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 8), st.integers(0, 3), st.booleans()), max_size=20),
    st.integers(0, 60),
    st.booleans(),
)
def test_the_highest_scores_are_chosen_within_the_budget(
    rows: list[tuple[int, int, int, bool]], budget: int, per_word: bool
) -> None:
    units = made([row[0] for row in rows], [row[1] for row in rows])
    scores = np.array([row[2] for row in rows], dtype=float)
    allowed = np.array([row[3] for row in rows], dtype=np.bool_)
    chosen = choose_units(units, scores, budget, per_word=per_word, allowed=allowed, known={3}).tolist()
    keys = units.keys[chosen].tolist()
    assert len(set(keys)) == len(keys)
    assert 3 not in keys
    assert all(allowed[chosen])
    assert scores[chosen].tolist() == sorted(scores[chosen], reverse=True)
    cost = units.words[chosen].sum() if per_word else len(chosen)
    assert cost <= budget or len(chosen) == 1
    left = [n for n in range(len(rows)) if allowed[n] and int(units.keys[n]) not in {3, *keys}]
    if left and budget:
        assert chosen
        best = max(left, key=lambda n: (scores[n], -int(units.keys[n])))
        assert scores[best] <= scores[chosen].min()
        assert cost + units.words[best] > budget if per_word else len(chosen) == budget


def test_strategies_rank_as_they_say() -> None:
    units = Units(
        *(np.arange(3) for _ in range(3)),
        words=np.array([10.0, 2.0, 4.0]),
        errors=np.array([2.0, 0.3, 0.9]),
        mentions=np.array([5.0, 2.0, 3.0]),
        keys=np.array([5, 6, 7], dtype=np.uint64),
    )
    random = np.random.default_rng(1)
    assert set(STRATEGIES) == set(Strategy)
    assert score_units(Strategy.errors, units, per_word=False, random=random) == pytest.approx([0.2, 0.15, 0.225])
    assert score_units(Strategy.mentions, units, per_word=False, random=random).tolist() == [5, 2, 3]
    assert score_units(Strategy.mentions, units, per_word=True, random=random).tolist() == [0.5, 1, 0.75]


def test_random_scores_follow_the_keys_and_not_the_order() -> None:
    units = made([1] * 6, [9, 4, 7, 1, 3, 8])
    order = np.array([5, 3, 0, 1, 4, 2])
    other = Units(*(getattr(units, name)[order] for name in Units.__dataclass_fields__))
    first, second = (
        score_units(Strategy.random, item, per_word=False, random=np.random.default_rng(2)) for item in (units, other)
    )
    assert first[order].tolist() == second.tolist()
