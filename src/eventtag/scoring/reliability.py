"""How far scores are from the share of right spans, and how far they would be by chance alone.

The expected calibration error (ECE) of a finite number of spans is never 0, because in each bin the share of right spans differs
from the mean score by chance. The report therefore also has the ECE that perfectly calibrated scores would have in the same bins. It
draws each span as right with its score as probability, as if spans were independent. Spans of one article are not quite independent, so
errors by chance are slightly larger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

BINS = 15
CHANCE_CELLS, CHANCE_DRAWS = 20_000_000, (200, 2000)
"""How many spans are drawn in all, and the fewest and most draws, to estimate the error by chance. With more spans fewer draws are enough,
because the error varies less."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Spans with scores in [low, high]: their number, mean score and precision."""

    low: float
    high: float
    count: int
    confidence: float
    precision: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Expected calibration error (mean distance of score and precision over equally filled bins), Brier score, and the bins.

    `expected_ece` is the mean error of these scores if they were perfectly calibrated. In 19 of 20 cases, their error would then be below
    `usual_ece`. Only an error above it shows that the scores are not calibrated.
    """

    ece: float
    brier: float
    bins: tuple[ReliabilityBin, ...]
    expected_ece: float
    usual_ece: float

    @property
    def beside_chance(self) -> str:
        """The error as text, beside what chance alone gives."""
        shown = "more than chance" if self.ece > self.usual_ece else "no more than chance"
        return (
            f"{self.ece:.4f}, {shown} (perfectly calibrated scores of as many spans: {self.expected_ece:.4f} on average, "
            f"below {self.usual_ece:.4f} in 19 cases of 20)"
        )


def reliability(scores: Floats, correct: npt.NDArray[np.bool_], *, bins: int = BINS) -> Reliability | None:
    """Calibration of [N] scores, in up to `bins` bins with equal numbers of spans (equal scores stay together); None without spans."""
    if not len(scores):
        return None
    order = np.argsort(scores, kind="stable")
    ordered, right = scores[order], correct[order].astype(np.float64)
    wanted = (np.arange(1, bins) * len(ordered)) // bins
    before, after = np.searchsorted(ordered, ordered[wanted], "left"), np.searchsorted(ordered, ordered[wanted], "right")
    edges = np.unique(np.where(wanted - before <= after - wanted, before, after))
    parts = [part for part in np.split(np.arange(len(ordered)), edges) if len(part)]
    found = tuple(
        ReliabilityBin(
            low=float(ordered[part[0]]),
            high=float(ordered[part[-1]]),
            count=len(part),
            confidence=float(ordered[part].mean()),
            precision=float(right[part].mean()),
        )
        for part in parts
    )
    ece = sum(b.count * abs(b.confidence - b.precision) for b in found) / len(ordered)
    chance = _chance_errors(ordered, [int(part[0]) for part in parts])
    brier = float(((ordered - right) ** 2).mean())
    return Reliability(float(ece), brier, found, float(chance.mean()), float(np.quantile(chance, 0.95)))


def _chance_errors(scores: Floats, starts: list[int]) -> Floats:
    """[R] expected calibration errors of [N] perfectly calibrated scores in the bins that begin at `starts`."""
    rng = np.random.default_rng(0)
    wanted = np.add.reduceat(scores, starts)
    draws = int(np.clip(CHANCE_CELLS // len(scores), *CHANCE_DRAWS))
    errors: list[Floats] = []
    batch = max(1, 1_000_000 // len(scores))
    for done in range(0, draws, batch):
        right = rng.random((min(batch, draws - done), len(scores))) < scores
        sums = np.add.reduceat(right, starts, axis=1, dtype=np.int64)
        errors.append(np.abs(sums - wanted).sum(axis=1) / len(scores))
    return np.concatenate(errors)
