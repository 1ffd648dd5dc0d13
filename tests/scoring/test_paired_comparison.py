import numpy as np
import pytest

from eventtag.errors import DataError
from eventtag.scoring.bootstrap import figure_sums, figures
from eventtag.scoring.compare import compare_systems, holm
from eventtag.scoring.paired import CONSTANT, Spread, System, compare_pair
from eventtag.scoring.sign_flips import contributions, sign_flip_p
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
    return compare_systems(systems, trials=2000, **options)


def p_of(first, second, trials=10_000):
    return sign_flip_p(contributions(figure_sums(first), figure_sums(second)), trials=trials, seed=1)


def test_a_system_against_itself_differs_in_nothing():
    system = two_systems()["a"]
    [pair] = compare({"a": system, "b": system}).pairs
    assert {(d.difference, d.low, d.high, d.p, d.verdict) for d in pair.differences} == {(0.0, None, None, 1.0, "not shown")}
    assert {d.note for d in pair.differences} == {CONSTANT}
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
            if difference.low is None or difference.low <= 0 <= difference.high or difference.adjusted_p >= 0.05:
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
    assert p_of(systems["a"], systems["b"], trials=4000)[0, 2, 2] == pytest.approx(count / 4000, abs=0.03)


def test_few_differing_articles_are_tested_exactly():
    gold = np.full((6, 2), 4)
    first = tally(gold - 1, gold * 0 + 1, gold * 0)
    second = tally(gold, gold * 0, gold * 0)
    assert p_of(first, second)[0, 2, 2] == 2 / 2**6


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


def test_contributions_of_the_articles_add_up_to_the_difference_of_every_score():
    rng = np.random.default_rng(5)
    schemes = ("strict", "partial")
    values = rng.integers(0, 5, (2, 12, 2, 3, 8))
    values[1, ..., 0:4] = values[0, ..., 0:4]  # the same gold
    one, other = (figure_sums(Tally(tuple(map(str, range(12))), schemes, ("A", "B", "C"), v)) for v in values)
    gaps = figures(other.sum(axis=0)) - figures(one.sum(axis=0))
    np.testing.assert_allclose(contributions(one, other).sum(axis=0), gaps, atol=1e-12)


def test_a_difference_that_never_varies_has_no_interval_but_an_exact_p():
    gold = np.full((20, 2), 4)
    wrong, right = tally(gold * 0, gold, gold), tally(gold, gold * 0, gold * 0)
    found = compare({"wrong": wrong, "right": right}).pairs[0].difference("strict", "micro")
    assert (found.difference, found.low, found.high, found.detectable) == (1.0, None, None, None)
    assert found.note == CONSTANT
    assert found.verdict == "second"


@pytest.mark.parametrize(
    ("correct", "spurious", "metric", "note"),
    [
        ([[3, 0], [2, 0], [2, 0]], 0, "f1", "there is no such span in gold or predictions"),
        ([[3, 2], [2, 0], [2, 0]], 0, "f1", "all such spans are in one article"),
        ([[0, 1], [0, 1], [0, 1]], 0, "precision", "predicts no such span"),
    ],
)
def test_without_spans_in_two_articles_there_is_neither_interval_nor_p(correct, spurious, metric, note):
    counts = np.array(correct)
    first = tally(counts, counts * 0, counts * 0)
    second = tally(counts * 0, counts, counts * 0 + spurious)
    found = compare({"a": first, "b": second}).pairs[0].difference("strict", "EVENT", metric)
    assert (found.low, found.p, found.adjusted_p, found.detectable, found.verdict) == (None, None, None, None, "not shown")
    assert note in found.note


def test_a_single_cluster_gives_neither_interval_nor_p():
    systems = two_systems(better=0.3)
    [pair] = compare(systems, clusters=dict.fromkeys(systems["a"].article_ids, "one")).pairs
    assert {(d.low, d.high, d.p, d.detectable, d.verdict) for d in pair.differences} == {(None, None, None, None, "not shown")}
    assert {d.note for d in pair.differences} == {"all articles are in one cluster"}


def test_too_few_clusters_for_a_p_below_5_percent_are_told_with_the_number_needed():
    systems = two_systems(better=0.3)
    [pair] = compare(systems, clusters={name: int(name) % 5 for name in systems["a"].article_ids}).pairs
    micro, label = pair.difference("strict", "micro"), pair.difference("strict", "EVENT")
    assert (micro.p, micro.verdict, micro.detectable) == (0.0625, "not shown", None)
    assert micro.note == "5 clusters hold such spans, so that p is 0.0625 or more; less than 0.05 takes 6 clusters"
    assert label.note.endswith("0.125 after Holm over 2 tests; less than 0.05 takes 7 clusters")
    [pair] = compare(systems, clusters={name: int(name) % 6 for name in systems["a"].article_ids}).pairs
    assert pair.difference("strict", "micro").verdict == "second"


def test_equal_precision_is_not_called_different_because_one_system_predicts_much_more():
    rng = np.random.default_rng(3)
    small = 0
    for _ in range(300):
        gold = rng.poisson(8, (40, 2))
        share = rng.beta(2, 2, (40, 1))
        values = []
        for predicts in (1.0, 0.15):
            predicted = rng.binomial(gold, predicts)
            correct = rng.binomial(predicted, share)
            values.append(tally(correct, gold - correct, predicted - correct))
        small += p_of(*values, trials=500)[0, 2, 0] <= 0.05
    assert small / 300 <= 0.085  # 5 % and 2.8 standard errors; swapping outputs gives more


def runs_of(quality, count, articles=40, seed=0, luck=0.0):
    """Runs of one recipe on the same articles, each with some luck."""
    rng = np.random.default_rng(1)
    gold = rng.poisson(6, (articles, 2))
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(count):
        correct = rng.binomial(gold, np.clip(quality + rng.normal(0, luck), 0, 1))
        runs.append(tally(correct, gold - correct, rng.poisson(1, gold.shape)))
    return tuple(runs)


def test_recipes_are_compared_by_their_means_over_runs():
    a, b = runs_of(0.6, 3, seed=1), runs_of(0.8, 4, seed=2)
    comparison = compare({"a": a, "b": b})
    [pair] = comparison.pairs
    found = pair.difference("strict", "micro")
    means = [np.mean([run.counts("strict").f1 for run in runs]) for runs in (a, b)]
    assert (found.first, found.second) == (pytest.approx(means[0]), pytest.approx(means[1]))
    assert (comparison.runs, pair.over_seeds, found.verdict) == ((3, 4), True, "second")
    assert 0 < found.low < found.high


def test_luck_of_seeds_is_in_the_interval():
    a, b = runs_of(0.6, 8, articles=200, seed=1, luck=0.1), runs_of(0.6, 8, articles=200, seed=2, luck=0.1)
    found = compare({"a": a, "b": b}).pairs[0].difference("strict", "micro")
    luck = sum(np.var([run.counts("strict").f1 for run in runs], ddof=1) / 8 for runs in (a, b)) ** 0.5
    assert found.high - found.low > 2 * 1.96 * luck
    one = compare({"a": a[0], "b": b[0]}).pairs[0].difference("strict", "micro")
    assert one.high - one.low < 2 * 1.96 * luck


def test_a_single_run_borrows_the_luck_of_the_other_recipe_or_says_nothing():
    one, many = runs_of(0.5, 1, seed=1), runs_of(0.8, 4, seed=2, luck=0.02)
    borrowed = compare({"a": one, "b": many}).pairs[0].difference("strict", "micro")
    assert borrowed.low is not None
    assert borrowed.verdict == "second"
    alone = compare({"a": one, "b": runs_of(0.8, 1, seed=2)}).pairs[0].difference("strict", "micro")
    assert (alone.low, alone.p, alone.verdict) == (None, None, "not shown")
    assert "a single run says nothing of other seeds" in alone.note


@pytest.mark.parametrize(
    ("seeds", "freedom", "borrowed", "count"),
    [(1.0, 4.0, False, 0.0), (1.25, 4.0, False, 0.5), (1.5, 4.0, False, 1.0), (1.0, 2.0, False, 1.0), (1.0, 4.0, True, 1.0)],
)
def test_seeds_count_by_how_far_runs_differ_beyond_their_chance_and_always_where_little_is_known(seeds, freedom, borrowed, count):
    articles, many, chance = np.array(4.0), np.array(30.0), np.array(1.0)
    spread = Spread(articles, many, np.array(seeds), chance, np.array(freedom), borrowed)
    assert spread.seeds_count == pytest.approx(count)
    alone = Spread(articles, many, np.array(0.0), np.array(0.0), np.array(np.inf))
    assert (spread.reach(0.05) > alone.reach(0.05) + 1e-9) == (count > 0)


def test_a_recipe_with_a_single_run_borrows_the_variance_of_the_other():
    draw = np.random.default_rng(1)
    units = draw.poisson(3.0, (6, 40, 1, 1, 4)).astype(float)
    several, single = System(units[:5], recipe=True), System(units[5:], recipe=True)
    for first, second in ((several, single), (single, several)):
        pair = compare_pair(first, second, unit="article", level=0.95, trials=10, seed=0)
        assert pair.spread.borrowed
    assert not compare_pair(several, several, unit="article", level=0.95, trials=10, seed=0).spread.borrowed
