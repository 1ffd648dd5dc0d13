"""Every unit is drawn as often as its inclusion probability says, at first and when a sample is extended."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.errors import OutputError, SettingsError
from eventtag.estimates.pool import read_pool
from eventtag.estimates.sampling import draw, draw_further, inclusion_probabilities, sizes_by_counts

DRAWS = 1500
UNITS = 30
STRATA = np.arange(UNITS) % 3
COUNTS = np.random.default_rng(1).poisson(2.0, UNITS) * (np.arange(UNITS) % 4 == 0) * 3.0
EQUAL, UNEQUAL = np.full(UNITS, 1 / UNITS), sizes_by_counts(COUNTS)


def far_off(shares, probabilities, draws=DRAWS):
    """By how many standard errors the most extreme share of draws lies off its probability."""
    error = np.sqrt(np.maximum(probabilities * (1 - probabilities), 1e-9) / draws)
    return float(np.max(np.abs(shares - probabilities) / error))


@pytest.mark.parametrize("sizes", [EQUAL, UNEQUAL], ids=["equal", "by counts"])
def test_each_unit_is_drawn_with_its_probability_and_the_size_is_fixed(sizes):
    probabilities = inclusion_probabilities(sizes, STRATA, 12)
    random = np.random.default_rng(7)
    drawn = np.array([draw(probabilities, STRATA, random) for _ in range(DRAWS)])
    assert set(drawn.sum(axis=1)) == {12}
    assert far_off(drawn.mean(axis=0), probabilities) < 4.2  # of 30 shares: exceeded once in 1,000 runs by chance
    for stratum in range(3):
        assert len(set(drawn[:, stratum == STRATA].sum(axis=1))) == 1


@pytest.mark.parametrize("sizes", [EQUAL, UNEQUAL], ids=["equal", "by counts"])
def test_an_extended_sample_holds_each_unit_with_the_larger_probability(sizes):
    first, wanted = (inclusion_probabilities(sizes, STRATA, total) for total in (6, 14))
    random = np.random.default_rng(8)
    whole, sums = np.zeros(UNITS), []
    for _ in range(DRAWS):
        before = draw(first, STRATA, random)
        new = draw_further(first, before, wanted, STRATA, random)
        assert not (before & new).any()
        whole += before | new
        sums.append(int((before | new).sum()))
    assert far_off(whole / DRAWS, wanted) < 4.2
    if sizes is EQUAL:
        assert set(sums) == {14}
    else:
        assert np.mean(sums) == pytest.approx(14, abs=0.1)


def test_pairs_of_an_extended_plain_sample_are_drawn_as_often_as_in_one_draw():
    strata, sizes = np.zeros(8, dtype=np.int64), np.full(8, 1 / 8)
    first, wanted = (inclusion_probabilities(sizes, strata, total) for total in (2, 4))
    random = np.random.default_rng(9)
    together = np.zeros((8, 8))
    for _ in range(DRAWS):
        before = draw(first, strata, random)
        chosen = (before | draw_further(first, before, wanted, strata, random)).astype(float)
        together += np.outer(chosen, chosen)
    pairs = together[np.triu_indices(8, 1)] / DRAWS
    assert far_off(pairs, np.full(28, 4 * 3 / (8 * 7))) < 4.2


@settings(max_examples=60)
@given(
    counts=st.lists(st.floats(0, 1e6), min_size=12, max_size=40),
    strata=st.integers(1, 4),
    share=st.floats(0.3, 1.0),
)
def test_probabilities_add_up_and_no_unit_is_left_out(counts, strata, share):
    groups = np.arange(len(counts)) % strata
    draws = max(2 * strata, round(share * len(counts)))
    found = inclusion_probabilities(sizes_by_counts(np.array(counts)), groups, draws)
    assert found.sum() == pytest.approx(draws)
    assert ((found > 0) & (found <= 1)).all()
    sums = np.bincount(groups, weights=found)
    assert np.abs(sums - np.round(sums)).max() < 1e-6
    assert (sums > 2 - 1e-6).all() or strata == 1


def test_a_count_never_takes_more_than_half_of_the_draws():
    counts = np.zeros(1000)
    counts[:20] = 5
    found = inclusion_probabilities(sizes_by_counts(counts), np.zeros(1000, dtype=np.int64), 100)
    assert found[:20] == pytest.approx(1.0)
    assert found[20:].min() >= 0.5 * 100 / 1000


def test_too_few_units_or_draws_are_refused():
    with pytest.raises(SettingsError, match=r"n=9: there are only 8 units to draw"):
        inclusion_probabilities(np.full(8, 0.1), np.zeros(8, dtype=np.int64), 9)
    with pytest.raises(SettingsError, match=r"n=5: the 4 strata need 8 draws, 2 in each"):
        inclusion_probabilities(np.full(8, 0.1), np.arange(8) % 4, 5)


def test_a_folder_that_takes_no_file_is_an_error_in_words(tmp_path):
    with pytest.raises(OutputError, match="nowhere: cannot be written"):
        read_pool([], tmp_path / "nowhere")
