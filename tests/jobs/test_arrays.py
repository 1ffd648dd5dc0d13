"""Jobs that the tasks of an array share."""

import errno
import fcntl
import json
import logging
import os
from pathlib import Path

import pytest
from stub_job import POISON, StoppedError, expected, stop_after, tag, write_input
from stub_tagger import MakeStub, inline

from eventtag.api.job import job_status
from eventtag.errors import OutputError
from eventtag.jobs import lock
from eventtag.jobs.array import ArrayTask, Division
from eventtag.jobs.assembly import content_digest
from eventtag.jobs.job import Job
from eventtag.jobs.lock import BusyError, JobLock
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import JobOptions, join_job, run_job
from eventtag.jobs.workers import Workers


def task(number: int, tasks: int = 3) -> ArrayTask:
    return ArrayTask(number, Division(tasks))


def no_locks(number: int):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    return flock


@pytest.fixture
def source(tmp_path) -> Path:
    """23 rows, of which two are bad: five shards."""
    return write_input(tmp_path / "in.jsonl", poison=POISON)


def right(source: Path, name: str = "out.jsonl", **options) -> dict[str, str]:
    output = source.parent / "right" / name
    tag(source, output, **options)
    return digests(output)


def digests(output: Path) -> dict[str, str]:
    return {file.name: content_digest(file) for file in (output, Job(output).dead_letters)}


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
@pytest.mark.parametrize("parts", [None, ".jsonl"])
def test_tasks_in_any_order_write_what_one_process_writes(tmp_path, source, order, parts):
    name = "out" if parts else "out.jsonl"
    output, log = tmp_path / name, tmp_path / "log"
    stored = 0
    for at, number in enumerate(order):
        log.write_text("")
        report = tag(source, output, inline(MakeStub(log)()), task=task(number), parts=parts)
        own = [shard for shard in range(5) if shard % 3 == number - 1]
        assert {int(line.split()[1][1:]) // 5 for line in log.read_text().splitlines() if " a" in line} == set(own)
        stored += len(own)
        assert report.missing == (None if at == 2 else 5 - stored)
        assert output.exists() == (at == 2)
    assert digests(output) == right(source, name, parts=parts)
    assert (report.articles, report.bad_rows, report.manifest["rows"]) == (19, 4, 23)
    assert tag(source, output, parts=parts).nothing_to_do
    assert tag(source, output, parts=parts, task=task(2)).nothing_to_do
    assert {file.name for file in Job(output).folder.iterdir()} == {
        "array.json", "dead_letter.jsonl", "job.json", "lock", "manifest.json", "shards",
    }  # fmt: skip


def test_more_tasks_than_shards_and_workers_that_are_processes(tmp_path, source):
    output = tmp_path / "out.jsonl"
    for number in (7, 1, 3, 2, 6, 5, 4):
        tag(source, output, Workers(MakeStub(), 2) if number < 3 else None, task=task(number, 7))
    assert digests(output) == right(source)


def test_a_task_goes_on_with_its_own_shards_and_reads_no_further_than_it_needs_to(tmp_path, source):
    output, log = tmp_path / "out.jsonl", tmp_path / "log"
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(1), task=task(1))  # has stored shard 0 and 3
    tag(source, output, task=task(3))
    read = []

    def rows():
        for row in read_rows(str(source)):
            read.append(row)
            yield row

    engine = inline(MakeStub(log)())
    settings = {"checkpoint": "c1", "thresholds": {"EVENT": 0.5}}
    for number, rows_read, missing in ((1, 0, 2), (2, 23, None)):
        read.clear()
        report = run_job(rows(), output, engine, settings=settings, options=JobOptions(shard_rows=5, task=task(number)))
        assert (len(read), report.missing) == (rows_read, missing)
    assert digests(output) == right(source)


def test_one_process_finishes_what_an_array_has_begun_and_an_array_what_one_process_has(tmp_path, source):
    tag(source, tmp_path / "a.jsonl", task=task(2))
    tag(source, tmp_path / "a.jsonl")
    with pytest.raises(StoppedError):
        tag(source, tmp_path / "b.jsonl", stop_after(2))
    for number in (1, 2, 3):
        tag(source, tmp_path / "b.jsonl", task=task(number))
    for name in ("a.jsonl", "b.jsonl"):
        assert digests(tmp_path / name) == right(source, name)


def test_what_another_task_has_tagged_meanwhile_is_not_tagged_again_and_stays(tmp_path, source):
    """Two processes at the same task, as where there are no locks: the first one's work counts."""
    output = tmp_path / "out.jsonl"
    files: dict[Path, bytes] = {}

    def slower(shards, store):
        first = next(shards)
        given = iter([first, *shards])
        for number in (1, 2):
            JobLock.__enter__, enter = lambda self: self, JobLock.__enter__
            try:
                tag(source, output, task=task(number))
            finally:
                JobLock.__enter__ = enter
        files.update((path, path.read_bytes()) for path in store.folder.iterdir())
        yield from inline(MakeStub()())(given, store)
        assert {path: path.read_bytes() for path in store.folder.iterdir()} == files

    report = tag(source, output, slower, task=task(1))
    assert (len(files), report.missing) == (4, 1)
    tag(source, output, task=task(3))
    assert digests(output) == right(source)


def test_a_task_with_other_settings_is_refused_also_where_nothing_is_tagged(tmp_path, source):
    output = tmp_path / "out.jsonl"

    def fails(shards, store):
        raise StoppedError
        yield

    for engine in (fails, stop_after(0)):  # nothing is tagged, a shard is
        with pytest.raises(StoppedError):
            tag(source, output, engine, task=task(1))
        assert job_status(output).stored == (engine is not fails)
        with pytest.raises(OutputError, match=r'checkpoint: "c1", now "c2"'):
            tag(source, output, settings={"checkpoint": "c2", "thresholds": {"EVENT": 0.5}}, task=task(2))
        with pytest.raises(OutputError, match=r"is divided into 3 tasks \(1-3\), not into 4 tasks \(1-4\)"):
            tag(source, output, task=task(2, 4))
    for number in (1, 2, 3):
        tag(source, output, task=task(number))
    assert job_status(output).finished
    with pytest.raises(OutputError, match=r'checkpoint: "c1", now "c2"'):
        tag(source, output, settings={"checkpoint": "c2", "thresholds": {"EVENT": 0.5}}, task=task(2))
    with pytest.raises(OutputError, match="the input has changed since this job began"):
        tag(write_input(tmp_path / "longer.jsonl", 24), output, task=task(2))


def test_what_fails_in_a_task_is_told_unless_another_one_has_finished_the_job_meanwhile(tmp_path, source):
    output = tmp_path / "out.jsonl"

    def others(shards, store):
        for number in (1, 2, 3):
            enter, JobLock.__enter__ = JobLock.__enter__, lambda self: self
            try:
                tag(source, output, task=task(number))
            finally:
                JobLock.__enter__ = enter
        yield from ()
        raise OSError(errno.ENOENT, "No such file or directory", str(store.path(0)))

    assert tag(source, output, others, task=task(1)).missing is None

    def fails(shards, store):
        raise OSError(errno.EIO, "Input/output error", "x")
        yield

    with pytest.raises(OutputError, match="x: cannot be read or written"):
        tag(source, tmp_path / "new.jsonl", fails, task=task(1))


def test_tasks_that_read_different_inputs_are_an_error(tmp_path, source):
    output = tmp_path / "out.jsonl"
    tag(source, output, task=task(2), input_extent="1")
    with pytest.raises(OutputError, match="its files have other names or sizes"):
        tag(source, output, task=task(1), input_extent="2")
    Job(output).input.write_text('{"shards": 7, "rows": 31}')
    with pytest.raises(OutputError, match="it has 23 rows, and 31 when another process read it"):
        tag(source, output, task=task(1), input_extent="1")
    Job(output).input.write_text('{"shards": 5, "rows": 23}')
    with pytest.raises(OutputError, match=r"rows 5 to 9 .* are not those that were tagged"):
        tag(write_input(tmp_path / "other.jsonl", poison={6: '{"id": "a6", "text": "Another."}'}), output, input_extent="1")
    shards = Job(output).shards
    (shards / "000001.shard").rename(shards / "000000.shard")
    Job(output).input.write_text('{"shards": 1, "rows": 5}')
    with pytest.raises(OutputError, match=r"000000\.shard: begins at row 5, and 0 rows stand before it"):
        join_job(output, None)


def test_shards_of_a_job_with_other_settings_are_never_put_into_its_output(tmp_path, source):
    one, other = tmp_path / "out.jsonl", tmp_path / "other.jsonl"
    with pytest.raises(StoppedError):
        tag(source, one, stop_after(2))
    with pytest.raises(StoppedError):
        tag(source, other, stop_after(2), settings={"checkpoint": "c2"})
    (Job(other).shards / "000001.shard").rename(Job(one).shards / "000001.shard")
    with pytest.raises(OutputError, match=r"000001.shard: was tagged with other settings"):
        tag(source, one)


def racing(source: Path, output: Path, settings: list[str]) -> list[int]:
    """The exit codes of processes that begin tasks of a job at the same instant: 0, or 3 where the job is another's."""
    gate, opener = os.pipe()
    children = []
    for number, name in enumerate(settings, start=1):
        if (child := os.fork()) == 0:
            code = 1
            try:
                os.close(opener)
                os.read(gate, 1)
                tag(source, output, settings={"checkpoint": name}, task=task(number, len(settings)))
                code = 0
            except OutputError as error:
                code = 3 if "belongs to a job" in str(error) else 1
            finally:
                os._exit(code)
        children.append(child)
    os.close(opener)
    os.close(gate)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def test_of_tasks_that_begin_a_job_at_the_same_instant_all_work_on_the_same_one(tmp_path, source):
    for attempt in range(4):
        output = tmp_path / f"out{attempt}.jsonl"
        assert racing(source, output, ["c1"] * 6) == [0] * 6
        assert digests(output)[output.name] == right(source)["out.jsonl"]
        output = tmp_path / f"mixed{attempt}.jsonl"
        names = ["c1", "c2"] * 3
        codes = racing(source, output, names)
        mine = json.loads(Job(output).description.read_text())["settings"]["checkpoint"]
        assert codes == [0 if name == mine else 3 for name in names]


def test_a_task_is_worked_on_by_one_process(tmp_path, source, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.1)
    output = tmp_path / "out.jsonl"

    def meanwhile(shards, store):
        assert job_status(output).at_work == (1,)
        with pytest.raises(BusyError, match=rf"process {os.getpid()} on .* works on task 1 already; wait for it, or end it"):
            tag(source, output, task=task(1))
        with pytest.raises(BusyError, match="works on this job already"):
            tag(source, output)
        tag(source, output, task=task(2))
        yield from inline(MakeStub()())(shards, store)

    tag(source, output, meanwhile, task=task(1))
    assert job_status(output).missing == (3,)


def test_a_task_waits_while_one_process_has_the_job_and_finds_it_finished(tmp_path, source, caplog):
    output = tmp_path / "out.jsonl"
    tag(source, output, task=task(1))
    child = os.fork()
    if child == 0:
        with JobLock(Job(output).lock):
            (tmp_path / "held").touch()
            while not (tmp_path / "go").exists():
                pass
        os._exit(0)
    while not (tmp_path / "held").exists():
        pass
    assert job_status(output).alone
    with caplog.at_level(logging.INFO):
        logging.getLogger("eventtag.jobs.lock").addFilter(lambda record: (tmp_path / "go").touch() or True)
        try:
            assert tag(source, output, task=task(2)).missing == 1
        finally:
            logging.getLogger("eventtag.jobs.lock").filters.clear()
    os.waitpid(child, 0)
    assert f"waiting for process {child} on " in caplog.text


@pytest.mark.parametrize("locks", [True, False])
@pytest.mark.parametrize("parts", [None, ".jsonl"])
def test_the_output_is_put_together_once_when_two_tasks_end_together(tmp_path, source, monkeypatch, locks, parts):
    if not locks:
        monkeypatch.setattr(fcntl, "flock", no_locks(errno.ENOLCK))
    output = tmp_path / ("out" if parts else "out.jsonl")
    tag(source, output, task=task(1), parts=parts)
    reports = []

    def ends_with_another(shards, store):
        yield from inline(MakeStub()())(shards, store)
        reports.append(tag(source, output, task=task(3), parts=parts))

    report = tag(source, output, ends_with_another, task=task(2), parts=parts)
    assert reports[0].missing == (0 if locks else None)
    assert report.missing is None
    assert digests(output) == right(source, output.name, parts=parts)
    assert not job_status(output).missing


@pytest.mark.parametrize("name", ["out.csv", "out.brat"])
def test_two_processes_may_put_the_same_output_together_at_once(tmp_path, source, monkeypatch, name):
    from eventtag.api.predict import build_writer
    from eventtag.ledger import LossLedger

    monkeypatch.setattr(fcntl, "flock", no_locks(errno.ENOSYS))
    output = tmp_path / name
    page = {"labels": ["ACTOR"], "title": "Tagged"}
    plain = build_writer(Job(output), name[4:], sentences=False, ledger=LossLedger())
    settings = {"checkpoint": "c1"}

    def run(number, write):
        options = JobOptions(shard_rows=5, task=task(number, 2), output=page)
        return run_job(read_rows(str(source)), output, inline(MakeStub()()), settings=settings, options=options, write=write)

    def interrupted(articles, path):
        found = list(articles)
        run(1, plain)  # from beginning to end, its shards being there
        plain(iter(found), path)

    run(1, plain)
    assert run(2, interrupted).missing is None
    one = tmp_path / "one" / name
    run_job(
        read_rows(str(source)), one, inline(MakeStub()()), settings=settings,
        options=JobOptions(shard_rows=5, output=page), write=plain,
    )  # fmt: skip
    assert digests(output) == digests(one)
    assert not list(tmp_path.rglob("*partial*"))


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_named_and_does(tmp_path, source, monkeypatch, caplog, number):
    monkeypatch.setattr(fcntl, "flock", no_locks(number))
    for name, tasks in (("array.jsonl", (1, 2, 2, 3)), ("one.jsonl", (None,))):
        for number_of in tasks:
            caplog.clear()
            tag(source, tmp_path / name, task=number_of and task(number_of))
            assert f"the file system has no locks ({os.strerror(number)})" in caplog.text
        assert digests(tmp_path / name) == right(source, name)
        write_input(source)
        tag(source, tmp_path / name, retry_dead_letters=True)
        assert (tmp_path / name).read_text() == expected(source)
        write_input(source, poison=POISON)


def test_dead_letters_of_an_array_are_tried_again_by_one_process(tmp_path, source):
    output = tmp_path / "out.jsonl"
    for number in (1, 2, 3):
        tag(source, output, task=task(number))
    write_input(source)
    tag(source, output, retry_dead_letters=True)
    assert output.read_text() == expected(source)
    assert Job(output).dead_letters.read_text() == ""


def test_a_job_whose_last_task_was_killed_is_put_together_by_a_command(tmp_path, source):
    output = tmp_path / "out.jsonl"
    with pytest.raises(OutputError, match="no tagging job has this output"):
        job_status(output)
    for number in (1, 2, 3):
        tag(source, output, task=task(number))
    finished = job_status(output)
    assert (finished.finished, finished.array, str(finished)) == (True, "", f"{output}: finished")
    output.unlink()
    Job(output).manifest.unlink()
    with pytest.raises(OutputError, match="no task has read the input to its end yet"):
        join_job(output, None)
    Job(output).input.write_text('{"shards": 5, "rows": 23}')
    assert f"put the output together: eventtag job assemble {output}" in str(job_status(output))
    assert join_job(output, None).articles == 19
    assert digests(output) == right(source)
    assert join_job(output, None).nothing_to_do
