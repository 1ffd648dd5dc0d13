"""`eventtag convert IN OUT --from FORMAT --to FORMAT`: turns one annotation format into another."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eventtag.api.articles import listed, require_names
from eventtag.article import Article
from eventtag.cli.file_command import (
    add_reading,
    allowed_loss,
    announce_format,
    nonempty,
    pairs,
    print_remarks,
    read_all,
    run_file_command,
    share,
    write_ledger,
)
from eventtag.cli.terminal import print_message
from eventtag.corpus.loading import in_order
from eventtag.errors import DataError, SettingsError
from eventtag.formats.label_studio_interface import interface_path, render_interface, write_interface
from eventtag.formats.overlaps import resolve_overlaps
from eventtag.formats.registry import FORMATS, format_of_suffix, get_format, write_articles
from eventtag.labels import DEFAULT_LABELS
from eventtag.ledger import LossLedger
from eventtag.settings import DataSettings
from eventtag.settings.data import Overlaps
from eventtag.staging import require_absent


def run() -> int:
    """Convert as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {entry.name.ljust(14)}{entry.title}" for entry in FORMATS.values())
    parser = argparse.ArgumentParser(
        prog="eventtag convert",
        description="Turn annotated articles from one format into another. Every span that is lost is counted and named.",
        epilog=f"formats (docs/reference/formats.md):\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", metavar="IN", help="file or folder to read, or data=NAME")
    parser.add_argument("output", metavar="OUT", help="file or folder to make; must not exist")
    add_reading(parser)
    group = parser.add_argument_group("writing")
    group.add_argument(
        "--to",
        dest="target_format",
        type=nonempty("--to"),
        metavar="FORMAT",
        help="format of the output (default: by its suffix)",
    )
    group.add_argument(
        "--write-option", action="append", default=[], metavar="KEY=VALUE", help="an option of the output's format"
    )
    group.add_argument(
        "--overlaps",
        type=nonempty("--overlaps"),
        metavar="POLICY",
        help="make spans flat: longest, innermost, priority:LABEL,LABEL,... or error",
    )
    group.add_argument(
        "--max-loss",
        type=share("--max-loss"),
        default=0.0,
        metavar="SHARE",
        help="share of spans that may be dropped unasked (default: 0.0)",
    )
    group.add_argument(
        "--ledger", type=nonempty("--ledger"), metavar="FILE", help="write what became of every changed span, as JSON Lines"
    )
    return parser


def _task(arguments: argparse.Namespace) -> int:
    output = Path(arguments.output)
    target = get_format(arguments.target_format or format_of_suffix(output))
    require_absent(output)
    interface = interface_path(output) if target.name == "label_studio" else None
    for other in (arguments.ledger, interface):
        if other:
            require_absent(Path(other))
    ledger = LossLedger()
    announce_format(arguments, arguments.input)
    articles = read_all(arguments, arguments.input, ledger)
    if not arguments.overlaps and target.flat:
        arguments.overlaps = _policy_of(arguments.corpus)
    if arguments.overlaps:
        policy, _, order = arguments.overlaps.partition(":")
        if order and policy != "priority":
            raise SettingsError(
                f"--overlaps: {policy} takes no labels, found {arguments.overlaps!r}; only priority:LABEL,... does"
            )
        articles = resolve_overlaps(
            _with_labels(articles, listed(order)),
            policy,
            priority=listed(order),
            ledger=ledger,
        )
    counts = _Counts(interface=interface is not None)
    try:
        write_articles(
            _guarded(articles, ledger, allowed_loss(arguments), counts),
            output,
            target.name,
            ledger=ledger,
            options=pairs(arguments.write_option, "--write-option"),
        )
    finally:
        print_remarks(ledger)
        for line in ledger.summary():
            print_message(line)
        write_ledger(ledger, arguments.ledger)
    if interface is not None:
        write_interface(interface, counts.xml())
        print_message(f"labelling interface: {interface}")
    print_message(f"{output}: {counts.articles} articles, {counts.spans} spans")
    return 0


def _policy_of(corpus: DataSettings | None) -> str | None:
    """The rule of a corpus for overlapping spans, as a value of `--overlaps`."""
    if corpus is None or corpus.overlaps is Overlaps.error:
        return None
    policy = ":".join(filter(None, (corpus.overlaps.value, ",".join(corpus.overlap_priority))))
    print_message(f"overlapping spans: {policy} stays, as {corpus.name} has it (--overlaps POLICY chooses another)")
    return policy


def _with_labels(articles: Iterable[Article], order: Sequence[str]) -> Iterator[Article]:
    """Passes the articles on and, after the last, refuses an order that names a label which none has."""
    found: set[str] = set()
    for article in articles:
        found.update(span.label for span in article.spans)
        found.update(article.labels or ())
        yield article
    require_names("--overlaps", order, found, "label")


@dataclass
class _Counts:
    articles: int = 0
    spans: int = 0
    labels: set[str] = field(default_factory=set)
    status: bool = False
    interface: bool = False
    """Whether Label Studio's interface is written too."""

    def xml(self) -> str:
        """The interface for the labels so far; raises SettingsError for one that it cannot hold."""
        return render_interface(in_order(self.labels) or DEFAULT_LABELS, status=self.status)


def _guarded(articles: Iterable[Article], ledger: LossLedger, max_loss: float, counts: _Counts) -> Iterator[Article]:
    """Passes the articles on and, when the last is written and before the output gets its name, refuses a loss that is too high and labels
    that the interface cannot hold.
    """
    for article in articles:
        counts.articles += 1
        counts.spans += len(article.spans)
        counts.labels.update(span.label for span in article.spans)
        counts.labels.update(article.labels or ())
        counts.status = counts.status or any(span.status is not None for span in article.spans)
        yield article
    if not counts.articles:
        raise DataError("the input holds no article; check the path and --from")
    ledger.require_at_most(
        max_loss * max(ledger.seen, 1),
        "nothing is written; choose a format that holds them, resolve overlaps (--overlaps), or allow it (--max-loss SHARE)",
    )
    if counts.interface:
        counts.xml()
