"""The gain that a learning curve predicts if it need not be a power law.

Scores up to some number of articles say little about how the curve goes on. A power law, a logarithm that never ends, an exponential
that has almost ended, an S-shaped curve that has yet to rise, or one that ends abruptly can fit them equally well and predict
different gains. So every form here is fitted, each f(n) = end - scale x(n) with a falling x of its own shape. The range of the gain
covers all forms that fit about as well as the best (profile likelihood, Venzon and Moolgavkar 1988,
https://doi.org/10.2307/2347496). One assumption gives the range an upper end: beyond the largest number of articles, scores rise
with each doubling at most STEEPER times as fast as the curve does where it is steepest between the numbers that were tried.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, chdtri

Floats = npt.NDArray[np.float64]

PARAMETERS = 3
STEEPER = 2.0


def form_shapes(numbers: Floats, last: float, more: float) -> Iterator[Floats]:
    """[P + 2] values of x at `numbers`, at `last` and at `last + more`, for every form and shape."""
    n = np.array([*numbers, last, last + more])
    first = float(numbers.min())
    for power in np.linspace(0.05, 2.0, 40):
        yield n**-power
    for power in (0.0, 0.15, 0.3, 0.5):  # growth without an end: a logarithm, and faster
        yield -np.log(n) if power == 0 else -(n**power)
    for scale in np.geomspace(first / 3, 10 * last, 30):
        yield np.exp(-n / scale)
    for middle in np.geomspace(first / 2, 2 * last, 60):
        for steepness in np.geomspace(1.0, 6.0, 10):
            yield 1 / (1 + (n / middle) ** steepness)
    for end in np.geomspace(float(np.partition(np.unique(numbers), 1)[1]), last + more, 20):  # a logarithm that ends abruptly
        yield np.log(np.maximum(end / n, 1.0))


def gain_range(numbers: Floats, scores: Floats, errors: Floats, *, more: float, level: float) -> tuple[float, float, float]:
    """Lowest and highest gain from `more` articles beyond the largest of [P] `numbers`, at confidence `level`, over all forms; and the
    p-value of the best form's misfit, 1.0 where there are no more numbers than a form has parameters.
    """
    last = float(numbers.max())
    weights = 1 / errors**2
    share = weights / weights.sum()
    mean = share @ scores
    sizes = np.unique(numbers)
    doublings, doublings_beyond = np.diff(np.log2(sizes)), float(np.log2(1 + more / last))
    first_of = np.searchsorted(numbers[order := np.argsort(numbers)], sizes)
    fits: list[
        tuple[float, float, float, float, float]
    ] = []  # misfit, scale, its variance; gain and fall from the mean for a scale of 1
    for shape in form_shapes(numbers, last, more):
        x, here, beyond = shape[:-2], float(shape[-2]), float(shape[-1])
        spread = float(share @ (x - share @ x) ** 2)
        if spread < 1e-12 * max(1.0, float(np.abs(x).max()) ** 2):
            continue
        steepest = float((-np.diff(x[order][first_of]) / doublings).max())
        if (here - beyond) / doublings_beyond > STEEPER * steepest:
            continue
        scale = max(0.0, -float(share @ ((scores - mean) * (x - share @ x))) / spread)
        misfit = float(weights @ (scores - mean + scale * (x - share @ x)) ** 2)
        fits.append((misfit, scale, 1 / (weights.sum() * spread), here - beyond, here - float(share @ x)))
    best = min(misfit for misfit, *_ in fits)
    freedom = len(numbers) - PARAMETERS
    # Scores further off every form than their errors explain make all forms less sure (Birge 1932).
    birge = max(1.0, best / max(1, freedom))
    # Two free parameters, shape and scale: with one, intervals contained the true gain of exponential and S-shaped curves too rarely.
    allowed = float(chdtri(2, 1 - level)) * birge
    low, high = np.inf, -np.inf
    for misfit, scale, variance, per_scale, fall in fits:
        if misfit - best <= allowed:
            width = float(np.sqrt((allowed - (misfit - best)) * variance))
            low = min(low, per_scale * max(0.0, scale - width))
            room = 1 - (mean - (scale + width) * fall)  # up to an F1 of 1
            high = max(high, min(per_scale * (scale + width), max(0.0, float(room))))
    p = float(chdtrc(freedom, best)) if freedom > 0 else 1.0
    return low, high, p
