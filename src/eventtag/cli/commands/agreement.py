"""`eventtag agreement A B`: how much two annotators agree, and where they differ."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from eventtag.api.articles import listed, require_names
from eventtag.article import Article
from eventtag.cli.file_command import (
    add_reading,
    nonempty,
    read_all,
    require_mapped_labels,
    run_file_command,
    whole_number,
)
from eventtag.cli.terminal import print_result
from eventtag.errors import DataError, SettingsError
from eventtag.ledger import LossLedger
from eventtag.printable import printable
from eventtag.reporting.table import table
from eventtag.staging import require_absent, write_json

if TYPE_CHECKING:
    from eventtag.corpus.agreement import Agreement, LabelAgreement
    from eventtag.corpus.link_agreement import LinkAgreement, LinkCounts


def run() -> int:
    """Compare as the command line says."""
    return run_file_command(_parser(), _task)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventtag agreement",
        description="Agreement of two annotators on the same articles (matched by id): F1 over spans, kappa and alpha over words.",
    )
    parser.add_argument("a", metavar="A", help="file or folder of the one; or of all, told apart by --annotator-field")
    parser.add_argument("b", metavar="B", nargs="?", help="file or folder of the other")
    add_reading(parser)
    parser.add_argument(
        "--annotator-field",
        type=nonempty("--annotator-field"),
        metavar="FIELD",
        help="metadata field with the annotator, where B is not given (default: annotator)",
    )
    parser.add_argument(
        "--labels", type=nonempty("--labels"), metavar="LABEL,...", help="labels to compare (default: all that occur)"
    )
    parser.add_argument(
        "--show", type=whole_number("--show", least=0), default=10, metavar="N", help="disagreements to show (default: 10)"
    )
    parser.add_argument("--json", type=nonempty("--json"), metavar="FILE", help="write figures and all disagreements as JSON")
    return parser


def _task(arguments: argparse.Namespace) -> int:
    from eventtag.corpus.agreement import measure_agreement  # slow to import, and --help needs none of it

    if arguments.json:
        require_absent(Path(arguments.json))
    if arguments.b is not None and arguments.annotator_field is not None:
        raise SettingsError("--annotator-field: tells the annotators of one file apart; leave it out, or leave out B")
    if arguments.b is not None:
        before: set[str] = set()
        sides = {
            side: list(read_all(arguments, path, LossLedger(), elsewhere=before))
            for side, path in (("A", arguments.a), ("B", arguments.b))
        }
        require_mapped_labels(arguments, before)
    else:
        sides = _by_annotator(read_all(arguments, arguments.a, LossLedger()), arguments.annotator_field or "annotator")
    labels = None if arguments.labels is None else listed(arguments.labels)
    if labels is not None:
        articles = [article for side in sides.values() for article in side]
        known = {span.label for article in articles for span in article.spans}
        known.update(label for article in articles for label in article.labels or ())
        require_names("--labels", labels, known, "label")
    found: dict[str, Agreement | None] = {}
    for first, second in itertools.combinations(sides, 2):
        shared = {article.id for article in sides[first]} & {article.id for article in sides[second]}
        # Of several annotators, some pairs may have no article in common; of two, that is an error.
        alone = not shared and len(sides) > 2
        found[f"{first} / {second}"] = None if alone else measure_agreement(sides[first], sides[second], labels=labels)
    if not any(found.values()):
        raise DataError("no two of the annotators have an article in common; articles are matched by id")
    if arguments.json:
        content = {pair: None if agreement is None else _as_json(agreement) for pair, agreement in found.items()}
        write_json(Path(arguments.json), content)
    for pair, agreement in found.items():
        if arguments.b is None:
            print_result(printable(pair, one_line=True) + "\n")
        if agreement is None:
            print_result("no article in common\n")
        else:
            _show(agreement, arguments.show)
    return 0


def _by_annotator(articles: Iterable[Article], field: str) -> dict[str, list[Article]]:
    """The articles of each annotator, under the ids that they share: readers add `@ANNOTATOR` where an id would occur twice."""
    found: dict[str, list[Article]] = {}
    for article in articles:
        who = article.meta.get(field)
        if who is not None:
            shared = article.id.removesuffix(f"@{who}")
            found.setdefault(str(who), []).append(replace(article, id=shared))
    if len(found) < 2:
        raise DataError(
            f"meta field {field!r} names {len(found)} annotators; two are needed. Give a second file, or name the field "
            "(--annotator-field); Label Studio: --read-option annotations=each"
        )
    return dict(sorted(found.items()))


def _show(found: Agreement, shown: int) -> None:
    header = ("label", "A", "B", "same", "overlapping", "strict F1", "partial F1", "kappa", "alpha")
    print_result(table(header, [_row(label, counts) for label, counts in (*found.labels.items(), ("micro", found.micro))]))
    print_result(f"\n{found.articles} articles; only in A: {len(found.only_in_a)}, only in B: {len(found.only_in_b)}")
    print_result(f"{len(found.disagreements)} disagreements" + (", the first:" if found.disagreements else ""))
    for item in found.disagreements[:shown]:
        sides = " / ".join("-" if span is None else f"{span.label} {span.start}-{span.end}" for span in (item.a, item.b))
        print_result("  " + printable(f"{item.article_id}: {item.kind}: {sides}", one_line=True))
        print_result("      " + printable(item.context, one_line=True))
    _show_links(found.links, shown)
    print_result()


def _show_links(found: LinkAgreement, shown: int) -> None:
    """What the two say of links and status; nothing where they did not both mark any."""
    if found.articles:
        rows = [*found.roles.items(), *((name, counts) for name, counts in _totals(found))]
        print_result("\n" + table(("links", "A", "B", "same", "F1"), [(name, c.a, c.b, c.same, c.f1) for name, c in rows]))
        print_result(f"\n{found.articles} articles in which both marked links")
    if found.events:
        same, kappa = ("undefined" if value is None else f"{value:.3f}" for value in (found.same_status, found.kappa))
        print_result(f"status of {found.events} events that both have: the same in {same}, kappa {kappa}")
    if found.disagreements:
        print_result(f"{len(found.disagreements)} disagreements on links and status, the first:")
    for item in found.disagreements[:shown]:
        ends = " to ".join(f"{span.label} {span.start}-{span.end}" for span in (item.event, item.participant) if span is not None)
        print_result(
            "  " + printable(f"{item.article_id}: {item.kind}: {ends}: {item.a or '-'} / {item.b or '-'}", one_line=True)
        )


def _totals(found: LinkAgreement) -> tuple[tuple[str, LinkCounts], ...]:
    return (("all", found.all), ("whatever the role", found.whatever_role), ("between spans of both", found.same_spans))


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

    def link_figures(counts: LinkCounts) -> dict[str, object]:
        return {"a": counts.a, "b": counts.b, "same": counts.same, "f1": counts.f1}

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
        "links": {
            "articles": found.links.articles,
            "roles": {role: link_figures(counts) for role, counts in found.links.roles.items()},
            **{name.replace(" ", "_"): link_figures(counts) for name, counts in _totals(found.links)},
        },
        "status": {
            "events": found.links.events,
            "same": found.links.same_status,
            "kappa": found.links.kappa,
            "pairs": [{"a": a, "b": b, "events": count} for (a, b), count in sorted(found.links.status.items())],
        },
        "link_disagreements": [
            {
                "article_id": d.article_id, "kind": d.kind, "event": span(d.event), "participant": span(d.participant),
                "a": d.a, "b": d.b,
            }
            for d in found.links.disagreements
        ],
    }  # fmt: skip
