"""`eventtag estimate TAGGED --gold ANNOTATED`: figures that are corrected for the tagger's errors, with intervals."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from eventtag.api.articles import listed
from eventtag.cli.file_command import add_reading, label_map, nonempty, pairs, run_file_command
from eventtag.cli.record_options import add_record_options, record_options, scores
from eventtag.cli.terminal import print_message, print_result

SHOWN = 40
"""The most rows of a table that are printed."""


def run() -> int:
    """Estimate as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag estimate",
        description=(
            "Estimate means and totals over all tagged articles, corrected for what the tagger misses and finds "
            "wrongly, with intervals. The "
            "correction comes from a random sample of these articles that people annotated (`eventtag sample` draws it)."
        ),
        epilog="example: eventtag estimate tagged.jsonl --gold annotated.jsonl --by month --quantity EVENT --output figures",
    )
    parser.add_argument("tagged", type=nonempty("TAGGED"), metavar="TAGGED", help="all articles, as eventtag predict wrote them")
    parser.add_argument(
        "--quantity",
        action="append",
        type=nonempty("--quantity"),
        required=True,
        metavar="WORDS",
        help="what is estimated of an article: EVENT (its spans), any:EVENT (share of articles), LOCATION~Sudan, column:deaths, "
        "'records:status=asserted AGENT~police'",
    )
    parser.add_argument(
        "--by", type=nonempty("--by"), metavar="A,B,...", help="a cell for each value of these fields; year, month, week, day"
    )
    parser.add_argument(
        "--level",
        type=float,
        default=0.95,
        help="confidence level of the intervals, such as 0.9 for 90 %% (default: 0.95)",
    )
    parser.add_argument(
        "--output", type=nonempty("--output"), metavar="FOLDER", help="write estimates.csv, .json, .html and more tables"
    )
    sample = parser.add_argument_group("annotated articles")
    sample.add_argument(
        "--gold", type=nonempty("--gold"), required=True, metavar="FILE", help="the articles of the sample, annotated"
    )
    sample.add_argument(
        "--drawn",
        choices=("recorded", "random"),
        default="recorded",
        help="how they were drawn: recorded in their metadata, or random: every tagged article had the same chance (default: recorded)",
    )
    sample.add_argument(
        "--record",
        type=nonempty("--record"),
        metavar="FILE",
        help="what eventtag sample wrote beside the sample, for formats that lose the metadata (default: GOLD.sample.json)",
    )
    sample.add_argument(
        "--checkpoint", type=nonempty("--checkpoint"), metavar="DIR", help="the tagger (default: that of the job that tagged)"
    )
    sample.add_argument(
        "--seen",
        choices=("refuse", "leave_out", "include"),
        default="refuse",
        help="what to do with annotated articles that the tagger learnt from (default: refuse)",
    )
    sample.add_argument(
        "--gold-from",
        type=nonempty("--gold-from"),
        default="auto",
        metavar="FORMAT",
        help="format of --gold (default: recognised)",
    )
    sample.add_argument("--gold-option", action="append", default=[], metavar="KEY=VALUE", help="an option of --gold's format")
    sample.add_argument(
        "--links-marked",
        action="store_true",
        help="people looked for links in all annotated articles, so an article without links has none (brat and some others cannot say so)",
    )
    counting = parser.add_argument_group("counting")
    counting.add_argument(
        "--unique", action="store_true", help="mentions of a label with the same text count once in each article"
    )
    counting.add_argument(
        "--threshold", action="append", default=[], metavar="LABEL=SCORE", help="the lowest score of spans of a label that count"
    )
    counting.add_argument(
        "--date", type=nonempty("--date"), metavar="FIELD", help="metadata field that holds the date (default: recognised)"
    )
    counting.add_argument(
        "--date-order", choices=("dmy", "mdy"), help="which of day and month comes first in dates such as 03/04/2014"
    )
    regression = parser.add_argument_group("regression")
    regression.add_argument(
        "--regress",
        type=nonempty("--regress"),
        metavar="A,B,...",
        help="regress each quantity on these fields; time:month counts months, 1 is the constant alone",
    )
    regression.add_argument(
        "--family", choices=("linear", "poisson"), default="linear", help="least squares, or Poisson with a log link"
    )
    regression.add_argument(
        "--tuning",
        choices=("sample", "ppi"),
        default="sample",
        help="where lambda of a regression comes from: the sample, or all tags, as in ppi-python (default: sample)",
    )
    add_record_options(parser)
    add_reading(parser)
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.estimate import estimate
    from eventtag.estimates.estimate_rows import WORTH, change_rows, coefficient_rows, summary_rows

    result = estimate(
        arguments.tagged,
        arguments.gold,
        listed(arguments.by),
        quantities=arguments.quantity,
        drawn=arguments.drawn,
        record=arguments.record,
        regress=listed(arguments.regress),
        family=arguments.family,
        tuning=arguments.tuning,
        level=arguments.level,
        output=arguments.output,
        checkpoint=arguments.checkpoint,
        seen=arguments.seen,
        unique=arguments.unique,
        thresholds=scores(arguments.threshold, "--threshold"),
        **record_options(arguments),
        links_marked=arguments.links_marked,
        date=arguments.date,
        date_order=arguments.date_order,
        format=arguments.source_format,
        options=pairs(arguments.read_option, "--read-option"),
        label_map=label_map(arguments),
        gold_format=arguments.gold_from,
        gold_options=pairs(arguments.gold_option, "--gold-option"),
    )
    for note in result.notes:
        print_message(note)
    for figures in result.quantities:
        print_result(f"{figures.quantity}: mean of an article, with {100 * result.level:g} % intervals")
        header, cells = summary_rows(figures, result.by)
        _print(header, cells, left=max(1, len(result.by)))
        for columns, rows in (change_rows([figures]), coefficient_rows([figures], result.level)):
            if rows:
                _print(columns[1:], [[_number(cell) for cell in row[1:]] for row in rows], left=3 if "kind" in columns else 1)
        print_result("")
    print_message(f"naive: the tagger's numbers as if they were right; {WORTH}; p_holm: corrected for the number of differences")
    if result.folder is not None:
        print_message(f"files: {result.folder}/{', '.join(sorted(path.name for path in result.folder.iterdir()))}")
    return 0


def _number(cell: object) -> object:
    return f"{cell:.4g}" if isinstance(cell, float) else cell


def _print(header: Sequence[str], rows: Sequence[Sequence[object]], *, left: int) -> None:
    from eventtag.reporting.table import table

    print_result(table(header, rows[:SHOWN], left=left))
    if len(rows) > SHOWN:
        print_result(f"... and {len(rows) - SHOWN:,} more; --output writes all")
