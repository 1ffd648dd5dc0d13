"""Corrected means: against brute force, and in cases of which the answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.estimates.contrasts import difference, trend
from eventtag.estimates.corrected import LEAST_ERRORS, LEAST_UNITS, Annotated, Tagged, estimate_mean

COUNTS = (0.0, np.inf)


def plain(gold, tagged, *, pool):
    """A simple random sample out of a pool of so many articles."""
    count = len(gold)
    gold, tagged = np.asarray(gold, dtype=float), np.asarray(tagged, dtype=float)
    return Annotated(gold, tagged, np.full(count, pool / count), np.arange(count), np.zeros(count, dtype=int))


def everything(sample):
    return np.ones(len(sample), dtype=bool)


def one_estimate(sample, inside, pool_mean, without=None):
    """The corrected mean and that of the annotated articles, by their definitions; with the weights of R's JKn without a unit."""
    units = int(sample.units.max()) + 1
    stratum = np.zeros(units, dtype=int)
    stratum[sample.units] = sample.strata
    factor = np.ones(units)
    if without is not None:
        size = (stratum == stratum[without]).sum()
        factor[stratum == stratum[without]] = size / (size - 1)
        factor[without] = 0
    weights = np.where(inside, sample.weights * factor[sample.units], 0)
    gold, tagged = (np.average(numbers, weights=weights) for numbers in (sample.gold, sample.tagged))
    open_root = np.sqrt([1 - np.mean(1 / sample.weights[sample.units == unit]) for unit in range(units)])
    y, f = (
        open_root * np.bincount(sample.units, weights * (numbers - mean), minlength=units)
        for numbers, mean in ((sample.gold, gold), (sample.tagged, tagged))
    )
    within = [(stratum == number, (stratum == number).sum()) for number in range(stratum.max() + 1)]
    shared = sum((y * f)[part].sum() - y[part].sum() * f[part].sum() / size for part, size in within)
    varied = sum((f * f)[part].sum() - f[part].sum() ** 2 / size for part, size in within)
    slope = max(shared / varied, 0) if varied > 0 else 0
    return np.array([gold + slope * (pool_mean - tagged), gold])


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(1, 3), st.floats(0.3, 1))
def test_is_the_jackknife_of_its_definition(seed, strata, share):
    random = np.random.default_rng(seed)
    count = 30
    units = np.repeat(np.arange(count), random.integers(1, 4, count))
    stratum = np.arange(count) % strata
    weights = random.uniform(1.5, 9, count)[units]
    tagged = random.poisson(2, len(units)).astype(float)
    gold = random.poisson(1 + tagged / 2).astype(float)
    sample = Annotated(gold, tagged, weights, units, stratum[units])
    inside = random.random(len(units)) < share
    inside[:8] = True
    found = estimate_mean(Tagged(1000, 2100.0, 9000.0), sample, inside, bounds=COUNTS)

    replicates = np.array([one_estimate(sample, inside, 2.1, unit) for unit in range(count)])
    variance = 0
    for number in range(strata):
        part = stratum == number
        size = part.sum()
        open_share = 1 - np.array([np.mean(1 / weights[units == unit]) for unit in np.flatnonzero(part)])
        deviations = replicates[part] - replicates[part].mean(axis=0)
        variance = variance + (size - 1) / size * (open_share[:, None] * deviations**2).sum(axis=0)
    corrected, of_gold = one_estimate(sample, inside, 2.1)
    assert found.mean == pytest.approx(corrected)
    assert found.gold.value == pytest.approx(of_gold)
    assert (found.deviations**2).sum() == pytest.approx(variance[0])
    if not found.note:
        assert found.corrected.error == pytest.approx(np.sqrt(variance[0]))
    if not found.gold_note:
        assert found.gold.error == pytest.approx(np.sqrt(variance[1]))


def test_a_sample_of_all_articles_gives_the_truth_without_error():
    gold, tagged = [0, 1, 2, 3], [0, 1, 1, 2]
    found = estimate_mean(Tagged(4, 4.0, 6.0), plain(gold, tagged, pool=4), everything(gold), bounds=COUNTS)
    assert found.corrected.value == pytest.approx(1.5)
    assert found.corrected.low == found.corrected.high == pytest.approx(1.5)


def test_a_useless_tagger_changes_nothing():
    gold = np.arange(40) % 5
    found = estimate_mean(Tagged(4000, 8000.0, 32_000.0), plain(gold, np.full(40, 2), pool=4000), everything(gold), bounds=COUNTS)
    assert found.slope == 0
    assert found.corrected.value == pytest.approx(gold.mean())
    assert found.effective == pytest.approx(40)


def test_what_a_tagger_is_worth_is_the_size_of_a_sample_with_the_same_error():
    random = np.random.default_rng(8)
    gold = random.poisson(random.gamma(1, 4, 60)).astype(np.float64)
    tagged = random.binomial(gold.astype(int), 0.9)
    pool = Tagged(300, 1000.0, 9000.0)
    found = estimate_mean(pool, plain(gold, tagged, pool=300), everything(gold), bounds=COUNTS)
    spread = found.gold.error**2 / (1 / 60 - 1 / 300)
    assert spread * (1 / found.effective - 1 / 300) == pytest.approx(found.corrected.error**2)
    assert 60 < found.effective < 300


def test_a_tagger_that_tells_nothing_of_people_who_found_nothing_gives_no_interval():
    gold, tagged = np.zeros(50), (np.arange(50) % 5 == 0).astype(float)
    found = estimate_mean(Tagged(1000, 200.0, 200.0), plain(gold, tagged, pool=1000), everything(gold), bounds=COUNTS)
    assert (found.corrected.value, found.corrected.low) == (0, None)
    assert found.note == "people found another number than 0 in 0 of 50 annotated units (by weight), 3 are needed"


def test_a_good_tagger_is_worth_many_articles():
    random = np.random.default_rng(3)
    gold = random.poisson(random.gamma(1, 4, 200))
    tagged = random.binomial(gold, 0.9)
    found = estimate_mean(Tagged(50_000, 180_000.0, 1.4e6), plain(gold, tagged, pool=50_000), everything(gold), bounds=COUNTS)
    assert found.effective > 800
    assert found.corrected.half_width < found.gold.half_width / 2


def test_too_few_annotated_articles_give_no_interval():
    gold = np.arange(LEAST_UNITS - 1)
    found = estimate_mean(Tagged(1000, 100.0, 400.0), plain(gold, gold % 3, pool=1000), everything(gold), bounds=COUNTS)
    assert found.corrected.low is None
    assert found.note == f"{LEAST_UNITS - 1} annotated units, {LEAST_UNITS} are needed"


@pytest.mark.parametrize("wrong", [0, LEAST_ERRORS - 1, LEAST_ERRORS])
def test_too_few_errors_of_the_tagger_give_no_interval(wrong):
    gold = np.arange(60) % 2
    tagged = np.where(np.arange(60) < wrong, 1 - gold, gold)
    found = estimate_mean(Tagged(1000, 500.0, 500.0), plain(gold, tagged, pool=1000), everything(gold), bounds=(0, 1))
    assert (found.corrected.low is None) == (wrong < LEAST_ERRORS)
    assert found.gold.low is not None


def test_light_articles_with_errors_say_little_of_heavy_ones():
    gold = np.arange(60) % 2
    tagged = np.where(np.arange(60) < 8, 1 - gold, gold)
    sample = plain(gold, tagged, pool=1000)
    heavy = Annotated(sample.gold, sample.tagged, np.where(np.arange(60) < 8, 2.0, 40.0), sample.units, sample.strata)
    found = estimate_mean(Tagged(1000, 500.0, 500.0), heavy, everything(gold), bounds=(0, 1))
    assert found.note == found.gold_note == "the tagger errs in 0.4 of 60 annotated units (by weight), 3 are needed"


def test_a_cell_without_annotated_articles_says_so():
    sample = plain(np.arange(20), np.arange(20), pool=100)
    found = estimate_mean(Tagged(10, 12.0, 20.0), sample, np.zeros(20, dtype=bool), bounds=COUNTS)
    assert (found.corrected.value, found.annotated) == (None, 0)
    assert found.note == "none of its articles is annotated"
    assert found.naive.value == pytest.approx(1.2)


def two_cells(seed=1, shift=0.0):
    random = np.random.default_rng(seed)
    gold = random.poisson(random.gamma(1, 2, 120)).astype(float)
    late = np.arange(120) >= 60
    gold[late] += shift
    sample = plain(gold, random.binomial(gold.astype(int), 0.8), pool=6000)
    pools = Tagged(3000, 5000.0, 18_000.0), Tagged(3000, 5000.0 + 2400 * shift, 18_000.0 + 9600 * shift)
    cells = zip(pools, (~late, late), strict=True)
    return [estimate_mean(pool, sample, inside, bounds=COUNTS) for pool, inside in cells]


def test_a_difference_of_independent_cells_has_the_sum_of_their_variances():
    first, second = two_cells()
    found = difference(first, second).figure
    assert found.value == pytest.approx(second.mean - first.mean)
    assert found.error**2 == pytest.approx(first.corrected.error**2 + second.corrected.error**2, rel=0.02)


def test_a_cell_does_not_differ_from_itself():
    first, _ = two_cells()
    found = difference(first, first)
    assert (found.figure.value, found.figure.error) == (0, 0)
    assert found.p is None


def test_a_large_difference_is_significant_and_a_trend_over_two_cells_is_their_difference():
    cells = two_cells(shift=9.0)
    assert difference(*cells).p < 1e-6
    assert trend(cells).figure.error == pytest.approx(difference(*cells).figure.error)


def test_a_difference_from_a_cell_without_an_interval_has_none():
    first, _ = two_cells()
    few = estimate_mean(
        Tagged(100, 100.0, 200.0), plain(np.arange(5), np.arange(5), pool=100), np.ones(5, dtype=bool), bounds=COUNTS
    )
    assert difference(few, few).note == "both have no interval"
    assert difference(few, few).figure.low is None
    assert first.note == ""
