"""The door of the commands that turn files into files: ordinary arguments in, short messages and exit codes out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from eventtag.errors import EventtagError, SettingsError
from eventtag.ledger import LossLedger


def run_file_command(parser: argparse.ArgumentParser, task: Callable[[argparse.Namespace], int]) -> int:
    """Parse the command line and call `task`, whose result is the exit code.

    An EventtagError prints its message and gives 1, a wrong command line 2, an interrupt 130; a reader that goes away (`| head`)
    is no error.
    """
    arguments = parser.parse_args(sys.argv[1:])
    try:
        return task(arguments)
    except EventtagError as error:
        print(f"error: {error}", file=sys.stderr)
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


def label_map(arguments: argparse.Namespace) -> dict[str, str | None] | None:
    """The label map that `--map` and `--drop` make; labels that they do not name keep theirs. None where neither was given."""
    if not arguments.map and not arguments.drop:
        return None
    mapped: dict[str, str | None] = {key: str(value) for key, value in pairs(arguments.map, "--map").items()}
    return mapped | dict.fromkeys(arguments.drop)


def write_ledger(ledger: LossLedger, path: str | None) -> None:
    """Write the ledger as JSON Lines; raises OutputError when the file exists."""
    from eventtag.staging import staged_file

    if path is not None:
        with staged_file(Path(path)) as file:
            file.writelines(f"{line}\n" for line in ledger.json_lines())
