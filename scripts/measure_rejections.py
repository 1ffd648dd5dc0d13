"""What rejected suggestions teach: whether a tagger becomes more precise from them alone.

    python scripts/measure_rejections.py FOLDER --base RUN --pool pool.jsonl --held-out held_out.jsonl trainer.epochs=2

The tagger of RUN tags the pool, whose gold it has never seen. Suggestions are looked at in random order, and the wrong ones are
rejected until there are enough; the right ones teach nothing. Then `eventtag train base=RUN` continues twice with each seed, on the
training articles of RUN: with the rejected spans added, and without. Both are scored on the held-out articles as two recipes, so that
intervals are over articles and seeds. Finished runs are not repeated.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from eventtag import compare, read_articles, write_articles
from eventtag.api.articles import corpus_beside
from eventtag.article import Article
from eventtag.corpus.seen import read_seen
from eventtag.models.checkpoint import checkpoint_folder, read_info
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger

ARMS = ("without", "rejected")


def main() -> int:
    """Train, compare and print a Markdown table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="settings of `eventtag train` for both arms")
    parser.add_argument("--base", required=True, metavar="RUN")
    parser.add_argument("--pool", required=True, metavar="FILE")
    parser.add_argument("--held-out", required=True, metavar="FILE")
    parser.add_argument("--rejections", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    arguments = parser.parse_intermixed_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    files = {arm: folder / f"{arm}.jsonl" for arm in ARMS}
    if not files["rejected"].exists():
        _write_arms(files, arguments)
    for seed in arguments.seeds:
        for arm, file in files.items():
            run = folder / arm / str(seed)
            if (run / "metrics.json").exists():
                continue
            command = [
                sys.executable, "-m", "eventtag", "train", f"data.path={file}", f"base={arguments.base}", f"run_dir={run}", f"seed={seed}",
                "resume=true", *arguments.settings,
            ]  # fmt: skip
            subprocess.run(command, check=True)
    _print_table(folder, arguments)
    return 0


def _write_arms(files: Mapping[str, Path], arguments: argparse.Namespace) -> None:
    """The pool's articles in which suggestions were rejected; for the other arm, an article that the base has learnt already, because
    articles in which nobody looked at anything cannot be trained on.
    """
    gold = {article.id: article for article in read_articles(arguments.pool)}
    suggested = [
        (item.article.id, span)
        for item in Tagger.load(arguments.base).tag_many(gold.values(), only_annotated=True)
        for span in item.spans
        if _inside(span, item.article)
    ]
    rejected: dict[str, list[Span]] = defaultdict(list)
    found = looked_at = 0
    for number in np.random.default_rng(13).permutation(len(suggested)):
        name, span = suggested[number]
        if found == arguments.rejections:
            break
        looked_at += 1
        if (span.start, span.end, span.label) not in {(s.start, s.end, s.label) for s in gold[name].spans}:
            rejected[name].append(replace(span, score=None))
            found += 1
    opened = [Article(id=name, text=gold[name].text, annotated=(), meta=gold[name].meta) for name in sorted(rejected)]
    print(f"{looked_at} of {len(suggested)} suggestions were looked at; {found} rejected, in {len(opened)} articles")
    checkpoint = checkpoint_folder(arguments.base)
    known = corpus_beside(checkpoint, "--base", seen=read_seen(checkpoint), labels=read_info(checkpoint)[0].labels.labels)
    write_articles([next(iter(known.splits["train"]))], files["without"])
    write_articles([replace(article, rejected=tuple(rejected[article.id])) for article in opened], files["rejected"])


def _inside(span: Span, article: Article) -> bool:
    return any(start <= span.start and span.end <= end for start, end in article.regions)


def _print_table(folder: Path, arguments: argparse.Namespace) -> None:
    recipes = [[str(folder / arm / str(seed)) for seed in arguments.seeds] for arm in ARMS]
    result = compare(gold=arguments.held_out, seeds=recipes)
    assert result.comparison is not None
    [pair] = result.comparison.pairs
    print("\n| strict | without | with rejections | difference (95 %) | p |\n|---|---:|---:|---:|---:|")
    for row in dict.fromkeys(d.row for d in pair.differences if d.row not in ("macro", "weighted")):
        for metric in ("precision", "recall", "f1"):
            d = pair.difference("strict", row, metric)
            ends = "" if d.low is None or d.high is None else f" ({100 * d.low:+.1f} to {100 * d.high:+.1f})"
            p = "" if d.p is None else f"{d.p:.4f}"
            print(f"| {row}, {metric} | {d.first:.4f} | {d.second:.4f} | {100 * d.difference:+.1f}{ends} | {p} |")


if __name__ == "__main__":
    sys.exit(main())
