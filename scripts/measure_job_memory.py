"""Measure how the memory of a job's processes grows with the number of articles.

python scripts/measure_job_memory.py --articles 1000000 --workers 2

Short articles from a generator go through the stub tagger (stub_tagger.py). The resident memory of the process that hands out shards
and of each worker is read at every tenth; growth counts from the first tenth, when everything is warm.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stub_tagger import MakeStub

from eventtag.article import Article
from eventtag.jobs.progress import Progress
from eventtag.jobs.reading.rows import InputRow, Place, mark_duplicates
from eventtag.jobs.run import JobOptions, run_job
from eventtag.jobs.workers import Workers


def main() -> int:
    """Run the job and print the memory; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--allowed", type=float, default=50, help="growth in MB that is allowed")
    parser.add_argument("--folder", type=Path, help="where to work")
    options = parser.parse_args()
    seen: list[dict[str, float]] = []

    def look(progress: Progress) -> None:
        if progress.rows >= (len(seen) + 1) * options.articles // 10:
            seen.append(_memory())
            shown = ", ".join(f"{name} {size:.1f}" for name, size in seen[-1].items())
            print(f"{progress.rows:>9} articles: {shown} MB", flush=True)

    with tempfile.TemporaryDirectory(prefix="measure_job_memory.", dir=options.folder) as folder:
        rows = mark_duplicates(_rows(options.articles))
        engine = Workers(MakeStub(), options.workers)
        report = run_job(rows, Path(folder) / "out.jsonl", engine, settings={}, options=JobOptions(), on_progress=look)
    seen.append(_memory())
    growth = {name: max(sizes.get(name, 0) for sizes in seen) - size for name, size in seen[0].items()}
    print(f"{report.articles} articles; growth since the first tenth: " + ", ".join(f"{n} {s:.1f} MB" for n, s in growth.items()))
    return 1 if max(growth.values()) > options.allowed else 0


def _rows(count: int) -> Iterator[InputRow]:
    for number in range(count):
        article = Article(f"a{number}", f"Police met Miners number {number} in Lima .", meta={"day": number % 7})
        yield InputRow(Place("generated", number + 1, None), article)


def _memory() -> dict[str, float]:
    """Resident memory in MB of this process and of its workers."""
    own = Path("/proc/self")
    children = (own / "task" / own.resolve().name / "children").read_text().split()
    found = {"main": _resident(own)}
    workers = [child for child in children if b"spawn_main" in (Path("/proc") / child / "cmdline").read_bytes()]
    return found | {f"worker {number}": _resident(Path("/proc") / child) for number, child in enumerate(workers, start=1)}


def _resident(process: Path) -> float:
    line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
