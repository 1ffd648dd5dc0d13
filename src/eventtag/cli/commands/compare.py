"""`eventtag compare A B [C ...] --gold GOLD`: whether systems differ by more than chance."""

from __future__ import annotations

import argparse
from pathlib import Path

from eventtag.cli.file_command import (
    add_gold,
    add_reading,
    nonempty,
    run_file_command,
    scored_on,
    whole_number,
)
from eventtag.cli.terminal import print_message, print_result
from eventtag.staging import require_absent, write_json


def run() -> int:
    """Compare as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag compare",
        description=(
            "Compare two or more systems on the same gold articles: differences per label and scheme with intervals, paired tests, "
            "and the articles that changed most; also of links and of the status of events where gold has them. "
            "Articles of prediction files are matched by id; texts must be the same."
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
    gold = add_gold(parser)
    gold.add_argument(
        "--seen",
        choices=("exclude", "include"),
        default="exclude",
        help="articles that a checkpoint among the systems learnt from: left out (the default), or scored all the same",
    )
    add_reading(parser)
    parser.add_argument(
        "--level", type=float, default=0.95, help="confidence level of the intervals, such as 0.9 for 90 %% (default: 0.95)"
    )
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


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.compare import compare
    from eventtag.reporting.console import render_comparison, render_event_comparison, render_seeds

    if arguments.output:
        require_absent(Path(arguments.output))
    result = compare(
        *arguments.systems,
        seeds=arguments.seeds,
        seen=arguments.seen,
        **scored_on(arguments),
        level=arguments.level,
        resamples=arguments.resamples,
        seed=arguments.seed,
    )
    for note in result.notes:
        print_message(note)
    blocks = ["\n".join(result.seen_notes)] if result.seen_notes else []
    blocks += [render_seeds(name, summary) for name, summary in result.seeds.items()]
    if result.comparison is not None:
        blocks.append(render_comparison(result.comparison, resampled_by=result.resampled_by))
    if result.events is not None:
        blocks.append(render_event_comparison(result.events))
    if arguments.output:
        write_json(Path(arguments.output), result.to_json())
    print_result("\n\n".join(blocks))
    return 0
