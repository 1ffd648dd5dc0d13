"""`eventtag plan PREDICTIONS --gold GOLD --f1 0.02`: how many articles to annotate, from a pilot."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from eventtag.cli.file_command import add_gold, add_reading, nonempty, run_file_command, scored_on
from eventtag.cli.terminal import print_message, print_result
from eventtag.errors import SettingsError
from eventtag.reporting.table import table


def run() -> int:
    """Plan as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag plan",
        description="Say how many articles to annotate, from a pilot: predictions on a few annotated articles. The numbers count the "
        "pilot's articles too, and each stands with the range that holds the true number with a probability of 80 %.",
        epilog="example: eventtag plan outputs/mine/test --gold test.jsonl --f1 0.02 --estimate any:EVENT=0.03",
    )
    parser.add_argument(
        "predictions", type=nonempty("PREDICTIONS"), metavar="PREDICTIONS", help="a file, or the folder of an evaluation"
    )
    add_gold(parser)
    group = parser.add_argument_group("what is wanted")
    group.add_argument("--f1", type=_number("--f1"), metavar="WIDTH", help="half-width of the interval of each label's strict F1")
    group.add_argument(
        "--difference",
        type=_number("--difference"),
        metavar="F1",
        help="difference in F1 to be found with a probability of 80 %%",
    )
    group.add_argument(
        "--other",
        type=nonempty("--other"),
        metavar="FILE",
        help="predictions of the other system (default: one that errs as much, independently or alike)",
    )
    group.add_argument(
        "--estimate",
        action="append",
        default=[],
        metavar="QUANTITY=WIDTH",
        help="half-width of the interval of a mean over the pool, such as any:EVENT=0.03 or EVENT=0.2",
    )
    group.add_argument(
        "--record",
        type=nonempty("--record"),
        metavar="FILE",
        help="what eventtag sample wrote beside the pilot: it says how large the pool is, and has the probabilities of the draw "
        "(default: GOLD.sample.json)",
    )
    group.add_argument(
        "--level",
        type=_number("--level"),
        default=0.95,
        help="confidence level of the intervals and tests, such as 0.9 for 90 %% (default: 0.95)",
    )
    add_reading(parser)
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.plan import plan  # slow to import, and --help needs none of it

    if arguments.f1 is None and arguments.difference is None and not arguments.estimate:
        raise SettingsError("nothing is wanted; give --f1, --difference or --estimate, such as --f1 0.02")
    result = plan(
        arguments.predictions,
        f1=arguments.f1,
        difference=arguments.difference,
        other=arguments.other,
        estimates=dict(_estimate(words) for words in arguments.estimate),
        record=arguments.record,
        level=arguments.level,
        **scored_on(arguments),
    )
    for note in result.notes:
        print_message(note)
    header = ("for", "figure", "pilot", "wanted", "articles", "range", "")
    rows = [
        (
            row.goal,
            row.figure,
            None if math.isnan(row.value) else row.value,
            f"{row.wanted:g}",
            row.articles,
            None if row.low is None else f"{row.low} to {row.high}",
            row.note,
        )
        for row in result.rows
    ]
    print_result(table(header, rows, left=2))
    return 0


def _estimate(words: str) -> tuple[str, float]:
    quantity, _, width = words.rpartition("=")
    if not quantity:
        raise SettingsError(f"--estimate: {words!r} is not QUANTITY=WIDTH, such as any:EVENT=0.03")
    return quantity, _number("--estimate")(width)


def _number(option: str) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            raise SettingsError(f"{option}: {value!r} is not allowed; give a number above 0, such as 0.02")
        return number

    return read
