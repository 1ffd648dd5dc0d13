"""How well `eventtag lint` finds annotation errors by a model: errors are planted in the sample corpus and looked for.

    python scripts/measure_lint.py --checkpoint DIR [--errors 80]       new articles, judged by a tagger of `data=sample`
    python scripts/measure_lint.py [--articles 150] [--errors 120] [--folds 3] [trainer.epochs=3 ...]      by cross-validation

A third of the errors are mentions removed, a third get another label, a third are words without a label that get one. A checkpoint
judges the 80 articles of the sample that it was not trained on; in cross-validation each article is judged by a model that was trained
on other articles, their planted errors included. Printed are, for the first 10, 25, 50 and 100
findings, how many are at a planted error, and how many of the planted errors are found in all, by kind. The sample corpus has errors of
its own, so that a finding that was not planted may be right as well.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eventtag.article import Article
from eventtag.cli.hydra_task import compose_training
from eventtag.experiments.cross_validation import cross_validate
from eventtag.experiments.likely_errors import find_likely_errors
from eventtag.formats.jsonl import read_jsonl
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger
from eventtag.text.words import find_words

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample" / "articles.jsonl"
KINDS = ("removed", "other label", "added")


def main() -> int:
    """Plant, look, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=150)
    parser.add_argument("--errors", type=int, default=120)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--checkpoint", help="a tagger that was trained on the sample's training articles")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings of `eventtag train`")
    arguments = parser.parse_intermixed_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    rng = random.Random(arguments.seed)  # noqa: S311 - a draw of errors
    articles = list(read_jsonl(SAMPLE, ledger=LossLedger()))
    if arguments.checkpoint:
        articles = [article for article in articles if article.meta["split"] != "train"]
    rng.shuffle(articles)
    articles = articles[: arguments.articles]
    labels = LabelSet()
    spoilt, planted = _plant(articles, labels.labels, arguments.errors, rng)
    if arguments.checkpoint:
        judged = Tagger.load(arguments.checkpoint).judge_words(spoilt)
    else:
        settings = compose_training(["data=sample", *arguments.overrides])
        judged = cross_validate(spoilt, labels, settings, folds=arguments.folds)
    findings = find_likely_errors(judged, labels)
    kind_of = [_kind(planted, finding.article_id or "", finding.start or 0, finding.end or 0) for finding in findings]
    print(
        f"{len(articles)} articles, {sum(len(a.spans) for a in spoilt)} spans, {len(planted)} planted errors; {len(findings)} findings"
    )
    for count in (10, 25, 50, 100):
        hits = sum(kind is not None for kind in kind_of[:count])
        print(f"of the first {min(count, len(kind_of))}: {hits} planted ({hits / max(min(count, len(kind_of)), 1):.2f})")
    found, all_kinds = Counter(filter(None, kind_of)), Counter(kind for *_, kind in planted)
    for kind in KINDS:
        print(f"{kind}: {found[kind]} of {all_kinds[kind]} found anywhere in the list")
    return 0


Place = tuple[str, int, int, str]


def _plant(
    articles: Sequence[Article], labels: Sequence[str], count: int, rng: random.Random
) -> tuple[list[Article], list[Place]]:
    """The articles with `count` errors, and where and what they are; no two errors touch one span."""
    planted: list[Place] = []
    spans = {article.id: set(article.spans) for article in articles}
    by_id = {article.id: article for article in articles}
    while len(planted) < count:
        article, kind = by_id[rng.choice(list(by_id))], KINDS[len(planted) % len(KINDS)]
        taken = [(start, end) for name, start, end, _ in planted if name == article.id]
        if kind == "added":
            start, end = rng.choice(find_words(article.text).tolist())
            if any(s.start < end and start < s.end for s in spans[article.id]) or not article.text[start:end].isalpha():
                continue
            spans[article.id].add(Span(start, end, rng.choice(labels)))
        else:
            span = rng.choice(sorted(spans[article.id]))
            start, end = span.start, span.end
            if (start, end) in taken:
                continue
            spans[article.id].remove(span)
            if kind == "other label":
                spans[article.id].add(replace(span, label=rng.choice([label for label in labels if label != span.label])))
        planted.append((article.id, start, end, kind))
    return [replace(article, spans=tuple(sorted(spans[article.id])), links=None) for article in articles], planted


def _kind(planted: Sequence[Place], name: str, start: int, end: int) -> str | None:
    """The kind of the planted error that a finding overlaps, None where there is none."""
    return next((kind for where, first, last, kind in planted if where == name and first < end and start < last), None)


if __name__ == "__main__":
    sys.exit(main())
