"""`eventtag split IN OUT`: divide articles into train, validation and test, and say what leaks."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eventtag.article import Article
from eventtag.cli.file_command import (
    add_reading,
    nonempty,
    print_remarks,
    read_all,
    require_field,
    run_file_command,
    share,
    whole_number,
)
from eventtag.cli.terminal import print_message, print_result
from eventtag.errors import DataError
from eventtag.formats.registry import write_articles
from eventtag.ledger import LossLedger
from eventtag.reporting.table import table
from eventtag.staging import require_absent

if TYPE_CHECKING:
    from eventtag.corpus.near_duplicates import Duplicates
    from eventtag.corpus.splits import Split


def run() -> int:
    """Split as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag split",
        description="Divide articles into train, validation and test. Near-duplicates and groups never cross a split. "
        "The split is written into the metadata of each article: train with data.split_field=split.",
    )
    parser.add_argument("input", metavar="IN", help="file or folder to read")
    parser.add_argument("output", metavar="OUT", help="JSONL file to make; must not exist")
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
    from eventtag.corpus.near_duplicates import find_near_duplicates  # slow to import, and --help needs none of it
    from eventtag.corpus.splits import SPLITS, split_articles

    output = Path(arguments.output)
    require_absent(output)
    ledger = LossLedger()
    articles = list(read_all(arguments, arguments.input, ledger))
    if not articles:
        raise DataError(f"{arguments.input}: holds no article; check the path and --from")
    ledger.require_at_most(
        arguments.max_loss * max(ledger.seen, 1),
        "nothing is written; mend them (`eventtag lint` shows all), or allow it: --max-loss SHARE",
    )
    if arguments.group is not None:
        require_field("--group", arguments.group, articles)
    duplicates = None if arguments.keep_duplicates_apart else find_near_duplicates(articles)
    settings = {"validation_share": arguments.validation, "test_share": arguments.test, "seed": arguments.seed}
    split = split_articles(
        articles,
        **settings,
        stratify=not arguments.no_stratify,
        group_field=arguments.group,
        time_field=arguments.time,
        duplicates=duplicates,
    )
    plain = split_articles(articles, **settings, stratify=False) if len(articles) >= len(SPLITS) else split
    marked = (replace(article, meta={**article.meta, "split": split.split_of[article.id]}) for article in articles)
    write_articles(marked, output, "jsonl", ledger=ledger)
    print_remarks(ledger)
    for line in ledger.summary():
        print_message(line)
    print_result(f"{split.rule}\n")
    print_result(_sizes(articles, split))
    print_result("\n" + _leaks(articles, plain, split, duplicates, arguments.group))
    return 0


def _sizes(articles: Sequence[Article], split: Split) -> str:
    from eventtag.corpus.splits import SPLITS

    labels = sorted({span.label for article in articles for span in article.spans})
    rows = []
    for name in SPLITS:
        part = split.articles(articles, name)
        counts = Counter(span.label for article in part for span in article.spans if article.counts(span))
        rows.append((name, len(part), counts.total(), *(counts[label] for label in labels)))
    return table(("split", "articles", "spans", *labels), rows)


def _leaks(articles: Sequence[Article], plain: Split, split: Split, duplicates: Duplicates | None, group: str | None) -> str:
    """What a plain draw of articles would have leaked, and what this split does."""
    from eventtag.corpus.splits import leakage

    measured = "test" if "test" in split.split_of.values() else "validation"
    before, after = (
        leakage(articles, s.split_of, split=measured, duplicates=duplicates, group_field=group) for s in (plain, split)
    )
    rows: list[tuple[object, ...]] = []
    if duplicates is not None:
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
    text = table(("what leaks", "plain draw", "this split"), rows)
    if duplicates is not None:
        text += f"\n{len(duplicates.pairs)} near-duplicate pairs in {len(duplicates.clusters)} clusters"
    return text
