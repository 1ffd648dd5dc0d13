"""The scores of a tally as rows with intervals, for reports of links and status."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from eventtag.scoring.bootstrap import METRICS, Bootstrap, Floats, Interval, bootstrap, figure_sums
from eventtag.scoring.tally import Tally


@dataclass(frozen=True)
class ScoredRow:
    """Precision, recall and F1 with their intervals (None if there is none), and how many there are in gold and predicted."""

    precision: float
    recall: float
    f1: float
    support: int
    predicted: int
    intervals: dict[str, Interval | None]

    def to_json(self) -> dict[str, Any]:
        """JSON-like values."""
        return asdict(self)


@dataclass(frozen=True)
class Resampling:
    """What is resampled together (`clusters`; `within`: inside a cluster), how often, at which level and with which seed."""

    clusters: Mapping[str, Hashable] | None
    within: Mapping[str, Hashable] | None
    resamples: int
    level: float
    seed: int


def score_rows(tally: Tally, how: Resampling) -> dict[str, dict[str, ScoredRow]]:
    """By scheme and row: the labels, micro and macro."""
    found = bootstrap(tally, clusters=how.clusters, resamples=how.resamples, level=how.level, seed=how.seed)
    sums = figure_sums(tally).sum(axis=0)
    return {
        scheme: {
            row: _row(found, (s, r), sums[s, r : r + 1] if r < len(tally.labels) else sums[s])
            for r, row in enumerate(found.rows)
            if row != "weighted"
        }
        for s, scheme in enumerate(tally.schemes)
    }


def _row(found: Bootstrap, place: tuple[int, int], sums: Floats) -> ScoredRow:
    scheme, row = found.schemes[place[0]], found.rows[place[1]]
    precision, recall, f1 = (float(value) for value in found.estimate[place])
    predicted, support = (round(float(sums[:, column].sum())) for column in (1, 3))
    intervals = {metric: found.interval(scheme, row, metric) for metric in METRICS}
    return ScoredRow(precision, recall, f1, support, predicted, intervals)
