"""`eventtag count TAGGED`: counts of what a tagger found, as tables for R, pandas and Excel."""

from __future__ import annotations

import argparse

from eventtag.api.articles import listed
from eventtag.cli.file_command import add_reading, label_map, nonempty, pairs, run_file_command
from eventtag.cli.record_options import add_record_options, record_options, scores
from eventtag.cli.terminal import print_message, print_result

SHOWN = 40
"""The most cells that are printed."""


def run() -> int:
    """Count as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag count",
        description=(
            "Count what a tagger found, by month, country, label or any metadata. These are the tagger's counts, not corrected for what "
            "it misses or finds wrongly: `eventtag estimate` does that with a sample of annotated articles."
        ),
        epilog="example: eventtag count tagged.jsonl --by month,country,label --output counts",
    )
    parser.add_argument(
        "tagged",
        type=nonempty("TAGGED"),
        metavar="TAGGED",
        help="what eventtag predict wrote, any annotated file, or a table of eventtag records",
    )
    parser.add_argument(
        "--by",
        type=nonempty("--by"),
        metavar="A,B,...",
        help="metadata fields, year, month, week, day (of the date field), and label; of a table of records any of its columns",
    )
    parser.add_argument(
        "--quantity",
        action="append",
        type=nonempty("--quantity"),
        default=[],
        metavar="WORDS",
        help="what is counted of an article, in place of its spans: EVENT, any:EVENT, LOCATION~Sudan, column:deaths, "
        "'records:status=asserted AGENT~police'",
    )
    parser.add_argument(
        "--mentioning",
        action="append",
        type=nonempty("--mentioning"),
        default=[],
        metavar="LABEL~WORDS",
        help="only articles that mention this: LOCATION~Sudan (also South Sudan), LOCATION=Sudan (exactly)",
    )
    parser.add_argument("--unique", action="store_true", help="mentions of a label with the same text count once in each article")
    parser.add_argument(
        "--threshold", action="append", default=[], metavar="LABEL=SCORE", help="the lowest score of spans of a label that count"
    )
    parser.add_argument(
        "--date", type=nonempty("--date"), metavar="FIELD", help="metadata field that holds the date (default: recognised)"
    )
    parser.add_argument(
        "--date-order", choices=("dmy", "mdy"), help="which of day and month comes first in dates such as 03/04/2014"
    )
    parser.add_argument(
        "--output",
        type=nonempty("--output"),
        metavar="FOLDER",
        help="write tables of articles, spans and cells, as CSV and Parquet",
    )
    parser.add_argument("--excel", action="store_true", help="CSV begins with a byte order mark, so that Excel reads it as UTF-8")
    add_record_options(parser)
    add_reading(parser)
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.count import count
    from eventtag.reporting.table import table

    result = count(
        arguments.tagged,
        listed(arguments.by),
        output=arguments.output,
        quantities=arguments.quantity,
        mentioning=arguments.mentioning,
        unique=arguments.unique,
        thresholds=scores(arguments.threshold, "--threshold"),
        **record_options(arguments),
        excel=arguments.excel,
        date=arguments.date,
        date_order=arguments.date_order,
        format=arguments.source_format,
        options=pairs(arguments.read_option, "--read-option"),
        label_map=label_map(arguments),
    )
    counts = result.counts
    sums = ("articles", "articles_with", "spans", "total", "share", "mean", "records", "unknown")
    print_result(table(counts.columns, counts.rows[:SHOWN], left=sum(column not in sums for column in counts.columns)))
    if len(counts.rows) > SHOWN:
        print_result(
            f"... and {len(counts.rows) - SHOWN:,} more cells" + (" in cells.csv" if counts.folder else "; --output writes all")
        )
    print_message(f"{counts.spans:,} {counts.counted} in {counts.articles:,} articles")
    for note in result.notes:
        print_message(note)
    if counts.folder is not None:
        names = "cells.csv" if counts.counted == "records" else "articles.csv, spans.csv and cells.csv"
        print_message(f"tables: {counts.folder}/{names}, and the same as .parquet")
    return 0
