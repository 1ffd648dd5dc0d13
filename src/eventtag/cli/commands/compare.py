"""`eventtag compare A B [C ...] --gold GOLD`: are some systems better than others, or does this test set only say so?"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.cli.file_command import (
    add_reading,
    label_map,
    nonempty,
    pairs,
    require_field,
    require_mapped_labels,
    require_names,
    run_file_command,
    whole_number,
)
from eventtag.cli.systems import checkpoint_of, describe_run, find_runs, predictions_of, require_alike, seen_by
from eventtag.cli.terminal import print_message, print_result
from eventtag.corpus.clusters import clusters_of
from eventtag.corpus.seen import Seen, Unseen, leave_out_seen
from eventtag.errors import DataError, SettingsError
from eventtag.formats.label_map import map_labels
from eventtag.formats.registry import read_articles
from eventtag.labels import DEFAULT_LABELS, LabelSet
from eventtag.ledger import LossLedger
from eventtag.reporting.console import render_comparison, render_seeds
from eventtag.scoring.compare import compare_systems
from eventtag.scoring.pairing import pair_predictions
from eventtag.scoring.report import EvaluationReport, score_articles
from eventtag.scoring.seeds import SeedRun, SeedSummary, summarise_seeds
from eventtag.scoring.tally import Tally
from eventtag.staging import require_absent, write_json

SCHEMA_VERSION = 2
"""Raised when a key of the JSON output changes its meaning or goes away; new keys do not raise it."""


def run() -> int:
    """Compare as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag compare",
        description=(
            "Compare two or more systems on the same gold articles: differences per label and scheme with intervals, paired tests, "
            "and the articles that changed most. Articles of prediction files are matched by id; texts must be the same."
        ),
        epilog=(
            "examples: eventtag compare outputs/a/checkpoint theirs.conll --gold test.jsonl;  "
            "eventtag compare a.jsonl b.jsonl --gold test.jsonl;  "
            "eventtag compare --data ecbplus --split test --seeds multirun/small --seeds multirun/large"
        ),
    )
    parser.add_argument(
        "systems",
        nargs="*",
        type=nonempty("SYSTEM"),
        metavar="SYSTEM",
        help="files of predictions in any readable format, folders that `eventtag evaluate` made, checkpoints or runs of training "
        "(these tag the gold articles)",
    )
    parser.add_argument(
        "--seeds",
        action="append",
        nargs="+",
        type=nonempty("--seeds"),
        default=[],
        metavar="RUNS",
        help="runs that differ in their seed, as one recipe: a sweep's folder, runs, or a quoted pattern; once per recipe. Their mean "
        "is compared, over articles and seeds together; the run to keep is picked by validation",
    )
    gold = parser.add_argument_group("gold articles")
    gold.add_argument("--gold", type=nonempty("--gold"), metavar="FILE", help="the gold articles")
    gold.add_argument(
        "--data",
        action="append",
        type=nonempty("--data"),
        default=[],
        metavar="NAME|data.KEY=VALUE",
        help="in place of --gold: a data configuration, as of `eventtag evaluate data=NAME data.KEY=VALUE`",
    )
    gold.add_argument(
        "--split",
        type=nonempty("--split"),
        default="auto",
        help="articles of --data (default: test if there are any, else validation)",
    )
    gold.add_argument(
        "--seen",
        choices=("exclude", "include"),
        default="exclude",
        help="articles that a checkpoint among the systems learnt from: left out (the default), or scored all the same",
    )
    gold.add_argument(
        "--gold-from",
        type=nonempty("--gold-from"),
        default="auto",
        metavar="FORMAT",
        help="format of --gold (default: recognised)",
    )
    gold.add_argument("--gold-option", action="append", default=[], metavar="KEY=VALUE", help="an option of --gold's format")
    add_reading(parser)
    parser.add_argument(
        "--labels", type=nonempty("--labels"), metavar="A,B,...", help="labels to score (default: those of the gold articles)"
    )
    parser.add_argument(
        "--clusters",
        type=nonempty("--clusters"),
        metavar="FIELD",
        help="metadata field by which articles hang together, such as topic (default: near-duplicates)",
    )
    parser.add_argument("--level", type=float, default=0.95, help="confidence of the intervals (default: 0.95)")
    parser.add_argument(
        "--resamples",
        type=whole_number("--resamples", least=100),
        default=10_000,
        help="trials of the test of files and checkpoints (default: 10000)",
    )
    parser.add_argument("--seed", type=whole_number("--seed", least=0), default=12345, help="seed of the trials (default: 12345)")
    parser.add_argument(
        "--output", type=nonempty("--output"), metavar="FILE", help="write everything as JSON as well; must not exist"
    )
    return parser


@dataclass(frozen=True)
class _Gold:
    articles: dict[str, Article]
    labels: LabelSet
    cluster_field: str | None
    split: str | None
    unseen: Unseen
    before: set[str]
    """Labels before `--map` and `--drop` of all that is read; files of predictions add theirs."""


def _task(arguments: argparse.Namespace) -> int:
    _check(arguments)
    groups = [find_runs(patterns) for patterns in arguments.seeds]
    gold = _read_gold(arguments, seen_by([*arguments.systems, *(run for runs in groups for run in runs)]))
    names = _names([*arguments.systems, *(_group_path(runs) for runs in groups)])
    tallies: dict[str, Tally | tuple[Tally, ...]] = {}
    for path, name in zip(arguments.systems, names, strict=False):
        tallies[name] = _tally(_score(path, gold, arguments))
    seeds = {name: _summarise(runs, gold, arguments) for runs, name in zip(groups, names[len(arguments.systems) :], strict=True)}
    tallies |= {name: tuple(_tally(run.report) for run in summary.runs) for name, summary in seeds.items()}
    require_mapped_labels(arguments, gold.before)
    if seeds and gold.split == "validation":
        print_message("note: the validation articles picked the runs, so that these scores flatter them")

    content: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "seen": gold.unseen.about}
    blocks = ["\n".join(gold.unseen.notes)] if gold.unseen.notes else []
    blocks += [render_seeds(name, summary) for name, summary in seeds.items()]
    if len(tallies) > 1:
        clusters, rule = clusters_of(list(gold.articles.values()), gold.cluster_field)
        comparison = compare_systems(
            tallies, clusters=clusters, level=arguments.level, trials=arguments.resamples, seed=arguments.seed
        )
        content |= {**asdict(comparison), "resampled_by": rule}
        blocks.append(render_comparison(comparison, resampled_by=rule))
    if seeds:
        content["seeds"] = {name: _seeds_json(summary) for name, summary in seeds.items()}
    if arguments.output:
        write_json(Path(arguments.output), content)
    print_result("\n\n".join(blocks))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if len(arguments.systems) + len(arguments.seeds) < 2 and not arguments.seeds:
        raise SettingsError("compare needs two files of predictions or checkpoints, or --seeds; name another one")
    if bool(arguments.gold) == bool(arguments.data):
        raise SettingsError("give the gold articles, either by --gold FILE or by --data NAME")
    if not 0 < arguments.level < 1:
        raise SettingsError(f"--level: {arguments.level} is not allowed; give a number between 0 and 1, such as 0.95")
    if arguments.output:
        require_absent(Path(arguments.output))


def _read_gold(arguments: argparse.Namespace, seen: Seen | None) -> _Gold:
    """The gold articles that no checkpoint among the systems learnt from, unless they are to be scored all the same."""
    include = arguments.seen == "include"
    others: dict[str, Any] = {"include": include, "who": "a checkpoint", "remedy": "--seen include"}
    before: set[str] = set()
    if arguments.gold:
        options = pairs(arguments.gold_option, "--gold-option")
        articles = _read(arguments.gold, arguments.gold_from, options, arguments, before)
        if not articles:
            raise DataError(f"{arguments.gold}: holds no article; check the path and --gold-from")
        unseen = leave_out_seen(articles, seen or Seen(), **others)
        found = {article.id: article for article in unseen.articles}
        labels = _label_set(arguments.labels, found)
        return _gold(_only_known(found, labels, arguments.gold), labels, arguments.clusters, None, unseen, before)
    from eventtag.cli.hydra_task import compose_data  # slow to import
    from eventtag.corpus.loading import load_corpus

    settings = compose_data(arguments.data)
    corpus = load_corpus(settings, seen=seen)
    split = arguments.split if arguments.split != "auto" else corpus.scored_split(include_seen=include and seen is not None)
    unseen = leave_out_seen(corpus.articles(split), seen or Seen(), among=corpus.articles("all"), **others)
    found = {article.id: article for article in unseen.articles}
    for line in corpus.ledger.summary():
        print_message(f"{corpus.name}: {line}")
    labels = corpus.labels if arguments.labels is None else _label_set(arguments.labels, found)
    field = arguments.clusters or corpus.cluster_field
    return _gold(_only_known(found, labels, corpus.name), labels, field, split, unseen, before)


def _gold(
    articles: dict[str, Article], labels: LabelSet, cluster_field: str | None, split: str | None, unseen: Unseen, before: set[str]
) -> _Gold:
    if cluster_field is not None:
        require_field("--clusters", cluster_field, list(articles.values()))
    return _Gold(articles, labels, cluster_field, split, unseen, before)


def _only_known(articles: Mapping[str, Article], labels: LabelSet, source: str) -> dict[str, Article]:
    """The articles where an annotator has looked for some of the labels; the others count for nothing, and would count as units."""
    known = {name: article for name, article in articles.items() if article.may_be_scored(labels.labels)}
    unknown = [name for name in articles if name not in known]
    if not known:
        raise DataError(
            f"{source}: none of its {len(articles)} articles has an annotated region where one of {list(labels.labels)} was marked, so "
            "that nothing can be scored; check the annotated regions and labels of the articles, or --labels"
        )
    if unknown:
        print_message(
            f"{source}: {len(unknown)} of {len(articles)} articles are left out, the first is {unknown[0]!r}: no region of theirs is "
            "annotated with these labels, so that nobody knows what is right there"
        )
    return known


def _score(path: str, gold: _Gold, arguments: argparse.Namespace) -> EvaluationReport:
    def read(file: str, source_format: str | None) -> list[Article]:
        options = pairs(arguments.read_option, "--read-option") if source_format is None else {}
        return _read(file, source_format or arguments.source_format, options, arguments, gold.before)

    if checkpoint_of(path) is not None:
        print_message(f"{path}: tagging {len(gold.articles)} articles")
    paired, others = pair_predictions(gold.articles, predictions_of(path, gold.articles, gold.labels, read), source=path)
    if others:
        print_message(f"{path}: {others} articles are not among the gold articles that are scored, and are left out")
    return score_articles(paired, gold.labels, words=None)


def _tally(report: EvaluationReport) -> Tally:
    assert report.tally is not None
    return report.tally


def _summarise(runs: Sequence[str], gold: _Gold, arguments: argparse.Namespace) -> SeedSummary:
    described = {path: describe_run(path) for path in runs}
    require_alike(described)
    scored = [SeedRun(path, run.seed, run.validation, _score(path, gold, arguments)) for path, run in described.items()]
    return summarise_seeds(scored)


def _seeds_json(summary: SeedSummary) -> dict[str, Any]:
    return {
        "runs": [
            {"name": r.name, "seed": r.seed, "validation": r.validation, "micro_f1": r.report.strict.micro.f1}
            for r in summary.runs
        ],
        "f1": {row: asdict(spread) for row, spread in summary.f1.items()},
        "chosen": summary.chosen.name,
    }


def _read(
    path: str, source_format: str, options: Mapping[str, Any], arguments: argparse.Namespace, before: set[str]
) -> list[Article]:
    ledger = LossLedger()
    found = list(read_articles(Path(path), source_format, ledger=ledger, options=options))
    before.update(_labels_in(found))
    if renamed := label_map(arguments):
        found = list(map_labels(found, renamed, ledger=ledger, keep_others=True))
    for line in ledger.summary():
        print_message(f"{path}: {line}")
    return found


def _labels_in(articles: Iterable[Article]) -> set[str]:
    """The labels of spans, and those that were being marked."""
    return {label for article in articles for label in (*(span.label for span in article.spans), *(article.labels or ()))}


def _label_set(wanted: str | None, gold: Mapping[str, Article]) -> LabelSet:
    """The labels asked for, or those of the gold articles: the project's own first, then by name."""
    if wanted is not None:
        named = tuple(dict.fromkeys(map(str.strip, wanted.split(","))))
        require_names("--labels", named, _labels_in(gold.values()), "label")
        return LabelSet(named)
    found = {span.label for article in gold.values() for span in article.spans}
    if not found:
        raise DataError("the gold articles hold no span, so every prediction is spurious; check --gold, or name --labels")
    known = tuple(label for label in DEFAULT_LABELS if label in found)
    return LabelSet((*known, *sorted(found.difference(known))))


def _group_path(runs: Sequence[str]) -> str:
    return runs[0] if len(runs) == 1 else os.path.commonpath(runs) or "seeds"


def _names(paths: Sequence[str]) -> list[str]:
    """Short names of the systems: the file's or the run's, with as many folders as tell them apart."""
    if len(set(paths)) < len(paths):
        raise SettingsError("a system is named twice; it cannot be compared with itself")
    plain = [Path(path).parent if Path(path).name == "checkpoint" else Path(path) for path in paths]
    plain = [path.with_suffix("") if path.is_file() else path for path in plain]
    for parts in range(1, 1 + max((len(path.parts) for path in plain), default=1)):
        names = [str(Path(*path.parts[-parts:])) for path in plain]
        if len(set(names)) == len(names):
            return names
    return list(paths)
