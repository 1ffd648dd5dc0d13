"""A promised threshold misses its target on new articles about as often as the confidence allows, and no oftener."""

import numpy as np
import pytest
from simulate_thresholds import compare, made, plug_in, rejections, splits_of_made, subset

from eventtag.labels import LabelSet
from eventtag.scoring.guarantee import UnitPredictions, _curve, guarantee_threshold, predictions_by_unit
from eventtag.span import Span


def test_a_promise_is_broken_in_a_tenth_of_all_cases_at_most_where_plug_in_thresholds_fail_in_half_of_them():
    """The short form of scripts/simulate_thresholds.py: with the plug-in estimate in place of the bound, it fails."""
    splits = splits_of_made(160, 250, np.random.default_rng(1), unevenness=1.0)
    plain, promised = compare(splits, target=0.8, confidence=0.9)
    assert plain.broken > 0.35
    assert promised.broken <= 0.1 + 2 * (0.1 * 0.9 / 250) ** 0.5
    assert promised.found > 0.9
    assert promised.recall > 0.85 * plain.recall


@pytest.mark.parametrize(("articles", "spans", "together"), [(15, 6.0, 0.1), (60, 6.0, 0.1), (40, 1.0, 0.0)])
def test_the_test_itself_holds_its_level_where_spans_of_an_article_are_right_or_wrong_together(articles, spans, together):
    rejected, plain = rejections(0.9, articles, spans, together, 800, np.random.default_rng(2))
    assert rejected <= 0.1 + 2 * (0.1 * 0.9 / 800) ** 0.5
    assert plain > rejected


@pytest.mark.parametrize("kind", ["precision", "recall"])
def test_sums_at_every_threshold_are_those_of_the_units(kind):
    found = made(12, np.random.default_rng(3))
    found = UnitPredictions(np.round(found.scores, 1), found.correct, found.units, found.gold)
    curve = _curve(found, kind)
    for place, threshold in enumerate(curve.thresholds):
        kept = found.scores >= threshold
        c = np.bincount(found.units[kept & found.correct], minlength=12).astype(float)
        k = np.bincount(found.units[kept], minlength=12) if kind == "precision" else found.gold
        figures = [curve.c, curve.k, curve.cc, curve.ck, curve.kk, curve.holding]
        expected = [c.sum(), k.sum(), (c**2).sum(), (c * k).sum(), (k**2).sum(), (k > 0).sum()]
        assert [float(one[place]) for one in figures] == pytest.approx(expected)


def test_articles_without_an_error_promise_no_more_than_their_number_allows():
    def perfect(units):
        return UnitPredictions(np.full(units, 0.9), np.ones(units, dtype=bool), np.arange(units), np.ones(units, dtype=np.int64))

    few = guarantee_threshold("precision", perfect(30), perfect(20), target=0.9, confidence=0.9)
    many = guarantee_threshold("precision", perfect(30), perfect(120), target=0.9, confidence=0.9)
    assert few.threshold is None  # the chance of 20 right ones is 0.9**20 = 0.12 where precision is 0.9
    assert few.best == 1.0
    assert 20 < few.needed < 300
    assert many.threshold == 0.9


def test_what_is_out_of_reach_says_so_and_what_is_near_says_how_many_units_it_would_take():
    choosing, held = made(30, np.random.default_rng(4)), made(30, np.random.default_rng(5))
    assert guarantee_threshold("precision", choosing, held, target=0.999, confidence=0.9).needed is None
    near = guarantee_threshold("precision", choosing, held, target=0.93, confidence=0.9)
    assert near.threshold is None
    large = made(3 * near.needed, np.random.default_rng(6))
    halves = [subset(large, np.arange(start, len(large.gold), 2)) for start in (0, 1)]
    assert guarantee_threshold("precision", *halves, target=0.93, confidence=0.9).threshold is not None


def test_a_recall_is_promised_by_the_highest_threshold_that_keeps_it():
    new = made(5000, np.random.default_rng(7))
    wrong = 0
    for seed in range(60):
        random = np.random.default_rng(100 + seed)
        found = guarantee_threshold("recall", made(5, random), made(60, random), target=0.6, confidence=0.9)
        assert found.threshold is not None
        recall = new.correct[new.scores >= found.threshold].sum() / new.gold.sum()
        assert recall < 0.75
        wrong += recall < 0.6
    assert wrong <= 12


def test_units_are_clusters_where_there_are_any(articles):
    predicted = [(a, [Span(s.start, s.end, s.label, 0.5) for s in a.spans][:3]) for a in articles[:6]]
    by_article = predictions_by_unit(predicted, LabelSet())["ACTOR"]
    clusters = {a.id: number // 2 for number, a in enumerate(articles[:6])}
    by_cluster = predictions_by_unit(predicted, LabelSet(), clusters)["ACTOR"]
    assert (len(by_article.gold), len(by_cluster.gold)) == (6, 3)
    assert by_cluster.gold.sum() == by_article.gold.sum() == sum(s.label == "ACTOR" for a in articles[:6] for s in a.spans)
    assert (by_cluster.units == by_article.units // 2).all()
    assert plug_in(by_cluster, 1.0) == 0.5
