"""The best score of a sweep beside what it is on seeds that had no part in choosing it."""

import numpy as np

from eventtag.reporting.sweep_report import caveat
from eventtag.scoring.candidates import FINISHED, PRUNED, Candidate, SweepReport


def sweep(scores, seeds=3):
    candidates = [Candidate(n, {"k": n}, FINISHED, tuple(row)) for n, row in enumerate(scores)]
    candidates.append(Candidate(len(candidates), {"k": -1}, PRUNED, (0.99,)))
    return SweepReport(("k",), tuple(candidates), "micro_f1", 0.95, tuple(range(seeds)), {"articles": 4})


def test_the_seed_left_out_has_no_part_in_the_choice():
    report = sweep([(0.9, 0.1, 0.5), (0.4, 0.6, 0.5)])
    # Without the first seed the second candidate wins (0.4 on it), without the second the first (0.1), without the third a tie (0.5).
    assert abs(report.on_other_seeds - np.mean([0.4, 0.1, 0.5])) < 1e-12
    assert report.to_json()["best_on_other_seeds"] == report.on_other_seeds
    assert "has 33.3 on the seed left out" in caveat(report)


def test_of_equal_candidates_the_winner_is_no_better_on_other_seeds():
    rng = np.random.default_rng(0)
    best, other = [], []
    for _ in range(200):
        report = sweep(rng.normal(0.7, 0.011, (20, 3)))
        best.append(report.score(report.best).mean)
        other.append(report.on_other_seeds)
    assert np.mean(best) > 0.71
    assert abs(np.mean(other) - 0.7) < 3 * np.std(other) / 200**0.5


def test_what_the_scored_articles_chose_is_said():
    report = sweep([(0.9,)], seeds=1)
    assert report.to_json()["selection"]["chose"] == ["the epoch of each run", "its thresholds", "the settings"]
    assert "these articles also chose the epoch of each run, its thresholds and the settings" in caveat(report)


def test_one_seed_cannot_tell_luck():
    report = sweep([(0.9,), (0.8,)], seeds=1)
    assert report.on_other_seeds is None
    assert "A single seed does not show how much of 90.0 is luck" in caveat(report)
