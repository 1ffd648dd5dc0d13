"""The door of the commands that turn files into files: ordinary arguments in, short messages and exit codes out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eventtag.app.terminal import print_message
from eventtag.articles import Article
from eventtag.errors import EventtagError, SettingsError
from eventtag.ledger import LossLedger
from eventtag.printable import printable
from eventtag.staging import named_full_disk


def run_file_command(parser: argparse.ArgumentParser, task: Callable[[argparse.Namespace], int]) -> int:
    """Parse the command line and call `task`, whose result is the exit code.

    An EventtagError prints its message and gives 1, a wrong command line 2, an interrupt 130; a reader that goes away (`| head`)
    is no error.
    """
    arguments = parser.parse_args(sys.argv[1:])
    try:
        with named_full_disk("an output"):
            return task(arguments)
    except EventtagError as error:
        print_message(f"error: {error}")
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how articles are read."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--from", dest="source_format", default="auto", metavar="FORMAT", help="format of the input (default: recognised)"
    )
    group.add_argument(
        "--read-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the format, such as sentences=list.csv",
    )
    group.add_argument("--map", action="append", default=[], metavar="OLD=NEW", help="rename a label (patterns: LOC_*=LOCATION)")
    group.add_argument("--drop", action="append", default=[], metavar="OLD", help="drop the spans of a label (patterns: TIME_*)")


def pairs(items: Sequence[str], argument: str) -> dict[str, Any]:
    """`KEY=VALUE` arguments as a dictionary; whole numbers, true and false become what they say.

    Raises SettingsError for one without `=`.
    """
    words: Mapping[str, Any] = {"true": True, "false": False, "null": None}
    found: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise SettingsError(f"{argument}: {item!r} is not KEY=VALUE")
        found[key] = int(value) if value.removeprefix("-").isdecimal() else words.get(value, value)
    return found


def require_share(value: float, argument: str) -> None:
    """Raise SettingsError unless the value is a share."""
    if not 0 <= value <= 1:
        raise SettingsError(f"{argument}: {value} is not a share; allowed: 0 to 1")


def label_map(arguments: argparse.Namespace) -> dict[str, str | None] | None:
    """The label map that `--map` and `--drop` make; labels that they do not name keep theirs. None where neither was given."""
    if not arguments.map and not arguments.drop:
        return None
    mapped: dict[str, str | None] = {key: str(value) for key, value in pairs(arguments.map, "--map").items()}
    return mapped | dict.fromkeys(arguments.drop)


def print_remarks(ledger: LossLedger) -> None:
    """Say on the error output what the readers recognised."""
    for text, files in ledger.remarks.items():
        print_message(f"recognised: {text}" + (f" ({files} times)" if files > 1 else ""))


def write_ledger(ledger: LossLedger, path: str | None) -> None:
    """Write the ledger as JSON Lines; raises OutputError when the file exists."""
    from eventtag.reporting.losses import write_losses

    if path is not None:
        write_losses(ledger, Path(path))


def read_all(arguments: argparse.Namespace, source: str, ledger: LossLedger) -> Iterator[Article]:
    """Stream the articles of `source` as the reading arguments say."""
    from eventtag.formats.label_map import map_labels
    from eventtag.formats.registry import read_articles

    options = pairs(arguments.read_option, "--read-option")
    articles = read_articles(Path(source), arguments.source_format, ledger=ledger, options=options)
    if renamed := label_map(arguments):
        articles = map_labels(articles, renamed, ledger=ledger, keep_others=True)
    return articles


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, left: int = 1) -> str:
    """A table in plain text, safe for a terminal: the first `left` columns to the left, the others to the right; None is a dash."""
    cells = [[_cell(value) for value in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        line = [
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(line).rstrip())
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else printable(str(value), one_line=True)
