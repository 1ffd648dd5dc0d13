import hashlib
import json
import os
from pathlib import Path

import pytest
from stub_job import POISON, SETTINGS, StoppedError, expected, hidden_job, stop_after, tag, write_input
from stub_tagger import MakeStub, inline

from eventtag.errors import OutputError
from eventtag.jobs import lock
from eventtag.jobs.assembly import content_digest
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import JobOptions, run_job
from eventtag.jobs.workers import Workers

pytestmark = pytest.mark.usefixtures("warm_workers")


@pytest.mark.parametrize("engine", [None, Workers(MakeStub(), 1), Workers(MakeStub(), 3)], ids=["inline", "one", "three"])
def test_the_output_is_that_of_plain_tagging_in_order(tmp_path, engine):
    source = write_input(tmp_path / "in.jsonl")
    report = tag(source, tmp_path / "out.jsonl", engine)
    assert (tmp_path / "out.jsonl").read_text() == expected(source)
    assert (report.articles, report.tagged, report.bad_rows, report.manifest["spans"]) == (23, 23, 0, 69)
    assert report.tokens == report.manifest["tokens"] == 23 * 7  # of all processes together
    assert sorted(file.name for file in (tmp_path / "out.jsonl.job").iterdir()) == [
        "dead_letter.jsonl", "job.json", "lock", "manifest.json",
    ]  # fmt: skip
    digest = hashlib.sha256((tmp_path / "out.jsonl").read_bytes()).hexdigest()
    assert report.manifest["outputs"]["out.jsonl"] == digest


def test_tokens_of_all_workers_are_told_before_their_shards_are_stored(tmp_path):
    told = []

    def show(progress):
        told.append((progress.articles + progress.in_work, progress.tokens + progress.tokens_in_work, progress.tokens))
        assert told[-1][1] == 7 * told[-1][0]

    source = write_input(tmp_path / "in.jsonl", 12)
    engine = Workers(MakeStub(pause=0.3), 2)  # longer than a worker waits before it tells how far it is
    run_job(
        read_rows(str(source)),
        tmp_path / "out.jsonl",
        engine,
        settings=SETTINGS,
        options=JobOptions(shard_rows=6),
        on_progress=show,
    )
    assert any(tokens > stored for _, tokens, stored in told)
    assert told[-1] == (12, 84, 84)


@pytest.mark.parametrize("engine", [None, Workers(MakeStub(), 2)], ids=["inline", "two"])
def test_an_output_in_parts_has_one_for_each_shard(tmp_path, engine):
    source, output = write_input(tmp_path / "in.jsonl", poison=POISON), tmp_path / "out"
    report = tag(source, output, engine, parts=".jsonl")
    parts = [(output / f"part-00000{number}.jsonl").read_text() for number in range(5)]
    assert sorted(output.iterdir()) == [output / f"part-00000{number}.jsonl" for number in range(5)]
    assert "".join(parts) == expected(source, dead=("a3", "a11"))
    assert [part.count("\n") for part in parts] == [3, 5, 4, 5, 2]
    assert report.manifest["outputs"]["out"] == content_digest(output)
    assert tag(source, output, engine, parts=".jsonl").nothing_to_do
    with pytest.raises(OutputError, match=r'parts: "\.jsonl", now null'):
        tag(source, output, engine)
    write_input(source)
    tag(source, output, engine, parts=".jsonl", retry_dead_letters=True)
    assert "".join(file.read_text() for file in sorted(output.iterdir())) == expected(source)


def test_an_empty_input_gives_an_empty_output(tmp_path):
    (tmp_path / "in.jsonl").write_text("")
    assert tag(tmp_path / "in.jsonl", tmp_path / "out.jsonl", Workers(MakeStub(), 2)).articles == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@pytest.mark.parametrize("stored", range(5))
def test_a_stopped_job_goes_on_without_tagging_anything_twice(tmp_path, stored):
    source, output, log = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl", tmp_path / "log"
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(stored))
    assert not output.exists()
    log.touch()
    report = tag(source, output, inline(MakeStub(log)()))
    assert output.read_text() == expected(source)
    # The engine had stored one more shard than it told of.
    assert [line.split()[1] for line in log.read_text().splitlines()] == [f"a{n}" for n in range(5 * (stored + 1), 23)]
    assert report.tagged == max(0, 23 - 5 * (stored + 1))
    assert (report.tokens, report.manifest["tokens"]) == (7 * report.tagged, 7 * 23)


@pytest.mark.parametrize("same_state", [True, False])
def test_a_finished_job_does_nothing(tmp_path, same_state):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    tag(source, output, input_state="1")
    before = {file: file.stat().st_mtime_ns for file in [output, *output.with_name("out.jsonl.job").iterdir()]}

    def engine(shards, store):
        raise AssertionError

    assert tag(source, output, engine, input_state="1" if same_state else "2").nothing_to_do
    del before[output.with_name("out.jsonl.job") / "lock"]
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_other_settings_on_the_same_output_are_an_error_that_names_them(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(1))
    changed = {"checkpoint": "c2", "thresholds": {"EVENT": 0.5, "ACTOR": 0.1}}
    with pytest.raises(OutputError, match=r'checkpoint: "c1", now "c2"\n  thresholds.ACTOR: null, now 0.1\n'):
        tag(source, output, settings=changed)
    with pytest.raises(OutputError, match="shard_rows: 5, now 128"):
        run_job(read_rows(str(source)), output, stop_after(0), settings=SETTINGS)


def test_what_exists_already_is_not_overwritten(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    output.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        tag(source, output)
    assert not output.with_name("out.jsonl.job").exists()
    output.unlink()
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(1))
    output.write_text("mine")
    with pytest.raises(OutputError, match="is not of this job"):
        tag(source, output)
    assert output.read_text() == "mine"


def test_a_folder_that_no_job_made_is_refused_and_kept(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    folder = hidden_job(output)
    folder.mkdir()
    for name, content in (("notes.txt", "mine"), ("job.json", '{"title": "driver"}'), ("job.json", '{"settings": {}}')):
        (folder / name).write_text(content)
        with pytest.raises(OutputError, match=r"out\.jsonl\.job.* (no folder of a job|was not written by a job)"):
            tag(source, output)
        assert (folder / name).read_text() == content
    assert not output.exists()


def test_what_is_not_of_a_job_stays_in_its_folder(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(1))
    own = [hidden_job(output) / name for name in ("notes.txt", ".mine.partial", "shards/mine.txt")]
    for file in own:
        file.write_text("mine")
    tag(source, output)
    assert [file.read_text() for file in own] == ["mine"] * 3

    def fails(shards, store):
        (hidden_job(tmp_path / "new.jsonl") / "notes.txt").write_text("mine")
        raise StoppedError
        yield

    with pytest.raises(StoppedError):
        tag(source, tmp_path / "new.jsonl", fails)
    assert [file.name for file in hidden_job(tmp_path / "new.jsonl").iterdir()] == ["notes.txt"]


def test_a_finished_job_does_not_vouch_for_another_output(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    tag(source, output, input_state="1")
    output.write_text("mine")
    with pytest.raises(OutputError, match="is not what its finished job wrote"):
        tag(source, output, input_state="1")
    assert output.read_text() == "mine"


def test_a_job_that_was_moved_and_renamed_with_its_folder_tries_its_dead_letters_again(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl", poison=POISON), tmp_path / "out.jsonl"
    tag(source, output)
    place = tmp_path / "elsewhere"
    place.mkdir()
    output, source = output.rename(place / "new.jsonl"), source.rename(place / "in.jsonl")
    hidden_job(tmp_path / "out.jsonl").rename(hidden_job(output))
    assert tag(source, output).nothing_to_do
    write_input(source)
    tag(source, output, retry_dead_letters=True)
    assert output.read_text() == expected(source)


def test_a_link_is_not_replaced(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl", poison=POISON), tmp_path / "out.jsonl"
    for target in ("nowhere.jsonl", "folder"):
        output.symlink_to(tmp_path / target)
        with pytest.raises(OutputError, match=f"is a symbolic link to .*{target}"):
            tag(source, output)
        assert output.is_symlink()
        output.unlink()
        (tmp_path / "folder").mkdir(exist_ok=True)
    tag(source, output)
    output.symlink_to(output.rename(tmp_path / "real.jsonl"))
    assert tag(source, output).nothing_to_do
    write_input(source)
    with pytest.raises(OutputError, match="is a symbolic link"):
        tag(source, output, retry_dead_letters=True)
    assert output.is_symlink()


def test_rows_that_are_appended_to_the_input_of_an_unfinished_job_are_an_error(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(2), input_extent="23 rows")
    with pytest.raises(OutputError, match="the input has changed since this job began: its files have other names or sizes"):
        tag(source, output, input_extent="24 rows")
    tag(source, output, input_extent="23 rows")
    assert output.read_text() == expected(source)


@pytest.mark.parametrize("name", ["job.json", "manifest.json"])
@pytest.mark.parametrize("content", ["[" * 100_000, "{}", "[]", "{", '{"rows": "x"}'])
def test_damaged_files_of_a_job_are_named(tmp_path, name, content):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    tag(source, output)
    (hidden_job(output) / name).write_text(content)
    with pytest.raises(OutputError, match=name):
        tag(source, output)


def test_an_output_below_a_file_and_files_that_cannot_be_read_are_named_as_such(tmp_path, monkeypatch):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with pytest.raises(OutputError, match=r"cannot be written .*choose another output="):
        tag(source, source / "out.jsonl")
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(2))
    for number, message in ((13, "Permission denied"), (5, "Input/output error")):
        for owner, name in ((Path, "read_text"), (Path, "open"), (Path, "mkdir"), (lock.os, "open")):
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, _fails(number))
                with pytest.raises(OutputError, match=f"cannot be (read|written|read or written) .*{message}"):
                    tag(source, output)
    tag(source, output)
    assert output.read_text() == expected(source)


def _fails(number):
    def fails(path, *_, **__):
        raise OSError(number, os.strerror(number), str(path))

    return fails


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("change", ["grown", "shrunk", "edited", "reordered"])
def test_a_changed_input_is_an_error(tmp_path, change, finished):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    if finished:
        tag(source, output)
    else:
        with pytest.raises(StoppedError):
            tag(source, output, stop_after(4 if change in ("grown", "shrunk") else 2))
    lines = source.read_text().splitlines()
    lines = {
        "grown": [*lines, json.dumps({"id": "new", "text": "New"})],
        "shrunk": lines[:-1],
        "edited": [lines[0].replace("Police", "Nurses"), *lines[1:]],
        "reordered": [lines[1], lines[0], *lines[2:]],
    }[change]
    source.write_text("\n".join(lines) + "\n")
    with pytest.raises(OutputError, match="the input has changed since this job began"):
        tag(source, output)


def test_a_damaged_shard_is_named(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(3))
    shard = output.with_name("out.jsonl.job") / "shards" / "000001.shard"
    shard.write_bytes(shard.read_bytes().replace(b"Police", b"Nurses", 1))
    with pytest.raises(OutputError, match=r"000001.shard: is damaged"):
        tag(source, output)
    shard.unlink()
    tag(source, output)
    assert output.read_text() == expected(source)
