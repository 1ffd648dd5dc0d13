"""`eventtag sample POOL OUT --n 200`: draw articles to annotate, each with a known probability."""

from __future__ import annotations

import argparse

from eventtag.api.articles import listed
from eventtag.cli.file_command import add_reading, nonempty, print_remarks, reading_of, run_file_command, whole_number
from eventtag.cli.terminal import print_message, print_result
from eventtag.reporting.table import table


def run() -> int:
    """Draw as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag sample",
        description="Draw articles to annotate, at random. Each drawn article has in its metadata the probability with which it was drawn, "
        "its stratum and its unit: near-duplicates are one unit and are drawn together. OUT.sample.json says what made the draw.",
        epilog="example: eventtag sample tagged.jsonl tasks.json --to label_studio --n 200 --by month --counts EVENT",
    )
    parser.add_argument(
        "pool", type=nonempty("POOL"), metavar="POOL", help="file or folder of articles, tagged or not, or data=NAME"
    )
    parser.add_argument("output", type=nonempty("OUT"), metavar="OUT", help="file or folder to make; must not exist")
    group = parser.add_argument_group("drawing")
    group.add_argument(
        "--n", type=whole_number("--n", least=1), required=True, metavar="N", help="units to draw; with --extend, further ones"
    )
    group.add_argument(
        "--by",
        type=nonempty("--by"),
        metavar="FIELD,...",
        help="stratify by these metadata fields, or by year, month, week or day; each stratum gets two draws at least",
    )
    group.add_argument(
        "--counts",
        type=nonempty("--counts"),
        metavar="LABEL,...",
        help="make articles with more predicted spans of these labels likelier, so that rare events are found; or with more event "
        "records, as in 'records:status=asserted AGENT~police'",
    )
    group.add_argument(
        "--date",
        type=nonempty("--date"),
        metavar="FIELD",
        help="the metadata field with the date (default: the one that is a date)",
    )
    group.add_argument(
        "--date-order",
        choices=("dmy", "mdy"),
        help="what stands first in dates such as 03/04/2014, day or month (default: unknown)",
    )
    group.add_argument("--seed", type=whole_number("--seed", least=0), help="seed of the draw (default: 13)")
    group.add_argument("--copies", choices=("all", "one"), help="of near-duplicates take all, or a random one (default: all)")
    group.add_argument("--keep-duplicates-apart", action="store_true", help="do not look for near-duplicates")
    group.add_argument(
        "--checkpoint",
        type=nonempty("--checkpoint"),
        metavar="DIR",
        help="leave out the articles that this checkpoint learnt from or was chosen by; near-duplicates of them with other words stay",
    )
    group.add_argument(
        "--extend",
        type=nonempty("--extend"),
        metavar="SAMPLE",
        help="an earlier sample of the same pool, annotated or not: OUT holds it and N further units",
    )
    group.add_argument(
        "--record", type=nonempty("--record"), metavar="FILE", help="what made the earlier sample (default: SAMPLE.sample.json)"
    )
    group.add_argument(
        "--to", type=nonempty("--to"), default="auto", metavar="FORMAT", help="format of the output (default: by its suffix)"
    )
    add_reading(parser)
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.sample import sample  # slow to import, and --help needs none of it

    told = arguments.read_option or arguments.map or arguments.drop or arguments.corpus
    plain = arguments.source_format == "auto" and not told
    design = {"seed": arguments.seed, "copies": arguments.copies}
    result = sample(
        arguments.pool if plain else reading_of(arguments, arguments.pool),
        arguments.output,
        n=arguments.n,
        by=listed(arguments.by),
        counts=listed(arguments.counts),
        date=arguments.date,
        date_order=arguments.date_order,
        look_for_duplicates=not arguments.keep_duplicates_apart,
        checkpoint=arguments.checkpoint,
        extend=arguments.extend,
        record=arguments.record,
        output_format=arguments.to,
        **{key: value for key, value in design.items() if value is not None},
    )
    print_remarks(result.ledger)
    for line in (*result.ledger.summary(), *result.notes):
        print_message(line)
    header = ("stratum", "articles", "units", "drawn", "least probability", "most")
    rows = [
        (row.stratum or "all", row.articles, row.units, row.drawn, f"{row.least:.4g}", f"{row.most:.4g}") for row in result.strata
    ]
    print_result(table(header, rows))
    print_result(f"\n{arguments.output}: {len(result.articles)} articles, {len(result.new)} of them drawn now")
    print_message(f"what made the draw: {result.record}")
    return 0
