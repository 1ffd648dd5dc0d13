import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_tagger import MakeStub, inline, tag_article

import eventtag
from eventtag.article import Article
from eventtag.errors import OutputError
from eventtag.formats.jsonl import json_line
from eventtag.jobs import lock
from eventtag.jobs.assembly import content_digest
from eventtag.jobs.job import DECIDING, code_digest
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.reading.rows import InputRow, Place
from eventtag.jobs.run import JobOptions, JobReport, run_job
from eventtag.jobs.shards import Shard, cut_shards, row_bytes
from eventtag.jobs.tagged_shard import BrokenTaggerError
from eventtag.jobs.workers import WorkerError, Workers, _Trial

PACKAGE = Path(eventtag.__file__).parent
SETTINGS = {"checkpoint": "c1", "thresholds": {"EVENT": 0.5}}
POISON = {
    3: '{"id": "a3", "text": "POISON raise"}',
    4: '{"id": "a4", "text": ',
    11: '{"id": "a11", "text": "POISON nan Here"}',
    22: '{"id": "a1", "text": "Again."}',
}


def write_input(path: Path, count: int = 23, *, poison: dict[int, str] | None = None) -> Path:
    """`count` lines; line n (from 0) is `poison[n]` where that is given."""
    lines = [json.dumps({"id": f"a{n}", "text": f"Police met Miners number {n} in Lima.", "day": n}) for n in range(count)]
    for number, line in (poison or {}).items():
        lines[number] = line
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def expected(path: Path, dead: tuple[str, ...] = ()) -> str:
    """The output that plain tagging gives, article by article."""
    articles = [row.article for row in read_rows(str(path)) if row.article is not None and row.article.id not in dead]
    return "".join(json_line(Article(a.id, a.text, tag_article(a).spans, meta=a.meta)) + "\n" for a in articles)


def tag(path: Path, output: Path, engine=None, *, settings=SETTINGS, **options) -> JobReport:
    engine = engine or inline(MakeStub()())
    return run_job(read_rows(str(path)), output, engine, settings=settings, options=JobOptions(shard_rows=5, **options))


def dead_letters(output: Path) -> list[dict[str, object]]:
    file = output.with_name(output.name + ".job") / "dead_letter.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


class StoppedError(Exception):
    pass


def stop_after(shards: int):
    """An engine that ends with an error when it has stored so many shards."""

    def engine(given, store):
        for number, record in enumerate(inline(MakeStub()())(given, store)):
            if number == shards:
                raise StoppedError
            yield record

    return engine


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


def test_a_shard_is_bounded_by_all_that_its_rows_hold():
    place, big = Place("x"), 1_000_000
    rows = [
        InputRow(place, None, "bad", b"x" * big),
        InputRow(place, Article("a", "x" * big)),
        InputRow(place, Article("b", "x", meta={"k": ["x" * big]})),
        InputRow(place, Article("c", "x", meta={"k": [[]] * (big // 64)})),
        InputRow(place, Article("d" * big, "x")),
        InputRow(place, Article("e", "x", meta={"x" * big: 1})),
    ]
    shards = list(cut_shards(rows * 20, max_rows=128, max_bytes=big // 2))
    assert sum(len(shard.rows) for shard in shards) == 120
    assert max(sum(map(row_bytes, shard.rows)) for shard in shards) < 3 * big
    assert max(len(row.raw or b"") for shard in shards for row in shard.rows) == 1024
    assert len(list(cut_shards([rows[0]] * 160, max_rows=128, max_bytes=big))) == 2


def hidden_job(output: Path) -> Path:
    return output.with_name(output.name + ".job")


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


def test_code_that_does_not_decide_what_is_tagged_may_change_while_a_job_is_half_done(tmp_path):
    package = tmp_path / "eventtag"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = code_digest(package)
    assert before == code_digest()

    def changed(name: str, more: str) -> bool:
        file = package / name
        old = file.read_text()
        file.write_text(old + more)
        try:
            return code_digest.__wrapped__(package) != before
        finally:
            file.write_text(old)

    for name in (
        "settings/commands.py",
        "cli/main.py",
        "formats/brat.py",
        "training/run.py",
        "jobs/run.py",
        "jobs/reading/inputs.py",
    ):
        assert not changed(name, "\nMORE = 1\n")
    for name in ("text/words.py", "heads/chain.py", "tagging/tagger.py", "models/network.py", "jobs/tagged_shard.py"):
        assert changed(name, "\nMORE = 1\n")
        assert not changed(name, '\n# why\n"""A docstring."""\n')
    assert all(list(PACKAGE.glob(pattern)) for pattern in DECIDING)


def test_all_modules_that_tag_decide_what_is_tagged():
    program = (
        "import sys, eventtag.engines.torch_backend, eventtag.models.network, eventtag.jobs.taggers, eventtag.tagging.tagger\n"
        "print(*(name for name in sys.modules if name.startswith('eventtag.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    layers = ("text", "encoding", "heads", "models", "engines", "tagging")
    files = {f"{name.replace('.', '/')}.py".removeprefix("eventtag/") for name in loaded if name.count(".") == 2}
    deciding = {file.relative_to(PACKAGE).as_posix() for pattern in DECIDING for file in PACKAGE.glob(pattern)}
    accepting = {"models/accepted.py"}  # which checkpoints are refused changes no output
    assert {file for file in files if file.split("/")[0] in layers} - accepting <= deciding
    assert {"tagging/tagger.py", "text/words.py", "models/network.py"} <= files


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


def test_bad_rows_are_dead_letters_with_their_place(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl", poison=POISON), tmp_path / "out.jsonl"
    report = tag(source, output)
    assert output.read_text() == expected(source, dead=("a3", "a11"))
    found = dead_letters(output)
    assert [(d["row"], d["stage"], d["line"]) for d in found] == [
        (3, "tag", 4),
        (4, "read", 5),
        (11, "tag", 12),
        (22, "read", 23),
    ]
    data = source.read_bytes()
    for letter in found:
        assert data[letter["offset"] :].startswith(source.read_bytes().splitlines()[letter["line"] - 1])
        assert letter["file"] == str(source)
    assert found[0]["reason"] == "RuntimeError: cannot multiply 12 by nothing"
    assert found[0]["raw"] == "POISON raise"
    assert report.manifest["kinds"] == {
        "read: not valid JSON": 1,
        "read: the id stands in an earlier row already": 1,
        "tag: RuntimeError: cannot multiply by nothing": 1,
        "tag: ValueError: a span's score is not finite": 1,
    }


def test_articles_that_kill_their_process_are_found_and_nothing_else_is_lost(tmp_path):
    poison = {7: '{"id": "a7", "text": "POISON kill"}', 8: '{"id": "a8", "text": "POISON exit"}'}
    source, output = write_input(tmp_path / "in.jsonl", poison=poison), tmp_path / "out.jsonl"
    tag(source, output, Workers(MakeStub(), 2))
    assert [d["reason"] for d in dead_letters(output)] == [
        "the process that tagged it died (SIGKILL, perhaps for want of memory)",
        "the process that tagged it died (exit code 3)",
    ]
    lines = output.read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"a{n}" for n in range(23) if n not in (7, 8)]


def test_a_row_that_fails_is_given_up_alone_however_many_fail_around_it(tmp_path):
    poison = {n: json.dumps({"id": f"a{n}", "text": "POISON raise"}) for n in range(5, 15)}
    source, output = write_input(tmp_path / "in.jsonl", poison=poison), tmp_path / "out.jsonl"
    tag(source, output, Workers(MakeStub(), 1))
    assert [letter["row"] for letter in dead_letters(output)] == list(range(5, 15))
    assert output.read_text() == expected(source, dead=tuple(f"a{n}" for n in range(5, 15)))


@pytest.mark.parametrize(
    ("engine", "texts"),
    [
        (inline(MakeStub()(), article_seconds=0.2), ["POISON sleep", "POISON sleep"]),
        (Workers(MakeStub(), 2, article_seconds=0.5), ["POISON sleep", "POISON hash"]),
    ],
    ids=["inline", "two"],
)
def test_an_article_that_takes_too_long_is_given_up_alone(tmp_path, engine, texts):
    poison = {number: json.dumps({"id": f"a{number}", "text": text}) for number, text in zip((6, 13), texts, strict=True)}
    source, output = write_input(tmp_path / "in.jsonl", poison=poison), tmp_path / "out.jsonl"
    tag(source, output, engine)
    assert [(d["row"], d["stage"], d["reason"].split(" seconds")[0][:16]) for d in dead_letters(output)] == [
        (6, "tag", "took longer than"),
        (13, "tag", "took longer than"),
    ]
    assert output.read_text() == expected(source, dead=("a6", "a13"))
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_which_articles_of_a_shard_were_too_slow_is_found_in_two_limits():
    trial = _Trial(Shard(0, 0, tuple(InputRow(Place("x"), Article(f"a{n}", "x")) for n in range(8))))
    trial.was_late([2, 4], 1)
    assert list(trial.parts) == [[0, 1, 5, 6, 7], [2], [3], [4]]
    trial.passed()
    trial.passed()
    trial.was_late([3, 3], 1)
    trial.passed()
    assert list(trial.condemned) == [3]
    assert not trial.task.attempt
    trial.was_late([0, 7], 1)  # together they are too slow, though none is alone
    trial.was_late([0, 7], 1)
    assert trial.task.pieces == [[0, 1, 5, 6, 7], [2], [4]]


def broken(articles):
    raise MemoryError("no memory for any article")


class MakeBroken:
    """A tagger that fails on every article."""

    def __call__(self):
        return broken


@pytest.mark.parametrize("engine", [inline(broken), Workers(MakeBroken(), 1)], ids=["inline", "worker"])
def test_a_tagger_that_fails_on_everything_ends_the_job_and_makes_no_dead_letters(tmp_path, engine):
    source, output = write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl"
    with pytest.raises(BrokenTaggerError, match="no memory for any article"):
        tag(source, output, engine)
    assert not output.with_name("out.jsonl.job").exists()


class MakeDying:
    """A tagger whose process dies while it is loaded."""

    def __call__(self):
        os._exit(9)


def test_workers_that_die_before_they_begin_end_the_job(tmp_path):
    with pytest.raises(WorkerError, match="3 worker processes have died before they could begin"):
        tag(write_input(tmp_path / "in.jsonl"), tmp_path / "out.jsonl", Workers(MakeDying(), 1))


def test_dead_letters_are_tried_again_alone_and_merged(tmp_path):
    source, output, log = write_input(tmp_path / "in.jsonl", poison=POISON), tmp_path / "out.jsonl", tmp_path / "log"
    tag(source, output)
    assert tag(source, output, retry_dead_letters=True).bad_rows == 4  # what was bad is bad still
    mended = {3: '{"id": "a3", "text": "Mended in Lima."}', 22: '{"id": "a1", "text": "Again."}'}
    write_input(source, poison=mended)
    report = tag(source, output, inline(MakeStub(log)()), retry_dead_letters=True)
    assert output.read_text() == expected(source)
    assert sorted(set(log.read_text().split()[1::2])) == ["a11", "a3", "a4"]
    assert (report.bad_rows, report.tagged) == (1, 3)
    assert [letter["row"] for letter in dead_letters(output)] == [22]


@pytest.mark.parametrize("stored", [0, 1, 2])
def test_a_retry_that_is_stopped_goes_on(tmp_path, stored):
    source, output = write_input(tmp_path / "in.jsonl", poison=POISON), tmp_path / "out.jsonl"
    tag(source, output)
    before = output.read_text()
    write_input(source)
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(stored), retry_dead_letters=True)
    assert output.read_text() == before
    tag(source, output)
    tag(source, output, retry_dead_letters=True)
    assert output.read_text() == expected(source)
    assert dead_letters(output) == []


def test_a_retry_does_not_take_another_input(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl", poison=POISON), tmp_path / "out.jsonl"
    tag(source, output)
    write_input(source, poison={6: '{"id": "a6", "text": "Another text."}'})
    with pytest.raises(OutputError, match=r"rows 5 to 9 .*in.jsonl:6 to .*in.jsonl:10\) are not those that were tagged"):
        tag(source, output, retry_dead_letters=True)


@given(
    sizes=st.lists(st.integers(0, 30), max_size=40),
    max_rows=st.integers(1, 10),
    max_bytes=st.integers(1, 3000),
    bad=st.sets(st.integers(0, 39)),
)
def test_shards_are_cut_by_the_rows_alone_and_lose_none(sizes, max_rows, max_bytes, bad):
    place = Place("x")
    rows = [
        InputRow(place, None, "bad") if n in bad else InputRow(place, Article(f"a{n}", "x" * size))
        for n, size in enumerate(sizes)
    ]
    shards = list(cut_shards(iter(rows), max_rows=max_rows, max_bytes=max_bytes))
    assert [row for shard in shards for row in shard.rows] == rows
    assert [shard.first_row for shard in shards] == [sum(len(s.rows) for s in shards[:i]) for i in range(len(shards))]
    for shard in shards:
        assert 1 <= len(shard.rows) <= max_rows
        assert sum(map(row_bytes, shard.rows[:-1])) < max_bytes
    if shards:  # the rows that follow do not change where the earlier ones are cut
        again = list(cut_shards(iter(rows[: shards[-1].first_row]), max_rows=max_rows, max_bytes=max_bytes))
        assert again == shards[:-1]
