"""Write the second half of docs/reference/commands.md, the arguments of each file command, from the commands themselves.

python scripts/document_commands.py            write it
python scripts/document_commands.py --check    only say whether it is up to date (exit code 1 if not)
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

from eventtag.cli.file_command import add_reading
from eventtag.cli.main import FILE_COMMANDS

TARGET = Path(__file__).resolve().parent.parent / "docs" / "reference" / "commands.md"
MARK = "<!-- From here on scripts/document_commands.py writes this page. -->\n"
READING = "reading"
"""The group of arguments that most commands share; it has a section of its own."""


def main() -> int:
    """Write or check; returns the exit code."""
    before = TARGET.read_text(encoding="utf-8")
    content = before.partition(MARK)[0] + MARK + render()
    if before == content:
        return 0
    if "--check" in sys.argv[1:]:
        print(f"{TARGET} is not what the commands say; run `python scripts/document_commands.py`", file=sys.stderr)
        return 1
    TARGET.write_text(content, encoding="utf-8")
    return 0


def render() -> str:
    """The sections of all file commands, in the order of their names, and that of the arguments which they share."""
    shared = argparse.ArgumentParser(add_help=False)
    add_reading(shared)
    parts = ["\n## Options that say how articles are read\n", _table(shared, READING)]
    for name in sorted(FILE_COMMANDS):
        module = importlib.import_module(f"eventtag.cli.commands.{name}")
        parts += _sections(module._parser())
    return "\n".join(parts)


def _sections(parser: argparse.ArgumentParser) -> Iterator[str]:
    commands = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if commands:
        for choice in commands[0].choices.values():
            yield from _sections(choice)
        return
    yield f"## {parser.prog}\n"
    yield f"{_plain(parser.description or '')}\n"
    title, _, example = (parser.epilog or "").partition(": ")
    if title in ("example", "examples"):
        yield "```\n" + "\n".join(map(str.strip, example.split(";  "))) + "\n```\n"
    yield _table(parser, None)
    if any(group.title == READING for group in parser._action_groups):
        yield "And the [options that say how articles are read](#options-that-say-how-articles-are-read).\n"


def _table(parser: argparse.ArgumentParser, only: str | None) -> str:
    rows = ["| argument | meaning |", "|---|---|"]
    for group in parser._action_groups:
        if (group.title == READING) is not (only == READING):
            continue
        rows += [f"| {_name(action)} | {_meaning(action)} |" for action in group._group_actions if action.dest != "help"]
    return "\n".join(rows) + "\n"


def _name(action: argparse.Action) -> str:
    value = str(action.metavar or (" | ".join(map(str, action.choices)) if action.choices else action.dest.upper()))
    value = value.replace("|", "\\|")
    if not action.option_strings:
        return f"`{value}`"
    return f"`{action.option_strings[-1]}`" if action.nargs == 0 else f"`{action.option_strings[-1]} {value}`"


def _meaning(action: argparse.Action) -> str:
    facts = [_plain(action.help or "")]
    if action.required and action.option_strings:
        facts.append("must be given")
    if isinstance(action, argparse._AppendAction):
        facts.append("can be given several times")
    return "; ".join(filter(None, facts))


def _plain(text: str) -> str:
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").replace("%%", "%").split())


if __name__ == "__main__":
    sys.exit(main())
