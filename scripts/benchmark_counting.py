"""What counting tagged articles costs: CPU seconds and memory of `eventtag count`, and of reading alone, for files of so many articles.

python scripts/benchmark_counting.py
python scripts/benchmark_counting.py --articles 100000 --formats jsonl parquet csv

An article has 400 words and 6 spans on average, a date, a country and an address. Each line is a process of its own; seconds are those of
the processor, in the user's and the system's name, and memory is the highest that was resident.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

from eventtag.article import Article
from eventtag.jobs.outputs import write_predictions
from eventtag.ledger import LossLedger
from eventtag.span import Span

VOCABULARY = Path(__file__).resolve().parents[1] / "data" / "sample" / "articles.jsonl"
DIFFERENT = 2000
"""Articles that are made; the others are these under other ids."""
BY = "month,country,label"
TASKS = {
    "read, two quantities": """
from eventtag.estimates.quantities import parse_quantity as quantity
from eventtag.estimates.tagged import read_tagged
read_tagged({path!r}, [quantity("EVENT"), quantity("any:EVENT")], by=["month", "country"])
""",
    "cells": "import eventtag; eventtag.count({path!r}, {by!r})",
    "cells and tables": "import eventtag; eventtag.count({path!r}, {by!r}, output={path!r} + '.counts')",
    "cells, of a place, each mention once": (
        "import eventtag; eventtag.count({path!r}, {by!r}, unique=True, thresholds={{'EVENT': 0.3}}, mentioning=['LOCATION~Lima'])"
    ),
}


def articles(count: int, words: int) -> Iterator[Article]:
    """Tagged articles; the same for the same arguments."""
    vocabulary = [word for word in VOCABULARY.read_text(encoding="utf-8").split() if '"' not in word and "\\" not in word]
    draw = Random(1)  # noqa: S311 - no secret
    made = []
    for _ in range(min(DIFFERENT, count)):
        chosen = draw.choices(vocabulary, k=words)
        starts = [0]
        for word in chosen:
            starts.append(starts[-1] + len(word) + 1)
        places = sorted(draw.sample(range(words), draw.choice((0, 2, 5, 6, 8, 15))))
        spans = tuple(
            Span(starts[at], starts[at] + len(chosen[at]), draw.choice(("ACTOR", "EVENT", "LOCATION")), round(draw.random(), 6))
            for at in places
        )
        made.append((" ".join(chosen), spans))
    for number in range(count):
        text, spans = made[number % len(made)]
        meta = {
            "date": f"2014-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}",
            "country": draw.choice(("Sudan", "Peru", "Mali", "Ukraine")),
            "url": f"https://news.example.org/2014/{number}/a-title-of-some-words",
        }
        yield Article(f"news-{number}", text, spans, meta=meta)


def measure(code: str) -> tuple[float, float]:
    """(CPU seconds, MB of memory) of a process that runs the code."""
    report = (
        "import resource, json\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        check=True, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    seconds, memory = json.loads(done.stdout.splitlines()[-1])
    return seconds, memory


def main() -> None:
    """Write the files, measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=400)
    parser.add_argument("--formats", nargs="+", default=["jsonl", "parquet"])
    parser.add_argument("--folder", help="where the files are written (default: a temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        print(f"| {arguments.articles:,} articles | CPU seconds | memory |\n|---|---:|---:|")
        for name in arguments.formats:
            path = Path(folder) / f"tagged.{name}"
            write_predictions(articles(arguments.articles, arguments.words), path, name, ledger=LossLedger())
            for task, code in TASKS.items():
                seconds, memory = measure(code.format(path=str(path), by=BY))
                print(f"| {name} ({path.stat().st_size / 1e9:.1f} GB): {task} | {seconds:.1f} | {memory:.0f} MB |", flush=True)
            path.unlink()


if __name__ == "__main__":
    main()
