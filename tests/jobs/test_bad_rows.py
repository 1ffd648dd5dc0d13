"""Rows that cannot be tagged, and articles that end their process or take too long."""

import json
import os
import signal

import pytest
from stub_job import POISON, StoppedError, dead_letters, expected, stop_after, tag, write_input
from stub_tagger import MakeStub, inline

from eventtag.article import Article
from eventtag.errors import OutputError
from eventtag.jobs.reading.rows import InputRow, Place
from eventtag.jobs.shards import Shard
from eventtag.jobs.tagged_shard import BrokenTaggerError
from eventtag.jobs.workers import WorkerError, Workers, _Trial

pytestmark = pytest.mark.usefixtures("warm_workers")


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
        "the process that tagged it died (SIGKILL, perhaps because memory ran out)",
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
