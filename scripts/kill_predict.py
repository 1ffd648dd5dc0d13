"""Prove that a job survives being killed: kill it again and again, and compare what comes out with an uninterrupted run.

python scripts/kill_predict.py random --kills 200       at random instants: all its processes, one worker, or all but those
python scripts/kill_predict.py operations               before and after every file operation of a job of three shards

The tagger is a stub without a model (stub_tagger.py). While a job runs, a watcher reads every file that stands under a final name, as
soon as it appears, and checks that it is whole. Exit code 1 when anything is not as it should be. The options make it shorter.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from stub_tagger import MakeStub, inline

from eventtag.jobs.assembly import content_digest
from eventtag.jobs.job import fingerprint
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import JobOptions, JobReport, run_job
from eventtag.jobs.store import ShardStore
from eventtag.jobs.workers import Workers

CHANGING = {
    "open", "write", "writelines", "flush", "close", "__exit__", "fsync", "replace", "rename", "unlink", "mkdir", "rmdir", "chmod",
    "ftruncate", "pwrite", "flock", "scandir",
}  # fmt: skip
"""Names of the functions in C through which a job touches files."""


def main() -> int:
    """Run what the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("random")
    command.add_argument("--kills", type=int, default=200)
    command.add_argument("--articles", type=int, default=100_000)
    command.add_argument("--longest", type=float, default=6.0, help="seconds that a process lives at most")
    command.add_argument("--seed", type=int, default=1)
    command = commands.add_parser("operations")
    command.add_argument("--step", type=int, default=1, help="only every n-th operation")
    command.add_argument("--workers", type=int, nargs="*", default=[0, 2], help="0: in the process itself")
    command.add_argument("--whom", nargs="*", default=["main", "worker"], help="which process is killed")
    command = commands.add_parser("job")
    for name in ("input", "output", "workers", "shard_rows", "kill_at", "kill_whom"):
        command.add_argument(name)
    for name in ("random", "operations"):
        commands.choices[name].add_argument("--parts", action="store_true", help="the output is a folder of files")
    for command in commands.choices.values():
        command.add_argument("--folder", type=Path, help="where to work; in memory (/dev/shm) it goes faster")
    options = parser.parse_args()
    if options.command == "job":
        return _job(options)
    with tempfile.TemporaryDirectory(prefix="kill_predict.", dir=options.folder) as folder:
        run: Callable[[Path, argparse.Namespace], list[str]] = globals()[f"prove_{options.command}"]
        problems = run(Path(folder), options)
    for problem in problems:
        print(f"WRONG: {problem}")
    print("all as it should be" if not problems else f"{len(problems)} problems")
    return 1 if problems else 0


def write_articles(path: Path, count: int) -> None:
    """A JSONL file; every 97th row is bad, so that dead letters are at stake too."""
    with path.open("w") as file:
        for number in range(count):
            text = "" if number % 97 == 96 else f"Police met Miners number {number} in Lima , while Nurses warned Quito ."
            file.write(json.dumps({"id": f"a{number}", "text": text, "day": number % 7}) + "\n")


def run_stub(source: Path, output: Path, *, workers: int, shard_rows: int = 128, make: Any = None) -> JobReport:
    """Run the stub job in this process, with so many worker processes (0: none); an output without suffix is a folder of files."""
    make = make or MakeStub()
    engine = Workers(make, workers) if workers else inline(make())
    settings = {"checkpoint": "stub", "input": str(source)}
    options = JobOptions(shard_rows=shard_rows, parts=None if output.suffix else ".jsonl")
    return run_job(read_rows(str(source)), output, engine, settings=settings, options=options)


def right_digests(source: Path, name: str, *, shard_rows: int = 128) -> dict[str, str]:
    """The digests of the output called `name` and of its dead letters, from an uninterrupted run."""
    output = source.parent / "right" / name
    run_stub(source, output, workers=0, shard_rows=shard_rows)
    files = (output, output.with_name(f"{name}.job") / "dead_letter.jsonl")
    return {file.name: content_digest(file) for file in files}


@dataclass
class Watcher:
    """Looks at what stands under final names, and collects what is not whole."""

    output: Path
    right: dict[str, str]
    problems: list[str] = field(default_factory=list)
    looks: int = 0
    _seen: set[Path] = field(default_factory=set)

    def look(self) -> None:
        """Read everything that has appeared since the last look."""
        self.looks += 1
        folder = self.output.with_name(self.output.name + ".job")
        for file in (self.output, folder / "dead_letter.jsonl"):
            if file.exists() and content_digest(file) != self.right[file.name]:
                self.problems.append(f"{file} stands there with a wrong content")
        for file in (folder / "manifest.json", folder / "job.json", folder / "placing.json"):
            try:
                json.loads(file.read_text())
            except FileNotFoundError:
                pass
            except ValueError:
                self.problems.append(f"{file} is not whole")
        store = ShardStore(folder / "shards")
        for index in sorted(store.indexes()) if store.folder.exists() else []:
            path = store.path(index)
            if path not in self._seen:
                self._seen.add(path)
                try:
                    store.read(index)
                except FileNotFoundError:
                    pass  # the job is finished, and its shards are gone
                except Exception as error:
                    if path.exists():
                        self.problems.append(f"{path} is not whole: {error}")

    def watch(self, until: threading.Event) -> None:
        """Look again and again."""
        while not until.wait(0.02):
            self.look()


def prove_random(folder: Path, options: argparse.Namespace) -> list[str]:
    """Kill whole jobs and single workers at random instants."""
    draw = random.Random(options.seed)  # noqa: S311 - no secret
    source = folder / "articles.jsonl"
    write_articles(source, options.articles)
    print(f"{options.articles} articles; an uninterrupted run in one process first")
    name = "out" if options.parts else "out.jsonl"
    right = right_digests(source, name)
    kills: Counter[str] = Counter()
    problems: list[str] = []
    jobs = looks = given_up = 0
    while sum(kills.values()) < options.kills:
        place = folder / f"job{jobs}"
        place.mkdir()
        output = place / name
        watcher = Watcher(output, right)
        stop = threading.Event()
        thread = threading.Thread(target=watcher.watch, args=(stop,))
        thread.start()
        used: list[int] = []
        while True:
            workers = draw.randint(1, 4)
            used.append(workers)
            with (place / "stderr").open("w") as errors:
                process = subprocess.Popen(_command(source, output, workers), start_new_session=True, stderr=errors)
            # Lives become longer, so that a slow machine gets to the end too.
            code = _kill_now_and_then(process, draw, options.longest * 1.1 ** len(used), kills)
            if code == 0:
                break
            said = (place / "stderr").read_text()
            if "have died before they could begin" in said:
                given_up += 1  # so many were killed while they began; the next run goes on
            elif code != -signal.SIGKILL:
                problems.append(f"a run ended with exit code {code}: {said[-500:]}")
                break
        stop.set()
        thread.join()
        watcher.look()
        looks += watcher.looks
        problems += watcher.problems
        for file in (output, place / f"{name}.job" / "dead_letter.jsonl"):
            if not file.exists() or content_digest(file) != right[file.name]:
                problems.append(f"job {jobs}: {file.name} differs from that of an uninterrupted run")
        left = [str(file) for file in place.rglob("*") if "partial" in file.name]
        problems += [f"job {jobs}: {file} was left behind" for file in left]
        jobs += 1
        print(f"job {jobs}: {len(used)} runs with {used} workers; {dict(kills)} kills so far, {looks} looks", flush=True)
    print(f"{jobs} jobs, {sum(kills.values())} kills: {dict(kills)}; {given_up} runs gave up; the watcher looked {looks} times")
    return problems


def _command(
    source: Path, output: Path, workers: int, *, shard_rows: int = 128, kill_at: int = 0, whom: str = "main"
) -> list[str]:
    values = [source, output, workers, shard_rows, kill_at, whom]
    return [sys.executable, str(Path(__file__).resolve()), "job", *map(str, values)]


def _kill_now_and_then(process: subprocess.Popen[bytes], draw: random.Random, longest: float, kills: Counter[str]) -> int:
    """Kill single workers at random instants, then the whole group, or all of it but the workers; returns the exit code."""
    ends = time.monotonic() + draw.uniform(0.05, longest)
    while time.monotonic() < ends:
        try:
            return process.wait(timeout=draw.uniform(0.01, longest / 4))
        except subprocess.TimeoutExpired:
            pass
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        try:
            found = [int(child) for child in children.read_text().split() if _is_worker(int(child))]
        except OSError:
            found = []
        if found and draw.random() < 0.7:
            try:
                os.kill(draw.choice(found), signal.SIGKILL)
                kills["one worker"] += 1
            except ProcessLookupError:
                pass
    if process.poll() is None and draw.random() < 0.7:
        os.killpg(process.pid, signal.SIGKILL)
        kills["all processes"] += 1
    elif process.poll() is None:
        process.kill()  # its workers must notice
        kills["all but the workers"] += 1
    return process.wait()


def _is_worker(pid: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


class KillAt:
    """SIGKILL this process's group, or this process alone, at the n-th instant before or after a file operation; `mark` is a file that
    says so.
    """

    def __init__(self, instant: int, *, group: bool, mark: Path | None = None) -> None:
        self.left = instant
        self.group = group
        self.mark = mark

    def install(self) -> None:
        """From now on count the calls of this thread."""
        sys.setprofile(self._count)

    def _count(self, _: FrameType, event: str, argument: Any) -> None:
        if event in ("c_call", "c_return") and getattr(argument, "__name__", "") in CHANGING:
            self.left -= 1
            if self.left == 0:
                if self.mark is not None:
                    self.mark.touch()
                os.killpg(os.getpgid(0), signal.SIGKILL) if self.group else os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class MakeKilledStub:
    """A stub whose first process dies at an instant; `mark` is a file that says that there has been one."""

    instant: int
    mark: Path

    def __call__(self) -> Any:
        """Install the killer, once for all processes."""
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return MakeStub()()
        KillAt(self.instant, group=False, mark=self.mark.with_name("killed")).install()
        return MakeStub()()


def _job(options: argparse.Namespace) -> int:
    output, instant = Path(options.output), int(options.kill_at)
    make: Any = MakeStub()
    fingerprint({})  # reads the package's modules, once in a process
    if instant and options.kill_whom == "worker":
        make = MakeKilledStub(instant, output.with_name("mark"))
    elif instant:
        KillAt(instant, group=True).install()
    run_stub(Path(options.input), output, workers=int(options.workers), shard_rows=int(options.shard_rows), make=make)
    return 0


def prove_operations(folder: Path, options: argparse.Namespace) -> list[str]:
    """Kill a job of three shards at every file operation, and let another process finish it."""
    source = folder / "articles.jsonl"
    with source.open("w") as file:
        for number in range(12):
            text = "" if number == 7 else f"Police met Miners number {number} in Lima . " * 40
            file.write(json.dumps({"id": f"a{number}", "text": text}) + "\n")
    name = "out" if options.parts else "out.jsonl"
    right = right_digests(source, name, shard_rows=4)
    problems: list[str] = []
    for workers in options.workers:
        for whom in options.whom if workers else ("main",):
            instant, killed = 0, True
            while killed:
                instant += options.step
                output = folder / f"{workers}{whom}{instant}" / name
                output.parent.mkdir()
                watcher = Watcher(output, right)
                killed = _run_killed(source, output, workers, instant, whom)
                watcher.look()
                if whom == "main" and killed:
                    _run_in_fork(source, output, 0)
                problems += watcher.problems
                for file in (output, output.with_name(f"{name}.job") / "dead_letter.jsonl"):
                    if not file.exists() or content_digest(file) != right[file.name]:
                        problems.append(f"{file.name} differs after a kill of {whom} ({workers} workers) at instant {instant}")
                left = [file for file in output.parent.rglob("*") if "partial" in file.name]
                problems += [f"{file.name} was left behind at instant {instant}" for file in left]
            print(
                f"{workers} workers, {whom} killed at each of {instant - options.step} instants (step {options.step})", flush=True
            )
    return problems


def _run_killed(source: Path, output: Path, workers: int, instant: int, whom: str) -> bool:
    """Run until the instant; False when the job has ended before it."""
    if not workers:
        return _run_in_fork(source, output, instant) == -signal.SIGKILL
    command = _command(source, output, workers, shard_rows=4, kill_at=instant, whom=whom)
    code = subprocess.run(command, start_new_session=True, check=False, stderr=subprocess.DEVNULL).returncode
    if whom == "main":
        return code == -signal.SIGKILL
    return code == 0 and output.with_name("killed").exists()


def _run_in_fork(source: Path, output: Path, instant: int) -> int:
    """Run the job in a fork of this process, killed at the instant unless that is 0; returns the exit code."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        code = 1
        try:
            if instant:
                KillAt(instant, group=True).install()
            run_stub(source, output, workers=0, shard_rows=4)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
