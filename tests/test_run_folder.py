"""A run's folder: made by the command or empty, and one process's at a time."""

import json
import os
import signal
import subprocess
import sys

import pytest

from eventtag.errors import OutputError
from eventtag.run_folder import MARKER, RECORDS, claimed_folder
from eventtag.staging import remove_known, remove_partial

HOLD = """
import sys, time
from pathlib import Path
from eventtag.run_folder import claimed_folder
with claimed_folder(Path(sys.argv[1]), "train"):
    (Path(sys.argv[1]) / "ready").touch()
    time.sleep(600)
"""
FORK_AND_HOLD = HOLD.replace(
    "    time.sleep(600)",
    "    import os\n    worker = os.fork()\n    if worker:\n        print(worker, flush=True)\n    time.sleep(600)",
)
"""Only the parent prints: 0, which the worker gets, would name the process group of the test itself."""


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def snapshot(folder) -> dict[str, object]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else names(path) for path in sorted(folder.rglob("*"))
    }


def claim(folder, command="train") -> None:
    with claimed_folder(folder, command):
        pass


@pytest.mark.parametrize("command", RECORDS)
@pytest.mark.parametrize(
    "files",
    [
        {"notes.txt": "mine"},
        {"trainer/checkpoint-4/model.bin": "mine", "metrics.json": "{}"},
        {".draft.abcdefgh.partial": "mine"},
        {".hydra/config.yaml": "mine: 1\n", "train.log": "mine"},
        {
            "run.json": "{}",
            "sweep.json": "[]",
            "curve.json": '{"versions": {}}',
            "pretraining.json": '{"versions": 3}',
            "intermediate/x": "",
        },
    ],
    ids=["a note", "states and metrics", "a partial file", "another Hydra application", "records of something else"],
)
def test_a_folder_that_the_command_did_not_make_is_refused_and_stays_as_it_is(tmp_path, command, files):
    folder = tmp_path / "mine"
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    before = snapshot(folder)
    with (
        pytest.raises(
            OutputError, match=rf"(?s)mine: is not empty \(it holds .*was not made by eventtag {command}.*another run_dir"
        ),
        claimed_folder(folder, command),
    ):
        pytest.fail("the folder was taken")
    assert snapshot(folder) == before


def test_a_folder_is_known_by_its_record_or_by_the_marker_of_a_killed_process(tmp_path):
    folder = tmp_path / "run"
    with claimed_folder(folder, "train"):
        (folder / "train.log").write_text("begun")
    assert (folder / MARKER).exists()  # no record yet
    with claimed_folder(folder, "train"):
        (folder / "run.json").write_text(json.dumps({"versions": {"eventtag": "1"}}))
    assert names(folder) == {"run.json", "train.log"}
    with claimed_folder(folder, "train"), claimed_folder(folder, "train"):
        assert (folder / MARKER).exists()
    with pytest.raises(OutputError, match=r"was not made by eventtag sweep, which knows its folders by their sweep\.json"):
        claim(folder, "sweep")


def test_a_folder_made_for_nothing_is_gone_again(tmp_path):
    with claimed_folder(tmp_path / "run", "train"):
        pass
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", ["a file", "a file/below"])
def test_a_path_that_cannot_be_a_folder_is_named(tmp_path, path):
    (tmp_path / "a file").write_text("mine")
    with pytest.raises(OutputError, match=r"a file"), claimed_folder(tmp_path / path, "train"):
        pass
    assert (tmp_path / "a file").read_text() == "mine"


def hold(folder, program=HOLD) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE, text=True)
    while not (folder / "ready").exists():
        assert process.poll() is None
    return process


def test_a_run_does_not_begin_inside_a_checkpoint_which_its_files_would_make_unsound(tmp_path):
    checkpoint = tmp_path / "mine" / "checkpoint"
    checkpoint.mkdir(parents=True)
    (checkpoint / "eventtag.json").write_text("{}")
    with pytest.raises(OutputError, match=r"lies in the checkpoint .*mine/checkpoint, which cannot be loaded once"):
        claim(checkpoint / "again" / "second")
    assert names(checkpoint) == {"eventtag.json"}
    claim(tmp_path / "mine" / "second")


def test_a_second_process_is_refused_until_the_first_ends_however_it_ends(tmp_path):
    folder = tmp_path / "run"
    process = hold(folder)
    try:
        with pytest.raises(OutputError, match=rf"run: process {process.pid} is working in this folder already; wait until"):
            claim(folder)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with claimed_folder(folder, "train"):
        assert (folder / "ready").exists()


def test_a_worker_that_outlives_a_killed_process_does_not_keep_its_lock(tmp_path):
    folder = tmp_path / "run"
    process = hold(folder, FORK_AND_HOLD)
    worker = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    try:
        os.kill(worker, 0)
        with claimed_folder(folder, "train"):
            pass
    finally:
        os.kill(worker, signal.SIGKILL)


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch, caplog):
    import errno
    import fcntl

    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with claimed_folder(tmp_path / "run", "train"):
        pass
    assert "the file system has no locks (No locks available)" in caplog.text


def test_only_what_has_a_known_name_is_removed(tmp_path):
    folder = tmp_path / "trainer"
    for name in ("checkpoint-4", ".checkpoint-8.a1b2c3d4.partial", "unsound-checkpoint-2"):
        (folder / name).mkdir(parents=True)
    kept = {"notes.txt", ".notes.partial", ".notes.a1b2c3d4.partial", ".checkpoint-8.partial"}
    for name in kept:
        (folder / name).write_text("mine")
    (tmp_path / ".run.json.a1b2c3d4.partial").write_text("half")
    (tmp_path / ".mine.json.a1b2c3d4.partial").write_text("mine")
    assert set(remove_known(folder, ("checkpoint-*", "unsound-checkpoint-*"))) == kept == names(folder)
    remove_partial(tmp_path, ("run.json",))
    assert names(tmp_path) == {".mine.json.a1b2c3d4.partial", "trainer"}


def test_a_link_to_another_folder_is_not_emptied(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "checkpoint-4").write_text("mine")
    (tmp_path / "trainer").symlink_to(tmp_path / "elsewhere")
    remove_known(tmp_path / "trainer", ("checkpoint-*",))
    assert (tmp_path / "elsewhere" / "checkpoint-4").read_text() == "mine"
