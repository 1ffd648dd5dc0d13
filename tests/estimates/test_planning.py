"""A plan's numbers give the intervals that were wanted, and its ranges hold the true number as often as they say."""

import numpy as np
import pytest
from conftest import make_article

import eventtag
from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.estimates.planning import units_for_difference, units_for_interval
from eventtag.span import Span


def deviations_of_mean(values):
    return (values - values.mean()) / np.sqrt(len(values) * (len(values) - 1))


@pytest.mark.parametrize("pilot", [20, 60])
def test_the_range_holds_the_number_that_is_needed_in_four_of_five_pilots(pilot):
    random = np.random.default_rng(1)
    true = units_for_interval(deviations_of_mean(random.negative_binomial(1.5, 0.3, 20_000).astype(float)), 0.3, level=0.95).units
    found = [
        units_for_interval(deviations_of_mean(random.negative_binomial(1.5, 0.3, pilot).astype(float)), 0.3, level=0.95)
        for _ in range(150)
    ]
    inside = np.mean([one.low <= true <= one.high for one in found])
    assert 0.7 < inside < 0.95
    assert np.median([one.units for one in found]) == pytest.approx(true, rel=0.2)


def test_as_many_units_as_planned_give_the_wanted_interval():
    random = np.random.default_rng(2)
    needed = units_for_interval(deviations_of_mean(random.normal(0, 1, 200)), 0.1, level=0.95).units
    assert needed == pytest.approx((1.96 / 0.1) ** 2, rel=0.25)
    pairs = units_for_difference(deviations_of_mean(random.normal(0, 1, 200)), 0.1, level=0.95).units
    assert pairs == pytest.approx(((1.96 + 0.84) / 0.1) ** 2, rel=0.25)
    assert units_for_difference(deviations_of_mean(random.normal(0, 1, 200)), 0.1, level=0.95, tests=5).units > pairs
    said = units_for_interval(np.array([0.1, -0.1, *[0.0] * 30]), 0.1, level=0.95)
    assert said.units is None
    assert said.note == "2 units of the pilot tell how the figure varies; 5 are needed"


def tagged_corpus(count, seed):
    """Gold articles, and what a tagger finds in them, at one of three levels of difficulty."""
    random = np.random.default_rng(seed)
    gold, found = [], []
    for number in range(count):
        size, ease = random.poisson(5), random.choice([0.6, 0.8, 0.95])
        words = [f"w{number:04}{part:02}{seed}" for part in range(size + 3)]
        text = " ".join(words)
        spans = [Span(9 * n, 9 * n + 8, "EVENT") for n in range(size + 3)]
        gold.append(Article(f"a{number}", text, tuple(spans[:size])))
        found.append(
            Article(f"a{number}", text, tuple(s for n, s in enumerate(spans) if random.random() < (ease if n < size else 0.2)))
        )
    return gold, found


def test_the_planned_number_of_articles_gives_the_interval_of_f1_and_the_estimate_that_was_wanted():
    gold, found = tagged_corpus(80, 13)
    planned = eventtag.plan(found, gold, f1=0.02, estimates={"EVENT": 0.25}, labels=["EVENT"])
    row = planned.to_pandas().set_index(["goal", "figure"]).loc[("interval of F1", "EVENT")]
    assert row.low < row.articles < row.high
    gold, found = tagged_corpus(int(row.articles), 4)
    interval = eventtag.score(found, gold, labels=["EVENT"], evaluation={"resamples": 500}).report.intervals.interval(
        "strict", "EVENT"
    )
    assert (interval.high - interval.low) / 2 == pytest.approx(0.02, rel=0.2)
    corrected, alone = (row for row in planned.rows if row.goal.startswith("estimate"))
    assert corrected.articles < alone.articles
    counts = np.array([len(article.spans) for article in tagged_corpus(4000, 5)[0]])
    assert alone.articles == pytest.approx((1.96 * counts.std() / 0.25) ** 2, rel=0.35)


def test_of_a_small_pool_fewer_articles_are_needed_and_never_more_than_it_has(tmp_path):
    gold, found = tagged_corpus(300, 13)
    drawn = eventtag.sample(gold, tmp_path / "pilot.jsonl", n=80, seed=1)
    by_id = {article.id: article for article in found}
    tagged = [by_id[article.id] for article in drawn.articles]
    wanted = {"EVENT": 0.15, "any:EVENT": 1e-6}
    endless = eventtag.plan(tagged, list(drawn.articles), estimates=wanted)
    assert any("pool without end" in note for note in endless.notes)
    finite = eventtag.plan(tagged, tmp_path / "pilot.jsonl", estimates=wanted)
    assert any("of the 300 articles that the sample was drawn from" in note for note in finite.notes)
    for row, without in zip(finite.rows[:2], endless.rows[:2], strict=True):
        # 1 / needed = 1 / needed without end + 1 / pool, but for degrees of freedom
        assert row.articles == pytest.approx(1 / (1 / without.articles + 1 / 300), rel=0.03)
    assert all(row.high <= 300 for row in finite.rows if row.high is not None)


def test_a_system_that_errs_on_the_same_articles_is_told_apart_with_fewer():
    gold, found = tagged_corpus(80, 6)
    better = [
        Article(a.id, a.text, tuple(dict.fromkeys((*a.spans, *g.spans[: n % 2]))))
        for n, (a, g) in enumerate(zip(found, gold, strict=True))
    ]
    paired = eventtag.plan(found, gold, difference=0.03, other=better).rows[0]
    independent, alike = (
        next(row for row in eventtag.plan(found, gold, difference=0.03).rows if how in row.goal and row.figure == "EVENT")
        for how in ("independently", "alike")
    )
    assert paired.articles < alike.articles < independent.articles
    assert paired.value > 0


def test_nothing_wanted_and_impossible_wishes_are_refused():
    articles = [make_article(f"a{n}", f"Police/ACTOR met/EVENT {n} times") for n in range(6)]
    with pytest.raises(SettingsError, match="f1: nothing is wanted"):
        eventtag.plan(articles, articles)
    with pytest.raises(SettingsError, match=r"f1=-1 is not allowed: above 0"):
        eventtag.plan(articles, articles, f1=-1)
    with pytest.raises(SettingsError, match=r"f1=2 is not allowed: below 1, .*two points are 0.02"):
        eventtag.plan(articles, articles, f1=2)
    with pytest.raises(SettingsError, match=r"estimates\.any:EVENT=3 is not allowed: below 1"):
        eventtag.plan(articles, articles, estimates={"EVENT": 3, "any:EVENT": 3})
    with pytest.raises(SettingsError, match=r"estimate: there is no label 'EVNT'; found: ACTOR, EVENT; did you mean EVENT\?"):
        eventtag.plan(articles, articles, estimates={"any:EVNT": 0.1})
    with pytest.raises(SettingsError, match="other: is compared only where a difference is wanted"):
        eventtag.plan(articles, articles, f1=0.1, other=articles)
    perfect = eventtag.plan(articles, articles, f1=0.1).rows
    assert {row.articles for row in perfect} == {None}
    assert all("0 units of the pilot tell how the figure varies" in row.note for row in perfect)
