"""`eventtag fetch NAME`: bring a public corpus to where `data=NAME` finds it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from eventtag.api.fetch import HOMES, fetch
from eventtag.cli.file_command import nonempty, run_file_command
from eventtag.cli.terminal import print_message, print_result


def run() -> int:
    """Fetch as the command line says; 1 where the licence is not accepted."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag fetch",
        description="Bring a public corpus to where data=NAME finds it. Without NAME: which there are, with their licences.",
        epilog="example: eventtag fetch ecbplus --accept-licence",
    )
    parser.add_argument("name", nargs="?", choices=HOMES, metavar="NAME", help=f"which corpus: {', '.join(HOMES)}")
    parser.add_argument("--accept-licence", action="store_true", help="you have read the licence and accept it")
    parser.add_argument(
        "--copy", type=nonempty("--copy"), metavar="PATH", help="take this folder or zip on disk, and download nothing"
    )
    parser.add_argument(
        "--home", type=nonempty("--home"), metavar="ADDRESS", help="another address of the repository; the commit stays the same"
    )
    parser.add_argument(
        "--to", type=nonempty("--to"), metavar="FOLDER", help="folder for corpora (default: $EVENTTAG_CORPORA, else data/corpora)"
    )
    return parser


def _task(arguments: argparse.Namespace) -> int:
    if arguments.name is None:
        for name, home in HOMES.items():
            print_result(f"{name}: {home.title}\n  {home.address}\n  licence: {home.licence}")
        return 0
    home = HOMES[arguments.name]
    print_message(f"{home.title}\n{home.address}\nlicence: {home.licence}")
    if not arguments.accept_licence:
        print_message("\nnothing is fetched; if you accept this licence, add --accept-licence")
        return 1
    from eventtag.cli.hydra_task import CORPORA_VARIABLE, compose_data  # slow to import
    from eventtag.corpus.loading import load_corpus
    from eventtag.corpus.seen import Seen

    folder = Path(arguments.to or os.environ.get(CORPORA_VARIABLE) or "data/corpora")
    copy = None if arguments.copy is None else Path(arguments.copy)
    target = fetch(arguments.name, folder, source=copy, mirror=arguments.home)
    os.environ[CORPORA_VARIABLE] = str(folder)
    corpus = load_corpus(compose_data([arguments.name]), seen=Seen())
    print_result(f"{target}: {len(corpus.articles('all'))} articles; train with data={arguments.name}")
    return 0
