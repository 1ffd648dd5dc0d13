"""Several runs that differ only in their seed: how much of a score is luck, and which run to keep.

The seed alone moves the F1 of a tagger by about a point (Reimers and Gurevych 2017, https://aclanthology.org/D17-1035/). The run
to keep is the one with the best validation score. Choosing it by its test score would make the test score a lie, so that is not
offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev

from scipy.stats import t as student

from eventtag.errors import DataError
from eventtag.scoring.report import EvaluationReport


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One run: its name, its seed, the validation score that it would be chosen by, and its report on the test articles."""

    name: str
    seed: int
    validation: float
    report: EvaluationReport


@dataclass(frozen=True, slots=True)
class Spread:
    """A score over runs; `deviation` is the sample standard deviation, 0.0 for one run."""

    mean: float
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class SeedSummary:
    """Strict F1 over the runs by row (labels, micro, macro), and the run that validation picks (ties: the first)."""

    runs: tuple[SeedRun, ...]
    f1: dict[str, Spread]
    chosen: SeedRun


def summarise_seeds(runs: Sequence[SeedRun]) -> SeedSummary:
    """Mean, deviation and range of strict F1, and the run to keep.

    Raises DataError when there is no run, a seed stands twice, or labels or numbers of articles differ.
    """
    if not runs:
        raise DataError("there is no run to summarise")
    if len({run.seed for run in runs}) < len(runs):
        raise DataError(f"a seed stands twice among {[run.seed for run in runs]}; a repeated run is no new evidence")
    first = runs[0].report
    for run in runs:
        if (run.report.labels, run.report.articles) != (first.labels, first.articles):
            raise DataError(f"{run.name} was not evaluated on the same labels and articles as {runs[0].name}")
    values = {label: [run.report.strict.labels[label].f1 for run in runs] for label in first.labels}
    values["micro"] = [run.report.strict.micro.f1 for run in runs]
    values["macro"] = [run.report.strict.macro.f1 for run in runs]
    f1 = {
        row: Spread(fmean(scores), stdev(scores) if len(scores) > 1 else 0.0, min(scores), max(scores))
        for row, scores in values.items()
    }
    return SeedSummary(tuple(runs), f1, max(runs, key=lambda run: run.validation))


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """Second minus first of mean F1 over seeds, with its interval [low, high] for other seeds on the same articles."""

    difference: float
    low: float
    high: float


def mean_difference(first: SeedSummary, second: SeedSummary, row: str = "micro", *, level: float = 0.95) -> MeanDifference | None:
    """Difference of two systems' mean strict F1 over their seeds, with Welch's interval (1947); None for fewer than two runs.

    It says what other seeds would do on these articles, and nothing of other articles.
    """
    if len(first.runs) < 2 or len(second.runs) < 2:
        return None
    one, other = first.f1[row], second.f1[row]
    parts = [spread.deviation**2 / len(summary.runs) for spread, summary in ((one, first), (other, second))]
    error = sqrt(sum(parts))
    gap = other.mean - one.mean
    if not error:
        return MeanDifference(gap, gap, gap)
    freedom = error**4 / sum(part**2 / (len(summary.runs) - 1) for part, summary in zip(parts, (first, second), strict=True))
    reach = float(student.ppf((1 + level) / 2, freedom)) * error
    return MeanDifference(gap, gap - reach, gap + reach)
