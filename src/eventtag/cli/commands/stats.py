"""`eventtag stats DATA`: statistics of a corpus for each split and label."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from eventtag.api.articles import require_names
from eventtag.article import Article
from eventtag.cli.file_command import add_reading, nonempty, read_all, run_file_command
from eventtag.cli.terminal import print_result
from eventtag.corpus.loading import load_corpus
from eventtag.corpus.statistics import CorpusStatistics, LabelStatistics, corpus_statistics, link_rows
from eventtag.errors import DataError
from eventtag.ledger import LossLedger
from eventtag.printable import printable
from eventtag.reporting.statistics_page import render_statistics
from eventtag.reporting.table import table
from eventtag.staging import require_absent, staged_file, write_json


def run() -> int:
    """Count as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag stats", description="Sizes, labels, surfaces and unseen mentions of a corpus."
    )
    parser.add_argument("data", metavar="DATA", help="file or folder to read, or data=NAME")
    add_reading(parser)
    group = parser.add_argument_group("counting")
    group.add_argument(
        "--split-field", type=nonempty("--split-field"), metavar="FIELD", help="metadata field with the split (default: split)"
    )
    group.add_argument("--json", type=nonempty("--json"), metavar="FILE", help="write the figures as JSON")
    group.add_argument("--html", type=nonempty("--html"), metavar="FILE", help="write one page with tables and plots")
    return parser


def _task(arguments: argparse.Namespace) -> int:
    for output in (arguments.json, arguments.html):
        if output:
            require_absent(Path(output))
    fields: set[str] = set()

    def articles() -> Iterator[Article]:
        for article in _articles(arguments):
            fields.update(article.meta)
            yield article

    found = corpus_statistics(articles(), split_field=arguments.split_field or "split")
    if not found.splits:
        raise DataError(f"{arguments.data}: holds no article; check the path and --from")
    if arguments.split_field is not None:
        require_names("--split-field", [arguments.split_field], fields, "metadata field")
    if arguments.json:
        write_json(Path(arguments.json), found.to_json())
    if arguments.html:
        with staged_file(Path(arguments.html)) as file:
            file.write(render_statistics(found, title=arguments.data))
    _show(found)
    return 0


def _articles(arguments: argparse.Namespace) -> Iterator[Article]:
    """The articles to count; those of a configured corpus with the splits that training would make of them."""
    if arguments.corpus is None or arguments.split_field is not None:
        yield from read_all(arguments, arguments.data, LossLedger())
        return
    for name, articles in load_corpus(arguments.corpus).splits.items():
        yield from (replace(article, meta={**article.meta, "split": name}) for article in articles)


def _show(found: CorpusStatistics) -> None:
    rows = [
        (
            split,
            s.articles,
            s.words,
            s.median_words,
            s.longest_words,
            s.annotated_share,
            s.spans,
            s.overlapping_spans,
            s.articles_without_spans,
        )
        for split, s in found.splits.items()
    ]
    header = ("split", "articles", "words", "median", "longest", "annotated", "spans", "overlapping", "without spans")
    print_result(table(header, rows))
    label_header = ("split", "label", "spans", "articles", "surfaces", "words", "longest", "distinct", "at edges", "unseen")
    label_rows = [
        (split, label, c.spans, c.articles, c.distinct_surfaces, c.mean_length, c.longest, *_shares(c))
        for split, s in found.splits.items()
        for label, c in s.labels.items()
    ]
    print_result("\n" + table(label_header, label_rows, left=2))
    if rows_of_links := link_rows(found.splits):
        print_result("\n" + table(("split", "counted", "name", "count"), rows_of_links, left=3))
    for split, s in found.splits.items():
        print_result()
        for label, c in s.labels.items():
            line = f"{split} {label}: " + ", ".join(f"{surface} ({count})" for surface, count in c.most_frequent)
            print_result(printable(line, one_line=True))


def _shares(counts: LabelStatistics) -> tuple[float | None, float | None, float | None]:
    return counts.span_distinctiveness, counts.boundary_distinctiveness, counts.unseen_share
