"""A mean over all articles of a pool, from the tagger's numbers of all of them and people's numbers of a random sample.

    corrected = mean of the tagger's numbers in the pool x lambda
              + weighted mean over the sample of (people's number - lambda x tagger's number)

This is prediction-powered inference with power tuning (Angelopoulos, Duchi, Zrnic 2023, https://arxiv.org/abs/2311.01453), the
design-based correction of Egami et al. 2023 (https://arxiv.org/abs/2306.04746), and the regression estimator of survey sampling (Särndal,
Swensson, Wretman 1992, chapter 6). What is estimated is the mean of this very pool, the sample being part of it: a sample of all
articles has no error. Weights are 1 over the probability of an article to be in the sample, divided by their sum (Hájek).

Lambda is the slope that makes the variance of the estimate least: of people's weighted numbers on the tagger's, between units of a
stratum. PPI++ divides the same covariance by the variance in the pool; where numbers are skewed, as counts are, that slope moves with the
sample's mean, and the estimate becomes biased and its interval wider (docs/evidence/estimates.md).

The variance is that of the jackknife which leaves out one unit of a stratum after the other, with the finite population correction
(R's `survey` calls it JKn). A unit is what was drawn together: an article, or near-duplicates. Lambda is found anew each time. The
degrees of freedom of the interval are fewer where few units carry the variance (by its fourth moment).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

LEAST_UNITS = 10
"""Annotated units of a cell below which its interval holds the truth too seldom (docs/evidence/estimates.md)."""
LEAST_ERRORS = 3
"""Annotated units with an error of the tagger that an interval needs, counted as shares of the largest weight."""
UNEVEN = 2
"""From so many times the smallest weight on, the interval of the annotated articles alone needs LEAST_ERRORS as well."""


@dataclass(frozen=True)
class Annotated:
    """The sample: people's and the tagger's number of each article, all [n].

    `weights` are 1 over the article's probability to be in the sample, which is at most 1. `units` and `strata` are whole numbers from 0
    on; articles of a unit were drawn together and are of one stratum, which holds two units or more.
    """

    gold: Floats
    tagged: Floats
    weights: Floats
    units: Numbers
    strata: Numbers

    def __len__(self) -> int:
        return len(self.gold)


@dataclass(frozen=True)
class Tagged:
    """The tagger's numbers of all articles of a cell: how many articles, their sum and their sum of squares."""

    articles: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """The naive figure."""
        return self.total / self.articles


@dataclass(frozen=True)
class Figure:
    """A mean with its standard error and interval; None where there is none."""

    value: float | None
    error: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def half_width(self) -> float | None:
        """Half of the interval's width."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Estimate:
    """The figures of a cell: corrected, of the annotated articles alone (`gold`), and of the tagger alone (`naive`).

    `slope` is lambda, `mean` the corrected mean before it is kept within its bounds. `effective`: so many annotated articles of the cell,
    drawn alike, would give the same interval without a tagger, at most all of them; None where that is not known. `note` and `gold_note`
    say why there is no interval; empty where there is one. `errors` are the units that tell how wrong the tagger is (LEAST_ERRORS).
    `deviations` [U]: by what each of the sample's units makes the mean deviate, so that their squares sum to its variance; `inside` [U]
    says which units have articles in the cell. Both are empty where none has.
    """

    articles: int
    annotated: int
    naive: Figure
    gold: Figure
    corrected: Figure
    slope: float
    mean: float
    effective: float | None
    note: str
    gold_note: str
    errors: float
    deviations: Floats
    inside: npt.NDArray[np.bool_]

    @property
    def units(self) -> int:
        """The annotated units of the cell."""
        return int(self.inside.sum())


def estimate_mean(
    tagged: Tagged, sample: Annotated, inside: npt.NDArray[np.bool_], *, level: float = 0.95, bounds: tuple[float, float]
) -> Estimate:
    """The mean of a cell of the pool; `inside` [n] are the annotated articles that are in it, `bounds` what a mean can be at all.

    Units of the sample without an article in the cell count as well: how many are in the cell is chance.
    """
    naive = _naive(tagged, level, bounds)
    if not inside.any():
        none, empty = "none of its articles is annotated", Figure(None)
        nobody = np.zeros(0, dtype=np.bool_)
        return Estimate(tagged.articles, 0, naive, empty, empty, 0.0, np.nan, None, none, none, 0, np.zeros(0), nobody)
    units = _Units.of(sample, inside)
    held = np.zeros(len(units.stratum_of), dtype=np.bool_)
    held[units.numbers] = True
    corrected, gold, slope = units.whole(tagged.mean)
    deviations, of_gold = units.jackknife(tagged.mean)
    errors, unusual, usual = _telling(sample, inside)
    note = gold_note = ""
    if units.open.any():  # else everything is annotated
        note = _objection(units, f"the tagger errs in {errors:.2g}", errors)
        gold_note = _objection(units, f"people found another number than {usual:g} in {unusual:.2g}", unusual)
        if sample.weights.max() > UNEVEN * sample.weights.min():  # what the tagger missed weighs as much in this figure
            gold_note = gold_note or note
        if slope == 0:  # the corrected figure is that of the annotated articles alone, and needs what that needs
            note = note or gold_note
    one = figure(corrected, deviations, freedom(deviations[held], spent=2), level, bounds, note)
    other = figure(gold, of_gold, freedom(of_gold[held], spent=1), level, bounds, gold_note)
    count = int(inside.sum())
    worth = _worth(one.error / other.error, count, tagged.articles) if one.error and other.error else None
    return Estimate(tagged.articles, count, naive, other, one, slope, corrected, worth, note, gold_note, errors, deviations, held)


def _worth(narrower: float, annotated: int, articles: int) -> float:
    """The annotated articles whose error, which falls as the root of 1 / annotated - 1 / articles, is so many times as large."""
    return 1 / (narrower**2 * (1 / annotated - 1 / articles) + 1 / articles)


def figure(value: float, deviations: Floats, degrees: float, level: float, bounds: tuple[float, float], note: str = "") -> Figure:
    """The figure with the interval that the deviations give, within the bounds; without one where a note says why."""
    error = float(np.sqrt((deviations**2).sum()))
    lowest, highest = bounds
    within = min(max(value, lowest), highest)
    if note:
        return Figure(within)
    reach = float(stdtrit(degrees, (1 + level) / 2)) * error
    return Figure(within, error, min(max(value - reach, lowest), highest), max(min(value + reach, highest), lowest))


def freedom(deviations: Floats, *, spent: int) -> float:
    """Degrees of freedom of a sum of [m] squared deviations, at most m - `spent`: fewer where few of them are large (Satterthwaite)."""
    count = len(deviations)
    second, fourth = float((deviations**2).sum()), float((deviations**4).sum())
    kurtosis = count * fourth / second**2 if second > 0 else 3.0
    return float(np.clip(2 * count / max(kurtosis - 1, 1e-9), 1.0, max(1.0, count - spent)))


def _naive(tagged: Tagged, level: float, bounds: tuple[float, float]) -> Figure:
    """What one would publish who takes the tags for right, and the articles for a sample of others."""
    count, mean = tagged.articles, tagged.mean
    if count < 2:
        return Figure(mean)
    error = float(np.sqrt(max(tagged.squares / count - mean**2, 0.0) / (count - 1)))
    reach = float(stdtrit(count - 1, (1 + level) / 2)) * error
    return Figure(mean, error, max(mean - reach, bounds[0]), min(mean + reach, bounds[1]))


def _count(codes: Numbers) -> int:
    return int(codes.max(initial=-1)) + 1


@dataclass(frozen=True)
class _Units:
    """The m units of the sample with articles in the cell, `numbers` [m] of the U units, and their `strata` [m].

    `sums` [3, m] are sums over a unit's articles in the cell: of weights, of people's and of the tagger's weighted numbers; `open` [m] is
    the share of such units that was not drawn. The rest describes the whole sample: `sizes` [S] are the numbers of units of each stratum,
    `stratum_of` [U] is the stratum of each unit, and `open_of` [U] the share not drawn.
    """

    numbers: Numbers
    strata: Numbers
    sums: Floats
    open: Floats
    sizes: Floats
    stratum_of: Numbers
    open_of: Floats

    @classmethod
    def of(cls, sample: Annotated, inside: npt.NDArray[np.bool_]) -> _Units:
        total = _count(sample.units)
        members = np.bincount(sample.units, minlength=total)
        open_of = np.clip(1 - np.bincount(sample.units, 1 / sample.weights, minlength=total) / members, 0, 1)
        stratum_of = np.zeros(total, dtype=np.int64)
        stratum_of[sample.units] = sample.strata
        numbers, local = np.unique(sample.units[inside], return_inverse=True)
        weights = sample.weights[inside]
        columns = (weights, weights * sample.gold[inside], weights * sample.tagged[inside])
        sums = np.stack([np.bincount(local, column, minlength=len(numbers)) for column in columns]).astype(np.float64)
        sizes = np.bincount(stratum_of, minlength=_count(sample.strata)).astype(np.float64)
        return cls(numbers, stratum_of[numbers], sums, open_of[numbers], sizes, stratum_of, open_of)

    def whole(self, pool_mean: float) -> tuple[float, float, float]:
        """The corrected mean, that of the annotated articles, and lambda."""
        root = np.sqrt(self.open) * self.sums
        between = self._by_stratum(root)
        spread = np.einsum("im,jm->ij", root, root) - np.einsum("is,js,s->ij", between, between, 1 / self.sizes)
        corrected, gold, slope = _means(self.sums.sum(axis=1), spread, pool_mean)
        return float(corrected), float(gold), float(slope)

    def jackknife(self, pool_mean: float) -> tuple[Floats, Floats]:
        """[U] each: the deviations of the corrected mean and of that of the annotated articles.

        Where a unit is left out, the others of its stratum stand for it. Units without articles in the cell differ by their stratum alone.
        """
        strata = np.concatenate([self.strata, np.arange(len(self.sizes))])
        left_out = np.pad(self.sums, ((0, 0), (0, len(self.sizes))))
        root = np.sqrt(np.pad(self.open, (0, len(self.sizes)))) * left_out
        factor = (self.sizes / np.maximum(self.sizes - 1, 1))[strata]

        def without(by_stratum: Floats, of_unit: Floats, factor: Floats) -> Floats:
            own = by_stratum[..., strata]
            return np.asarray(by_stratum.sum(axis=-1)[..., None] - own + factor * (own - of_unit))

        squares = root[:, None] * root
        between = self._by_stratum(root[:, : len(self.numbers)])
        rest = between[:, strata] - root
        sums = without(self._by_stratum(self.sums), left_out, factor)
        spread = without(self._by_stratum(squares[..., : len(self.numbers)]), squares, factor**2)
        of_strata = between[:, None] * between / self.sizes
        spread -= (
            of_strata.sum(axis=-1)[..., None] - of_strata[..., strata] + factor**2 * rest[:, None] * rest / self.sizes[strata]
        )
        alone = sums[0] <= 1e-9 * self.sums[0].sum()  # without the only unit there is no estimate
        sums[:, alone] = self.sums.sum(axis=1)[:, None]
        corrected, gold, _ = _means(sums, spread, pool_mean)
        return self._deviations(corrected), self._deviations(gold)

    def _by_stratum(self, values: Floats) -> Floats:
        """[..., S]: sums of [..., m] values."""
        return np.asarray(values @ (self.strata[:, None] == np.arange(len(self.sizes))))

    def _deviations(self, replicates: Floats) -> Floats:
        """[U]: what the [m + S] estimates without one unit deviate by; the last S are those without a unit that is not in the cell."""
        count = len(self.numbers)
        every = replicates[count:][self.stratum_of]
        every[self.numbers] = replicates[:count]
        means = np.bincount(self.stratum_of, every) / self.sizes
        shrink = np.sqrt((self.sizes - 1) / self.sizes)
        return np.asarray(np.sqrt(self.open_of) * shrink[self.stratum_of] * (every - means[self.stratum_of]))


def _telling(sample: Annotated, inside: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """In how many units people and tagger differ, in how many people's number is not the usual one, and the usual one.

    Units count by their weight as a share of the largest: where many light ones differ, nothing is known of the few heavy ones that might.
    """
    gold, units, weights = sample.gold[inside], sample.units[inside], sample.weights[inside]
    values, places = np.unique(gold, return_inverse=True)
    usual = float(values[np.bincount(places).argmax()])

    def counted(differs: npt.NDArray[np.bool_]) -> float:
        heaviest = np.zeros(_count(units))
        np.maximum.at(heaviest, units[differs], weights[differs])
        return float(heaviest.sum() / weights.max())

    return counted(gold != sample.tagged[inside]), counted(gold != usual), usual


def _objection(units: _Units, telling: str, count: float) -> str:
    """Why an interval would not hold the truth as often as it should; empty where it would."""
    found = len(units.numbers)
    if found < LEAST_UNITS:
        return f"{found} annotated unit{'s' * (found != 1)}, {LEAST_UNITS} are needed"
    if count < LEAST_ERRORS - 1e-9:
        return f"{telling} of {found} annotated units (by weight), {LEAST_ERRORS} are needed"
    return ""


def _means(sums: Floats, spread: Floats, pool_mean: float) -> tuple[Floats, Floats, Floats]:
    """[...] each: the corrected mean, that of the annotated articles, and lambda.

    `sums` [3, ...] are those of weights, people's and the tagger's weighted numbers; `spread` [3, 3, ...] are the sums of squares and
    products of these over units, within strata.
    """
    gold, tagged = sums[1] / sums[0], sums[2] / sums[0]
    shared = spread[1, 2] - gold * spread[0, 2] - tagged * spread[0, 1] + gold * tagged * spread[0, 0]
    varied = spread[2, 2] - 2 * tagged * spread[0, 2] + tagged**2 * spread[0, 0]
    varies = varied > 1e-10 * np.maximum(spread[2, 2], 1e-300)
    slope = np.where(varies, np.maximum(shared / np.where(varies, varied, 1.0), 0.0), 0.0)
    return gold + slope * (pool_mean - tagged), gold, slope
