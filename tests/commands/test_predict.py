"""`eventtag predict` on a corpus, in a process of its own; the tagger is a stub."""

import csv
import json
import os
import re
import resource
import signal
import subprocess
import sys
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import pytest
from warm import WarmPopen, warm_programs

from eventtag.api.predict import require_few_bad_rows
from eventtag.errors import DataError

pytestmark = pytest.mark.slow

STUB = str(Path(__file__).with_name("stub_predict.py"))
LINES = [json.dumps({"id": f"a{n}", "text": f"Police met Miners number {n}. Then Nurses left Quito."}) for n in range(40)]


def command(*arguments: str) -> list[str]:
    return [str(warm_programs() / "python"), STUB, "predict", "checkpoint=c", *arguments]


def run(*arguments: str, cwd: Path, code: int = 0, stdin: str | None = None, **more) -> subprocess.CompletedProcess[str]:
    given = command(*arguments)
    if "preexec_fn" in more:  # what it does to a process does not reach the program of a warm one
        given[0] = sys.executable
    done = subprocess.run(given, cwd=cwd, input=stdin, capture_output=True, text=True, check=False, timeout=120, **more)
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "in.jsonl").write_text("\n".join(LINES) + "\n")
    return tmp_path


def test_a_job_is_finished_once_and_then_left_alone(folder):
    job = ("input=in.jsonl", "output=out.jsonl", "shard_rows=8", "workers=2")
    assert "out.jsonl: 200 spans in 40 articles, 40 of them tagged now" in run(*job, cwd=folder).stderr
    assert ids(folder / "out.jsonl") == [f"a{n}" for n in range(40)]
    assert "finished before, nothing to do" in run(*job, "max_bad_rows=3", "workers=1", cwd=folder).stderr
    refused = run(*job, "min_score=0.7", "checkpoint=d", cwd=folder, code=1).stderr
    assert 'checkpoint: "sha256 of c", now "sha256 of d"' in refused
    assert "min_score: 0.0, now 0.7" in refused


def test_bad_rows_are_counted_against_what_is_allowed_and_tried_again_once_they_are_mended(folder):
    bad = ["{", *LINES[1:20], '{"id": "a20", "text": "POISON raise"}', *LINES[21:]]
    (folder / "in.jsonl").write_text("\n".join(bad) + "\n")
    job = ("input=in.jsonl", "output=out.jsonl", "shard_rows=8", "workers=1")
    refused = run(*job, "max_bad_rows=1", cwd=folder, code=1).stderr
    assert "2 of 40 rows could not be tagged, which is more than max_bad_rows=1" in refused
    assert ids(folder / "out.jsonl") == [f"a{n}" for n in range(40) if n not in (0, 20)]
    (folder / "in.jsonl").write_text("\n".join(LINES) + "\n")
    assert "2 of them tagged now" in run(*job, "retry_dead_letter=true", cwd=folder).stderr
    assert ids(folder / "out.jsonl") == [f"a{n}" for n in range(40)]
    assert (folder / "out.jsonl.job" / "dead_letter.jsonl").read_text() == ""


@pytest.mark.parametrize(
    ("bad", "rows", "allowed", "fine"),
    [
        (0, 0, 0, True),
        (1, 40, 0, False),
        (3, 3, 0.05, False),
        (2, 40, 2, True),
        (2, 40, 1, False),
        (2, 40, 0.05, True),
        (2, 40, 0.04, False),
    ],
)
def test_bad_rows_are_allowed_as_a_share_or_as_a_number(bad, rows, allowed, fine):
    rest = "no row was tagged" if bad == rows else "all other rows are tagged"
    with nullcontext() if fine else pytest.raises(DataError, match=rf"{bad} of {rows} rows could not be tagged.*\n{rest}"):
        require_few_bad_rows(bad, rows, allowed, where="here")


def test_other_formats_are_written_from_the_same_shards(folder):
    run("input=in.jsonl", "output=out.csv", "sentences=true", cwd=folder)
    with (folder / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 200
    assert rows[3]["sentence"] == "Then Nurses left Quito."
    assert "format=brat needs a file" in run("input=in.jsonl", "format=brat", cwd=folder, code=1).stderr


def test_an_output_with_a_slash_is_a_folder_of_files(folder):
    run("input=in.jsonl", "output=out/", "shard_rows=15", cwd=folder)
    assert [ids(folder / "out" / f"part-00000{n}.jsonl") for n in (0, 1, 2)] == [
        [f"a{n}" for n in range(start, min(40, start + 15))] for start in (0, 15, 30)
    ]
    run("input=in.jsonl", "output=table/", "format=csv", "shard_rows=20", "sentences=true", cwd=folder)
    rows = [list(csv.DictReader((folder / "table" / f"part-00000{n}.csv").open(newline=""))) for n in (0, 1)]
    assert [len(part) for part in rows] == [100, 100]
    assert "finished before, nothing to do" in run("input=in.jsonl", "output=out/", "shard_rows=15", cwd=folder).stderr
    refused = run("input=in.jsonl", "output=page/", "format=html", cwd=folder, code=1).stderr
    assert "a folder of files is written as jsonl, parquet, csv, not as html" in refused


def test_standard_input_is_a_job_too(folder):
    text = (folder / "in.jsonl").read_text()
    run("input=-", "output=out.jsonl", cwd=folder, stdin=text)
    changed = run("input=-", "output=out.jsonl", cwd=folder, stdin=text + LINES[0].replace("a0", "new"), code=1)
    assert "the input has changed since this job began" in changed.stderr


def test_odd_surroundings_are_told_in_words(folder):
    closed = run("input=-", "output=out.jsonl", cwd=folder, code=1, preexec_fn=partial(os.close, 0))
    assert "standard input: is closed" in closed.stderr
    below = run("input=in.jsonl", "output=in.jsonl/out.jsonl", cwd=folder, code=1).stderr
    assert "cannot be written" in below
    assert "damaged" not in below
    (folder / "out.jsonl.job").mkdir()
    (folder / "out.jsonl.job" / "mine.txt").write_text("mine")
    assert "is no folder of a job (it holds mine.txt" in run("input=in.jsonl", "output=out.jsonl", cwd=folder, code=1).stderr
    assert (folder / "out.jsonl.job" / "mine.txt").read_text() == "mine"
    (folder / "empty.jsonl").mkdir()
    assert (
        "output=empty.jsonl: is a folder; give the name" in run("input=in.jsonl", "output=empty.jsonl", cwd=folder, code=1).stderr
    )
    assert list((folder / "empty.jsonl").iterdir()) == []
    assert not (folder / "empty.jsonl.job").exists()


def test_on_standard_output_an_article_that_fails_or_takes_too_long_is_left_out_alone(folder):
    poison = [{"id": f"p{n}", "text": f"POISON {what}"} for n, what in enumerate(("sleep", "raise", "nan"))]
    (folder / "in.jsonl").write_text("\n".join([LINES[0], *map(json.dumps, poison), LINES[1]]) + "\n")
    done = run("input=in.jsonl", "format=jsonl", "article_seconds=0.3", "max_bad_rows=3", cwd=folder)
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["a0", "a1"]
    assert "in.jsonl:2: took longer than 0.3 seconds; article_seconds= allows more; left out" in done.stderr
    assert "in.jsonl:3: RuntimeError: cannot multiply 12 by nothing; left out" in done.stderr
    run("input=in.jsonl", "output=out.jsonl", "article_seconds=0.3", "max_bad_rows=3", cwd=folder)
    assert (folder / "out.jsonl").read_text() == done.stdout


def test_a_half_done_job_notices_rows_that_were_appended(folder):
    (folder / "in.jsonl").write_text("\n".join([*LINES[:8], '{"id": "x", "text": "POISON kill"}', *LINES[8:]]) + "\n")
    job = ("input=in.jsonl", "output=out.jsonl", "shard_rows=8", "workers=1")
    process = WarmPopen(command(*job), cwd=folder, env=os.environ | {"PAUSE": "0.05"}, stderr=subprocess.DEVNULL)
    shards = folder / "out.jsonl.job" / "shards"
    while process.poll() is None and not (shards.exists() and list(shards.glob("0*.shard"))):
        pass
    process.kill()
    process.wait()
    with (folder / "in.jsonl").open("a") as file:
        file.write(LINES[0].replace("a0", "new") + "\n")
    assert "the input has changed since this job began" in run(*job, cwd=folder, code=1).stderr


def test_progress_is_told_as_json_lines(folder):
    done = run("input=in.jsonl", "output=out.jsonl", "--json-logs", cwd=folder)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert lines[-1]["articles"] == 40
    assert (lines[-1]["spans"], lines[-1]["bad_rows"], lines[-1]["done"]) == (200, 0, 1.0)
    assert lines[-1]["tokens"] == sum(len(json.loads(line)["text"].split()) for line in LINES)
    assert lines[-1]["tokens_per_second"] > 0


def test_a_terminal_shows_a_bar(folder):
    terminal, theirs = os.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120", "PAUSE": "0.02"}
    with subprocess.Popen(command("input=in.jsonl", "output=out.jsonl"), cwd=folder, env=environment, stderr=theirs) as job:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the end of a terminal
            while part := os.read(terminal, 4096):
                shown += part
    os.close(terminal)
    assert job.returncode == 0
    assert re.search(rb"40 articles  [1-9][\d,]* tokens/s", shown)


@pytest.mark.parametrize("form", ["jsonl", "html", "auto"])
def test_nothing_that_a_terminal_obeys_reaches_it(folder, form):
    hostile = "Police \x1b]52;c;aGk=\x07 met \x1b[2J Miners \u009b2J in \u202eQuito."
    records = [{"id": f"a{hostile}", "text": hostile, f"k{hostile}": hostile}, {"id": hostile, f"k{hostile}": 1}]
    (folder / "in.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    terminal, theirs = os.openpty()
    arguments = command("input=in.jsonl", f"format={form}", "max_bad_rows=1")
    with subprocess.Popen(arguments, cwd=folder, stdout=theirs, stderr=theirs) as job:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the end of a terminal
            while part := os.read(terminal, 4096):
                shown += part
    os.close(terminal)
    text = shown.decode().replace("\r\n", "\n")
    assert job.returncode == 0, text
    assert "aGk=" in text
    assert "left out" in text
    allowed = re.sub(r"\x1b\[[\d;]*m", "", text) if form == "auto" else text  # colours
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", allowed)
    if form == "jsonl":
        line = next(line for line in text.splitlines() if line.startswith("{"))
        assert json.loads(line) | {"spans": []} == {
            "id": f"a{hostile}", "text": hostile, "spans": [], "meta": {f"k{hostile}": hostile}
        }  # fmt: skip


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_job_and_the_same_command_goes_on(folder, number, code):
    job = command("input=in.jsonl", "output=out.jsonl", "shard_rows=4", "workers=2")
    process = WarmPopen(
        job, cwd=folder, env=os.environ | {"PAUSE": "0.05"}, stderr=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip
    shards = folder / "out.jsonl.job" / "shards"
    while process.poll() is None and not (shards.exists() and list(shards.glob("0*.shard"))):
        pass
    os.killpg(process.program, number)  # as a terminal or a batch system does
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert "stopped; what is tagged is kept" in said
    assert "Traceback" not in said
    assert not (folder / "out.jsonl").exists()
    if number == signal.SIGINT:
        return  # the state is the same
    kept = 4 * len(list(shards.glob("0*.shard")))
    assert f"{40 - kept} of them tagged now" in run(*job[4:], cwd=folder).stderr
    assert ids(folder / "out.jsonl") == [f"a{n}" for n in range(40)]


def test_a_full_disk_is_an_error_that_leaves_a_sound_state(folder):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    job = ("input=in.jsonl", "output=out.jsonl", "shard_rows=8", "workers=1")
    said = run(*job, cwd=folder, code=1, preexec_fn=limit).stderr
    assert "out.jsonl: cannot be written (File too large); all tagged articles are kept" in said
    assert not (folder / "out.jsonl").exists()
    run(*job, cwd=folder)
    assert ids(folder / "out.jsonl") == [f"a{n}" for n in range(40)]
    assert not list(folder.rglob("*partial*"))
