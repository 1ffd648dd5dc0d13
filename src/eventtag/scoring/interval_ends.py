"""The ends of intervals from resamples: symmetric bootstrap intervals of shares, on their log-odds, and of differences of shares.

How they are widened for few articles: `eventtag.scoring.bootstrap`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri, stdtrit

Floats = npt.NDArray[np.float64]
ROUNDING = 1e-12
"""Statistics within this are equal: it only has to exceed the rounding of a few divisions and sums."""


def share_interval(
    samples: Floats,
    estimate: Floats,
    leave_one_out: Floats,
    sizes: Floats,
    *,
    level: float,
    units: Floats | None = None,
    freedom: Floats | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Lower end, upper end and standard error, [...], of statistics in [0, 1].

    `samples` is [B, ...] resampled statistics, `leave_one_out` [U, ...], `sizes` [...] the number of spans behind each: log-odds
    are taken no further out than half a span from 0 and 1. `freedom` [...] is that of Student's t (None: U - 1).
    A statistic that never varies has the exact (Clopper-Pearson) interval of as many independent spans as `units` (None: `sizes`)
    instead, for a resample says nothing about it, and the spans of one unit might all be wrong together.
    """
    edge = 0.5 / (sizes + 1)
    _, width = _symmetric(
        *(_log_odds(values, edge) for values in (samples, estimate, leave_one_out)), level=level, freedom=freedom
    )
    error = samples.std(axis=0) * _widening(samples, leave_one_out)
    centre = _log_odds(estimate, edge)
    low, high = _share(centre - width), _share(centre + width)
    constant = never_varies(samples, estimate)
    sizes = sizes if units is None else units
    tail = (1 - level) / 2
    exact_low = np.where(estimate > 0, betaincinv(np.maximum(sizes * estimate, 1e-9), sizes * (1 - estimate) + 1, tail), 0.0)
    exact_high = np.where(estimate < 1, betaincinv(sizes * estimate + 1, np.maximum(sizes * (1 - estimate), 1e-9), 1 - tail), 1.0)
    exact_low, exact_high = np.where(sizes > 0, exact_low, 0.0), np.where(sizes > 0, exact_high, 1.0)
    low = np.minimum(np.where(constant, exact_low, low), estimate)
    high = np.maximum(np.where(constant, exact_high, high), estimate)
    return low, high, error


def never_varies(samples: Floats, estimate: Floats) -> npt.NDArray[np.bool_]:
    """[...]: whether all of [B, ...] resampled statistics are the estimate except for rounding."""
    return np.asarray((np.abs(samples - estimate) <= ROUNDING).all(axis=0), dtype=np.bool_)


def difference_interval(
    samples: Floats, estimate: Floats, leave_one_out: Floats, *, level: float
) -> tuple[Floats, Floats, Floats]:
    """Lower end, upper end and standard error, [...], of differences of shares: symmetric about the estimate, within [-1, 1]."""
    error, width = _symmetric(samples, estimate, leave_one_out, level=level)
    return np.maximum(estimate - width, -1.0), np.minimum(estimate + width, 1.0), error


def ratio_interval(samples: Floats, estimate: Floats, leave_one_out: Floats, *, level: float) -> tuple[Floats, Floats]:
    """Lower and upper end, [...], of ratios of which these are the logarithms: symmetric about the estimate's logarithm.

    nan if one of the leave-one-out values is; resamples that are nan are left out.
    """
    known = np.where(np.isnan(samples), estimate, samples)
    _, width = _symmetric(known, estimate, leave_one_out, level=level)
    width = np.where(np.isnan(leave_one_out).any(axis=0), np.nan, width)
    return np.exp(estimate - width), np.exp(estimate + width)


def _symmetric(
    samples: Floats, estimate: Floats, leave_one_out: Floats, *, level: float, freedom: Floats | None = None
) -> tuple[Floats, Floats]:
    least = max(1, leave_one_out.shape[0] - 1) if freedom is None else freedom
    few = stdtrit(least, (1 + level) / 2) / ndtri((1 + level) / 2)
    widening = _widening(samples, leave_one_out)
    return samples.std(axis=0) * widening, np.quantile(np.abs(samples - estimate), level, axis=0) * widening * few


def _widening(samples: Floats, leave_one_out: Floats) -> Floats:
    """[...]: the jackknife's standard error over the bootstrap's, between 1 and 2; 1 where nothing varies."""
    units = leave_one_out.shape[0]
    jackknife = np.sqrt((units - 1) * leave_one_out.var(axis=0))
    plain = samples.std(axis=0)
    ratio: Floats = np.divide(jackknife, plain, out=np.ones_like(plain), where=plain > 1e-12)
    return np.clip(ratio, 1.0, 2.0)


def _log_odds(share: Floats, edge: Floats) -> Floats:
    inside = np.clip(share, edge, 1 - edge)
    return np.asarray(np.log(inside / (1 - inside)))


def _share(log_odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
