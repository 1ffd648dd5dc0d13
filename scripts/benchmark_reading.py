"""What reading new articles and writing predictions costs: CPU seconds for so many articles, and how far the process grows meanwhile.

python scripts/benchmark_reading.py
python scripts/benchmark_reading.py --articles 1000000 --words 30      many short ones

Growth is that of resident memory from the first hundredth of the articles to its highest. Each line is measured in a process of its own.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from eventtag.article import Article
from eventtag.jobs.outputs import write_predictions
from eventtag.jobs.reading.inputs import read_rows
from eventtag.ledger import LossLedger
from eventtag.span import Span

VOCABULARY = Path(__file__).resolve().parents[1] / "data" / "sample" / "articles.jsonl"
INPUTS = ("a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.csv", "a.parquet")
OUTPUTS = ("jsonl", "parquet", "csv", "label_studio", "prodigy", "doccano", "conll", "html")
SPANS = 10


def write_inputs(folder: Path, count: int, words: int) -> None:
    """The same articles in every format."""
    vocabulary = [word for word in VOCABULARY.read_text(encoding="utf-8").split() if '"' not in word and "\\" not in word]
    draw = Random(1)  # noqa: S311 - no secret
    with (folder / "a.jsonl").open("w") as lines, (folder / "a.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(["id", "text", "day"])
        for number in range(count):
            record = {"id": f"a{number}", "text": " ".join(draw.choices(vocabulary, k=words)), "day": number % 30}
            lines.write(json.dumps(record, ensure_ascii=False) + "\n")
            rows.writerow(record.values())
    with (folder / "a.jsonl").open("rb") as plain, gzip.open(folder / "a.jsonl.gz", "wb", compresslevel=1) as packed:
        packed.writelines(plain)
    with (folder / "a.jsonl").open("rb") as plain, (folder / "a.jsonl.zst").open("wb") as packed:
        zstandard.ZstdCompressor().copy_stream(plain, packed)
    schema = pa.schema([("id", pa.string()), ("text", pa.string()), ("day", pa.int64())])
    with (folder / "a.jsonl").open() as plain, pq.ParquetWriter(folder / "a.parquet", schema) as writer:
        while batch := [json.loads(line) for _, line in zip(range(5000), plain, strict=False)]:
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))


def resident_memory() -> float:
    """MB of this process that are in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure(what: str, folder: Path, count: int, words: int) -> None:
    """Read one input, or write one output, and print the cost."""
    seen, warm, highest = 0, 0.0, 0.0

    def pass_on(articles: Iterator[Article]) -> Iterator[Article]:
        nonlocal seen, warm, highest
        for article in articles:
            seen += 1
            if seen % (count // 100) == 0:
                highest = max(highest, resident_memory())
                warm = warm or highest
            yield article

    started = time.process_time()
    if what in INPUTS:
        for _ in pass_on(row.article for row in read_rows(str(folder / what)) if row.article is not None):
            pass
    else:
        text = " ".join(["Police in Lima arrested four miners."] * (words // 6))
        spans = tuple(Span(start, start + 6, "ACTOR", 0.5) for start in range(0, 37 * min(SPANS, words // 6), 37))
        articles = (Article(f"a{number}", text, spans) for number in range(count))
        write_predictions(pass_on(articles), folder / f"out.{what}", what, ledger=LossLedger(), labels=("ACTOR",))
        (folder / f"out.{what}").unlink()
    growth = max(highest, resident_memory()) - warm
    verb = "read" if what in INPUTS else "write"
    print(f"| {verb} {what.removeprefix('a')} | {seen:,} | {time.process_time() - started:.1f} | {growth:.0f} |", flush=True)


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=400)
    parser.add_argument("--only", nargs="*", default=[*INPUTS, *OUTPUTS])
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        measure(arguments.one[0], Path(arguments.one[1]), arguments.articles, arguments.words)
        return 0
    with tempfile.TemporaryDirectory(prefix="benchmark_reading.") as folder:
        if set(arguments.only) & set(INPUTS):
            write_inputs(Path(folder), arguments.articles, arguments.words)
        print("| | articles | CPU seconds | growth, MB |\n|---|---:|---:|---:|", flush=True)
        for what in arguments.only:
            command = [sys.executable, __file__, "--articles", str(arguments.articles), "--words", str(arguments.words)]
            subprocess.run([*command, "--one", what, folder], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
