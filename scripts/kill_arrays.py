"""Prove that an array of tasks survives being killed: start its tasks in any order, kill them at random instants, start them again, and
compare what comes out with what one process writes.

python scripts/kill_arrays.py --tasks 100 --kills 200 --articles 100000
python scripts/kill_arrays.py --no-locks        on a file system without locks
python scripts/kill_arrays.py --operations      the first, and the last, of three tasks killed before and after every file operation

One task in ten is started twice at the same time, as if on two machines.

The tagger is a stub without a model (stub_tagger.py). Meanwhile every file that stands under a final name is read as soon as it appears,
and checked. Exit code 1 when anything is not as it should be.
"""

from __future__ import annotations

import argparse
import errno
import fcntl
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from kill_predict import KillAt, Watcher, right_digests, write_articles
from stub_tagger import MakeStub, inline

from eventtag.api.job import job_status
from eventtag.jobs import lock
from eventtag.jobs.array import ArrayTask, Division
from eventtag.jobs.assembly import content_digest
from eventtag.jobs.job import fingerprint
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import Engine, JobOptions, run_job
from eventtag.jobs.workers import Workers

BUSY = 7
"""Exit code of a task that another process is working on."""


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--articles", type=int, default=100_000)
    parser.add_argument("--at-once", type=int, default=4, help="tasks that run at the same time")
    parser.add_argument("--no-locks", action="store_true", help="every lock fails, as on a file system without them")
    parser.add_argument("--parts", action="store_true", help="the output is a folder of files")
    parser.add_argument("--operations", action="store_true")
    parser.add_argument("--step", type=int, default=1, help="only every n-th operation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to work; in memory (/dev/shm) it goes faster")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill_arrays.", dir=options.folder) as folder:
        problems = (prove_operations if options.operations else prove_random)(Path(folder), options)
    for problem in problems:
        print(f"WRONG: {problem}")
    print("all as it should be" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


def prove_random(folder: Path, options: argparse.Namespace) -> list[str]:
    """Run jobs until there were enough kills; returns what was wrong."""
    source = folder / "articles.jsonl"
    write_articles(source, options.articles)
    name = "out" if options.parts else "out.jsonl"
    began = time.monotonic()
    right = right_digests(source, name)
    seconds = time.monotonic() - began
    print(f"{options.articles} articles; one process took {seconds:.1f} s; sha256 {right[name][:16]}", flush=True)
    fingerprint({})  # reads the package's modules, once for all processes
    draw = random.Random(options.seed)  # noqa: S311 - no secret
    problems: list[str] = []
    kills = jobs = 0
    while kills < options.kills and not problems:
        output = folder / f"job{jobs}" / name
        output.parent.mkdir()
        array = _Array(source, output, options, draw, wanted=options.kills - kills, typical=seconds / 4)
        watcher = Watcher(output, right)
        array.run(watcher)
        problems += watcher.problems + array.problems
        for file in (output, output.with_name(f"{name}.job") / "dead_letter.jsonl"):
            if not file.exists() or content_digest(file) != right[file.name]:
                problems.append(f"job {jobs}: {file.name} is not what one process writes")
        problems += [f"job {jobs}: {file} was left behind" for file in output.parent.rglob("*partial*")]
        if not job_status(output).finished:
            problems.append(f"job {jobs}: eventtag job status does not call it finished")
        kills, jobs = kills + array.kills, jobs + 1
        print(f"job {jobs}: {array.kills} kills, {dict(array.ends)}, {watcher.looks} looks", flush=True)
    print(f"{jobs} jobs of {options.tasks} tasks, {kills} kills")
    return problems


@dataclass
class _Array:
    """Starts tasks, kills them, and starts them again until all have ended well."""

    source: Path
    output: Path
    options: argparse.Namespace
    draw: random.Random
    wanted: int
    typical: float
    """Seconds that a task takes."""
    kills: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    running: dict[int, tuple[int, float, float]] = field(default_factory=dict)
    """By process, the number of its task, when it began, and when it is killed."""

    def run(self, watcher: Watcher) -> None:
        """Until no task is left."""
        waiting = list(range(1, self.options.tasks + 1))
        self.draw.shuffle(waiting)
        each = self.wanted / len(waiting)
        while waiting or self.running:
            while waiting and len(self.running) < self.options.at_once:
                number = waiting.pop()
                copies = 2 if self.draw.random() < 0.1 else 1  # as if a scheduler had started it on two machines
                for _ in range(copies):
                    dies = self.kills < self.wanted and self.draw.random() < 1.5 * each / (1 + each)
                    self._start(number, self.draw.uniform(0, 1.2 * self.typical) if dies else float("inf"))
            time.sleep(0.01)
            watcher.look()
            for process, (number, began, end) in list(self.running.items()):
                if time.monotonic() > end:
                    # Sometimes a worker outlives its task for a moment.
                    os.killpg(process, signal.SIGKILL) if self.draw.random() < 0.7 else os.kill(process, signal.SIGKILL)
                done, status = os.waitpid(process, 0 if time.monotonic() > end else os.WNOHANG)
                if done:
                    del self.running[process]
                    code = os.waitstatus_to_exitcode(status)
                    self._ended(number, code)
                    if code == 0:
                        self.typical += 0.4 * (time.monotonic() - began - self.typical)
                    if code == -signal.SIGKILL:
                        waiting.insert(self.draw.randint(0, len(waiting)), number)

    def _ended(self, number: int, code: int) -> None:
        if code == -signal.SIGKILL:
            self.kills += 1
        elif code not in (0, BUSY) or (code == BUSY and self.options.no_locks):
            self.problems.append(f"task {number} ended with exit code {code}")
        self.ends[{0: "ended", BUSY: "refused, as the task was at work", -signal.SIGKILL: "killed"}.get(code, "failed")] += 1

    def _start(self, number: int, seconds: float) -> None:
        sys.stdout.flush()
        worker = self.draw.random() < 0.1
        if (process := os.fork()) == 0:
            os.setpgid(0, 0)
            self._tag(number, worker=worker)
        self.running[process] = number, time.monotonic(), time.monotonic() + seconds
        with suppress(ProcessLookupError):
            os.setpgid(process, process)

    def _tag(self, number: int, *, worker: bool) -> NoReturn:
        code = 1
        try:
            lock.PATIENCE = 2.0
            if self.options.no_locks:
                fcntl.flock = _no_locks
            run_task(self.source, self.output, number, self.options.tasks, Workers(MakeStub(), 1) if worker else None)
            code = 0
        except lock.BusyError:
            code = BUSY
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)


def run_task(source: Path, output: Path, number: int, tasks: int, engine: Engine | None = None, *, shard_rows: int = 128) -> None:
    """One task of the stub's job, in this process; `engine` None tags in it too."""
    options = JobOptions(
        shard_rows=shard_rows, parts=None if output.suffix else ".jsonl", task=ArrayTask(number, Division(tasks))
    )
    settings = {"checkpoint": "stub", "input": str(source)}
    run_job(read_rows(str(source)), output, engine or inline(MakeStub()()), settings=settings, options=options)


def prove_operations(folder: Path, options: argparse.Namespace) -> list[str]:
    """Kill one of three tasks at every file operation, and let another process finish it: the one that begins the job, and the one
    that puts the output together.
    """
    source = folder / "articles.jsonl"
    write_articles(source, 120)  # with a bad row
    name = "out" if options.parts else "out.jsonl"
    right = right_digests(source, name, shard_rows=20)
    fingerprint({})
    problems: list[str] = []
    for whom, order in (("first", (3, 3, 1, 2)), ("last", (2, 1, 3, 3))):
        instant, killed = 0, True
        while killed:
            instant += options.step
            output = folder / f"{whom}{instant}" / name
            output.parent.mkdir()
            watcher = Watcher(output, right)
            dying = order.index(3)
            codes = [_in_fork(source, output, number, instant if at == dying else 0) for at, number in enumerate(order)]
            watcher.look()
            killed = codes.pop(dying) == -signal.SIGKILL
            problems += watcher.problems
            if any(codes) or not output.exists():
                problems.append(f"{whom} task killed at instant {instant}: exit codes {codes}, output {output.exists()}")
            problems += [f"{file} was left behind at instant {instant}" for file in output.parent.rglob("*partial*")]
        print(f"the {whom} task killed at each of {instant - options.step} instants (step {options.step})", flush=True)
    return problems


def _in_fork(source: Path, output: Path, number: int, instant: int) -> int:
    if (child := os.fork()) == 0:
        os.setpgid(0, 0)
        code = 1
        try:
            if instant:
                KillAt(instant, group=True).install()
            run_task(source, output, number, 3, shard_rows=20)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _no_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


if __name__ == "__main__":
    sys.exit(main())
