"""Regressions of a number that each article has on the article's columns, corrected for the tagger's errors by a random sample that people
counted.

Least squares (`linear`) and Poisson regression with a log link (`poisson`), with robust standard errors: nothing is assumed about the
variance of the numbers. As usual for regressions, the coefficients describe the process that such articles come from, not only the pool.

* `ppi`, for samples in which every article had the same probability: prediction-powered inference with power tuning, as
  `ppi_ols_ci` and `ppi_poisson_ci` of ppi-python compute it (Angelopoulos, Duchi, Zrnic 2023, https://arxiv.org/abs/2311.01453). Lambda
  may come from only the sample, see `Tuning`.
* `dsl`, for unequal probabilities: the moments of the tagger's numbers plus the inversely weighted difference of people's, as R's
  package dsl solves them for given predictions (Egami et al. 2023, https://arxiv.org/abs/2306.04746).

N articles of the pool, n of the sample, p columns, of which the first is 1. Units that were drawn together are clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from eventtag.errors import DataError
from eventtag.estimates.corrected import Annotated, freedom

Floats = npt.NDArray[np.float64]
Family = Literal["linear", "poisson"]
Tuning = Literal["sample", "ppi"]
"""Where lambda comes from: covariance and variance of the tags in the `sample`; or that covariance and the variance of all tags, cut to
between 0 and 1, as in PPI++. The first makes intervals narrower and less biased if numbers are skewed (docs/evidence/estimates.md)."""
STEPS = 100
"""Newton steps after which a Poisson regression has no solution."""


@dataclass(frozen=True)
class Regression:
    """Coefficients [p] with their covariance [p, p]; `slope` is the lambda of power tuning, 1 for `dsl`. Intervals and p-values are by
    Student's t with `degrees` [p] degrees of freedom: the number of the sample's units minus that of the coefficients
    and lambda, or fewer if few of the units carry the variance.
    """

    coefficients: Floats
    covariance: Floats
    slope: float
    method: Literal["ppi", "dsl"]
    degrees: Floats

    @property
    def errors(self) -> Floats:
        """[p] standard errors."""
        return np.asarray(np.sqrt(np.maximum(np.diag(self.covariance), 0.0)))  # rounding makes a 0 negative

    @property
    def p(self) -> Floats:
        """[p] two-sided p-values for a coefficient of 0; NaN if no unit shows how uncertain it is."""
        errors = np.where(self.uncertain, self.errors, np.nan)
        return np.asarray(2 * stdtr(self.degrees, -np.abs(self.coefficients) / errors))

    @property
    def uncertain(self) -> npt.NDArray[np.bool_]:
        """[p]: whether some unit shows how uncertain the coefficient is. Without one, its error is 0 apart from rounding."""
        return np.asarray(self.errors > 1e-9 * max(float(np.abs(self.coefficients).max()), 1e-9))

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """[p] lower and upper ends."""
        reach = stdtrit(self.degrees, (1 + level) / 2) * self.errors
        return self.coefficients - reach, self.coefficients + reach


@dataclass(frozen=True)
class Rows:
    """Columns [N, p] of articles and the tagger's number [N] of each."""

    columns: Floats
    tagged: Floats


def regress_ppi(
    rest: Rows,
    columns: Floats,
    sample: Annotated,
    family: Family,
    *,
    slope: float | None = None,
    tuning: Tuning = "sample",
) -> Regression:
    """The regression by prediction-powered inference; `rest` are the articles outside the sample, `columns` [n, p] those of the sample.

    `slope` None finds the lambda with the least sum of variances, as `tuning` says. Raises DataError where columns depend on each other.
    """
    tuned = slope is None and tuning == "sample"
    if slope is None:
        first = _solve_ppi(rest, columns, sample, family, 1.0)
        slope = _best_slope(rest, columns, sample, family, first, tuning)
    found = _solve_ppi(rest, columns, sample, family, slope)
    count, others = len(sample), len(rest.tagged)
    own, tagged, outside, bread = _gradients(rest, columns, sample, family, found)
    sums = _by_unit(own - slope * tagged, sample.units)
    influence = (sums - sums.mean(axis=0)) @ bread / count
    spent = columns.shape[1] + 1
    influence *= np.sqrt(len(sums) / max(len(sums) - (spent if tuned else 1), 1))
    covariance = influence.T @ influence
    if slope:
        covariance = covariance + slope**2 / others * bread @ np.cov(outside.T).reshape(covariance.shape) @ bread
    return Regression(found, covariance, slope, "ppi", _degrees(influence, covariance, spent))


def regress_dsl(pool: Rows, places: npt.NDArray[np.int64], sample: Annotated, family: Family) -> Regression:
    """The regression by design-based supervised learning; `places` [n] are the sample's articles in the pool.

    Raises DataError where columns depend on each other.
    """
    columns, count = pool.columns, len(pool.tagged)
    target = pool.tagged.copy()
    np.add.at(target, places, sample.weights * (sample.gold - sample.tagged))

    def moments(coefficients: Floats) -> tuple[Floats, Floats]:
        mean, curve = _mean(columns @ coefficients, family)
        return columns.T @ (target - mean) / count, _gram(columns, curve) / count

    found = _newton(moments, columns.shape[1], family, float(np.average(sample.gold, weights=sample.weights)))
    bread = _inverse(moments(found)[1])
    influence = columns * (target - _mean(columns @ found, family)[0])[:, None]
    of_sample = _by_unit(influence[places], sample.units) @ bread / count
    outside = np.ones(count, dtype=np.bool_)
    outside[places] = False
    meat = influence[outside].T @ influence[outside] / count**2
    covariance = bread @ meat @ bread + of_sample.T @ of_sample
    return Regression(found, covariance, 1.0, "dsl", _degrees(of_sample, covariance, columns.shape[1]))


def _degrees(influence: Floats, covariance: Floats, spent: int) -> Floats:
    """[p] degrees of freedom by Satterthwaite: the sample's units add to the variance by their influence [G, p]; the rest is well known."""
    own = (influence**2).sum(axis=0)
    degrees = np.array([freedom(column, spent=spent) for column in influence.T])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(own > 0, degrees * (np.diag(covariance) / own) ** 2, np.inf))


def _solve_ppi(rest: Rows, columns: Floats, sample: Annotated, family: Family, slope: float) -> Floats:
    if family == "linear":  # as ppi-python does: each part by its own columns
        found = _least_squares(columns, sample.gold - slope * sample.tagged)
        return found + slope * _least_squares(rest.columns, rest.tagged) if slope else found
    count, others = len(sample), len(rest.tagged)

    def moments(coefficients: Floats) -> tuple[Floats, Floats]:
        mean, curve = _mean(columns @ coefficients, family)
        inside = columns.T @ (sample.gold - mean - slope * (sample.tagged - mean)) / count
        mean_rest, curve_rest = _mean(rest.columns @ coefficients, family)
        outside = slope * (rest.columns.T @ (rest.tagged - mean_rest)) / others
        return inside + outside, (1 - slope) * _gram(columns, curve) / count + slope * _gram(rest.columns, curve_rest) / others

    return _newton(moments, columns.shape[1], family, float(sample.gold.mean()))


def _gradients(
    rest: Rows, columns: Floats, sample: Annotated, family: Family, coefficients: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """[n, p] of people's and of the tagger's numbers, [N, p] outside the sample, and the inverse of the Hessian."""
    mean, curve = _mean(columns @ coefficients, family)
    mean_rest, curve_rest = _mean(rest.columns @ coefficients, family)
    hessian = (_gram(columns, curve) + _gram(rest.columns, curve_rest)) / (len(sample) + len(rest.tagged))
    own, tagged = (columns * (mean - numbers)[:, None] for numbers in (sample.gold, sample.tagged))
    return own, tagged, rest.columns * (mean_rest - rest.tagged)[:, None], _inverse(hessian)


def _best_slope(rest: Rows, columns: Floats, sample: Annotated, family: Family, coefficients: Floats, tuning: Tuning) -> float:
    """The lambda of PPI++ (its proposition 2, with the trace over all coefficients), or that with the variance of the sample."""
    own, tagged, outside, bread = _gradients(rest, columns, sample, family, coefficients)
    count, others = len(sample), len(rest.tagged)
    shared = (own - own.mean(axis=0)).T @ (tagged - tagged.mean(axis=0)) / count
    centred = tagged - tagged.mean(axis=0)
    varied = centred.T @ centred / count
    if tuning == "ppi":
        varied = np.cov(np.concatenate([tagged, outside]).T).reshape(shared.shape)
    above = np.trace(bread @ (shared + shared.T) @ bread)
    below = 2 * (1 + count / others) * np.trace(bread @ varied @ bread)
    most = 1.0 if tuning == "ppi" else np.inf
    return float(np.clip(above / below, 0, most)) if below > 0 else 0.0


def _by_unit(values: Floats, units: npt.NDArray[np.int64]) -> Floats:
    """[G, p]: sums of [n, p] values over each unit."""
    local = np.unique(units, return_inverse=True)[1]
    return np.stack([np.bincount(local, column) for column in values.T], axis=1)


def _mean(linear: Floats, family: Family) -> tuple[Floats, Floats]:
    """Expected numbers, and their derivative by the linear predictor."""
    if family == "linear":
        return linear, np.ones_like(linear)
    expected = np.exp(np.clip(linear, -50, 50))
    return expected, expected


def _gram(columns: Floats, weights: Floats) -> Floats:
    return np.asarray(columns.T @ (columns * weights[:, None]))


def _least_squares(columns: Floats, numbers: Floats) -> Floats:
    return np.asarray(_inverse(columns.T @ columns) @ (columns.T @ numbers))


def _inverse(matrix: Floats) -> Floats:
    scale = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    if np.linalg.cond(matrix / scale / scale[:, None]) > 1e12:
        raise DataError(
            "regression: its columns depend on each other in the sample or the pool (a category without annotated articles, or one column "
            "that follows from others); leave a column out, or annotate more articles"
        )
    return np.asarray(np.linalg.inv(matrix))


def _newton(moments: Callable[[Floats], tuple[Floats, Floats]], size: int, family: Family, mean: float) -> Floats:
    """The root of `moments`, which gives them with their negative derivative; the first column is 1 and numbers average `mean`."""
    found = np.zeros(size)
    found[0] = mean if family == "linear" else np.log(max(mean, 1e-6))
    for _ in range(STEPS):
        value, slope = moments(found)
        step = _inverse(slope) @ value
        found = found + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-11 * (1 + np.abs(found).max()):
            return found
    raise DataError(
        "regression: it has no solution, as the corrected numbers of a category are 0 or less; join categories, annotate more articles, or "
        "take the linear family"
    )
