"""What taggers do on the probe passages, by kind of difficulty: strict F1, and how many passages are all right.

python scripts/score_probe.py CHECKPOINT...            a Markdown table, one line a kind
python scripts/score_probe.py CHECKPOINT... --show     each passage that is not all right too, with what is missing and what is extra
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eventtag.article import Article
from eventtag.errors import EventtagError
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger

PROBE = Path(__file__).resolve().parent.parent / "data" / "probe.jsonl"
ALL = "all"

Key = tuple[int, int, str]


@dataclass(frozen=True)
class Passage:
    """A passage with the (start, end, label) of its gold spans and of those that a tagger found."""

    article: Article
    gold: frozenset[Key]
    found: frozenset[Key]

    def words(self, keys: Iterable[Key]) -> str:
        """Those spans as they are read."""
        return ", ".join(f"[{self.article.text[start:end]}|{label}]" for start, end, label in sorted(keys)) or "nothing"


def keys(spans: Iterable[Span]) -> frozenset[Key]:
    """What counts in strict scoring: offsets and label."""
    return frozenset((span.start, span.end, span.label) for span in spans)


def cell(passages: Sequence[Passage]) -> str:
    """Strict micro F1 and passages all right; a kind without a gold span has no F1, only spans too many."""
    gold, found = (sum(map(len, sets)) for sets in ([p.gold for p in passages], [p.found for p in passages]))
    right = sum(len(p.gold & p.found) for p in passages)
    f1 = f"{2 * right / (gold + found):.3f}" if gold else f"{found} found"
    return f"{f1} | {sum(p.gold == p.found for p in passages)}"


def main() -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", metavar="CHECKPOINT")
    parser.add_argument("--show", action="store_true", help="list the passages that are not all right")
    arguments = parser.parse_args()
    articles = list(read_articles(PROBE, ledger=LossLedger()))
    try:
        runs = [
            [
                Passage(article, keys(article.spans), keys(tagged.spans))
                for article, tagged in zip(articles, Tagger.load(checkpoint).tag_many([a.text for a in articles]), strict=True)
            ]
            for checkpoint in arguments.checkpoints
        ]
    except EventtagError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("| kind | passages | gold spans |" + " strict F1 | all right |" * len(runs))
    print("|---|---:|---:|" + "---:|---:|" * len(runs))
    for kind in [*dict.fromkeys(str(a.meta["kind"]) for a in articles), ALL]:
        of_kind = [[p for p in run if kind in (p.article.meta["kind"], ALL)] for run in runs]
        spans = sum(len(p.gold) for p in of_kind[0])
        print(f"| {kind} | {len(of_kind[0])} | {spans} | " + " | ".join(map(cell, of_kind)) + " |")
    if arguments.show:
        for checkpoint, run in zip(arguments.checkpoints, runs, strict=True):
            print(f"\n{checkpoint}:")
            for p in run:
                if p.gold != p.found:
                    print(f"{p.article.id} ({p.article.meta['kind']}): {p.article.text!r}")
                    print(f"  missing {p.words(p.gold - p.found)}; extra {p.words(p.found - p.gold)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
