"""How often is `compare` wrong, how often do its intervals hold the truth, and does it find what it promises to find?

    python scripts/simulate_comparisons.py

Articles are drawn with overdispersed numbers of spans and difficulties, in topics where wanted; EVENT and ACTOR are frequent, LOCATION is
rare. A run finds a span by a chance that runs share for the most part, and has a luck of its own: micro F1 has a standard
deviation of about 1.1 points over seeds. Recipes and systems of equal quality show how often one is called better; a better recipe
shows coverage; a system that is better by the stated detectable difference shows power. Prints Markdown tables, which stand in
docs/evidence/intervals.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from eventtag.scoring.bootstrap import figure_sums, figures
from eventtag.scoring.compare import Difference, compare_systems
from eventtag.scoring.tally import Tally

LABELS = ("ACTOR", "EVENT", "LOCATION")
ROWS = (*LABELS, "micro", "macro")
FOUND = np.array([0.7, 0.8, 0.6])
MEAN = np.array([6.0, 8.0, 0.3])
SHARED = 0.8
"""Correlation of the latent chance of a span over runs: two runs find about 85 % of the same spans."""
SEED_SHIFT = 0.042
"""Standard deviation of a run's luck on the scale of the normal quantile; gives 1.1 points of micro F1."""
STEPS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.2, 1.6)
Integers = npt.NDArray[np.int64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Design:
    """How many articles, in how many topics (None: each stands for itself)."""

    articles: int
    topics: int | None = None

    @property
    def clusters(self) -> dict[str, int] | None:
        """Article id to topic."""
        return None if self.topics is None else {str(n): n % self.topics for n in range(self.articles)}


Runs = tuple[int, int] | None
"""How many seeds each of two recipes has; None: two systems as they stand."""

DESIGNS: list[tuple[str, Design, Runs]] = [
    *((f"{articles} articles, systems", Design(articles), None) for articles in (8, 20, 40, 200)),
    *((f"200 articles in {topics} topics, systems", Design(200, topics), None) for topics in (5, 8)),
    *(
        (f"{articles} articles, {runs} seeds each", Design(articles), (runs, runs))
        for articles in (20, 40, 200)
        for runs in (2, 3, 5)
    ),
    *((f"200 articles, {one} and {other} seeds", Design(200), (one, other)) for one, other in ((1, 2), (1, 5), (2, 5), (2, 8))),
    *((f"200 articles in {topics} topics, 5 seeds each", Design(200, topics), (5, 5)) for topics in (5, 8)),
]


def draw_runs(design: Design, shifts: npt.NDArray[np.float64], rng: Rng) -> list[Tally]:
    """A tally for each of [R] or [R, L] runs on the same articles; a run's shift is on the scale of the normal quantile."""
    articles = design.articles
    topic = np.arange(articles) % (design.topics or articles)
    topics = topic.max() + 1
    in_topics = design.topics is not None
    rates = rng.gamma(2, 1 / 2, (articles, len(LABELS)))
    hardness = rng.normal(0, 0.4, articles)
    if in_topics:
        rates *= rng.gamma(6, 1 / 6, (topics, len(LABELS)))[topic]
        hardness += rng.normal(0, 0.25, topics)[topic]
    gold = rng.poisson(MEAN * rates)
    candidates = rng.poisson(0.6 * gold + 0.2)
    shifts = np.broadcast_to(shifts.reshape(len(shifts), -1), (len(shifts), len(LABELS)))
    # Topics and articles also suit some runs more than others.
    suits = rng.normal(0, 0.1, (len(shifts), articles))
    if in_topics:
        suits += rng.normal(0, 0.1, (len(shifts), topics))[:, topic]
    values = np.zeros((len(shifts), articles, 1, len(LABELS), 8), dtype=np.int64)
    for column, found in enumerate(FOUND):
        level = suits + shifts[:, [column]]
        correct = _kept(gold[:, column], ndtri(found) - hardness + level, rng)
        values[:, :, 0, column, 0] = values[:, :, 0, column, 4] = correct
        values[:, :, 0, column, 3] = gold[:, column] - correct
        values[:, :, 0, column, 7] = _kept(candidates[:, column], ndtri(1 - found) + hardness - level, rng)
    ids = tuple(str(n) for n in range(articles))
    return [Tally(ids, ("strict",), LABELS, run) for run in values]


def _kept(numbers: Integers, level: npt.NDArray[np.float64], rng: Rng) -> Integers:
    """[R, A]: how many of an article's spans each run has, where their chance is [R, A] on the scale of the normal quantile."""
    article = np.repeat(np.arange(len(numbers)), numbers)
    own = rng.normal(size=(len(level), len(article)))
    latent = SHARED**0.5 * rng.normal(size=len(article)) + (1 - SHARED) ** 0.5 * own
    kept = np.zeros(level.shape, dtype=np.int64)
    for run, row in enumerate(latent < level[:, article]):
        kept[run] = np.bincount(article[row], minlength=len(numbers))
    return kept


def true_scores(shift: npt.NDArray[np.float64], *, luck: float, articles: int = 50_000) -> dict[str, float]:
    """F1 by row of a recipe or system with this shift [L], over all articles and, with `luck`, over all seeds."""
    # Two points a standard deviation away stand for a normal luck (its first three moments).
    runs = draw_runs(Design(articles), np.stack([shift - luck, shift + luck]), np.random.default_rng(7))
    scores = np.mean([figures(figure_sums(run).sum(axis=0))[0, :, 2] for run in runs], axis=0)
    return dict(zip((*LABELS, "micro", "macro", "weighted"), map(float, scores), strict=True))


def draw_pair(design: Design, runs: Runs, better: npt.NDArray[np.float64], rng: Rng) -> dict[str, Tally | tuple[Tally, ...]]:
    """Two recipes, or two systems as they stand; the second is better by a shift [L]."""
    first, second = runs or (1, 1)
    luck = rng.normal(0, SEED_SHIFT, (first + second, 1)) if runs else np.zeros((2, 1))
    tallies = draw_runs(design, luck + np.repeat([np.zeros_like(better), better], [first, second], axis=0), rng)
    if runs is None:
        return {"first": tallies[0], "second": tallies[1]}
    return {"first": tuple(tallies[:first]), "second": tuple(tallies[first:])}


def compare_many(
    design: Design, runs: Runs, better: npt.NDArray[np.float64], *, replications: int, trials: int, seed: int
) -> list[dict[str, Difference]]:
    """Strict F1 differences by row for many corpora of a design."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(replications):
        systems = draw_pair(design, runs, better, rng)
        [pair] = compare_systems(systems, clusters=design.clusters, trials=trials, seed=number).pairs
        found.append({row: pair.difference("strict", row) for row in ROWS})
    return found


def share(found: Sequence[dict[str, Difference]], row: str, holds: Callable[[Difference], bool]) -> float:
    """The share, in percent, of corpora where something holds of a row."""
    return 100 * sum(holds(differences[row]) for differences in found) / len(found)


def called(difference: Difference) -> bool:
    """Whether one of the systems is called better."""
    return difference.verdict != "not shown"


def coverage(found: Sequence[dict[str, Difference]], row: str, truth: float) -> tuple[float, float]:
    """Of the corpora with an interval the percentage whose interval holds the truth, and the percentage without an interval."""
    ends = [(d.low, d.high) for differences in found if (d := differences[row]).low is not None and d.high is not None]
    held = sum(low <= truth <= high for low, high in ends)
    return 100 * held / max(1, len(ends)), 100 - 100 * len(ends) / len(found)


@cache
def gains_of(row: str) -> tuple[float, ...]:
    """What F1 of a row gains by shifts of STEPS: of a label alone, or of all labels for micro."""
    scores = [true_scores(_direction(row) * step, luck=0)[row] for step in STEPS]
    return tuple(score - scores[0] for score in scores)


def shift_for(row: str, difference: float) -> npt.NDArray[np.float64]:
    """The shift [L] that makes F1 of a row better by `difference`."""
    return _direction(row) * float(np.interp(difference, gains_of(row), STEPS))


def _direction(row: str) -> npt.NDArray[np.float64]:
    return np.array([float(row in (label, "micro")) for label in LABELS])


def power(design: Design, runs: Runs, row: str, *, replications: int, trials: int, seed: int) -> tuple[float, float] | None:
    """(median stated detectable difference, percentage of corpora where a system that is so much better is called better); None where
    most corpora state that nothing can be shown; nan for the percentage where F1 cannot get better by so much.
    """
    null = compare_many(design, runs, np.zeros(len(LABELS)), replications=replications // 2, trials=trials, seed=seed)
    stated = [d for differences in null if (d := differences[row].detectable) is not None]
    if len(stated) < len(null) / 2:
        return None
    wanted = float(np.median(stated))
    if wanted > gains_of(row)[-1]:
        return wanted, float("nan")
    found = compare_many(design, runs, shift_for(row, wanted), replications=replications, trials=trials, seed=seed + 1)
    return wanted, share(found, row, lambda d: d.verdict == "second")


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A Markdown table."""
    print(f"\n{title}\n\n| " + " | ".join(header) + " |\n|---|" + "---:|" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def verdict_rows(designs: Sequence[tuple[str, Design, Runs]], options: argparse.Namespace) -> Iterator[list[str]]:
    """Equal quality: how often one is called better. A better second: coverage of the difference."""
    better = np.full(len(LABELS), 0.1)
    for name, design, runs in designs:
        luck = SEED_SHIFT if runs else 0.0
        base, gain = true_scores(better * 0, luck=luck), true_scores(better, luck=luck)
        settings = {"replications": options.replications, "trials": options.trials, "seed": options.seed}
        null = compare_many(design, runs, better * 0, **settings)
        shifted = compare_many(design, runs, better, **settings)
        cells = [name, *(f"{share(null, row, called):.1f}" for row in ROWS)]
        for row in ROWS:
            held, without = coverage(shifted, row, gain[row] - base[row])
            cells.append(f"{held:.1f}" + (f" ({without:.0f} none)" if without >= 0.5 else ""))
        yield cells


def power_rows(designs: Sequence[tuple[str, Design, Runs]], options: argparse.Namespace) -> Iterator[list[str]]:
    """What is stated to be detectable, and how often it is detected."""
    for name, design, runs in designs:
        cells = [name]
        for row in ("micro", "EVENT", "LOCATION"):
            found = power(design, runs, row, replications=options.replications, trials=options.trials, seed=options.seed)
            cells.append("impossible" if found is None else f"{100 * found[0]:.1f}: {found[1]:.0f}".replace("nan", "beyond 100"))
        yield cells


def main() -> None:
    """Run the simulations."""
    parser = argparse.ArgumentParser(description="Error rates, coverage and power of `eventtag compare`, by simulation.")
    parser.add_argument("--replications", type=int, default=300)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="WORD", help="only designs with this in their name, such as seeds")
    options = parser.parse_args()
    designs = [design for design in DESIGNS if options.only in design[0]]
    error = 100 * (0.95 * 0.05 / options.replications) ** 0.5
    print(f"{options.replications} corpora a row; a figure near 5 or 95 has a standard error of {error:.2f}")
    rows = [*(f"{row} called" for row in ROWS), *(f"{row} covered" for row in ROWS)]
    print_table("Error rates and coverage, %", ["design", *rows], verdict_rows(designs, options))
    header = ["design", "micro", "EVENT (Holm over 3)", "LOCATION, rare (Holm over 3)"]
    print_table("Stated detectable difference in points: found, %", header, power_rows(designs, options))


if __name__ == "__main__":
    main()
