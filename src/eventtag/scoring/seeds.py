"""Several runs that differ only in their seed: how much a score varies, and which run to keep.

The seed alone changes the F1 of a tagger by about a point (Reimers and Gurevych 2017, https://aclanthology.org/D17-1035/). The run
to keep is the one with the best validation score. Choosing it by its test score is not offered, because that would make the test
score too high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev

from eventtag.errors import DataError
from eventtag.scoring.report import EvaluationReport


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One run: its name, its seed, the validation score that it would be chosen by, its report on the test articles, and its scores of
    links and status by name, where it has any.
    """

    name: str
    seed: int
    validation: float
    report: EvaluationReport
    events: Mapping[str, float] = field(default_factory=dict)

    def f1(self, row: str) -> float:
        """Strict F1 of a label, micro or macro, or a score of `events`."""
        strict = self.report.strict
        if row in strict.labels:
            return strict.labels[row].f1
        return self.events[row] if row in self.events else float(getattr(strict, row).f1)


@dataclass(frozen=True, slots=True)
class Spread:
    """A score over runs; `deviation` is the sample standard deviation, None for one run."""

    mean: float
    deviation: float | None
    low: float
    high: float


@dataclass(frozen=True)
class SeedSummary:
    """Strict F1 over the runs by row (labels, micro, macro), the scores of links and status that all runs have, and the run that
    validation picks (ties: the first).
    """

    runs: tuple[SeedRun, ...]
    f1: dict[str, Spread]
    chosen: SeedRun


def summarise_seeds(runs: Sequence[SeedRun]) -> SeedSummary:
    """Mean, deviation and range of strict F1, and the run to keep.

    Raises DataError if there is no run, a seed occurs twice, or labels or numbers of articles differ.
    """
    if not runs:
        raise DataError("there is no run to summarise")
    if len({run.seed for run in runs}) < len(runs):
        raise DataError(f"a seed occurs twice among {[run.seed for run in runs]}; a repeated run is no new evidence")
    first = runs[0].report
    for run in runs:
        if (run.report.labels, run.report.articles) != (first.labels, first.articles):
            raise DataError(f"{run.name} was not evaluated on the same labels and articles as {runs[0].name}")
    rows = [*first.labels, "micro", "macro", *(name for name in runs[0].events if all(name in run.events for run in runs))]
    values = {row: [run.f1(row) for run in runs] for row in rows}
    f1 = {
        row: Spread(fmean(scores), stdev(scores) if len(scores) > 1 else None, min(scores), max(scores))
        for row, scores in values.items()
    }
    return SeedSummary(tuple(runs), f1, max(runs, key=lambda run: run.validation))
