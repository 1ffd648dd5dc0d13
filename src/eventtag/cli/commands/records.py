"""`eventtag records TAGGED`: a table with a row for each event: who did it, to whom, where, when, and whether it happened."""

from __future__ import annotations

import argparse
from pathlib import Path

from eventtag.api.articles import listed
from eventtag.cli.file_command import (
    add_reading,
    announce_format,
    label_map,
    nonempty,
    reading_of,
    run_file_command,
    whole_number,
    write_ledger,
)
from eventtag.cli.record_options import add_score_options, scores
from eventtag.cli.terminal import print_message
from eventtag.errors import SettingsError


def run() -> int:
    """Make records as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag records",
        description=(
            "Make a table of events from tagged or annotated articles: one row an event, with its sentence, status, agents, targets and "
            "places. What is unknown or unsure is empty, never guessed."
        ),
        epilog="example: eventtag records tagged.jsonl --output records.parquet --status asserted --dates --places",
    )
    parser.add_argument(
        "tagged",
        type=nonempty("TAGGED"),
        metavar="TAGGED",
        help="what eventtag predict wrote, or any annotated file; with --checkpoint, new articles",
    )
    parser.add_argument(
        "--output",
        type=nonempty("--output"),
        required=True,
        metavar="FILE",
        help="the table as .parquet, .csv or .jsonl, or a page as .html; FILE.about.json says what made it",
    )
    parser.add_argument(
        "--linking",
        choices=("given", "model", "nearest"),
        help="who takes part: as the articles say (default); as the link head of --checkpoint says (default where it has one); or by "
        "the naive rule of the nearest event in the sentence",
    )
    parser.add_argument(
        "--status",
        type=nonempty("--status"),
        metavar="A,B,...",
        help="only events of these: asserted, negated, future, possible (default: all)",
    )
    parser.add_argument(
        "--threshold", action="append", default=[], metavar="LABEL=SCORE", help="the lowest score of spans of a label"
    )
    add_score_options(parser)
    parser.add_argument("--dates", action="store_true", help="say when events happened, by the article's date")
    parser.add_argument(
        "--date",
        type=nonempty("--date"),
        metavar="FIELD",
        help="metadata field that holds the article's date (default: recognised)",
    )
    parser.add_argument(
        "--date-order", choices=("dmy", "mdy"), help="which of day and month comes first in dates such as 03/04/2014"
    )
    parser.add_argument(
        "--places", action="store_true", help="say in which country and where events happened (GeoNames, offline)"
    )
    parser.add_argument(
        "--population",
        type=whole_number("--population", least=0),
        default=100_000,
        metavar="N",
        help="inhabitants from which on a place may be known by its name alone (default: 100000)",
    )
    parser.add_argument(
        "--checkpoint", type=nonempty("--checkpoint"), metavar="DIR", help="tag the articles first, into FILE.tagged.jsonl"
    )
    parser.add_argument(
        "--ledger",
        type=nonempty("--ledger"),
        metavar="FILE",
        help="write what became of every link and span that was not read as it stands, as JSON Lines",
    )
    add_reading(parser)
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.records import records
    from eventtag.staging import require_absent

    if arguments.ledger:
        require_absent(Path(arguments.ledger))
    tagging = arguments.checkpoint is not None
    if tagging and (arguments.corpus or arguments.source_format != "auto" or arguments.read_option or label_map(arguments)):
        raise SettingsError(
            "--checkpoint: new articles are read as eventtag predict reads them; leave --from, --read-option, --map, --drop and data= out"
        )
    if not tagging:
        announce_format(arguments, arguments.tagged)
    result = records(
        arguments.tagged if tagging else reading_of(arguments, arguments.tagged),
        arguments.output,
        linking=arguments.linking,
        status=listed(arguments.status),
        thresholds=scores(arguments.threshold, "--threshold"),
        link_thresholds=scores(arguments.link_threshold, "--link-threshold"),
        status_threshold=arguments.status_threshold,
        dates=arguments.dates,
        date=arguments.date,
        date_order=arguments.date_order,
        places=arguments.places,
        population=arguments.population,
        categories=arguments.categories,
        checkpoint=arguments.checkpoint,
    )
    for note in result.notes:
        print_message(note)
    write_ledger(result.ledger, arguments.ledger)
    print_message(f"{result.output}: {result.rows:,} rows of {result.events:,} events in {result.articles:,} articles")
    return 0
