"""How tagging grows with workers: a model fitted on one and two of them, and tried on more.

python scripts/benchmark_workers.py                          processes of this machine
python scripts/benchmark_workers.py --engine ray --workers 1 2 4

The tagger is a stub that sleeps for a known time per article. It needs no core while it sleeps, so that more workers can be tried than
there are cores. The model: n workers tag n / (service + overhead) articles a second, until the process that reads and hands out is busy
for all of the time, at 1 / reading articles a second. The overhead is fitted on the runs with one and two workers; reading is the CPU
time of that process. Rates are taken from the second half of the articles, so that starting counts apart.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eventtag.article import Article
from eventtag.jobs.progress import Progress
from eventtag.jobs.ray_engine import RayActors
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import Engine, JobOptions, run_job
from eventtag.jobs.tagged_shard import TagArticles
from eventtag.jobs.workers import Workers
from eventtag.span import Span
from eventtag.tagging.tagged import TaggedArticle

WORDS = 400
SHARD_ROWS = 16


@dataclass(frozen=True)
class MakeSleeper:
    """Makes a tagger that takes `seconds` for each article and finds 20 spans in it."""

    seconds: float

    def __call__(self) -> TagArticles:
        """The sleeping tagger."""

        def tag(articles: Iterable[Article]) -> Iterator[TaggedArticle]:
            for article in articles:
                time.sleep(self.seconds)
                spans = tuple(Span(start, start + 5, "ACTOR", 0.5) for start in range(0, min(400, len(article.text) - 5), 20))
                yield TaggedArticle(article, spans, np.zeros((WORDS, 2), dtype=np.int64), tokens=WORDS)

        return tag


@dataclass(frozen=True)
class Measurement:
    """Articles a second with so many workers, seconds until the first were stored, and CPU seconds per article of the reading process."""

    workers: int
    rate: float
    start: float
    reading: float


def measure(engine: Engine, workers: int, articles: int, folder: Path) -> Measurement:
    """Run one job."""
    source = folder / f"{workers}.jsonl"
    with source.open("w") as file:
        for number in range(articles):
            file.write(json.dumps({"id": str(number), "text": f"Article {number}: " + "news of today " * (WORDS // 3)}) + "\n")
    stored: list[tuple[float, int]] = []

    def note(progress: Progress) -> None:
        if not stored or progress.articles > stored[-1][1]:
            stored.append((time.monotonic(), progress.articles))

    started, busy = time.monotonic(), time.process_time()
    options = JobOptions(shard_rows=SHARD_ROWS)
    run_job(read_rows(str(source)), folder / f"{workers}.out.jsonl", engine, settings={}, options=options, on_progress=note)
    reading = (time.process_time() - busy) / articles
    first = next(point for point in stored if point[1] >= articles / 2)
    last = max(point for point in stored if point[1] <= articles - workers * SHARD_ROWS)
    return Measurement(workers, (last[1] - first[1]) / (last[0] - first[0]), stored[0][0] - started, reading)


def main() -> int:
    """Print the measurements beside the model; returns 1 when the model is off by more than --allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("local", "ray"), default="local")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--service", type=float, default=0.025, help="seconds for an article")
    parser.add_argument("--seconds", type=float, default=12.0, help="how long each run is to take")
    parser.add_argument("--allowed", type=float, default=0.15)
    arguments = parser.parse_args()
    make = MakeSleeper(arguments.service)
    found = []
    with tempfile.TemporaryDirectory(prefix="benchmark_workers.") as folder:
        for workers in arguments.workers:
            engine: Engine = RayActors(make, workers, cpus=0.1) if arguments.engine == "ray" else Workers(make, workers)
            articles = max(int(arguments.seconds / arguments.service * workers), 12 * SHARD_ROWS * workers)
            found.append(measure(engine, workers, articles, Path(folder)))
            print(f"{workers} workers: {found[-1].rate:.1f} articles/s", file=sys.stderr)
    base = [item for item in found if item.workers <= 2]
    overhead = max(0.0, float(np.mean([item.workers / item.rate - arguments.service for item in base])))
    reading = min(item.reading for item in found)
    print(f"engine {arguments.engine}, {os.cpu_count()} cores, service {1e3 * arguments.service:.1f} ms an article")
    print(f"fitted on 1 and 2 workers: overhead {1e3 * overhead:.2f} ms an article; reading {1e3 * reading:.2f} ms an article")
    print(f"so one reading process feeds {(arguments.service + overhead) / reading:.0f} workers\n")
    print(
        "| workers | articles/s measured | by the model | difference | seconds to the first shard |\n|---:|---:|---:|---:|---:|"
    )
    worst = 0.0
    for item in found:
        model = min(item.workers / (arguments.service + overhead), 1 / reading)
        worst = max(worst, abs(item.rate / model - 1))
        print(f"| {item.workers} | {item.rate:.1f} | {model:.1f} | {100 * (item.rate / model - 1):+.1f} % | {item.start:.1f} |")
    return int(worst > arguments.allowed)


if __name__ == "__main__":
    sys.exit(main())
