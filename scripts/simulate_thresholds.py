"""How often does a threshold break its promise? Re-splits articles many times, for docs/evidence/thresholds.md.

    python scripts/simulate_thresholds.py
    python scripts/simulate_thresholds.py --tests
    python scripts/simulate_thresholds.py --recorded sample FOLDER --data data.path=split.jsonl data.split_field=split

Validation articles are drawn and choose a threshold for a precision; the threshold breaks the promise if its precision on new articles is
below that. New articles are, of a `made` corpus, a population of 20,000 articles, and of recorded predictions (a folder in which
`eventtag evaluate` has written predictions.jsonl without thresholds; `--data` is its corpus) all articles that were not drawn. Clusters of
the corpus are drawn together.

* plug-in: the lowest threshold that reaches the target on all validation articles, as without `evaluation.confidence`.
* promised: half of the validation articles chose epoch and calibration, the other half choose the threshold.

`--tests` measures the test behind the promise in place of that: how often it rejects at the level 0.10 where the precision of made-up
articles is exactly the target, beside Student's t over articles.

Columns: share of re-splits in which the promise is broken, and in which there is a threshold at all; mean precision and recall on new
articles where there is one; and what the plug-in threshold's recall is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from eventtag.api.score import score
from eventtag.cli.hydra_task import compose_data
from eventtag.corpus.clusters import clusters_of
from eventtag.labels import LabelSet
from eventtag.reporting.table import table
from eventtag.scoring.guarantee import UnitPredictions, guarantee_threshold, predictions_by_unit, promise_p_value

POPULATION = 20_000


def made(units: int, random: np.random.Generator, *, spans: float = 6.0, unevenness: float = 0.7) -> UnitPredictions:
    """Articles of a made-up tagger: so many predicted spans an article, geometrically distributed; some articles are harder than others, by
    a normal deviate of the log-odds with the standard deviation `unevenness`; scores know nothing of that.
    """
    counts = random.geometric(1 / spans, units)
    unit = np.repeat(np.arange(units), counts)
    belief = random.normal(2.0, 1.5, len(unit))
    chance = 1 / (1 + np.exp(-(belief + random.normal(0, unevenness, units)[unit])))
    correct = random.random(len(unit)) < chance
    missed = random.binomial(counts, 0.2)
    return UnitPredictions(
        1 / (1 + np.exp(-belief)), correct, unit, np.bincount(unit, weights=correct, minlength=units).astype(np.int64) + missed
    )


def subset(found: UnitPredictions, units: np.ndarray) -> UnitPredictions:
    """The predictions of some units, numbered anew in the order given."""
    place = np.full(len(found.gold), -1)
    place[units] = np.arange(len(units))
    kept = place[found.units] >= 0
    return UnitPredictions(found.scores[kept], found.correct[kept], place[found.units[kept]], found.gold[units])


def plug_in(found: UnitPredictions, target: float) -> float | None:
    """The lowest threshold that reaches the target on these articles."""
    order = np.argsort(-found.scores, kind="stable")
    scores = found.scores[order]
    last = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
    precision = np.cumsum(found.correct[order]) / np.arange(1, len(scores) + 1)
    reached = np.flatnonzero(last & (precision >= target))
    return float(scores[reached[-1]]) if len(reached) else None


@dataclass(frozen=True)
class Outcome:
    """What became of one way to choose thresholds over many re-splits: shares of all of them, means over those with a threshold."""

    broken: float
    found: float
    precision: float
    recall: float


def outcome(choices: list[tuple[float | None, UnitPredictions]], target: float) -> Outcome:
    """The outcome of (threshold, new articles) of many re-splits."""
    rows = []
    for threshold, new in choices:
        if threshold is not None:
            kept = new.scores >= threshold
            right = int(new.correct[kept].sum())
            rows.append((right / max(int(kept.sum()), 1) if kept.any() else 1.0, right / max(int(new.gold.sum()), 1)))
    if not rows:
        return Outcome(0.0, 0.0, float("nan"), float("nan"))
    values = np.array(rows)
    broken = float((values[:, 0] < target).sum()) / len(choices)
    return Outcome(broken, len(rows) / len(choices), float(values[:, 0].mean()), float(values[:, 1].mean()))


def splits_of_made(
    articles: int, repeats: int, random: np.random.Generator, **kind: float
) -> Iterator[tuple[UnitPredictions, UnitPredictions, UnitPredictions]]:
    """(choosing, held apart, new) articles, anew each time but for the new ones."""
    new = made(POPULATION, random, **kind)
    for _ in range(repeats):
        yield made(articles - articles // 2, random, **kind), made(articles // 2, random, **kind), new


def splits_of_recorded(
    found: UnitPredictions, units: int, repeats: int, random: np.random.Generator
) -> Iterator[tuple[UnitPredictions, UnitPredictions, UnitPredictions]]:
    """(choosing, held apart, new) units of recorded predictions."""
    for _ in range(repeats):
        order = random.permutation(len(found.gold))
        cut = units - units // 2
        yield subset(found, order[:cut]), subset(found, order[cut:units]), subset(found, order[units:])


def compare(
    splits: Iterator[tuple[UnitPredictions, UnitPredictions, UnitPredictions]], target: float, confidence: float
) -> tuple[Outcome, Outcome]:
    """The outcomes of plug-in and promised thresholds over the same re-splits."""
    plain, promised = [], []
    for choosing, held, new in splits:
        plain.append((plug_in(choosing + held, target), new))
        promise = guarantee_threshold("precision", choosing, held, target=target, confidence=confidence)
        promised.append((promise.threshold, new))
    return outcome(plain, target), outcome(promised, target)


def recorded(folder: Path, data: list[str]) -> tuple[dict[str, UnitPredictions], str]:
    """The predictions by label of a folder that `eventtag evaluate` has filled, and what their units are."""
    result = score(folder / "predictions.jsonl", compose_data(data), split="test", evaluation={"resamples": 100})
    articles = [item.article for item in result.predictions]
    clusters, rule = clusters_of(articles, None)
    pairs = [(item.article, item.spans) for item in result.predictions]
    return predictions_by_unit(pairs, LabelSet(result.report.labels), clusters), rule


def rejections(
    target: float, articles: int, spans: float, together: float, repeats: int, random: np.random.Generator
) -> tuple[float, float]:
    """How often the test, and Student's t, reject at the level 0.10 where the precision is the target: articles with so many spans in the
    mean, whose precisions vary by a beta distribution with the intraclass correlation `together`.
    """
    found = np.zeros(2)
    for _ in range(repeats):
        counts = (
            1 + random.negative_binomial(2.0, 2.0 / (1.0 + spans), articles) if spans > 1 else np.ones(articles, dtype=np.int64)
        )
        size = 1 / together - 1 if together else 0.0
        chance = random.beta(target * size, (1 - target) * size, articles) if together else np.full(articles, target)
        unit = np.repeat(np.arange(articles), counts)
        correct = random.random(len(unit)) < chance[unit]
        one = UnitPredictions(np.full(len(unit), 0.5), correct, unit, counts)
        gains = np.bincount(unit, weights=correct, minlength=articles) - target * counts
        spread = gains.std(ddof=1) / np.sqrt(articles)
        t = gains.mean() / spread if spread > 0 else np.inf * np.sign(gains.mean())
        found += (promise_p_value(one, target, 0.9) <= 0.1, t >= student.ppf(0.9, articles - 1))
    return float(found[0] / repeats), float(found[1] / repeats)


def show_tests(repeats: int) -> None:
    """Print how often the tests reject."""
    random = np.random.default_rng(1)
    rows = []
    for target in (0.8, 0.9, 0.97):
        for articles in (10, 20, 40, 100):
            for spans, together in ((1.0, 0.0), (3.0, 0.1), (10.0, 0.02), (10.0, 0.1), (30.0, 0.03)):
                used, plain = rejections(target, articles, spans, together, repeats, random)
                rows.append((target, articles, spans, together, f"{used:.1%}", f"{plain:.1%}"))
    print(table(("target", "articles", "spans an article", "correlation", "the test", "Student's t"), rows))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--confidence", type=float, default=0.9)
    parser.add_argument("--targets", type=float, nargs="+", default=[0.8, 0.9])
    parser.add_argument("--articles", type=int, nargs="+", default=[40, 80, 160])
    parser.add_argument("--tests", action="store_true")
    parser.add_argument("--recorded", nargs=2, metavar=("NAME", "FOLDER"))
    parser.add_argument("--data", nargs="+", default=[], metavar="data.KEY=VALUE")
    arguments = parser.parse_args()
    if arguments.tests:
        show_tests(arguments.repeats)
        return
    rows = []

    def add(name: str, articles: int, target: float, pair: tuple[Outcome, Outcome]) -> None:
        plain, promised = pair
        figures = (f"{promised.broken:.1%}", f"{promised.found:.0%}", promised.precision, promised.recall)
        rows.append((name, articles, target, f"{plain.broken:.1%}", plain.recall, *figures))

    if arguments.recorded:
        found, rule = recorded(Path(arguments.recorded[1]), arguments.data)
        print(f"{arguments.recorded[0]}: {max(len(one.gold) for one in found.values())} units ({rule})")
        for label, one in found.items():
            for target in arguments.targets:
                for articles in arguments.articles:
                    random = np.random.default_rng(1)
                    splits = splits_of_recorded(one, articles, arguments.repeats, random)
                    add(f"{arguments.recorded[0]} {label}", articles, target, compare(splits, target, arguments.confidence))
    else:
        kinds = {"even": {"unevenness": 0.0}, "uneven": {"unevenness": 1.0}, "few spans": {"spans": 1.5, "unevenness": 0.7}}
        for name, kind in kinds.items():
            for target in arguments.targets:
                for articles in arguments.articles:
                    random = np.random.default_rng(1)
                    splits = splits_of_made(articles, arguments.repeats, random, **kind)
                    add(f"made, {name}", articles, target, compare(splits, target, arguments.confidence))
    header = ("corpus", "articles", "target", "plug-in broken", "its recall", "promise broken", "found", "precision", "recall")
    print(table(header, rows))


if __name__ == "__main__":
    main()
