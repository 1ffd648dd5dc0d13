"""The short forms of the proofs in scripts/: jobs that are killed, and corpora with bad rows of all kinds."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import REPOSITORY
from stub_job import StoppedError, expected, stop_after, tag, write_input
from warm import warm_programs

from eventtag.errors import OutputError
from eventtag.jobs import lock as lock_module
from eventtag.jobs.lock import JobLock

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "arguments",
    [
        ("kill_predict.py", "random", "--kills", "4", "--articles", "1500", "--longest", "1.5"),
        ("kill_predict.py", "operations", "--workers", "0", "--step", "13"),
        ("kill_predict.py", "operations", "--workers", "0", "--step", "17", "--parts"),
        ("kill_arrays.py", "--tasks", "4", "--kills", "5", "--articles", "1200"),
        ("kill_arrays.py", "--tasks", "3", "--kills", "5", "--articles", "800", "--no-locks", "--parts"),
        ("kill_arrays.py", "--operations", "--step", "97"),
        ("poison_predict.py", "--each", "1", "--healthy", "50"),
    ],
    ids=["random", "operations", "parts", "arrays", "arrays without locks", "operations of arrays", "poison"],
)
def test_the_short_form_of_a_proof(tmp_path, arguments):
    script, *options = arguments
    # Scripts that send signals to whole sessions need real programs.
    python = warm_programs() / "python" if script == "poison_predict.py" else sys.executable
    done = subprocess.run(
        [python, str(REPOSITORY / "scripts" / script), *options, "--folder", str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all as it should be" in done.stdout


def test_two_processes_do_not_work_on_one_job(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "PATIENCE", 0.1)
    output = tmp_path / "out.jsonl"
    output.with_name("out.jsonl.job").mkdir()
    with JobLock(output.with_name("out.jsonl.job") / "lock"), pytest.raises(OutputError, match="works on this job already"):
        tag(write_input(tmp_path / "in.jsonl"), output)


def test_workers_end_when_their_parent_is_killed(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl", 200), tmp_path / "out.jsonl"
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\nfrom stub_tagger import MakeStub\nfrom stub_job import tag\n"
        "from eventtag.jobs.workers import Workers\n"
        f"tag(Path({str(source)!r}), Path({str(output)!r}), Workers(MakeStub(Path({str(tmp_path / 'log')!r}), 0.05), 2))"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    while not (tmp_path / "log").exists() or len({line.split()[0] for line in (tmp_path / "log").open()}) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    workers = {int(line.split()[0]) for line in (tmp_path / "log").open()}
    process.send_signal(signal.SIGKILL)
    process.wait()
    # The lock is free when all of them have ended.
    tag(source, output)
    assert output.read_text() == expected(source)
    assert not [worker for worker in workers if "spawn_main" in _command(worker)]


def _command(pid: int) -> str:
    file = Path(f"/proc/{pid}/cmdline")
    return file.read_text() if file.exists() else ""


def test_a_killed_job_leaves_nothing_behind_in_its_folder(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(2))
    folder = output.with_name("out.jsonl.job")
    (folder / ".manifest.json.abc.partial").write_text("{")
    (folder / "shards" / ".000003.shard.abc.partial").write_text("{")
    (folder / "assembling.partial").mkdir()
    tag(source, output)
    assert not list(folder.rglob("*partial*"))
