"""What `eventtag select` saves: rounds of choosing, annotating and training, simulated on annotated articles.

    python scripts/measure_selection.py outputs/selection --seeds 1 2 3 --rounds 4 --words 1000 --test validation \
        --train data=ecbplus window.max_length=64 window.stride=16 trainer.adversarial=0 model.intermediate.data=null \
        trainer.batch_size=4 trainer.epochs=12

One split of the corpus tests all taggers (--test). For each seed, some of the other articles, drawn at random, are annotated at the
start for all strategies: --first to train on and --validation to choose epoch and thresholds. --pool further ones are the pool. In each
round, every strategy chooses --words words from the pool by the tagger of its last round, gets their gold, and a new tagger learns from all
that is annotated. Only annotated regions of the pool can be chosen and are read. Words read are those of all annotated regions so far,
validation articles included. Nothing is drawn beside the strategy, so `random_share` is not measured. Besides the strategies of `select`,
--strategies takes those of `tried_strategies.py`.

The table says, of strict micro F1: the mean over seeds after each round; how many words a strategy needs, interpolated between rounds, to
reach the final F1 that random choice has with the same seed, as a share of the words that random choice has read; and both differences to
random choice with paired t intervals over seeds. A round's result is a JSON file in FOLDER/SEED/STRATEGY; what is there is not repeated.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import tried_strategies as tried
from scipy.stats import t as student

from eventtag.article import Article, Region
from eventtag.cli.hydra_task import compose_training
from eventtag.corpus.loading import Corpus, load_corpus
from eventtag.encoding.align import words_inside
from eventtag.encoding.tokens import tokenise
from eventtag.evaluation import score_tagged, tag_annotated
from eventtag.selection.strategies import choose_units, score_units
from eventtag.selection.units import UnitTable
from eventtag.settings import TrainSettings
from eventtag.settings.select import Strategy, Unit
from eventtag.staging import write_json
from eventtag.tagging.tagger import Tagger
from eventtag.training.run import train

LEVEL = 0.95
START = "start"
Open = Mapping[str, tuple[Region, ...]]


@dataclass(frozen=True)
class Plan:
    """What is simulated; `corpus` has the gold, by the settings of training."""

    folder: Path
    settings: TrainSettings
    corpus: Corpus
    test: str
    first: int
    validation: int
    pool: int
    rounds: int
    words: int
    unit: Unit


@dataclass(frozen=True)
class Round:
    """What is known when sentences are chosen: `annotated` so far in these articles, and what the tagger of the round before found in the
    pool, for the strategy that compares with it.
    """

    seed: int
    number: int
    articles: Mapping[str, Article]
    validation: Sequence[str]
    annotated: Open
    found_before: tried.Found | None

    def read(self) -> list[str]:
        """The texts that were read, those of validation articles too."""
        regions = {**{name: self.articles[name].regions for name in self.validation}, **self.annotated}
        return [self.articles[name].text[start:end] for name, those in regions.items() for start, end in those]


def main() -> int:
    """Simulate what is missing and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    offered = [strategy.value for strategy in Strategy]
    parser.add_argument("--strategies", nargs="+", default=offered, choices=[*offered, *tried.TRIED])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--test", default="test", metavar="SPLIT", help="the split that tests the taggers")
    parser.add_argument("--first", type=int, default=10, help="articles to train on at the start")
    parser.add_argument("--validation", type=int, default=10, help="validation articles")
    parser.add_argument("--pool", type=int, default=300, help="articles to choose from")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--words", type=int, default=1000, help="words to read in a round")
    parser.add_argument("--unit", default="sentence", choices=[unit.value for unit in Unit])
    parser.add_argument("--train", nargs="+", default=[], metavar="KEY=VALUE", help="settings of `eventtag train`")
    arguments = parser.parse_args()
    settings = compose_training(arguments.train)
    plan = Plan(
        arguments.folder, settings, load_corpus(settings.data), arguments.test, arguments.first, arguments.validation, arguments.pool,
        arguments.rounds, arguments.words, Unit(arguments.unit),
    )  # fmt: skip
    for seed in arguments.seeds:
        for strategy in arguments.strategies:
            simulate(plan, strategy, seed)
    print(table(plan.folder, arguments.strategies, arguments.seeds))
    return 0


def simulate(plan: Plan, strategy: str, seed: int) -> None:
    """All rounds of a strategy with a seed. The start is shared by the strategies of the seed."""
    everything = [a for split, those in plan.corpus.splits.items() if split != plan.test for a in those if a.regions]
    order = np.random.default_rng(seed).permutation(len(everything)).tolist()
    articles = {everything[n].id: everything[n] for n in order[: plan.first + plan.validation + plan.pool]}
    names = list(articles)
    validation = names[plan.first : plan.first + plan.validation]
    annotated: Open = {name: articles[name].regions for name in names[: plan.first]}
    pool = {name: articles[name] for name in names[plan.first + plan.validation :]}
    found: tried.Found | None = None
    if strategy == tried.FLUCTUATION and not (plan.folder / str(seed) / strategy / f"{plan.rounds}.json").exists():
        # What the tagger of an earlier round found is not kept, so an ended simulation begins again.
        shutil.rmtree(plan.folder / str(seed) / strategy, ignore_errors=True)
    for number in range(plan.rounds + 1):
        folder = plan.folder / str(seed) / (strategy if number else START)
        result = folder / f"{number}.json"
        if number:
            file = folder / f"{number}-chosen.json"
            if not file.exists():
                before = plan.folder / str(seed) / (strategy if number > 1 else START)
                tagger = learnt(plan, annotated, articles, validation, before / f"run{number - 1}", seed)
                now = Round(seed, number, articles, validation, annotated, found)
                write_json(file, chosen(plan, tagger, pool, now, strategy))
                found = tried.find_spans(tagger, pool) if strategy == tried.FLUCTUATION else None
                if number > 1:  # the start serves all strategies
                    shutil.rmtree(before / f"run{number - 1}")
            annotated = {
                name: tuple((start, end) for start, end in regions) for name, regions in json.loads(file.read_text()).items()
            }
        if not result.exists():
            tagger = learnt(plan, annotated, articles, validation, folder / f"run{number}", seed)
            f1 = test_f1(tagger, plan)
            read = [replace(articles[name], annotated=regions) for name, regions in annotated.items()]
            words = count_words(tagger, [*read, *(articles[name] for name in validation)])
            write_json(result, {"words": words, "f1": f1, "articles": len(annotated)})
            print(f"seed {seed}, {strategy}, round {number}: {words} words, F1 {f1:.4f}", flush=True)
            if number == plan.rounds:
                shutil.rmtree(folder / f"run{number}")


def learnt(
    plan: Plan, annotated: Open, articles: Mapping[str, Article], validation: Sequence[str], run_dir: Path, seed: int
) -> Tagger:
    """The tagger of a run that learns what is annotated; trained unless it is there."""
    if not (run_dir / "metrics.json").exists():
        shutil.rmtree(run_dir, ignore_errors=True)  # of a simulation that was ended
        splits = {
            "train": tuple(_only(articles[name], regions) for name, regions in annotated.items()),
            "validation": tuple(articles[name] for name in validation),
        }
        train(replace(plan.settings, run_dir=str(run_dir), seed=seed), corpus=replace(plan.corpus, splits=splits))
    return Tagger.load(run_dir, threads=1)


def _only(article: Article, regions: Sequence[Region]) -> Article:
    """The article as if only these of its regions were annotated."""
    part = replace(article, annotated=tuple(regions))
    return replace(part, spans=tuple(s for s in article.spans if part.counts(s)), links=None)


def chosen(plan: Plan, tagger: Tagger, pool: Mapping[str, Article], now: Round, strategy: str) -> dict[str, list[Region]]:
    """What is annotated after one more choice: the regions of each article, sorted."""
    table = UnitTable(by_sentence=plan.unit is Unit.sentence)
    closed = [_as_in_pool(article, now.annotated.get(name, ())) for name, article in pool.items()]
    for number, (item, errors) in enumerate(tagger.tag_with_errors(closed)):
        table.add(number, item, errors)
    units = table.units()
    names = list(pool)
    if strategy == tried.FLUCTUATION:
        scores = tried.score_fluctuation(units, names, now.found_before, tried.find_spans(tagger, pool))
    elif strategy == tried.DROPOUT:
        scores = tried.score_dropout(units, names, tagger, pool, now.seed)
    elif strategy == tried.DIVERSITY:
        scores = tried.score_diversity(units, names, pool, now.read(), plan.words)
    else:
        scores = score_units(Strategy(strategy), units, per_word=True, random=np.random.default_rng([now.seed, now.number]))
    allowed = np.isfinite(scores)
    after = {name: list(regions) for name, regions in now.annotated.items()}
    for unit in choose_units(units, scores, plan.words, per_word=True, allowed=allowed).tolist():
        name = names[int(units.articles[unit])]
        whole = plan.unit is Unit.article
        regions = pool[name].regions if whole else ((int(units.starts[unit]), int(units.ends[unit])),)
        after.setdefault(name, []).extend(regions)
    return {name: sorted(regions) for name, regions in after.items()}


def _as_in_pool(article: Article, read: Iterable[Region]) -> Article:
    """The article as a pool holds it of which only the regions with gold that nobody has `read` can be chosen: all others are annotated."""
    edges = [0, *(edge for region in article.regions for edge in region), len(article.text)]
    outside = {(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end}
    return replace(article, spans=(), links=None, annotated=tuple(sorted({*outside, *read})))


def test_f1(tagger: Tagger, plan: Plan) -> float:
    """Strict micro F1 on the test articles."""
    tagged = tag_annotated(tagger, plan.corpus.articles(plan.test), labels=plan.corpus.labels)
    return score_tagged(tagged, tagger, labels=plan.corpus.labels, spans_alone=True).report.strict.micro.f1


def count_words(tagger: Tagger, articles: Iterable[Article]) -> int:
    """The words in the annotated regions."""
    return sum(int(words_inside(tokenise(a.text, tagger.tokenizer).words, a).sum()) for a in articles)


def table(folder: Path, strategies: Sequence[str], seeds: Sequence[int]) -> str:
    """The Markdown table of the rounds that are there."""
    curves = {name: {seed: curve for seed in seeds if (curve := _curve(folder / str(seed), name))} for name in strategies}
    rounds = max((len(curve) for of in curves.values() for curve in of.values()), default=0)
    whole = {name: {seed: c for seed, c in of.items() if len(c) == rounds} for name, of in curves.items()}
    plain = whole.get("random", {})
    header = [f"round {n}" for n in range(rounds)]
    lines = ["| strategy | seeds | " + " | ".join(header) + " | final F1 - random's | words for random's final F1 |"]
    lines.append("|---|---:|" + "---:|" * rounds + "---:|---:|")
    for name, of in whole.items():
        if not of:
            continue
        means = [
            f"{fmean(c[n]['f1'] for c in of.values()):.4f} ({fmean(c[n]['words'] for c in of.values()):,.0f})"
            for n in range(rounds)
        ]
        both = [seed for seed in of if seed in plain and name != "random"]
        difference = [100 * (of[seed][-1]["f1"] - plain[seed][-1]["f1"]) for seed in both]
        needed = [words_to_reach(of[seed], plain[seed][-1]["f1"]) for seed in both]
        shares = [None if n is None else n / plain[seed][-1]["words"] for n, seed in zip(needed, both, strict=True)]
        lines.append(f"| {name} | {len(of)} | {' | '.join(means)} | {interval(difference, '+.2f')} | {_shares(shares)} |")
    return "\n".join(lines)


def _curve(folder: Path, strategy: str) -> list[dict[str, Any]]:
    """What is there of a strategy's rounds, from the start on."""
    files = [folder / START / "0.json"]
    while files[-1].exists():
        files.append(folder / strategy / f"{len(files)}.json")
    return [json.loads(file.read_text(encoding="utf-8")) for file in files[:-1]]


def words_to_reach(curve: Sequence[Mapping[str, Any]], f1: float) -> float | None:
    """The words at which a curve first reaches this F1, interpolated between its rounds; None if it does not."""
    for before, after in zip([None, *curve[:-1]], curve, strict=True):
        if after["f1"] >= f1:
            if before is None:
                return float(after["words"])
            part = (f1 - before["f1"]) / (after["f1"] - before["f1"])
            return float(before["words"] + part * (after["words"] - before["words"]))
    return None


def interval(values: Sequence[float], form: str) -> str:
    """The mean with its t interval; without one for a single value."""
    if not values:
        return ""
    mean = fmean(values)
    if len(values) < 2:
        return format(mean, form)
    half = float(student.ppf((1 + LEVEL) / 2, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return f"{mean:{form}} ({mean - half:{form}} to {mean + half:{form}})"


def _shares(shares: Sequence[float | None]) -> str:
    """The mean share with its interval; where some seeds do not reach the score, only how many do."""
    reached = [100 * share for share in shares if share is not None]
    if not shares:
        return ""
    if len(reached) < len(shares):
        return f"reached with {len(reached)} of {len(shares)} seeds" + (f", there {fmean(reached):.0f} %" if reached else "")
    return f"{interval(reached, '.0f')} %"


if __name__ == "__main__":
    raise SystemExit(main())
