"""How sure a tagger is of a whole article."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eventtag.article import Article
from eventtag.heads.span_decoding import SpanDecoder
from eventtag.labels import LabelSet
from eventtag.tagging.tagger import Tagger


def test_certainty_is_what_is_expected_to_be_right_of_the_words(checkpoint: Path, articles: tuple[Article, ...]) -> None:
    tagger = Tagger.load(checkpoint, threads=1)
    both = list(tagger.tag_with_certainty(articles))
    assert [item.spans for item, _ in both] == [item.spans for item in tagger.tag_many(articles)]
    for (_, certainty), judged in zip(both, tagger.judge_words(articles), strict=True):
        assert certainty == pytest.approx(judged.probabilities.max(axis=1).mean())


def test_an_article_without_words_is_certain(checkpoint: Path) -> None:
    tagger = Tagger.load(checkpoint, threads=1)
    assert [certainty for _, certainty in tagger.tag_with_certainty(["", " \n"])] == [1.0, 1.0]


def test_a_span_head_is_wrong_by_the_less_probable_answer_of_each_span() -> None:
    odds = np.random.default_rng(5).normal(scale=3, size=(7, 4, 2)).astype(np.float32)
    odds[5, 2:] = -1e9  # beyond the last word
    odds[3] = np.nan  # no model read it
    probability = 1 / (1 + np.exp(-np.delete(odds, 3, axis=0).astype(np.float64).clip(-700, 700)))
    expected = np.insert(np.minimum(probability, 1 - probability).sum(axis=(1, 2)), 3, 0.0)
    (errors,) = SpanDecoder(4, overlap=False).expected_errors([odds], LabelSet(("A", "B")))
    assert errors == pytest.approx(expected)
