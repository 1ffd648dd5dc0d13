"""A tagger's scores compared with the agreement of two annotators of the same articles.

If two people agree with an F1 of 0.80, a tagger's 0.76 is 95 % of their agreement. The ratio's interval comes from resampling
articles (or clusters) for tagger and annotators together, because hard articles are hard for both.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from eventtag.scoring.bootstrap import (
    AVERAGES,
    METRICS,
    Floats,
    figure_sums,
    figures,
    marked_mask,
    resampled_sums,
    sum_clusters,
)
from eventtag.scoring.interval_ends import ratio_interval
from eventtag.scoring.tally import Tally

SCHEME = "strict"


@dataclass(frozen=True, slots=True)
class CeilingRow:
    """Strict F1 of the tagger and of the second annotator against the same gold, and the ratio of the tagger's to the annotator's with its
    interval; None if there is none.
    """

    tagger: float
    annotators: float
    ratio: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Ceiling:
    """The rows by label, micro and macro; on how many articles that both have annotated, in how many units; the level of the intervals."""

    rows: dict[str, CeilingRow]
    articles: int
    units: int
    level: float

    def to_json(self) -> dict[str, Any]:
        """JSON-like values."""
        return asdict(self)


def compare_with_annotators(
    tagger: Tally,
    annotators: Tally,
    *,
    clusters: Mapping[str, Hashable] | None = None,
    resamples: int,
    level: float,
    seed: int,
) -> Ceiling:
    """The scores of the tagger and of the second annotator, both against the first annotator's spans of the same articles."""
    marked = marked_mask(tagger)
    place, f1 = tagger.schemes.index(SCHEME), METRICS.index("f1")
    both = np.stack([figure_sums(tally)[:, place] for tally in (tagger, annotators)], axis=1)
    units = sum_clusters(both, tagger.article_ids, clusters)
    total = units.sum(axis=0)
    scores = figures(total, marked)[..., f1]
    samples = np.concatenate([figures(sums, marked)[..., f1] for sums in resampled_sums(units, resamples=resamples, seed=seed)])
    left_out = figures(total - units, marked)[..., f1]
    low, high = ratio_interval(*(_log_ratio(values) for values in (samples, scores, left_out)), level=level)
    names = (*tagger.labels, *AVERAGES)
    rows = {}
    for row, name in enumerate(names):
        if name == "weighted" or (row < len(marked) and not marked[row]):
            continue
        one, other = (float(value) for value in scores[:, row])
        known = len(units) > 1 and bool(np.isfinite(low[row]))
        rows[name] = CeilingRow(
            one, other, one / other if other else None, float(low[row]) if known else None, float(high[row]) if known else None
        )
    return Ceiling(rows, len(tagger.article_ids), len(units), level)


def _log_ratio(scores: Floats) -> Floats:
    """[..., N] from [..., 2, N]: the logarithm of the first over the second; nan if one of them is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(scores[..., 0, :]) - np.log(scores[..., 1, :])
    return np.asarray(np.where(np.isfinite(found), found, np.nan))
