"""`eventtag compare A B [C ...] --gold GOLD`: are some predictions better than others, or does this test set only say so?"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from eventtag.app.file_command import add_reading, label_map, pairs, run_file_command
from eventtag.articles import Article
from eventtag.errors import DataError, SettingsError
from eventtag.formats.label_map import map_labels
from eventtag.formats.registry import read_articles
from eventtag.labels import DEFAULT_LABELS, LabelSet
from eventtag.ledger import LossLedger
from eventtag.reporting.console import render_comparison
from eventtag.scoring.compare import compare_systems
from eventtag.scoring.pairing import pair_predictions
from eventtag.scoring.tally import Tally, tally_articles
from eventtag.staging import require_absent, staged_file


def run() -> int:
    """Compare as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag compare",
        description=(
            "Compare the predictions of two or more systems on the same gold articles: differences per label and scheme with "
            "intervals, paired tests, and the articles that changed most. Articles are matched by id; texts must be the same."
        ),
    )
    parser.add_argument(
        "predictions",
        nargs="+",
        metavar="PREDICTIONS",
        help="files of predictions, in any readable format, or folders that `eventtag evaluate` made",
    )
    parser.add_argument("--gold", required=True, metavar="FILE", help="the gold articles")
    add_reading(parser)
    parser.add_argument("--gold-from", default="auto", metavar="FORMAT", help="format of the gold articles (default: recognised)")
    parser.add_argument(
        "--gold-option", action="append", default=[], metavar="KEY=VALUE", help="an option of the gold articles' format"
    )
    parser.add_argument("--labels", metavar="A,B,...", help="labels to score (default: those of the gold articles)")
    parser.add_argument("--clusters", metavar="FIELD", help="metadata field by which articles hang together, such as topic")
    parser.add_argument("--level", type=float, default=0.95, help="confidence of the intervals (default: 0.95)")
    parser.add_argument("--resamples", type=int, default=10_000, help="resamples and trials of the test (default: 10000)")
    parser.add_argument("--seed", type=int, default=12345, help="seed of the resampling (default: 12345)")
    parser.add_argument("--output", metavar="FILE", help="write everything as JSON as well; must not exist")
    return parser


def _task(arguments: argparse.Namespace) -> int:
    if len(arguments.predictions) < 2:
        raise SettingsError("compare needs two files of predictions or more; name another one")
    if not 0 < arguments.level < 1:
        raise SettingsError(f"--level: {arguments.level} is not between 0 and 1")
    if arguments.resamples < 100:
        raise SettingsError(f"--resamples: {arguments.resamples} is too few; at least 100")
    if arguments.output:
        require_absent(Path(arguments.output))
    gold = _read(arguments.gold, arguments.gold_from, arguments.gold_option, "--gold-option", arguments)
    if not gold:
        raise DataError(f"{arguments.gold}: holds no article; check the path and --gold-from")
    labels = _label_set(arguments.labels, gold)
    systems: dict[str, Tally] = {}
    for path, name in zip(arguments.predictions, _names(arguments.predictions), strict=True):
        predictions = _read(path, arguments.source_format, arguments.read_option, "--read-option", arguments)
        paired, others = pair_predictions(gold, predictions.values(), source=path)
        if others:
            print(f"{path}: {others} articles are not among the gold articles and are left out", file=sys.stderr)
        systems[name] = tally_articles(paired, labels)
    comparison = compare_systems(
        systems,
        clusters=_clusters(gold, arguments.clusters),
        level=arguments.level,
        resamples=arguments.resamples,
        trials=arguments.resamples,
        seed=arguments.seed,
    )
    if arguments.output:
        with staged_file(Path(arguments.output)) as file:
            json.dump({"schema_version": 1, **asdict(comparison)}, file, indent=2, ensure_ascii=False)
            file.write("\n")
    print(render_comparison(comparison))
    return 0


def _read(path: str, name: str, options: list[str], argument: str, arguments: argparse.Namespace) -> dict[str, Article]:
    ledger = LossLedger()
    of_evaluation = Path(path) / "predictions.jsonl"
    if of_evaluation.is_file():
        path, name = str(of_evaluation), "jsonl"
    articles = read_articles(Path(path), name, ledger=ledger, options=pairs(options, argument))
    if renamed := label_map(arguments):
        articles = map_labels(articles, renamed, ledger=ledger, keep_others=True)
    found = {article.id: article for article in articles}
    for line in ledger.summary():
        print(f"{path}: {line}", file=sys.stderr)
    return found


def _label_set(wanted: str | None, gold: dict[str, Article]) -> LabelSet:
    """The labels asked for, or those of the gold articles: the project's own first, then by name."""
    if wanted is not None:
        return LabelSet(tuple(wanted.split(",")))
    found = {span.label for article in gold.values() for span in article.spans}
    if not found:
        raise DataError("the gold articles hold no span, so every prediction is spurious; check --gold, or name --labels")
    known = tuple(label for label in DEFAULT_LABELS if label in found)
    return LabelSet((*known, *sorted(found.difference(known))))


def _clusters(gold: dict[str, Article], name: str | None) -> dict[str, str] | None:
    if name is None:
        return None
    for article in gold.values():
        if name not in article.meta:
            fields = ", ".join(article.meta) or "none"
            raise DataError(f"article {article.id!r} has no metadata field {name!r} (--clusters); it has: {fields}")
    return {article.id: str(article.meta[name]) for article in gold.values()}


def _names(paths: list[str]) -> list[str]:
    """Short names of the systems: the file's, or the folder's and the file's, or the whole path, whichever tells them apart."""
    for parts in (1, 2):
        names = [str(Path(*Path(path).with_suffix("").parts[-parts:])) for path in paths]
        if len(set(names)) == len(names):
            return names
    if len(set(paths)) < len(paths):
        raise SettingsError("a file of predictions is named twice; a system cannot be compared with itself")
    return paths
