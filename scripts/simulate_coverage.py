"""How often do the intervals of scores cover the truth? (For comparisons: simulate_comparisons.py.)

    python scripts/simulate_coverage.py

Corpora are drawn from populations whose true scores are known (from a million articles): `even`, where articles resemble each
other; `uneven`, where numbers of spans and difficulty vary much from article to article, as they do in news; and `rare`, uneven
with one ACTOR in ten articles and one EVENT in three. Coverage: the
share of corpora whose 95 % interval holds the true score. Prints a Markdown table, with the simulation's own standard error. The
result stands
in docs/evidence/intervals.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eventtag.scoring.bootstrap import METRICS, Floats, bootstrap, figure_sums, figures
from eventtag.scoring.tally import Tally

LABELS = ("ACTOR", "EVENT", "LOCATION")


@dataclass(frozen=True)
class Population:
    """Mean number of gold spans per article and label, the gamma shape of its rate (shared by all labels or not), and how much
    the share of found spans varies by article on the log-odds scale.
    """

    mean: tuple[float, ...]
    shape: float
    shared_rate: bool
    spread: float


POPULATIONS = {
    "even": Population((6.0, 8.0, 3.0), 6.0, shared_rate=True, spread=0.4),
    "uneven": Population((6.0, 8.0, 3.0), 2.0, shared_rate=False, spread=0.7),
    "rare": Population((0.1, 0.3, 3.0), 2.0, shared_rate=False, spread=0.7),
}
FOUND = np.array([0.7, 0.8, 0.6])
COLUMNS = (
    *((label, "f1") for label in LABELS),
    ("micro", "precision"),
    ("micro", "recall"),
    ("micro", "f1"),
    ("macro", "f1"),
)
Integers = npt.NDArray[np.int64]


def draw_systems(population: str, articles: int, systems: int, rng: np.random.Generator) -> Integers:
    """[systems, articles, 1, L, 8]: strict counts of systems of equal quality on the same articles.

    A label's number of gold spans per article is Poisson with a gamma-distributed rate; what share of them is found varies by
    article on the log-odds scale, alike for all labels and systems; spurious spans are Poisson and more frequent where articles
    are hard.
    """
    drawn = POPULATIONS[population]
    rates = rng.gamma(drawn.shape, 1 / drawn.shape, (articles, 1 if drawn.shared_rate else len(LABELS)))
    gold = rng.poisson(np.array(drawn.mean) * rates)
    difficulty = rng.normal(0, drawn.spread, (articles, 1))
    share = 1 / (1 + np.exp(-(np.log(FOUND / (1 - FOUND)) + difficulty)))
    values = np.zeros((systems, articles, 1, len(LABELS), 8), dtype=np.int64)
    for system in range(systems):
        correct = rng.binomial(gold, share)
        values[system, :, 0, :, 0] = values[system, :, 0, :, 4] = correct
        values[system, :, 0, :, 3] = gold - correct
        values[system, :, 0, :, 7] = rng.poisson((0.3 * gold + 0.2) * (1.3 - share))
    return values


def tally_of(values: Integers) -> Tally:
    """A tally of one system's [articles, 1, L, 8] counts."""
    return Tally(tuple(str(number) for number in range(len(values))), ("strict",), LABELS, values)


def true_figures(population: str, rng: np.random.Generator) -> Floats:
    """[N, 3]: the scores of the whole population."""
    total = sum(figure_sums(tally_of(draw_systems(population, 100_000, 1, rng)[0])).sum(axis=0) for _ in range(10))
    return figures(np.asarray(total))[0]


def coverage(population: str, articles: int, replications: int, resamples: int, rng: np.random.Generator) -> list[float]:
    """Share of intervals that hold the truth, for each of COLUMNS; corpora without an interval are left out."""
    truth = true_figures(population, rng)
    hits, given = np.zeros(len(COLUMNS)), np.zeros(len(COLUMNS))
    for replication in range(replications):
        tally = tally_of(draw_systems(population, articles, 1, rng)[0])
        result = bootstrap(tally, resamples=resamples, seed=replication)
        for column, (row, metric) in enumerate(COLUMNS):
            value = truth[result.rows.index(row), METRICS.index(metric)]
            interval = result.interval("strict", row, metric)
            if interval is not None:
                given[column] += 1
                hits[column] += interval.low <= value <= interval.high
    return [float(hit) for hit in hits / np.maximum(given, 1)]


def print_row(population: str, articles: int, shares: Sequence[float]) -> None:
    """One row of a Markdown table, in percent."""
    print(f"| {population} | {articles} | " + " | ".join(f"{100 * share:.1f}" for share in shares) + " |", flush=True)


def main() -> None:
    """Run the simulation."""
    parser = argparse.ArgumentParser(description="Coverage of the intervals, by simulation.")
    parser.add_argument("--replications", type=int, default=4000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 50, 100, 200, 500])
    parser.add_argument("--populations", nargs="+", default=list(POPULATIONS), choices=POPULATIONS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    error = 100 * (0.95 * 0.05 / options.replications) ** 0.5
    names = [f"{row} {metric.replace('f1', 'F1')}" for row, metric in COLUMNS]
    print(f"{options.replications} corpora per row, {options.resamples} resamples each, standard error {error:.2f}\n")
    print("Coverage of the 95 % interval, %\n")
    print("| population | articles | " + " | ".join(names) + " |\n|---|---:|" + "---:|" * len(names))
    for population in options.populations:
        for articles in options.sizes:
            print_row(population, articles, coverage(population, articles, options.replications, options.resamples, rng))


if __name__ == "__main__":
    main()
