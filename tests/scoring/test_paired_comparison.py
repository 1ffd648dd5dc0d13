import numpy as np
import pytest

from eventtag.errors import DataError
from eventtag.scoring.bootstrap import figure_sums
from eventtag.scoring.compare import compare_systems, holm, randomisation_p
from eventtag.scoring.tally import Tally

LABELS = ("ACTOR", "EVENT")


def tally(correct, missed, spurious):
    values = np.zeros((*correct.shape[:1], 1, *correct.shape[1:], 8), dtype=np.int64)
    values[:, 0, :, 0] = values[:, 0, :, 4] = correct
    values[:, 0, :, 3], values[:, 0, :, 7] = missed, spurious
    return Tally(tuple(str(n) for n in range(len(correct))), ("strict",), LABELS, values)


def two_systems(articles=60, *, better=0.0, seed=0):
    rng = np.random.default_rng(seed)
    gold = rng.poisson(6, (articles, 2))
    systems = {}
    for name, quality in (("a", 0.6), ("b", 0.6 + better)):
        correct = rng.binomial(gold, quality)
        systems[name] = tally(correct, gold - correct, rng.poisson(1, gold.shape))
    return systems


def compare(systems, **options):
    return compare_systems(systems, resamples=1000, trials=2000, **options)


def test_a_system_against_itself_differs_in_nothing():
    system = two_systems()["a"]
    [pair] = compare({"a": system, "b": system}).pairs
    assert {(d.difference, d.low, d.high, d.p, d.verdict) for d in pair.differences} == {(0.0, 0.0, 0.0, 1.0, "not shown")}
    assert pair.changed == ()


def test_a_large_difference_is_shown_with_its_direction():
    [pair] = compare(two_systems(better=0.25)).pairs
    micro = pair.difference("strict", "micro")
    assert micro.verdict == "second"
    assert 0 < micro.low < micro.difference < micro.high
    assert micro.adjusted_p < 0.01
    [reverse] = compare(dict(reversed(two_systems(better=0.25).items()))).pairs
    assert reverse.difference("strict", "micro").verdict == "first"
    assert reverse.difference("strict", "micro").difference == pytest.approx(-micro.difference)


def test_nothing_is_called_better_while_the_interval_holds_zero():
    for seed in range(15):
        [pair] = compare(two_systems(articles=15, better=0.06, seed=seed)).pairs
        for difference in pair.differences:
            if difference.low <= 0 <= difference.high or difference.adjusted_p >= 0.05:
                assert difference.verdict == "not shown"


def test_p_agrees_with_plain_swapping_of_articles():
    systems = two_systems(articles=40, better=0.08, seed=3)
    a, b = (figure_sums(system)[:, 0].sum(axis=1) for system in systems.values())

    def f1(sums):
        return sums[..., 0].sum(axis=-1) / (sums[..., 1].sum(axis=-1) + sums[..., 3].sum(axis=-1))

    rng = np.random.default_rng(0)
    observed = abs(f1(b) - f1(a))
    count = 0
    for _ in range(4000):
        swap = rng.integers(0, 2, len(a), dtype=bool)[:, None]
        count += abs(f1(np.where(swap, a, b)) - f1(np.where(swap, b, a))) >= observed - 1e-12
    p = randomisation_p(*(figure_sums(system) for system in systems.values()), trials=4000)
    assert p[0, 2, 2] == pytest.approx(count / 4000, abs=0.03)


def test_few_differing_articles_are_tested_exactly():
    gold = np.full((6, 2), 4)
    first = tally(gold - 1, gold * 0 + 1, gold * 0)
    second = tally(gold, gold * 0, gold * 0)
    p = randomisation_p(figure_sums(first), figure_sums(second))
    assert p[0, 2, 2] == 2 / 2**6


def test_holm_is_the_textbook_example():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1.0, 1.0])


def test_labels_of_all_pairs_are_one_family():
    systems = two_systems(better=0.1) | {"c": two_systems(better=0.1, seed=9)["b"]}
    comparison = compare(systems)
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    family = [pair.difference("strict", label) for pair in comparison.pairs for label in LABELS]
    np.testing.assert_allclose([d.adjusted_p for d in family], holm(np.array([d.p for d in family])))


def test_articles_that_changed_most_come_first():
    gold = np.full((4, 2), 4)
    better = gold.copy()
    better[2] -= 3
    better[1] -= 1
    [pair] = compare({"a": tally(gold, gold * 0, gold * 0), "b": tally(better, gold - better, gold * 0)}).pairs
    assert [(c.article_id, c.first_errors, c.second_errors) for c in pair.changed] == [("2", 0, 6), ("1", 0, 2)]


def test_different_articles_and_a_single_system_are_errors():
    system = two_systems()["a"]
    with pytest.raises(DataError, match="not scored on the same articles"):
        compare({"a": system, "b": two_systems(articles=5)["a"]})
    with pytest.raises(DataError, match="two systems or more"):
        compare({"a": system})
