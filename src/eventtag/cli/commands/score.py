"""`eventtag score PREDICTIONS --gold GOLD`: the report of `evaluate` for predictions of any program."""

from __future__ import annotations

import argparse

from eventtag.cli.file_command import (
    add_gold,
    add_reading,
    nonempty,
    run_file_command,
    scored_on,
    whole_number,
)
from eventtag.cli.terminal import print_message, print_result


def run() -> int:
    """Score as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag score",
        description=(
            "Score predictions of any program: scores with intervals, slices, kinds of errors and calibration, as `eventtag evaluate` "
            "reports them for a checkpoint, also of links and of the status of events where gold has them. "
            "Articles are matched by id, or by order where no id fits and the counts agree. Texts "
            "must be the same but for white space."
        ),
        epilog="example: eventtag score theirs.conll --gold test.jsonl --output outputs/theirs",
    )
    parser.add_argument("predictions", type=nonempty("PREDICTIONS"), metavar="PREDICTIONS", help="a file in any readable format")
    add_gold(parser)
    add_reading(parser)
    parser.add_argument(
        "--second",
        type=nonempty("--second"),
        metavar="FILE",
        help="another annotation of the gold articles: the scores stand beside the agreement of the two annotators",
    )
    parser.add_argument(
        "--resamples", type=whole_number("--resamples", least=100), help="resamples of the intervals (default: as in evaluate)"
    )
    parser.add_argument("--seed", type=whole_number("--seed", least=0), help="seed of the resamples")
    parser.add_argument(
        "--output",
        type=nonempty("--output"),
        metavar="FOLDER",
        help="write report.html, report.json, report.md, errors.jsonl and, of links, link_errors.jsonl",
    )
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.score import score
    from eventtag.reporting.console import render_table

    wanted = {"resamples": arguments.resamples, "seed": arguments.seed}
    result = score(
        arguments.predictions,
        run_dir=arguments.output,
        second=arguments.second,
        **scored_on(arguments),
        evaluation={key: value for key, value in wanted.items() if value is not None},
    )
    for note in result.notes:
        print_message(note)
    print_result(render_table(result.report))
    if result.folder is not None:
        print_message(f"report: {result.folder / 'report.html'}")
    return 0
