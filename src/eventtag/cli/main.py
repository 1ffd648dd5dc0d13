"""`eventtag COMMAND ...`: finds the command and imports only its module.

train, evaluate, predict, select, serve, pretrain, sweep and learning-curve are Hydra applications (`key=value`); the others, which
turn files into files, take ordinary arguments.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from difflib import get_close_matches
from importlib.metadata import version
from types import ModuleType
from typing import NoReturn

from eventtag.printable import printable

HYDRA_COMMANDS = {
    "train": "fine-tune a tagger on annotated articles",
    "evaluate": "score a checkpoint on annotated articles",
    "predict": "tag new articles",
    "select": "choose what to annotate next",
    "pretrain": "teach an encoder the language of articles that nobody annotated",
    "sweep": "try settings of train and compare them",
    "serve": "tag, correct and train over HTTP, also for annotation tools",
    "learning-curve": "say what more annotated articles would bring",
}
FILE_COMMANDS = {
    "convert": "turn one annotation format into another",
    "lint": "look for mistakes in annotated articles",
    "estimate": "estimate figures that are corrected for a tagger's errors",
    "sample": "draw articles to annotate, with known probabilities",
    "split": "divide articles into train, validation and test",
    "stats": "describe annotated articles",
    "align": "place mentions that a language model quoted",
    "agreement": "compare two annotations of the same articles",
    "score": "score predictions of any program on annotated articles",
    "count": "count what a tagger found, by month, country or label",
    "records": "make a table of events: who did what to whom, where, when",
    "plan": "say how many articles to annotate, from a pilot",
    "compare": "say whether one tagger is better than another",
    "fetch": "bring a public corpus or an encoder to this computer",
    "export": "make a checkpoint faster, if it stays as good",
    "job": "say what is missing of a tagging job of many tasks, and put its output together",
}
COMMANDS = HYDRA_COMMANDS | FILE_COMMANDS


def usage() -> str:
    """The help text."""
    width = max(map(len, COMMANDS)) + 2
    commands = "\n".join(f"  {name.ljust(width)}{text}" for name, text in COMMANDS.items())
    return f"""usage: eventtag COMMAND ...

Learns to tag who (ACTOR), what (EVENT) and where (LOCATION) in news articles.

{commands}

  eventtag train data.path=articles.jsonl                   train on your articles
  eventtag evaluate checkpoint=DIR data.path=gold.jsonl     score a checkpoint
  eventtag predict checkpoint=DIR input=article.txt         tag an article
  eventtag COMMAND --help                                   what a command takes
  eventtag help docs/how-to/speed.md                        a page of the documentation; docs/index.md lists them

tab completion: eval "$(eventtag -sc install=bash)"   (also zsh, fish)
"""


def main() -> int:
    """Run the command named first on the command line; returns the exit code."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(usage(), end="")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"eventtag {version('eventtag')}")
        return 0
    if arguments[0] in ("-sc", "--shell-completion"):
        return _complete(arguments)
    if arguments[0] == "help":  # `eventtag help COMMAND`, `eventtag help PAGE`
        if not arguments[1:]:
            print(usage(), end="")
            return 0
        if arguments[1] not in COMMANDS:
            return _show_page(arguments[1])
        arguments = [arguments[1], "--help"]
        sys.argv[1:] = arguments
    name = arguments[0]
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, n=1)
        meant = f"did you mean {near[0]}?" if near else f"commands: {', '.join(COMMANDS)}"
        print(f"eventtag: no command {name!r}; {meant}", file=sys.stderr)
        return 2
    del sys.argv[1]
    argparse.ArgumentParser.error = _error  # type: ignore[method-assign, assignment]
    # OpenMP's threads spin while they wait for each other. Where another program takes a core, the default of 300,000 turns makes
    # training and tagging about three times slower than this (docs/evidence/training-cost.md).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # Large tensors come and go in every step, and the kernel hands them out faster in large pages (docs/evidence/training-cost.md).
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # those of transformers too: a log is no place for them
    try:
        code: int = _module(name).run()
    except KeyboardInterrupt:
        print("interrupted; nothing half-written stands under a final name", file=sys.stderr)
        return 130
    return code


def _error(parser: argparse.ArgumentParser, message: str) -> NoReturn:
    """As argparse's own, also of Hydra's parser and of subcommands, but safe for a terminal: the arguments may be names of files."""
    parser.print_usage(sys.stderr)
    parser.exit(2, f"{parser.prog}: error: {printable(message)}\n")


def _show_page(name: str) -> int:
    from eventtag.cli.help_pages import show_page
    from eventtag.errors import SettingsError

    try:
        show_page(name)
    except SettingsError as error:
        print(f"eventtag: {error}", file=sys.stderr)
        return 2
    return 0


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"eventtag.cli.commands.{name.replace('-', '_')}")


def _complete(arguments: list[str]) -> int:
    """Answer the shell: names of commands, or Hydra's own completion for the command on the line."""
    line = os.environ.get("COMP_LINE", "")
    if arguments[1:] and arguments[1].startswith("query"):
        program, _, rest = line.partition(" ")
        word, space, tail = rest.lstrip().partition(" ")
        if not space:
            print(" ".join(COMMANDS))
            return 0
        if word not in HYDRA_COMMANDS:
            return 0
        os.environ["COMP_LINE"] = f"{program} {tail}"
    else:
        word = "train"  # the script that the shell loads is the same for every command
    code: int = _module(word).run()
    return code


if __name__ == "__main__":
    sys.exit(main())
