"""The result of a sweep: the candidates, their scores over seeds, and how certain it is that the best is better than another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from scipy.special import stdtrit

from eventtag.scoring.selection import Selection

SELECTION = Selection(("the epoch of each run", "its thresholds", "the settings"))
"""What the validation articles, on which all scores are, chose."""
FINISHED, PRUNED, FAILED = "finished", "pruned", "failed"


@dataclass(frozen=True, slots=True)
class MeanScore:
    """A mean with its interval [low, high] for other seeds (Student's t); the interval is None for fewer than two values."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """Values of the sweep's keys, and the validation scores of its finished runs, one a seed; `note` says why it ended early."""

    number: int
    values: Mapping[str, Any]
    state: str
    scores: tuple[float, ...]
    note: str = ""


@dataclass(frozen=True)
class SweepReport:
    """The candidates in the order of their numbers. `metric` names the score, `level` that of the intervals; `data` describes the
    validation articles, on which all scores are.
    """

    keys: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    metric: str
    level: float
    seeds: tuple[int, ...]
    data: Mapping[str, Any]

    def ranked(self) -> list[Candidate]:
        """The finished candidates, best mean first; of equals, the earlier one first."""
        finished = [candidate for candidate in self.candidates if candidate.state == FINISHED]
        return sorted(finished, key=lambda candidate: -fmean(candidate.scores))

    @property
    def best(self) -> Candidate | None:
        """The candidate with the best mean; None when none has finished."""
        return next(iter(self.ranked()), None)

    @property
    def on_other_seeds(self) -> float | None:
        """The score of the best candidate on a seed that had no part in choosing it: the mean over all seeds, each left out in
        turn. The best mean itself is too high, because it was chosen as the best. None for fewer than two seeds or no finished
        candidate.
        """
        finished = [candidate.scores for candidate in self.candidates if candidate.state == FINISHED]
        seeds = min(map(len, finished), default=0)
        if seeds < 2:
            return None
        chosen = [max(finished, key=lambda scores: fmean(scores[:left] + scores[left + 1 :])) for left in range(seeds)]
        return fmean(scores[left] for left, scores in enumerate(chosen))

    def score(self, candidate: Candidate) -> MeanScore | None:
        """The mean score of a candidate; None without a finished run."""
        return mean_score(candidate.scores, level=self.level) if candidate.scores else None

    def gap(self, candidate: Candidate) -> MeanScore | None:
        """How far a finished candidate's mean lies below the best one's, paired by seed; None for the best itself."""
        if self.best is None or candidate.state != FINISHED or candidate.number == self.best.number:
            return None
        return mean_score([best - own for best, own in zip(self.best.scores, candidate.scores, strict=True)], level=self.level)

    def to_json(self) -> dict[str, Any]:
        """JSON-like: everything, with means and intervals."""
        rows = []
        for candidate in self.candidates:
            score, gap = self.score(candidate), self.gap(candidate)
            row = {
                **asdict(candidate),
                "scores": list(candidate.scores),
                "score": score and asdict(score),
                "behind_best": gap and asdict(gap),
            }
            rows.append(row)
        return {
            "metric": self.metric,
            "level": self.level,
            "seeds": list(self.seeds),
            "data": dict(self.data),
            "selection": SELECTION.to_json(),
            "keys": list(self.keys),
            "best": None if self.best is None else self.best.number,
            "best_on_other_seeds": self.on_other_seeds,
            "candidates": rows,
        }


def mean_score(values: Sequence[float], *, level: float) -> MeanScore:
    """The mean of at least one value, with Student's interval where there are two or more."""
    mean = fmean(values)
    if len(values) < 2:
        return MeanScore(mean, None, None)
    reach = float(stdtrit(len(values) - 1, (1 + level) / 2)) * stdev(values) / sqrt(len(values))
    return MeanScore(mean, mean - reach, mean + reach)
