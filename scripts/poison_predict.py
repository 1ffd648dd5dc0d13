"""Prove that bad rows stop nothing: a corpus with many kinds of them, and every row of it accounted for.

python scripts/poison_predict.py              31 kinds of bad rows, 100 each, among 20,100 healthy articles, with 2 workers
python scripts/poison_predict.py --each 2 --healthy 200

Every bad row must be in dead_letter.jsonl, by its file and line, and no healthy one; every healthy row must be in the output with the
spans that it has when it is tagged alone, and nothing else. The tagger is a stub (stub_tagger.py). Exit code 1 when it is not so.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from stub_tagger import MakeStub, tag_article

from eventtag.article import Article
from eventtag.formats.jsonl import json_line
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import JobOptions, run_job
from eventtag.jobs.workers import Workers


def row(name: object, text: object) -> bytes:
    """A row of JSONL."""
    return json.dumps({"id": name, "text": text}).encode()


BAD_LINES: dict[str, Callable[[str], bytes]] = {
    "cut off": lambda name: row(name, "Police")[:-3],
    "no JSON": lambda _: b"Police met Miners",
    "two objects": lambda name: row(name, "Police") + row(name, "Miners"),
    "a list": lambda name: json.dumps([name, "Police"]).encode(),
    "a number": lambda _: b"17",
    "null": lambda _: b"null",
    "bad UTF-8": lambda name: b'{"id": "' + name.encode() + b'", "text": "Police \xff\xfe"}',
    "a raw NUL": lambda name: b'{"id": "' + name.encode() + b'", "text": "Police \x00"}',
    "an escaped NUL": lambda name: row(name, "Police \0 Miners"),
    "a lone surrogate": lambda name: row(name, "Police \ud83d Miners"),
    "a lone surrogate in the id": lambda name: row(name + "\udc00", "Police"),
    "no text": lambda name: json.dumps({"id": name, "title": "Police"}).encode(),
    "text is a number": lambda name: row(name, 17),
    "text is null": lambda name: row(name, None),
    "text is a list": lambda name: row(name, ["Police"]),
    "empty text": lambda name: row(name, ""),
    "white space": lambda name: row(name, " \n\t\u00a0"),
    "no id": lambda _: json.dumps({"text": "Police"}).encode(),
    "id is null": lambda _: row(None, "Police"),
    "id is a list": lambda name: row([name], "Police"),
    "an id again": lambda _: row("healthy-0", "Police once more"),
    "deep nesting": lambda name: (
        b'{"id": "' + name.encode() + b'", "text": "Police", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    ),
    "not a number": lambda name: b'{"id": "' + name.encode() + b'", "text": "Police", "x": NaN}',
    "too large a number": lambda name: b'{"id": "' + name.encode() + b'", "text": "Police", "x": 1e999}',
    "10 MB": lambda name: row(name, "Police " * 1_500_000),
    "the model raises": lambda name: row(name, "POISON raise"),
    "a score is not finite": lambda name: row(name, "POISON nan Here"),
    "the process is killed": lambda name: row(name, "POISON kill"),
    "the process ends": lambda name: row(name, "POISON exit"),
}
"""Kinds of bad lines; each is made from an id of its own."""


def main() -> int:
    """Make the corpus, tag it and count; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--healthy", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to work")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="poison_predict.", dir=options.folder) as folder:
        problems = _prove(Path(folder), options)
    for problem in problems:
        print(f"WRONG: {problem}")
    print("all as it should be" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


def _prove(folder: Path, options: argparse.Namespace) -> list[str]:
    corpus = folder / "corpus"
    corpus.mkdir()
    bad, healthy = _write_corpus(corpus, options)
    report = run_job(
        read_rows(str(corpus), require_id=None),
        folder / "out.jsonl",
        Workers(MakeStub(), options.workers),
        settings={},
        options=JobOptions(shard_rows=128),
    )
    problems = []
    found: dict[tuple[str, int | None], str] = {}
    for line in (folder / "out.jsonl.job" / "dead_letter.jsonl").read_text().splitlines():
        letter = json.loads(line)
        place = (Path(letter["file"]).name, letter["line"])
        if place in found:
            problems.append(f"{place} occurs twice among the dead letters")
        found[place] = letter["reason"]
    problems += [f"{kind} at {place} is no dead letter" for place, kind in bad.items() if place not in found]
    problems += [f"{place} is a dead letter: {reason}" for place, reason in found.items() if place not in bad]
    problems += (
        [] if (folder / "out.jsonl").read_text().splitlines() == healthy else ["the output is not that of all healthy rows"]
    )
    if report.bad_rows + report.articles != report.manifest["rows"]:
        problems.append("the counts do not add up")
    kinds = Counter(bad.values())
    print(f"{report.articles} healthy articles, {report.bad_rows} dead letters of {len(kinds)} kinds, {report.seconds:.0f} s")
    for kind in kinds:
        place = next(place for place, other in bad.items() if other == kind)
        print(f"  {kinds[kind]:4} {kind}: {found.get(place, 'NOT FOUND')[:90]}")
    return problems


def _write_corpus(corpus: Path, options: argparse.Namespace) -> tuple[dict[tuple[str, int | None], str], list[str]]:
    """Files of rows in a drawn order, archives that are cut off, and pages without an article.

    Returns the kind of every bad row by file name and line, and the output's lines.
    """
    names = [f"healthy-{number}" for number in range(options.healthy)]
    kinds = ["healthy"] * (options.healthy - 1) + [kind for kind in BAD_LINES for _ in range(options.each)]
    random.Random(1).shuffle(kinds)  # noqa: S311 - no secret
    bad: dict[tuple[str, int | None], str] = {}
    healthy: list[str] = []
    waiting = iter(names)
    with gzip.open(corpus / "a.jsonl.gz", "wb", compresslevel=1) as file:
        for number, kind in enumerate(["healthy", *kinds], start=1):
            if kind == "healthy":
                name = next(waiting)
                text = f"Police met Miners number {name} in Lima , while Nurses warned Quito ."
                file.write(row(name, text) + b"\n")
                healthy.append(_output_line(f"a.jsonl.gz#{name}", text))
            else:
                file.write(BAD_LINES[kind](f"bad-{number}") + b"\n")
                bad["a.jsonl.gz", number] = kind
    whole = gzip.compress(row("cut", "Police") + b"\n" + row("cut-2", "Miners " * 1000) + b"\n")
    for number in range(options.each):
        (corpus / f"b{number}.jsonl.gz").write_bytes(whole[:-30])
        healthy.append(_output_line(f"b{number}.jsonl.gz#cut", "Police"))
        bad[f"b{number}.jsonl.gz", 2] = "a cut archive"
    for number in range(options.each):
        (corpus / f"c{number}.html").write_text("<html><body></body></html>")
        bad[f"c{number}.html", None] = "a page without an article"
    order = sorted(f"b{number}.jsonl.gz" for number in range(options.each))
    cut = sorted(healthy[options.healthy :], key=lambda line: order.index(json.loads(line)["id"].split("#")[0]))
    return bad, healthy[: options.healthy] + cut


def _output_line(name: str, text: str) -> str:
    return json_line(Article(name, text, tag_article(Article(name, text)).spans))


if __name__ == "__main__":
    sys.exit(main())
