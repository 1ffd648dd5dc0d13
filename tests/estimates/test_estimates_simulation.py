"""A short, seeded form of scripts/simulate_estimates.py: bounds are 95 % and three standard errors of the simulation."""

from dataclasses import replace
from functools import cache

import pytest
from simulate_estimates import EVENTS, RARE, RECORDS, SHARE, corrected, held, narrowing, simulate

CORPORA = 100
SMALL = replace(EVENTS, articles=3000)
DESIGNS = {
    "plain": SMALL,
    "drawn by counts": replace(SMALL, by_counts=True),
    "near-duplicates": replace(SMALL, copies=0.8),
    "unequal": replace(SMALL, falling=0.6, late=8.0),
    "share, drawn by counts": replace(SHARE, articles=3000, by_counts=True),
    "event records": replace(RECORDS, articles=3000),
}
LEAST = 95 - 300 * (0.95 * 0.05 / CORPORA) ** 0.5


@cache
def year(design, *, leave_out=(), annotated=100):
    return [run.year for run in simulate(design, annotated, corpora=CORPORA, seed=5, leave_out=leave_out, months=False)]


@pytest.mark.parametrize("name", DESIGNS)
def test_corrected_intervals_hold_the_truth(name):
    covered, without = held(corrected(year(DESIGNS[name])))
    assert covered >= LEAST
    assert without < 30


def test_naive_intervals_do_not():
    naive = [(outcome.truth, outcome.estimate.naive) for outcome in year(SMALL)]
    assert held(naive)[0] < 50


@pytest.mark.parametrize(("name", "left_out"), [("unequal", "weights"), ("near-duplicates", "units")], ids=["weights", "units"])
def test_intervals_that_ignore_the_design_do_not_hold_the_truth(name, left_out):
    assert held(corrected(year(DESIGNS[name], leave_out=(left_out,))))[0] < LEAST - 5


def test_strata_make_intervals_narrower_where_the_tagger_differs_between_them():
    design = replace(SMALL, by_month=True, falling=1.4)
    with_strata, without = (
        sum(outcome.estimate.corrected.half_width for outcome in year(design, leave_out=left_out))
        for left_out in ((), ("strata",))
    )
    assert with_strata < without


def test_intervals_are_less_than_half_as_wide_as_those_of_the_annotated_articles_alone():
    assert narrowing(year(SMALL, annotated=200)) < 0.5


def test_a_rare_event_has_an_interval_that_holds_the_truth_or_none():
    covered, without = held(corrected(year(replace(RARE, articles=3000))))
    assert covered >= LEAST
    assert 10 < without < 90
