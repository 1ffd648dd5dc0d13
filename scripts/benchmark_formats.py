"""How long converting and linting 10,000 articles of 400 words takes, and how much memory.

    python scripts/benchmark_formats.py [--articles 10000] [--words 400] [--to conll,doccano]

The articles are made of the sample corpus's sentences with their spans, drawn at random. `eventtag convert` (from JSONL to each format)
and `eventtag lint` run as processes of their own; printed are their processor seconds (user and system, on whatever core) and their
peak resident memory, for all articles and for a tenth of them: memory is flat where both are alike.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from eventtag.article import Article
from eventtag.formats.jsonl import json_line, read_jsonl
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.text.sentences import find_sentences
from eventtag.text.words import find_words

SAMPLE = Path(__file__).resolve().parent.parent / "data" / "sample" / "articles.jsonl"


def main() -> int:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=10_000)
    parser.add_argument("--words", type=int, default=400)
    parser.add_argument("--to", default="conll,doccano")
    arguments = parser.parse_args()
    eventtag = str(Path(sys.executable).with_name("eventtag"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        corpora = {}
        for count in (arguments.articles // 10, arguments.articles):
            corpora[count] = folder / f"{count}.jsonl"
            _build(corpora[count], count, arguments.words)
        print(f"{'command':<28}{'articles':>10}{'CPU s':>8}{'MB':>7}")
        for name in arguments.to.split(","):
            for count, file in corpora.items():
                command = [eventtag, "convert", str(file), str(folder / f"{count}.{name}"), "--from", "jsonl", "--to", name]
                _report(f"convert --to {name}", count, command)
        for count, file in corpora.items():
            _report("lint", count, [eventtag, "lint", str(file), "--from", "jsonl", "--fail-on", "never"])
    return 0


def _build(path: Path, count: int, words: int) -> None:
    """Articles of about `words` words, white space aside; ids and seeds make them the same every time."""
    pieces: list[tuple[str, list[Span], int]] = []
    for article in read_jsonl(SAMPLE, ledger=LossLedger()):
        for start, end in find_sentences(article.text):
            inside = [Span(s.start - start, s.end - start, s.label) for s in article.spans if start <= s.start and s.end <= end]
            pieces.append((article.text[start:end], inside, len(find_words(article.text[start:end]))))
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            rng = random.Random(number)  # noqa: S311 - a draw of sentences
            text, spans, size = "", list[Span](), 0
            while size < words:
                piece, inside, length = rng.choice(pieces)
                at = len(text) + bool(text)
                text += (" " if text else "") + piece
                spans += [Span(at + span.start, at + span.end, span.label) for span in inside]
                size += length
            file.write(json_line(Article(f"a{number}", text, tuple(spans))) + "\n")


def _report(title: str, count: int, command: list[str]) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = f"{usage.ru_utime + usage.ru_stime:.1f}" if status == 0 else "failed"
    print(f"{title:<28}{count:>10,}{seconds:>8}{usage.ru_maxrss // 1024:>7}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
