"""Prove that a job on Ray survives being killed: its actors, and the process that runs it, again and again.

python scripts/kill_ray.py --kills 12

The tagger is a stub without a model (stub_tagger.py), on a Ray of this machine with two actors. Every other kill is of an actor, the
others of the whole job. The output and the dead letters must be those of an uninterrupted run without Ray. Exit code 1 when not.
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
import time
from pathlib import Path

from stub_tagger import MakeStub

from eventtag.jobs.assembly import content_digest
from eventtag.jobs.ray_engine import RayActors
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import Engine, JobOptions, run_job
from eventtag.jobs.workers import Workers

SHARD_ROWS = 20
ACTORS = 2


def write_articles(path: Path, count: int) -> None:
    """A JSONL file with bad rows, and with texts on which the stub fails or dies."""
    with path.open("w") as file:
        for number in range(count):
            text = f"Police met Miners number {number} in Lima , while Nurses warned Quito ."
            text = {50: "POISON raise", 90: "POISON kill", 96: ""}.get(number % 997, text)
            file.write(json.dumps({"id": f"a{number}", "text": text}) + "\n")


def run_stub(source: Path, output: Path, engine: Engine) -> None:
    """Run the stub job in this process."""
    run_job(read_rows(str(source)), output, engine, settings={"checkpoint": "stub"}, options=JobOptions(shard_rows=SHARD_ROWS))


def digests(output: Path) -> list[str]:
    """Of the output and of its dead letters."""
    return [content_digest(output), content_digest(output.with_name(output.name + ".job") / "dead_letter.jsonl")]


def actors_of(log: Path) -> list[int]:
    """Processes that have tagged something lately and still live."""
    lines = log.read_text().splitlines()[-200:] if log.exists() else []
    found = []
    for process in dict.fromkeys(int(line.split()[0]) for line in lines if line.endswith(tuple("0123456789"))):
        try:
            os.kill(process, 0)
            found.append(process)
        except ProcessLookupError:
            pass
    return found


def main() -> int:
    """Kill and compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--articles", type=int, default=3000)
    parser.add_argument("--pause", type=float, default=0.01, help="seconds that the stub takes for an article")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--job", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job is not None:
        make = MakeStub(arguments.job / "log", arguments.pause)
        run_stub(arguments.job / "articles.jsonl", arguments.job / "out.jsonl", RayActors(make, ACTORS))
        return 0
    with tempfile.TemporaryDirectory(prefix="kill_ray.") as folder:
        return prove(Path(folder), arguments)


def prove(folder: Path, arguments: argparse.Namespace) -> int:
    """Kill the job `arguments.kills` times, let it end, and compare."""
    draw = random.Random(arguments.seed)  # noqa: S311 - no secret
    write_articles(folder / "articles.jsonl", arguments.articles)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, __file__, "--job", str(folder), "--pause", str(arguments.pause)]
    killed = {"actor": 0, "job": 0}
    process = subprocess.Popen(command, env=environment)
    while process.poll() is None:
        wanted = "actor" if killed["actor"] <= killed["job"] else "job"
        actors = actors_of(folder / "log")
        if sum(killed.values()) >= arguments.kills or not actors:
            time.sleep(0.05)
            continue
        time.sleep(draw.uniform(0, 2))
        if process.poll() is not None:
            break
        if wanted == "actor":
            try:
                os.kill(draw.choice(actors), signal.SIGKILL)
            except ProcessLookupError:  # its article has killed it
                continue
        else:
            process.kill()
            process.wait()
            process = subprocess.Popen(command, env=environment)
        killed[wanted] += 1
        (folder / "log").unlink(missing_ok=True)
        stored = len(list((folder / "out.jsonl.job" / "shards").glob("*.shard")))
        print(f"kill {sum(killed.values())}: {wanted}; {stored} shards are stored", flush=True)
    run_stub(folder / "articles.jsonl", folder / "right.jsonl", Workers(MakeStub(), 1))
    same = process.returncode == 0 and digests(folder / "out.jsonl") == digests(folder / "right.jsonl")
    print(f"{killed['actor']} actors and {killed['job']} jobs killed; exit code {process.returncode}")
    print("output and dead letters are those of an uninterrupted run" if same else "WRONG: the output is another")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
