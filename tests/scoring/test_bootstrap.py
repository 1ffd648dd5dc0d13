import time

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import nct, norm
from scipy.stats import t as student

from eventtag.errors import DataError
from eventtag.scoring.bootstrap import METRICS, bootstrap, figure_sums, figures
from eventtag.scoring.power import effect_by_flips, effect_by_t, fewest_units, reachable_level, smallest_detectable_difference
from eventtag.scoring.report import score_tally
from eventtag.scoring.tally import Tally

LABELS = ("ACTOR", "EVENT", "LOCATION")


def random_tally(articles, seed=0, labels=LABELS):
    rng = np.random.default_rng(seed)
    values = np.zeros((articles, 2, len(labels), 8), dtype=np.int64)
    correct = rng.poisson(4, (articles, 2, len(labels)))
    values[..., 0] = values[..., 4] = correct
    values[..., 3], values[..., 7] = rng.poisson(1, correct.shape), rng.poisson(2, correct.shape)
    return Tally(tuple(str(n) for n in range(articles)), ("strict", "type"), labels, values)


def test_estimates_are_the_scores_of_the_report():
    tally = random_tally(30)
    result = bootstrap(tally, resamples=200)
    for scheme, scores in score_tally(tally).items():
        rows = (*scores.labels.values(), scores.micro, scores.macro, scores.weighted)
        expected = [[row.precision, row.recall, row.f1] for row in rows]
        np.testing.assert_allclose(result.estimate[result.schemes.index(scheme)], expected, rtol=1e-12)


def test_intervals_hold_the_estimate_and_stay_between_0_and_1():
    result = bootstrap(random_tally(12), resamples=500)
    assert (result.low <= result.estimate).all()
    assert (result.estimate <= result.high).all()
    assert result.low.min() >= 0.0
    assert result.high.max() <= 1.0


def test_same_seed_same_interval_and_another_seed_nearly_the_same():
    tally = random_tally(80)
    one, again, other = bootstrap(tally), bootstrap(tally), bootstrap(tally, seed=7)
    np.testing.assert_array_equal(one.low, again.low)
    np.testing.assert_allclose(one.low, other.low, atol=0.005)


def test_standard_error_agrees_with_scipy():
    tally = random_tally(100)
    sums = figure_sums(tally)[:, 0].sum(axis=1)

    def f1(credit, predicted, gold, axis=-1):
        return credit.sum(axis) / (predicted.sum(axis) + gold.sum(axis))

    reference = scipy_bootstrap(
        (sums[:, 0], sums[:, 1], sums[:, 3]), f1, paired=True, vectorized=True, n_resamples=4000, rng=1, method="percentile"
    )
    assert bootstrap(tally).interval("strict", "micro").standard_error == pytest.approx(reference.standard_error, rel=0.06)


def test_clusters_of_copies_widen_the_interval():
    one = random_tally(40)
    copies = Tally(tuple(str(n) for n in range(160)), one.schemes, one.labels, np.repeat(one.values, 4, axis=0))
    clusters = {str(n): n // 4 for n in range(160)}
    apart, together = bootstrap(copies), bootstrap(copies, clusters=clusters)
    assert together.units == 40
    ratio = together.interval("strict", "micro").standard_error / apart.interval("strict", "micro").standard_error
    assert ratio == pytest.approx(2.0, rel=0.1)


def test_an_article_without_a_cluster_is_named():
    with pytest.raises(DataError, match="2 articles have no cluster, the first is '1'"):
        bootstrap(random_tally(3), clusters={"0": "x"})


def test_a_score_that_never_varies_has_the_exact_interval_of_its_spans():
    values = np.zeros((10, 1, 1, 8), dtype=np.int64)
    values[..., 0] = values[..., 4] = 1
    interval = bootstrap(Tally(tuple("abcdefghij"), ("strict",), ("A",), values), resamples=100).interval("strict", "A")
    assert interval.high == 1.0
    assert interval.low == pytest.approx(0.025 ** (1 / 10))


def test_a_label_without_any_span_says_nothing():
    found = bootstrap(Tally(("a", "b"), ("strict",), ("A",), np.zeros((2, 1, 1, 8), dtype=np.int64)), resamples=50)
    assert found.interval("strict", "A") is None
    assert "no interval for A, micro, macro, weighted: fewer than two articles hold such spans" in found.notes


def test_no_article_is_an_error():
    with pytest.raises(DataError, match="no article to resample"):
        bootstrap(Tally((), ("strict",), ("A",), np.zeros((0, 1, 1, 8), dtype=np.int64)))


def test_figures_are_zero_where_they_divide_by_zero():
    assert not figures(np.zeros((3, 4))).any()


def test_ten_thousand_articles_take_a_few_times_as_long_as_drawing_them():
    """About 1.5 s of one core; the ratio does not hang on how busy the machine is."""
    values = np.random.default_rng(0).integers(0, 6, (10_000, 5, 3, 8))
    schemes = ("strict", "exact", "partial", "type", "word")
    tally = Tally(tuple(str(n) for n in range(10_000)), schemes, LABELS, values)
    rng, before = np.random.default_rng(0), time.process_time()
    for _ in range(10):
        rng.integers(0, 10_000, (1000, 10_000))
    drawn = time.process_time()
    assert bootstrap(tally).resamples == 10_000
    assert time.process_time() - drawn < 6 * (drawn - before)


def test_smallest_detectable_difference_shrinks_with_correlation():
    unrelated = smallest_detectable_difference(0.01, weights=[1] * 10_000)
    assert unrelated == pytest.approx(2.8016 * 0.01 * 2**0.5, rel=1e-3)
    assert smallest_detectable_difference(0.01, weights=[1] * 10_000, correlation=0.75) == pytest.approx(unrelated / 2)


def test_smallest_detectable_difference_knows_few_units_and_many_tests():
    def smallest(units, **options):
        return smallest_detectable_difference(0.01, weights=[1] * units, **options)

    assert smallest(5) is None  # the smallest exact p is 0.0625
    few = [smallest(units) for units in (6, 7, 8, 20, 1000)]
    assert few == sorted(few, reverse=True)
    assert smallest(6, tests=3) is None
    assert smallest(7, tests=3) > few[1]
    uneven = smallest_detectable_difference(0.01, weights=[3, 1, 1, 1, 1, 1, 1])
    assert uneven > few[1]


@pytest.mark.parametrize("units", [6, 8, 12, 30])
def test_the_detectable_difference_is_that_of_the_noncentral_t(units):
    needed = float(effect_by_t(units - 1, level=0.05))
    edge = student.ppf(0.975, units - 1)
    assert nct.sf(edge, units - 1, needed) + nct.cdf(-edge, units - 1, needed) == pytest.approx(0.8, abs=0.015)


def test_with_six_units_all_must_point_one_way():
    needed = effect_by_flips((1.0,) * 6, level=1 / 32, confidence=0.95)
    alone = norm.cdf(needed / 6**0.5)
    assert alone**6 + (1 - alone) ** 6 == pytest.approx(0.8, abs=0.03)


def test_levels_of_an_exact_test_are_multiples_of_its_smallest_p():
    assert reachable_level(0.05, 5) == 0.0
    assert reachable_level(0.05, 6) == 1 / 32
    assert reachable_level(0.05, 8) == 6 / 128
    assert reachable_level(0.0625, 5) == 0.0  # below, not at
    assert [fewest_units(alpha) for alpha in (0.05, 0.05 / 3, 0.0625)] == [6, 7, 6]


def test_one_cluster_has_no_interval_and_says_why():
    tally = random_tally(12)
    found = bootstrap(tally, clusters=dict.fromkeys(tally.article_ids, "one"), resamples=100)
    assert found.notes == ["no interval: all articles are in one cluster"]
    content = found.to_json()
    assert {content["schemes"]["strict"][row][metric] for row in found.rows for metric in METRICS} == {None}
    assert set(content["detectable_difference"]["micro"].values()) == {None}


def test_five_clusters_say_that_nothing_can_be_shown_with_them():
    tally = random_tally(20)
    found = bootstrap(tally, clusters={name: int(name) % 5 for name in tally.article_ids}, resamples=100)
    assert found.detectable() is None
    assert "with 5 clusters an exact p is 0.0625 or more; less than 0.05 takes 6" in found.notes[0]


def test_a_score_that_never_varies_is_as_sure_as_its_clusters_and_not_its_spans():
    values = np.zeros((40, 1, 1, 8), dtype=np.int64)
    values[..., 0] = values[..., 4] = 5
    tally = Tally(tuple(map(str, range(40))), ("strict",), ("A",), values)
    found = bootstrap(tally, clusters={name: int(name) % 4 for name in tally.article_ids}, resamples=100).interval("strict", "A")
    assert (found.low, found.high) == (pytest.approx(0.025 ** (1 / 4)), 1.0)


def test_macro_does_not_claim_to_know_a_label_that_never_occurs():
    known = random_tally(40, labels=("ACTOR", "EVENT"))
    values = np.concatenate([known.values, np.zeros((40, 2, 1, 8), dtype=np.int64)], axis=2)
    result = bootstrap(Tally(known.article_ids, known.schemes, LABELS, values), resamples=300)
    absent, macro = result.interval("strict", "LOCATION"), result.interval("strict", "macro")
    assert absent is None
    assert macro.high - macro.low > 1 / 3


def test_resamples_without_a_label_do_not_count_it_as_zero():
    values = np.zeros((60, 1, 2, 8), dtype=np.int64)
    values[:, 0, 0, [0, 4]] = 4
    values[:, 0, 0, [3, 7]] = 1
    values[:3, 0, 1, [0, 4]] = 9  # a label in three articles, found nine times in ten in each
    values[:3, 0, 1, [3, 7]] = 1
    found = bootstrap(Tally(tuple(map(str, range(60))), ("strict",), ("A", "RARE"), values), resamples=2000)
    rare, macro = found.interval("strict", "RARE"), found.interval("strict", "macro")
    assert (rare.standard_error, macro.standard_error) == pytest.approx((0, 0), abs=1e-9)
    assert macro.low > 0.5  # what nobody knows of three articles that are alike, and no more


@pytest.mark.parametrize("articles", [60, 150])
def test_intervals_of_rare_labels_hold_the_truth(articles):
    rng = np.random.default_rng(11)
    chance = 0.9
    held, given = np.zeros(2), np.zeros(2)
    for number in range(150):
        values = np.zeros((articles, 1, 2, 8), dtype=np.int64)
        for label, mean in enumerate((5.0, 0.05)):
            gold = rng.poisson(mean, articles)
            correct = rng.binomial(gold, rng.beta(9, 1, articles))
            values[:, 0, label, 0] = values[:, 0, label, 4] = correct
            values[:, 0, label, 3] = values[:, 0, label, 7] = gold - correct
        result = bootstrap(
            Tally(tuple(map(str, range(articles))), ("strict",), ("A", "RARE"), values), resamples=300, seed=number
        )
        for place, row in enumerate(("RARE", "macro")):
            if (interval := result.interval("strict", row)) is not None:
                given[place] += 1
                held[place] += interval.low <= chance <= interval.high
                assert row == "macro" or interval.low > 0 or result.holding[0, 1, 2] < 6
    assert (held / given > 0.91).all()
