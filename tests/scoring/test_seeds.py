from dataclasses import replace

import pytest

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.labels import LabelSet
from eventtag.reporting.console import render_seeds
from eventtag.scoring.report import score_articles
from eventtag.scoring.seeds import SeedRun, summarise_seeds
from eventtag.span import Span

LABELS = LabelSet(("A",))
GOLD = Article("x", "one two three", (Span(0, 3, "A"), Span(4, 7, "A")))


def run(seed, validation, predicted):
    return SeedRun(f"run-{seed}", seed, validation, score_articles([(GOLD, predicted)], LABELS, words=None))


def test_the_run_is_picked_by_validation_even_where_another_tests_better():
    runs = [run(1, 0.9, [Span(0, 3, "A")]), run(2, 0.8, GOLD.spans)]
    summary = summarise_seeds(runs)
    assert summary.chosen.seed == 1
    spread = summary.f1["micro"]
    assert (spread.low, spread.high) == (pytest.approx(2 / 3), 1.0)
    assert spread.mean == pytest.approx(5 / 6)
    assert spread.deviation == pytest.approx((1 / 3) / 2**0.5)


def test_one_run_has_no_deviation_and_repeated_seeds_are_refused():
    assert summarise_seeds([run(1, 0.5, [])]).f1["A"].deviation is None
    with pytest.raises(DataError, match="a seed occurs twice"):
        summarise_seeds([run(1, 0.5, []), run(1, 0.6, [])])
    with pytest.raises(DataError, match="no run"):
        summarise_seeds([])


def test_scores_of_links_and_status_are_summarised_where_all_runs_have_them():
    one, other = (replace(run(seed, 0.5, []), events={"links.strict": seed / 10, "status.accuracy": 0.5}) for seed in (1, 3))
    spread = summarise_seeds([one, other]).f1["links.strict"]
    assert (spread.mean, spread.low, spread.high) == (pytest.approx(0.2), 0.1, 0.3)
    shown = render_seeds("recipe", summarise_seeds([one, replace(other, events={"links.strict": 0.3})]))
    assert "links.strict" in shown
    assert "status.accuracy" not in shown
