"""Short, seeded forms of scripts/simulate_comparisons.py: bounds are the promised rates and three standard errors of the simulation."""

import numpy as np
import pytest
from simulate_comparisons import LABELS, Design, called, compare_many, coverage, share, shift_for, true_scores

pytestmark = pytest.mark.slow

SAME = np.zeros(len(LABELS))


def three_errors(rate, replications):
    return 300 * (rate * (1 - rate) / replications) ** 0.5


@pytest.mark.parametrize(("runs", "seed"), [((5, 5), 3), ((1, 2), 3), ((2, 8), 4)])
def test_the_same_recipe_twice_is_rarely_called_better(runs, seed):
    found = compare_many(Design(200), runs, SAME, replications=80, trials=100, seed=seed)
    most = 5 + three_errors(0.05, 80)
    assert share(found, "micro", called) <= most
    assert 100 * sum(any(called(differences[label]) for label in LABELS) for differences in found) / 80 <= most


def test_intervals_of_recipes_hold_the_difference_of_their_means_over_seeds():
    better = np.full(len(LABELS), 0.1)
    truth = true_scores(better, luck=0.04, articles=20_000)["micro"] - true_scores(SAME, luck=0.04, articles=20_000)["micro"]
    held, without = coverage(compare_many(Design(200), (3, 3), better, replications=80, trials=100, seed=4), "micro", truth)
    assert held >= 95 - three_errors(0.05, 80)
    assert without == 0


def test_a_rare_label_has_an_interval_that_holds_the_truth_or_none():
    held, without = coverage(compare_many(Design(20), None, SAME, replications=120, trials=100, seed=5), "LOCATION", 0.0)
    assert held >= 95 - three_errors(0.05, 120)
    assert without < 30


@pytest.mark.parametrize("topics", [None, 8])
def test_the_stated_detectable_difference_is_found_four_times_out_of_five(topics):
    design = Design(40 if topics else 8, topics)
    stated = [d["micro"].detectable for d in compare_many(design, None, SAME, replications=40, trials=300, seed=6)]
    better = shift_for("micro", float(np.median([value for value in stated if value is not None])))
    found = compare_many(design, None, better, replications=80, trials=300, seed=7)
    assert share(found, "micro", lambda d: d.verdict == "second") >= 80 - three_errors(0.8, 80)
