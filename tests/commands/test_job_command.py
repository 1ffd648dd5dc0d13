"""Tagging by a Slurm array, as the page on clusters describes it; sbatch and the tagger are stubs."""

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from stub_tagger import MakeStub, inline
from warm import warm_programs

from eventtag.cli.commands import job as command
from eventtag.jobs.array import ArrayTask, Division
from eventtag.jobs.job import Job
from eventtag.jobs.lock import JobLock
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import JobOptions, run_job

STUB = REPOSITORY / "tests" / "commands" / "stub_predict.py"
SBATCH = r"""
array=$(sed -n 's/^#SBATCH --array=//p' tag.sh)
while [ $# -gt 1 ]; do array=${1#--array=}; shift; done
numbers=$(for part in ${array//,/ }; do seq ${part%-*} ${part#*-}; done)
set -- $numbers
export SLURM_ARRAY_TASK_COUNT=$# SLURM_ARRAY_TASK_MIN=$1 SLURM_ARRAY_TASK_MAX=${!#} SLURM_ARRAY_TASK_STEP=1
for number in $numbers; do
  [ -n "$KILLED" ] && [[ ,$KILLED, = *,$number,* ]] || SLURM_ARRAY_TASK_ID=$number bash tag.sh || exit 1
done
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "bin").mkdir()
    for name, script in (("eventtag", f'exec {warm_programs() / "python"} {STUB} "$@"'), ("sbatch", SBATCH)):
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "news").mkdir()
    for month in range(3):
        with gzip.open(tmp_path / "news" / f"{month}.jsonl.gz", "wt") as file:
            for n in range(200):
                file.write(json.dumps({"id": f"a{n}", "text": f"Police met Miners number {n} in Lima."}) + "\n")
    return tmp_path


def run(folder: Path, command: str, *, code: int = 0, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "HOME": str(folder)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment | variables, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_script_and_the_commands_of_the_page(folder):
    section = (REPOSITORY / "docs" / "how-to" / "cluster.md").read_text().split("\n## ")[1]
    script, commands = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert "#SBATCH --array=1-100\n" in script
    (folder / "tag.sh").write_text(script.replace("1-100", "1-3"))
    submit, status, again = [line.split("#")[0] for line in commands.splitlines()]
    said = run(folder, submit, KILLED="2").stderr
    assert "tagged.parquet: task 3 of 3 tasks (1-3) is done: 128 articles, 128 of them tagged now" in said
    assert "2 shards of other tasks are missing; `eventtag job status tagged.parquet` names these tasks" in said
    found = run(folder, status)
    assert found.stdout == "--array=2\n"
    assert found.stderr == "tagged.parquet: 3 of 5 shards are stored\nmissing: 1 of 3 tasks (1-3)\n"
    said = run(folder, again).stderr
    assert "1 tasks were submitted, of 3 tasks (1-3) into which the job is divided" in said
    assert "tagged.parquet: 1800 spans in 600 articles" in said
    run(folder, "eventtag predict checkpoint=mine/checkpoint input='news/*.jsonl.gz' output=one.parquet workers=1")
    assert (folder / "tagged.parquet").read_bytes() == (folder / "one.parquet").read_bytes()


def write_input(path: Path) -> Path:
    """23 rows, of which one is bad."""
    lines = [json.dumps({"id": f"a{n}", "text": f"Police met Miners number {n} in Lima."}) for n in range(23)]
    path.write_text("\n".join([*lines[:3], "{", *lines[4:]]) + "\n")
    return path


def job(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["eventtag", *arguments])
        return command.run()


def test_an_output_that_no_task_could_put_together_is_put_together_by_a_command(tmp_path, capsys):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.html"
    page = {"labels": ["ACTOR"], "title": "in.jsonl, tagged by eventtag"}
    Job(output).folder.mkdir()
    with JobLock(Job(output).lock, shared=True):  # as a task does that is killed at its end
        report = run_job(
            read_rows(str(source)),
            output,
            inline(MakeStub()()),
            settings={"format": "html", "sentences": False},
            options=JobOptions(shard_rows=5, output=page, task=ArrayTask(1, Division(1))),
        )
    assert report.missing == 0
    assert job("status", str(output)) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        f"{output}: 5 of 5 shards are stored\nput the output together: eventtag job assemble {output}\n",
    )
    assert job("assemble", str(Job(output).folder), "--max-bad-rows", "0") == 1
    assert "1 of 23 rows could not be tagged, which is more than max_bad_rows=0" in capsys.readouterr().err
    assert "<title>in.jsonl, tagged by eventtag</title>" in output.read_text()
    assert output.read_text().count("Miners") == 22
    assert job("assemble", str(output)) == 0
    assert f"{output}: 66 spans in 22 articles; finished before, nothing to do" in capsys.readouterr().err
    assert job("assemble", str(output), "--max-bad-rows", "x") == job("status", str(tmp_path / "nothing.html")) == 1
    said = capsys.readouterr().err
    assert "--max-bad-rows: 'x' is not allowed" in said
    assert "no tagging job has this output or folder" in said
