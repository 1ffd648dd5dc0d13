"""How well a tagger trained on the sample corpus does on real news, for data/README.md.

    python scripts/measure_sample.py --run outputs/sample               train on all 220 articles and measure
    python scripts/measure_sample.py --run outputs/curve --sizes 50 100 150 220

Trained on the first SIZE training articles of a seeded draw, checkpoints are scored on the test articles of the sample corpus, on the
development topics of ECB+ (pronouns taken out of the gold: the sample's guidelines leave them unannotated) and on GUM's news articles
(ACTOR and LOCATION), strict and partial. The corpora are read from $EVENTTAG_CORPORA, else ../shared/corpora.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from eventtag.article import Article
from eventtag.cli.hydra_task import config_dir, register_resolvers
from eventtag.corpus.loading import load_corpus
from eventtag.corpus.seen import Seen
from eventtag.evaluation import evaluate
from eventtag.formats.jsonl import json_line
from eventtag.labels import LabelSet
from eventtag.settings import TrainSettings
from eventtag.tagging.tagger import Tagger
from eventtag.training.run import train

PRONOUNS = frozenset(
    """
    i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its
    itself they them their theirs themselves who whom whose which that this these those one ones someone somebody anyone anybody
    everyone everybody nobody both all others another each some many several few most none here there where
    """.split()  # noqa: SIM905 - prose is read more easily than a list
)


def settings_for(overrides: list[str]) -> TrainSettings:
    """The settings that `eventtag train` would have with these overrides."""
    register_resolvers()
    ConfigStore.instance().store(name="train_schema", node=TrainSettings)
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        settings = OmegaConf.to_object(compose("train", [*overrides, "run_dir=unused"]))
    assert isinstance(settings, TrainSettings)
    return settings


def without_pronouns(articles: Iterable[Article]) -> list[Article]:
    """The articles without gold spans that are a pronoun alone."""
    return [
        replace(article, spans=tuple(span for span in article.spans if article.mention(span).lower() not in PRONOUNS), links=None)
        for article in articles
    ]


def main() -> int:
    """Train, measure, and write RUN/measures.json; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--run", type=Path, required=True, help="folder for the runs; finished runs in it are measured, not repeated"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[220])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="further settings of `eventtag train`")
    arguments = parser.parse_intermixed_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    sample = load_corpus(settings_for(["data=sample"]).data)
    ecb = without_pronouns(load_corpus(settings_for(["data=ecbplus"]).data).articles("validation"))
    names = "[ACTOR,LOCATION]"  # GUM's events are noun phrases only
    only = [f"data.labels={names}", f"data.annotated_labels={names}", "data.label_map.event=null"]
    gum = without_pronouns(load_corpus(settings_for(["data=gum_news", *only]).data, seen=Seen()).articles("all"))
    order = np.random.default_rng(arguments.seed).permutation(len(sample.splits["train"]))
    measures = {}
    for size in arguments.sizes:
        folder = arguments.run / str(size)
        if not (folder / "checkpoint").exists():
            folder.mkdir(parents=True, exist_ok=True)
            chosen = [sample.splits["train"][index] for index in sorted(order[:size])]
            file = folder / "articles.jsonl"
            file.write_text("".join(json_line(a) + "\n" for a in [*chosen, *sample.splits["validation"]]), encoding="utf-8")
            wanted = ["data=corpus", f"data.path={file}", "data.split_field=split", f"seed={arguments.seed}"]
            settings = settings_for(
                [*wanted, "model.intermediate.data=null", *arguments.overrides]
            )  # it would learn the articles left out
            train(replace(settings, run_dir=str(folder)))
        tagger = Tagger.load(folder / "checkpoint")
        results = {
            "sample test": evaluate(tagger, sample.articles("test")),
            "ECB+ development": evaluate(tagger, ecb),
            "GUM news": evaluate(tagger, gum, labels=LabelSet(("ACTOR", "LOCATION"))),
        }
        measures[size] = {
            name: {
                scheme: {row: counts.f1 for row, counts in [*scores.labels.items(), ("micro", scores.micro)]}
                for scheme, scores in result.report.schemes.items()
                if scheme in ("strict", "partial", "type")
            }
            for name, result in results.items()
        }
        for name, schemes in measures[size].items():
            for scheme, row in schemes.items():
                print(size, name, scheme, {label: round(value, 3) for label, value in row.items()}, flush=True)
    (arguments.run / "measures.json").write_text(json.dumps(measures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
