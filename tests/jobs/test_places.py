"""What happens to the folder of a job while processes work on it: it is moved, removed, or takes no file as large."""

import os
import resource
import shutil
from pathlib import Path

import pytest
from stub_job import POISON, tag, write_input
from stub_tagger import MakeStub, inline

from eventtag.errors import OutputError
from eventtag.jobs.array import ArrayTask, Division
from eventtag.jobs.assembly import content_digest
from eventtag.jobs.job import Job


def task(number: int) -> ArrayTask:
    return ArrayTask(number, Division(3))


@pytest.fixture
def source(tmp_path) -> Path:
    """23 rows, of which two are bad: five shards."""
    return write_input(tmp_path / "in.jsonl", poison=POISON)


@pytest.fixture
def right(tmp_path, source) -> str:
    """The digest of the output of one process."""
    tag(source, tmp_path / "right.jsonl")
    return content_digest(tmp_path / "right.jsonl")


@pytest.mark.parametrize("number", [None, 1])
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("removed", [False, True])
def test_a_folder_that_is_moved_or_removed_under_a_process_is_named_and_does_not_come_back_half(
    tmp_path, source, right, number, at, removed
):
    output, moved = tmp_path / "here" / "out.jsonl", tmp_path / "here" / "moved.jsonl"
    given = {} if number is None else {"task": task(number)}

    def engine(shards, store):
        for count, record in enumerate(inline(MakeStub()())(shards, store)):
            yield record
            if count == at:
                Job(output).folder.rename(Job(moved).folder)

    with pytest.raises(
        OutputError, match=r"out\.jsonl\.job: was moved or removed while .*\n.*move the folder back, or give output="
    ):
        tag(source, output, engine, **given)
    assert not Job(output).folder.exists()
    if removed:
        shutil.rmtree(Job(moved).folder)
        tag(source, output)
        assert content_digest(output) == right
    else:
        tag(source, moved, **given)
        tag(source, moved)
        assert content_digest(moved) == right


@pytest.mark.parametrize(("size", "file"), [(20, "job.json"), (600, "shards/000000.shard")])
def test_a_task_that_may_write_no_large_file_says_so_and_goes_on_later(tmp_path, source, right, size, file):
    output = tmp_path / "out.jsonl"
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            tag(source, output, task=task(1))
        except OutputError as error:
            os.write(writer, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as said:
        text = said.read()
    assert f"{Job(output).folder / file}: cannot be" in text
    assert "File too large" in text
    assert "give the same command again" in text
    for number in (1, 2, 3):
        tag(source, output, task=task(number))
    assert content_digest(output) == right
