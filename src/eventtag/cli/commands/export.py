"""`eventtag export CHECKPOINT`: a faster form of a checkpoint's model, kept only if it is as good; or one for plain transformers."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eventtag.cli.file_command import run_file_command
from eventtag.cli.terminal import print_result
from eventtag.errors import DataError

if TYPE_CHECKING:
    from eventtag.corpus.loading import Corpus
    from eventtag.exporting.gate import Verdict


def run() -> int:
    """Export as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag export",
        description="Write a checkpoint's model in the form that a faster engine runs. It is scored on the validation articles, and "
        "refused if strict F1 falls by more than 0.2 points or it is not faster here.",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="checkpoint directory; what is made is put into it")
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16", "int8"),
        default="bf16",
        help="fp32 and int8 run with ONNX Runtime, bf16 with OpenVINO (default: bf16)",
    )
    parser.add_argument(
        "--plain",
        metavar="OUT",
        help="write a folder instead that transformers' own token classification pipeline loads, and say what that loses",
    )
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME|KEY=VALUE",
        help="the corpus whose validation articles judge, as for `eventtag evaluate` (default: that of the run beside the checkpoint)",
    )
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.api.articles import corpus_beside
    from eventtag.cli.hydra_task import compose_data
    from eventtag.corpus.loading import load_corpus
    from eventtag.corpus.seen import read_seen
    from eventtag.models.checkpoint import checkpoint_folder, read_info

    path = checkpoint_folder(arguments.checkpoint)
    info, _ = read_info(path)
    if arguments.data:
        settings = compose_data(arguments.data)
        labels = settings.labels or list(info.labels.labels)
        corpus = load_corpus(replace(settings, labels=labels), seen=read_seen(path))
    else:
        corpus = corpus_beside(path, "--data", seen=read_seen(path), labels=info.labels.labels)
    if "validation" not in corpus.splits:
        raise DataError(
            f"corpus {corpus.name!r} has no validation articles (found: {', '.join(corpus.splits)}); name another corpus with --data"
        )
    if arguments.plain is not None:
        return _plain(path, Path(arguments.plain), corpus, linked=info.links is not None)
    from eventtag.exporting.export import export_checkpoint  # imports torch

    data = corpus.describe("validation")
    verdict = export_checkpoint(path, arguments.precision, corpus.splits["validation"], corpus.labels, data=data)
    print_result(
        f"{path}: exported as {arguments.precision}\n"
        f"  strict micro F1 on {verdict.articles} validation articles: {verdict.exported_f1:.4f}, before {verdict.f1:.4f} "
        f"({verdict.interval})\n"
        f"  same spans: {verdict.agreement:.2%}\n"
        f"{_of_links(verdict)}"
        f"  tokens a second of CPU time: {verdict.exported_speed:,.0f}, with torch in float32 {verdict.speed:,.0f}"
    )
    return 0


def _of_links(verdict: Verdict) -> str:
    if verdict.link_agreement is None:
        return ""
    scores = ""
    if verdict.link_f1 is not None and verdict.exported_link_f1 is not None:
        scores = f"  strict F1 of links: {verdict.exported_link_f1:.4f}, before {verdict.link_f1:.4f}\n"
    return f"{scores}  same links and status: {verdict.link_agreement:.2%}\n"


def _plain(path: Path, output: Path, corpus: Corpus, *, linked: bool) -> int:
    from eventtag.exporting.plain import export_plain

    seen = corpus.splits.get("train", ())
    loss = export_plain(path, output, corpus.splits["validation"], corpus.labels, seen=seen)
    print_result(
        f"{output}: a token classifier of plain transformers\n"
        f"  strict micro F1 on {loss.articles} validation articles, decoded by eventtag: {loss.plain_f1:.4f}, before {loss.f1:.4f}\n"
        f"  same spans: {loss.agreement:.2%}; a pipeline decodes in its own way and loses more"
        + ("\n  without the link head: a pipeline finds no links and no status" if linked else "")
    )
    return 0
