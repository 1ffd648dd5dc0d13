"""Shared code of the commands that turn files into files: ordinary arguments in, short messages and exit codes out."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from eventtag.api.articles import Reading, Source, listed, read_source, require_names, watch_labels
from eventtag.article import Article
from eventtag.cli.terminal import log_on_terminal, print_message
from eventtag.errors import EventtagError, SettingsError
from eventtag.ledger import LossLedger
from eventtag.staging import named_full_disk

CORPUS = re.compile(r"\+{0,2}data(@[\w.]+|\.[^=]+)?=")
"""The beginning of an argument that chooses a configured corpus or sets one of its keys."""
SETTING = re.compile(r"(input|output|checkpoint|run_dir|format)=")
"""The beginning of a setting of other commands."""


def run_file_command(parser: argparse.ArgumentParser, task: Callable[[argparse.Namespace], int]) -> int:
    """Parse the command line and call `task`, whose result is the exit code.

    `data=NAME data.KEY=VALUE` choose a corpus as for `eventtag train`: `arguments.corpus` has its settings, and the first of them stands
    for the file to read; a command with the option `--data` gets them there. A setting such as `output=FILE`, which no file command
    takes, is an error. An EventtagError prints its message and gives 1, a wrong command line 2, an interrupt 130; a reader that closes
    the pipe (`| head`) is not an error.
    """
    try:
        given = sys.argv[1:]
        reads = _has(parser, "--data") or _has(parser, "--from")
        chosen = [
            at for at, argument in enumerate(given) if reads and CORPUS.match(argument) and not _takes_value(parser, given[:at])
        ]
        stray = next((a for at, a in enumerate(given) if SETTING.match(a) and not _takes_value(parser, given[:at])), None)
        if stray is not None:
            raise SettingsError(f"this command does not take settings such as {stray}\n{parser.format_usage().strip()}")
        moved = chosen if _has(parser, "--data") else chosen[1:]
        arguments = parser.parse_args([argument for at, argument in enumerate(given) if at not in moved])
        arguments.corpus = None
        if _has(parser, "--data"):
            arguments.data += [given[at] for at in chosen]
        elif chosen:
            if arguments.source_format != "auto" or arguments.read_option or arguments.map or arguments.drop:
                raise SettingsError(
                    f"{given[chosen[0]]}: a corpus has its own format, options and labels; in place of --from, --read-option, --map and "
                    "--drop set data.format, data.options and data.label_map"
                )
            from eventtag.cli.hydra_task import compose_data  # slow to import

            arguments.corpus = compose_data([given[at] for at in chosen])
        with named_full_disk("an output"), log_on_terminal():
            return task(arguments)
    except EventtagError as error:
        print_message(f"error: {_by_option(str(error), parser)}")
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _takes_value(parser: argparse.ArgumentParser, before: Sequence[str]) -> bool:
    """Whether the last of these arguments is an option that takes the next one."""
    option = parser._option_string_actions.get(before[-1]) if before else None
    return option is not None and option.nargs != 0


def _has(parser: argparse.ArgumentParser, option: str) -> bool:
    return option in parser._option_string_actions


def _by_option(message: str, parser: argparse.ArgumentParser) -> str:
    """The message, which begins with `key:` or `key=value`; if an option of the command sets the key, the option is named
    instead.
    """
    found = re.match(r"(?P<key>\w+)(?P<sign>[:=])", message)
    if found is None:
        return message
    option = {"label_map": "--map, --drop"}.get(found["key"], f"--{found['key'].replace('_', '-')}")
    sign = " " if found["sign"] == "=" else ":"
    return f"{option}{sign}{message[found.end() :]}" if f"{option.split(',')[0]} " in parser.format_help() else message


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how articles are read."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--from",
        dest="source_format",
        type=nonempty("--from"),
        default="auto",
        metavar="FORMAT",
        help="format of the input (default: recognised)",
    )
    group.add_argument(
        "--read-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the format, such as sentences=list.csv",
    )
    group.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="rename a label (patterns: LOC_*=LOCATION), or a role of links (role:Attacker=AGENT)",
    )
    group.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="OLD",
        help="drop the spans of a label (patterns: TIME_*), or the links of a role (role:Instrument)",
    )


def add_gold(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the arguments that say what the gold articles are and what of them is scored; `scored_on` reads them."""
    gold = parser.add_argument_group("gold articles")
    gold.add_argument("--gold", type=nonempty("--gold"), metavar="FILE", help="the gold articles")
    gold.add_argument(
        "--data",
        action="append",
        type=nonempty("--data"),
        default=[],
        metavar="NAME|data.KEY=VALUE",
        help="in place of --gold: a data configuration, as of `eventtag evaluate data=NAME data.KEY=VALUE`",
    )
    gold.add_argument(
        "--split",
        type=nonempty("--split"),
        default="auto",
        help="articles of --data (default: test if there are any, else validation)",
    )
    gold.add_argument(
        "--gold-from",
        type=nonempty("--gold-from"),
        default="auto",
        metavar="FORMAT",
        help="format of --gold (default: recognised)",
    )
    gold.add_argument("--gold-option", action="append", default=[], metavar="KEY=VALUE", help="an option of --gold's format")
    gold.add_argument(
        "--labels", type=nonempty("--labels"), metavar="A,B,...", help="labels to score (default: those of the gold articles)"
    )
    gold.add_argument(
        "--clusters",
        type=nonempty("--clusters"),
        metavar="FIELD",
        help="metadata field whose values group articles that belong together, such as topic (default: near-duplicates)",
    )
    return gold


def scored_on(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the arguments of `add_gold` and `add_reading` say, as the keyword arguments of functions that score predictions."""
    return {
        "gold": gold_source(arguments),
        "split": arguments.split,
        "labels": listed(arguments.labels) or None,
        "clusters": arguments.clusters,
        "format": arguments.source_format,
        "options": pairs(arguments.read_option, "--read-option"),
        "label_map": label_map(arguments),
        "gold_format": arguments.gold_from,
        "gold_options": pairs(arguments.gold_option, "--gold-option"),
    }


def gold_source(arguments: argparse.Namespace) -> Source:
    """The gold articles of the command line: a file, or the settings of a corpus. Raises SettingsError for both or neither."""
    if bool(arguments.gold) == bool(arguments.data):
        raise SettingsError("give the gold articles, either by --gold FILE or by --data NAME")
    if not arguments.data:
        return str(arguments.gold)
    from eventtag.cli.hydra_task import compose_data  # slow to import

    return compose_data(arguments.data)


def whole_number(option: str, *, least: int) -> Callable[[str], int]:
    """What reads the whole number of an option; raises SettingsError for other text and for less than `least`."""

    def read(value: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", value) or int(value) < least:
            raise SettingsError(f"{option}: {value!r} is not allowed; give a whole number from {least} on")
        return int(value)

    return read


def share(option: str) -> Callable[[str], float]:
    """What reads the share of an option; raises SettingsError for what is not between 0 and 1."""

    def read(value: str) -> float:
        with contextlib.suppress(ValueError):
            if 0 <= (number := float(value)) <= 1:
                return number
        raise SettingsError(f"{option}: {value!r} is not a share; give a number from 0 to 1, such as 0.15")

    return read


def nonempty(option: str) -> Callable[[str], str]:
    """What reads the name (of a file, a field, a policy) of an option; raises SettingsError for an empty one."""

    def read(value: str) -> str:
        if not value.strip():
            raise SettingsError(f"{option}: is empty; give a name, or leave the option out (is a shell variable unset?)")
        return value

    return read


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
    """The label map that `--map` and `--drop` make; labels that they do not name keep theirs. None if neither was given."""
    if not arguments.map and not arguments.drop:
        return None
    mapped: dict[str, str | None] = {key: str(value) for key, value in pairs(arguments.map, "--map").items()}
    return mapped | dict.fromkeys(arguments.drop)


def print_remarks(ledger: LossLedger) -> None:
    """Say on the error output what the readers recognised."""
    for text, files in ledger.remarks.items():
        print_message(f"recognised: {text}" + (f" ({files} times)" if files > 1 else ""))


def write_ledger(ledger: LossLedger, path: str | None) -> None:
    """Write the ledger as JSON Lines; raises OutputError if the file exists."""
    from eventtag.reporting.losses import write_losses

    if path is not None:
        write_losses(ledger, Path(path))


def reading_of(arguments: argparse.Namespace, source: str) -> Reading:
    """A function that reads the articles of `source` as the reading arguments say."""
    return Reading(source, lambda ledger: read_all(arguments, source, ledger))


def allowed_loss(arguments: argparse.Namespace) -> float:
    """The share of spans that may be dropped unasked: what `--max-loss` says, or the corpus."""
    share: float = arguments.max_loss
    return share if arguments.corpus is None else max(share, arguments.corpus.max_loss)


def announce_format(arguments: argparse.Namespace, source: str) -> None:
    """Recognise the format of the file to read if the arguments do not name it, and print it."""
    if arguments.source_format == "auto" and not CORPUS.match(source):
        from eventtag.formats.registry import recognise

        entry, reason = recognise(Path(source))
        arguments.source_format = entry.name
        print_message(f"{source}: {entry.title} ({reason})")


def read_all(
    arguments: argparse.Namespace, source: str, ledger: LossLedger, *, elsewhere: set[str] | None = None
) -> Iterator[Article]:
    """Stream the articles of `source` as the reading arguments say.

    Raises SettingsError after the last article for a label of `--map` or `--drop` that no article has. Where several sources are read
    with the same arguments, `elsewhere` collects the labels, and `require_mapped_labels` looks at them in the end.
    """
    from eventtag.formats.label_map import map_labels

    if arguments.corpus is not None and CORPUS.match(source):
        return read_source(arguments.corpus, ledger)
    options = pairs(arguments.read_option, "--read-option")
    articles = read_source(source, ledger, format=arguments.source_format, options=options)
    if renamed := label_map(arguments):

        def check(found: set[str]) -> None:
            if elsewhere is None:
                require_mapped_labels(arguments, found)
            else:
                elsewhere.update(found)

        articles = map_labels(watch_labels(articles, check), renamed, ledger=ledger, keep_others=True)
    return articles


def require_mapped_labels(arguments: argparse.Namespace, found: set[str]) -> None:
    """Raise SettingsError for a label of `--map` or `--drop` that is not among those found."""
    require_names("--map", pairs(arguments.map, "--map"), found, "label")
    require_names("--drop", arguments.drop, found, "label")
