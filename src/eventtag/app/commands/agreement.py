"""`eventtag agreement A B`: how far two annotators agree, and where they do not."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from eventtag.app.file_command import add_reading, read_all, run_file_command, table
from eventtag.corpus.agreement import Agreement, LabelAgreement, measure_agreement
from eventtag.ledger import LossLedger
from eventtag.staging import require_absent, staged_file


def run() -> int:
    """Compare as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag agreement",
        description="Agreement of two annotators on the same articles (matched by id): F1 over spans, kappa and alpha over words.",
    )
    parser.add_argument("a", metavar="A", help="file or folder of the one")
    parser.add_argument("b", metavar="B", help="file or folder of the other")
    add_reading(parser)
    parser.add_argument("--labels", metavar="LABEL,...", help="labels to compare (default: all that occur)")
    parser.add_argument("--show", type=int, default=10, metavar="N", help="disagreements to show (default: 10)")
    parser.add_argument("--json", metavar="FILE", help="write figures and all disagreements as JSON")
    return parser


def _task(arguments: argparse.Namespace) -> int:
    if arguments.json:
        require_absent(Path(arguments.json))
    labels = arguments.labels.split(",") if arguments.labels else None
    found = measure_agreement(
        read_all(arguments, arguments.a, LossLedger()), read_all(arguments, arguments.b, LossLedger()), labels=labels
    )
    if arguments.json:
        with staged_file(Path(arguments.json)) as file:
            json.dump(_as_json(found), file, ensure_ascii=False, indent=2)
            file.write("\n")
    header = ("label", "A", "B", "same", "overlapping", "strict F1", "partial F1", "kappa", "alpha")
    print(table(header, [_row(label, counts) for label, counts in (*found.labels.items(), ("micro", found.micro))]))
    print(f"\n{found.articles} articles; only in A: {len(found.only_in_a)}, only in B: {len(found.only_in_b)}")
    print(f"{len(found.disagreements)} disagreements" + (", the first:" if found.disagreements else ""))
    for item in found.disagreements[: arguments.show]:
        sides = " / ".join("-" if span is None else f"{span.label} {span.start}-{span.end}" for span in (item.a, item.b))
        print(f"  {item.article_id}: {item.kind}: {sides}\n      {item.context}")
    return 0


def _row(label: str, counts: LabelAgreement) -> tuple[object, ...]:
    figures = (counts.strict_f1, counts.partial_f1, counts.words.kappa, counts.words.alpha)
    return (label, counts.a, counts.b, counts.same, counts.overlapping, *figures)


def _as_json(found: Agreement) -> dict[str, object]:
    def figures(counts: LabelAgreement) -> dict[str, object]:
        return {
            "a": counts.a,
            "b": counts.b,
            "same": counts.same,
            "overlapping": counts.overlapping,
            "strict_f1": counts.strict_f1,
            "partial_f1": counts.partial_f1,
            "words": counts.words.words,
            "kappa": counts.words.kappa,
            "alpha": counts.words.alpha,
        }

    def span(item: object) -> object:
        return None if item is None else {key: getattr(item, key) for key in ("start", "end", "label")}

    return {
        "articles": found.articles,
        "only_in_a": list(found.only_in_a),
        "only_in_b": list(found.only_in_b),
        "labels": {label: figures(counts) for label, counts in found.labels.items()},
        "micro": figures(found.micro),
        "disagreements": [
            {"article_id": d.article_id, "kind": d.kind, "a": span(d.a), "b": span(d.b), "context": d.context}
            for d in found.disagreements
        ],
    }
