"""What silver labels add to few gold articles: training with and without articles that a tagger of another corpus has tagged.

    python scripts/measure_silver.py outputs/silver --tagger outputs/sample --gold 25 50 100 --seeds 1 2 3 --train data=ecbplus

For each seed, gold articles are drawn at random from those that are not in the split --test. A smaller number is a part of a larger one,
and every fifth is a validation article. --silver other articles, none of which is ever gold with this seed, are tagged by the tagger of the
run --tagger, which was trained on the sample corpus: their whole text, without their gold. Taggers then learn in four arms:

    none            from the gold alone (model.intermediate.data=null)
    silver          from the silver articles first (intermediate fine-tuning)
    sample          from the sample corpus first, as by default: what the tagger of silver learnt from, without silver
    sample+silver   from both first

The table has strict micro F1 on the split --test, the mean over seeds, and what silver adds to each, with paired t intervals over seeds.
A result is a JSON file in FOLDER/SEED/GOLD; what is there is not repeated.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
from measure_selection import interval

from eventtag.article import Article
from eventtag.cli.hydra_task import compose_training
from eventtag.corpus.loading import Corpus, load_corpus
from eventtag.evaluation import score_tagged, tag_annotated
from eventtag.formats.registry import read_articles, write_articles
from eventtag.settings import DataSettings, TrainSettings
from eventtag.settings.data import sample_data, sample_file
from eventtag.staging import write_json
from eventtag.tagging.tagger import Tagger
from eventtag.training.run import train

ARMS = {"none": None, "silver": "none", "sample": None, "sample+silver": "sample"}
"""Each arm, and the one that it is compared with."""
VALIDATION = 5
"""Of so many gold articles one validates; of the silver ones, one of twice as many."""


@dataclass(frozen=True)
class Plan:
    """What is trained; `corpus` has the gold, by the settings of training, and `test` is the split that is scored."""

    folder: Path
    settings: TrainSettings
    corpus: Corpus
    test: str
    tagger: str
    gold: tuple[int, ...]
    silver: int


@dataclass(frozen=True)
class Draw:
    """The articles of a seed: gold ones, the first of which are used, and the file of the silver ones with those of the sample."""

    gold: tuple[Article, ...]
    files: dict[str, DataSettings | None]


def main() -> int:
    """Train what is missing and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tagger", required=True, metavar="RUN", help="the tagger that makes silver")
    parser.add_argument("--gold", type=int, nargs="+", default=[25, 50, 100], help="numbers of gold articles")
    parser.add_argument(
        "--silver", type=int, default=220, help="silver articles (default: as many as the sample has to train on)"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--test", default="validation", metavar="SPLIT", help="the split that tests the taggers")
    parser.add_argument("--train", nargs="+", default=[], metavar="KEY=VALUE", help="settings of `eventtag train`")
    options = parser.parse_args()
    settings = compose_training(options.train)
    plan = Plan(
        options.folder,
        settings,
        load_corpus(settings.data),
        options.test,
        options.tagger,
        tuple(sorted(options.gold)),
        options.silver,
    )
    for seed in options.seeds:
        wanted = [
            (count, arm, plan.folder / str(seed) / str(count) / f"{arm}.json") for count in plan.gold for arm in options.arms
        ]
        if all(result.exists() for _, _, result in wanted):
            continue
        articles = draw(plan, seed)
        for count, arm, result in wanted:
            if not result.exists():
                f1 = learnt_f1(plan, articles, count, arm, seed)
                write_json(result, {"f1": f1})
                print(f"seed {seed}, {count} gold articles, {arm}: F1 {f1:.4f}", flush=True)
    print(table(plan.folder, plan.gold, options.seeds))
    return 0


def draw(plan: Plan, seed: int) -> Draw:
    """The gold of a seed, and its silver, tagged unless that is done. Raises SystemExit for a corpus that has too few articles."""
    others = [
        article for split, those in plan.corpus.splits.items() if split != plan.test for article in those if article.regions
    ]
    order = np.random.default_rng(seed).permutation(len(others)).tolist()
    if len(others) < plan.gold[-1] + plan.silver:
        raise SystemExit(
            f"{len(others)} articles are too few for {plan.gold[-1]} gold and {plan.silver} silver ones; give less of --silver"
        )
    gold = tuple(others[number] for number in order[: plan.gold[-1]])
    folder = plan.folder / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, DataSettings | None] = {"none": None, "sample": sample_data()}
    silver: list[Article] = []
    for arm, more in (("silver", []), ("sample+silver", list(read_articles(sample_file())))):
        file = folder / f"{arm}.jsonl"
        if not file.exists():
            chosen = [others[number] for number in order[plan.gold[-1] : plan.gold[-1] + plan.silver]]
            silver = silver or tagged(chosen, Tagger.load(plan.tagger, threads=1), plan.corpus.labels.labels)
            write_articles([*silver, *more], file)
        files[arm] = DataSettings(name=arm, path=str(file), format="jsonl", split_field="split")
    return Draw(gold, files)


def tagged(articles: Sequence[Article], tagger: Tagger, labels: Sequence[str]) -> list[Article]:
    """The articles with what the tagger finds in their whole text, and nothing else."""
    plain = [Article(f"silver/{article.id}", article.text) for article in articles]
    return [
        replace(
            item.article,
            spans=tuple(replace(span, score=None, status=None, status_score=None) for span in item.spans if span.label in labels),
            meta={"split": "train" if number % (2 * VALIDATION) else "validation"},
        )
        for number, item in enumerate(tagger.tag_many(plain))
    ]


def learnt_f1(plan: Plan, articles: Draw, count: int, arm: str, seed: int) -> float:
    """Strict micro F1 on the test articles of a tagger that learns in this arm from so many gold articles."""
    run_dir = plan.folder / str(seed) / str(count) / f"{arm}.run"
    shutil.rmtree(run_dir, ignore_errors=True)  # of a measurement that was ended
    gold = articles.gold[:count]
    splits = {"train": tuple(a for n, a in enumerate(gold) if n % VALIDATION), "validation": gold[::VALIDATION]}
    splits["test"] = plan.corpus.articles(plan.test)
    intermediate = replace(plan.settings.model.intermediate, data=articles.files[arm])
    settings = replace(
        plan.settings, run_dir=str(run_dir), seed=seed, model=replace(plan.settings.model, intermediate=intermediate)
    )
    train(settings, corpus=replace(plan.corpus, splits=splits), shared=plan.folder / str(seed))
    tagger = Tagger.load(run_dir, threads=1)
    found = tag_annotated(tagger, splits["test"], labels=plan.corpus.labels)
    f1 = score_tagged(found, tagger, labels=plan.corpus.labels, spans_alone=True).report.strict.micro.f1
    shutil.rmtree(run_dir)
    return f1


def table(folder: Path, gold: Sequence[int], seeds: Sequence[int]) -> str:
    """The Markdown table of the results that are there."""
    lines = [
        f"| gold articles | seeds | {' | '.join(ARMS)} | silver - none | sample+silver - sample |",
        "|" + "---:|" * (len(ARMS) + 4),
    ]
    for count in gold:
        found = {
            arm: {
                seed: 100 * json.loads(file.read_text(encoding="utf-8"))["f1"]
                for seed in seeds
                if (file := folder / str(seed) / str(count) / f"{arm}.json").exists()
            }
            for arm in ARMS
        }
        means = [f"{fmean(of.values()):.2f}" if of else "" for of in found.values()]
        gains = [
            interval([found[arm][seed] - found[plain][seed] for seed in found[arm] if seed in found[plain]], "+.2f")
            for arm, plain in ARMS.items()
            if plain is not None
        ]
        most = max(len(of) for of in found.values())
        lines.append(f"| {count} | {most} | {' | '.join([*means, *gains])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
