"""`eventtag align ARTICLES MENTIONS OUT`: places quoted mentions in the articles that they are quoted from."""

from __future__ import annotations

import argparse
from pathlib import Path

from eventtag.cli.file_command import add_reading, nonempty, print_remarks, reading_of, run_file_command, write_ledger
from eventtag.cli.terminal import print_message
from eventtag.staging import require_absent


def run() -> int:
    """Align as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag align",
        description="Place mentions that a language model quoted in the articles. The mentions are JSON Lines with the article's id, a "
        "label, a quote and, if they are known, what stands before and after it. A mention that cannot be placed with certainty is not "
        "placed, and the ledger says why.",
        epilog='example: {"id": "a1", "label": "ACTOR", "quote": "the police", "before": "said that", "after": "had arrested"}',
    )
    parser.add_argument("articles", type=nonempty("ARTICLES"), metavar="ARTICLES", help="file or folder to read, or data=NAME")
    parser.add_argument("mentions", type=nonempty("MENTIONS"), metavar="MENTIONS", help="JSON Lines, a mention a line")
    parser.add_argument("output", type=nonempty("OUT"), metavar="OUT", help="file to make, in the format of its suffix")
    add_reading(parser)
    parser.add_argument(
        "--ledger",
        type=nonempty("--ledger"),
        metavar="FILE",
        help="write every mention that is not placed, and why, as JSON Lines",
    )
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.align import align

    if arguments.ledger:
        require_absent(Path(arguments.ledger))
    result = align(reading_of(arguments, arguments.articles), arguments.mentions, arguments.output)
    print_remarks(result.ledger)
    for line in result.ledger.summary():
        print_message(line)
    write_ledger(result.ledger, arguments.ledger)
    print_message(f"{arguments.output}: {result.articles} articles, {result.spans} spans of {result.mentions} mentions")
    return 0
