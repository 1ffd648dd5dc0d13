"""`eventtag split IN OUT`: divides articles into train, validation and test, and prints what these have in common."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from eventtag.cli.file_command import (
    add_reading,
    allowed_loss,
    nonempty,
    print_remarks,
    reading_of,
    run_file_command,
    share,
    whole_number,
)
from eventtag.cli.terminal import print_message, print_result
from eventtag.reporting.table import table

if TYPE_CHECKING:
    from eventtag.api.split import SplitResult


def run() -> int:
    """Split as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag split",
        description="Divide articles into train, validation and test. Near-duplicates and groups never cross a split. "
        "The split is written into the metadata of each article: train with data.split_field=split.",
    )
    parser.add_argument("input", metavar="IN", help="file or folder to read, or data=NAME")
    parser.add_argument("output", metavar="OUT", help="file to make, in the format of its suffix; must not exist")
    add_reading(parser)
    group = parser.add_argument_group("splitting")
    group.add_argument(
        "--validation", type=share("--validation"), default=0.15, metavar="SHARE", help="share of articles (default: 0.15)"
    )
    group.add_argument("--test", type=share("--test"), default=0.15, metavar="SHARE", help="share of articles (default: 0.15)")
    group.add_argument("--seed", type=whole_number("--seed", least=0), default=13, help="seed of the draw (default: 13)")
    group.add_argument(
        "--group", type=nonempty("--group"), metavar="FIELD", help="articles with one value of this metadata field stay together"
    )
    group.add_argument(
        "--time",
        type=nonempty("--time"),
        metavar="FIELD",
        help="metadata field with an ISO date: the oldest are train, the newest test",
    )
    group.add_argument(
        "--extend",
        type=nonempty("--extend"),
        metavar="OLD",
        help="an earlier split: its articles stay where they were and are written too, and the new ones are drawn",
    )
    group.add_argument("--no-stratify", action="store_true", help="do not balance the labels over the splits")
    group.add_argument(
        "--max-loss",
        type=share("--max-loss"),
        default=0.0,
        metavar="SHARE",
        help="share of spans that may be dropped unasked (default: 0.0)",
    )
    group.add_argument("--keep-duplicates-apart", action="store_true", help="do not look for near-duplicates")
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.split import split  # slow to import, and --help needs none of it

    result = split(
        reading_of(arguments, arguments.input),
        arguments.output,
        validation=arguments.validation,
        test=arguments.test,
        seed=arguments.seed,
        group=arguments.group,
        time=arguments.time,
        extend=arguments.extend,
        stratify=not arguments.no_stratify,
        look_for_duplicates=not arguments.keep_duplicates_apart,
        max_loss=allowed_loss(arguments),
    )
    print_remarks(result.ledger)
    for line in result.ledger.summary():
        print_message(line)
    print_result(f"{result.rule}\n")
    print_result(_sizes(result))
    print_result("\n" + _leaks(result, arguments.group))
    return 0


def _sizes(result: SplitResult) -> str:
    from eventtag.corpus.splits import SPLITS

    labels = sorted({span.label for article in result.articles for span in article.spans})
    rows = []
    for name in SPLITS:
        part = result[name]
        counts = Counter(span.label for article in part for span in article.spans if article.counts(span))
        rows.append((name, len(part), counts.total(), *(counts[label] for label in labels)))
    return table(("split", "articles", "spans", *labels), rows)


def _leaks(result: SplitResult, group: str | None) -> str:
    """What a plain draw of articles would have leaked, and what this split does."""
    measured, before, after = result.measured, result.plain_leaks, result.leaks
    rows: list[tuple[object, ...]] = []
    if result.duplicates is not None:
        rows.append(("near-duplicate pairs across splits", before.duplicate_pairs, after.duplicate_pairs))
    if group is not None:
        rows.append((f"values of {group} in train and {measured}", len(before.shared_values), len(after.shared_values)))
    rows.append((f"share of {measured} mentions seen in train", before.seen_share, after.seen_share))
    for label in after.mentions:
        shares = [
            leak.seen_mentions.get(label, 0) / leak.mentions[label] if leak.mentions.get(label) else None
            for leak in (before, after)
        ]
        rows.append((f"  {label}", *shares))
    text = table(("shared by the splits", "plain draw", "this split"), rows)
    if result.duplicates is not None:
        text += f"\n{len(result.duplicates.pairs)} near-duplicate pairs in {len(result.duplicates.clusters)} clusters"
    return text
