"""Regressions agree with ppi-python and R's dsl on the same inputs."""

import numpy as np
import pytest

from eventtag.errors import DataError
from eventtag.estimates.corrected import Annotated
from eventtag.estimates.regression import Rows, regress_dsl, regress_ppi

LATE = "1101101100100110000001011010011110110101111100111010110011111011011001011110101110011101111000000010"
TAGGED = "3111202104100270220122133111451132223515253011120141333021181011006301161321644202224105120170011000"
GOLD = "1211102004100160220112121"
PPI = {  # estimates and standard errors of ppi-python 0.2.3: ppi_mean_*, ppi_ols_*, ppi_poisson_*; intervals divided by their quantile
    ("mean", 1.0): ([1.653333333], [0.2574496]),
    ("mean", 0.5): ([1.466666667], [0.18276234]),
    ("mean", 0.0): ([1.28], [0.26844739]),
    ("linear", 1.0): ([1.3230769230769233, 0.43247863247863383], [0.2829992726228952, 0.4959401606736232]),
    ("linear", 0.5): ([1.123076923076923, 0.5880341880341886], [0.24313900591583953, 0.37461104253153077]),
    ("poisson", 1.0): ([0.26236426485096365, 0.3736245016655244], [0.21778905624897213, 0.30695333610727493]),
    ("poisson", 0.5): ([0.08338160893823815, 0.49890297880533563], [0.2233669497812544, 0.27656409589368475]),
}
TUNED = {  # its point estimates with the lambda that it chooses
    "mean": [1.43661093],
    "linear": [1.107716620202758, 0.5999810902696501],
    "poisson": [0.08515712033714608, 0.4977648489487744],
}


def digits(text):
    return np.array([float(digit) for digit in text])


def ppi_inputs(family):
    late, tagged, gold = digits(LATE), digits(TAGGED), digits(GOLD)
    columns = np.stack([np.ones(len(late)), late], axis=1)[:, : 1 if family == "mean" else 2]
    count = len(gold)
    sample = Annotated(gold, tagged[:count], np.ones(count), np.arange(count), np.zeros(count, dtype=int))
    return Rows(columns[count:], tagged[count:]), columns[:count], sample, "linear" if family == "mean" else family


@pytest.mark.parametrize(("family", "slope"), PPI)
def test_agrees_with_ppi_python(family, slope):
    rest, columns, sample, form = ppi_inputs(family)
    found = regress_ppi(rest, columns, sample, form, slope=slope)
    coefficients, errors = PPI[family, slope]
    assert found.coefficients == pytest.approx(coefficients, abs=1e-8)
    if family == "mean":  # ppi-python divides by n and N there, and by n - 1 and N - 1 in its regressions
        whole = len(sample)
        inside, outside = (sample.gold - slope * sample.tagged).var() / whole, slope**2 * rest.tagged.var() / len(rest.tagged)
        assert errors[0] ** 2 == pytest.approx(inside + outside, abs=1e-7)
        other = len(rest.tagged)
        assert found.covariance[0, 0] == pytest.approx(inside * whole / (whole - 1) + outside * other / (other - 1))
    else:
        assert found.errors == pytest.approx(errors, abs=1e-8)


@pytest.mark.parametrize("family", TUNED)
def test_chooses_the_lambda_of_ppi_python(family):
    found = regress_ppi(*ppi_inputs(family), tuning="ppi")
    assert found.coefficients == pytest.approx(TUNED[family], abs=1e-7)


@pytest.mark.parametrize("family", TUNED)
def test_the_lambda_of_the_sample_is_near_it(family):
    rest, columns, sample, form = ppi_inputs(family)
    own, theirs = (regress_ppi(rest, columns, sample, form, tuning=tuning) for tuning in ("sample", "ppi"))
    assert own.coefficients == pytest.approx(theirs.coefficients, abs=theirs.errors.max())
    assert own.slope != theirs.slope


def test_few_units_that_carry_the_variance_leave_few_degrees_of_freedom():
    rest, columns, sample, form = ppi_inputs("mean")
    even = regress_ppi(rest, columns, sample, form, slope=0)
    gold = np.where(np.arange(len(sample)) == 0, 50.0, sample.gold)
    one = regress_ppi(rest, columns, Annotated(gold, sample.tagged, sample.weights, sample.units, sample.strata), form, slope=0)
    assert one.degrees[0] < 3 < even.degrees[0] <= len(sample) - 2


DSL = """
0.3 0 . 0.3 | -1 3 . 0.3 | 0.8 0 0 0.3 | 0.9 1 . 0.3 | -2 3 2 0.6 | -1.3 1 1 0.3 | 0.1 0 . 0.3 | -0.3 2 . 0.3
-0 0 . 0.3 | -0.9 2 . 0.6 | 0.9 0 . 0.3 | 0.8 1 . 0.3 | 0.1 0 . 0.3 | 1.1 3 . 0.3 | 0.5 3 3 0.6 | -0.9 4 . 0.6
0.4 0 . 0.3 | -1 0 . 0.3 | 0.9 0 . 0.3 | -0 3 . 0.3 | -0.2 1 . 0.3 | -0.7 1 . 0.3 | 1.2 1 . 0.3 | -0.2 0 . 0.3
-0.4 6 6 0.6 | -0.4 0 0 0.6 | 0.5 0 . 0.3 | 0.4 3 2 0.6 | 0.4 4 3 0.6 | 0.4 8 . 0.6 | 2.1 0 0 0.3 | -0.4 3 3 0.3
-0.5 1 . 0.3 | -0.8 5 4 0.6 | 0.6 1 . 0.3 | 1.1 1 . 0.3 | -0.1 1 1 0.3 | -0.8 0 0 0.3 | -0.8 2 . 0.6 | 0.7 6 7 0.6
0.7 3 1 0.6 | 0.5 0 . 0.3 | -0.7 1 1 0.3 | 0.2 1 0 0.3 | 0.1 4 . 0.6 | 0.2 1 . 0.3 | 0.9 2 . 0.6 | 0.2 4 7 0.6
0.7 4 . 0.6 | 0.1 2 . 0.6 | 0.3 0 . 0.3 | 0.6 5 . 0.6 | -1.5 2 3 0.6 | -0.3 4 8 0.6 | -0.5 1 . 0.3 | -0.6 1 . 0.3
-0.3 2 2 0.6 | 1.5 0 . 0.3 | -0.9 5 . 0.6 | 1 1 . 0.3
"""
"""Length, tagger's number, people's number where there is one, probability; the second half is late."""
PAIRS = ((24, 25), (30, 31), (36, 37), (42, 43))
"""Articles of one cluster."""
COEFFICIENTS = [1.505930923402, 0.865221416886, -0.444819255140]
"""Of dsl's moments (lm_dsl_moment_base, dsl_general_Jacobian, dsl_general_moment_base_decomp; package dsl 0.1.0) in R 4.2.2, for given
predictions, without the penalty of 1e-5 that helps its search."""
ERRORS = {False: [0.344667486682, 0.614549202099, 0.270624353517], True: [0.320154486350, 0.623607257509, 0.269481933351]}


def dsl_inputs(clustered):
    rows = [row.split() for line in DSL.split("\n") for row in line.split("|") if row.strip()]
    length, tagged, probability = (np.array([float(row[place]) for row in rows]) for place in (0, 1, 3))
    places = np.array([number for number, row in enumerate(rows) if row[2] != "."])
    gold = np.array([float(rows[place][2]) for place in places])
    units = np.arange(len(rows))
    if clustered:
        units[[other for _, other in PAIRS]] = [first for first, _ in PAIRS]
    late = (np.arange(len(rows)) >= len(rows) / 2).astype(float)
    columns = np.stack([np.ones(len(rows)), late, length], axis=1)
    sample = Annotated(gold, tagged[places], 1 / probability[places], units[places], np.zeros(len(places), dtype=int))
    return Rows(columns, tagged), places, sample


@pytest.mark.parametrize("clustered", ERRORS)
def test_agrees_with_dsl(clustered):
    found = regress_dsl(*dsl_inputs(clustered), "linear")
    assert found.coefficients == pytest.approx(COEFFICIENTS, abs=1e-8)
    assert found.errors == pytest.approx(ERRORS[clustered], abs=1e-8)


def test_a_poisson_regression_on_months_has_the_corrected_means_of_the_months():
    pool, places, sample = dsl_inputs(clustered=False)
    late = pool.columns[:, 1] == 1
    found = regress_dsl(Rows(pool.columns[:, :2], pool.tagged), places, sample, "poisson")
    for inside, mean in ((~late, found.coefficients[0]), (late, found.coefficients.sum())):
        differences = (sample.weights * (sample.gold - sample.tagged))[inside[places]].sum()
        assert np.exp(mean) == pytest.approx((pool.tagged[inside].sum() + differences) / inside.sum())


def test_columns_that_depend_on_each_other_are_refused():
    rest, columns, sample, _ = ppi_inputs("linear")
    twice = Rows(np.column_stack([rest.columns, rest.columns[:, 1]]), rest.tagged)
    with pytest.raises(DataError, match="depend on each other"):
        regress_ppi(twice, np.column_stack([columns, columns[:, 1]]), sample, "linear")
