"""Which task of an array has which shards, and what is said of tasks."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_job import StoppedError, stop_after, tag, write_input

from eventtag.api.job import job_status
from eventtag.errors import OutputError, SettingsError
from eventtag.jobs.array import ArrayTask, Division, array_task, ranges
from eventtag.jobs.job import Job
from eventtag.jobs.run import join_job
from eventtag.settings import PredictSettings, TaggingEngine


def test_the_status_names_the_tasks_that_are_to_be_submitted(tmp_path):
    source, output = write_input(tmp_path / "in.jsonl", 40), tmp_path / "out.jsonl"
    division = Division(6, first=10, step=5)
    with pytest.raises(StoppedError):
        tag(source, output, stop_after(0), task=ArrayTask(20, division))
    begun = job_status(output)
    assert (begun.stored, begun.shards, begun.array) == (1, None, "--array=10,15,20,25,30,35")
    assert "how many there are is known when a task has read the input to its end" in str(begun)
    tag(source, output, task=ArrayTask(25, division))
    status = job_status(Job(output).folder)
    assert (status.stored, status.shards, status.missing) == (2, 8, (10, 15, 30, 35))
    assert str(status) == f"{output}: 2 of 8 shards are stored\nmissing: 4 of 6 tasks (10-35:5)"
    assert status.to_pandas().to_dict("list") == {
        "task": [10, 15, 20, 25, 30, 35], "shards": [2, 2, 1, 1, 1, 1], "stored": [0, 0, 1, 1, 0, 0], "at_work": [False] * 6
    }  # fmt: skip
    with pytest.raises(OutputError, match=r"6 of 8 shards are missing; `eventtag job status .*out\.jsonl` names the tasks"):
        join_job(output, None)
    for name, content in (("array.json", '{"tasks": 0}'), ("input.json", "{}")):
        (Job(output).folder / name).write_text(content)
        with pytest.raises(OutputError, match=f"{name}: is damaged"):
            job_status(output)


@given(st.sets(st.integers(0, 40)))
def test_ranges_are_read_back_as_the_same_numbers(numbers):
    found = set()
    for part in filter(None, ranges(numbers).split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    assert found == numbers
    assert ranges([1, 2, 3, 17, 5]) == "1-3,5,17"


@given(st.integers(1, 12), st.integers(0, 5), st.integers(1, 4), st.integers(0, 60))
def test_every_shard_has_one_task(tasks, first, step, shard):
    division = Division(tasks, first, step)
    assert division.owner(shard) in division.numbers
    assert division.numbers.index(division.owner(shard)) == shard % tasks


def slurm(number: int, count: int, least: int, most: int, step: int | None = 1) -> dict[str, str]:
    values = {"ID": number, "COUNT": count, "MIN": least, "MAX": most} | ({} if step is None else {"STEP": step})
    return {f"SLURM_ARRAY_TASK_{key}": str(value) for key, value in values.items()}


def test_slurms_variables_say_which_task_it_is(tmp_path, caplog):
    source = write_input(tmp_path / "in.jsonl")
    job = Job(tmp_path / "out.jsonl")
    assert array_task("3/100", job, {}) == ArrayTask(3, Division(100))
    assert array_task("slurm", job, slurm(7, 100, 1, 100)) == ArrayTask(7, Division(100))
    assert array_task("slurm", job, slurm(0, 100, 0, 99, None)) == ArrayTask(0, Division(100, 0))
    assert array_task("slurm", job, slurm(4, 5, 2, 10, 2)) == ArrayTask(4, Division(5, 2, 2))
    for gaps in (slurm(17, 3, 4, 88), slurm(17, 3, 4, 88, None), slurm(3, 3, 1, 4)):
        with pytest.raises(SettingsError, match=r"leave gaps.*\n.*sbatch --array=1-100"):
            array_task("slurm", job, gaps)
    odd = [
        {},
        {"SLURM_ARRAY_TASK_ID": "3"},
        slurm(1, 1, 1, 1) | {"SLURM_ARRAY_TASK_ID": "x"},
        slurm(1, 0, 1, 1),
        slurm(1, 1, 1, 1, 0),
    ]
    for variables in odd:
        with pytest.raises(SettingsError, match=r"shard=slurm: .*must be whole numbers"):
            array_task("slurm", job, variables)
    with pytest.raises(StoppedError):
        tag(source, job.output, stop_after(0), task=ArrayTask(4, Division(100)))
    with caplog.at_level(logging.INFO):  # a few, or one, submitted again
        assert array_task("slurm", job, slurm(17, 3, 4, 88)) == ArrayTask(17, Division(100))
        assert array_task("slurm", job, slurm(88, 1, 88, 88)) == ArrayTask(88, Division(100))
    assert "3 tasks were submitted, of 100 tasks (1-100) into which" in caplog.text
    with pytest.raises(SettingsError, match=r"ID is 101, and the job is divided into 100 tasks \(1-100\)"):
        array_task("slurm", job, slurm(101, 101, 1, 101))


@pytest.mark.parametrize("shard", ["", "0/3", "4/3", "3", "1/0", "a/b", "1/3/5", "Slurm", "-1/3", "1.0/3"])
def test_odd_shards_are_refused(shard):
    with pytest.raises(SettingsError, match="shard"):
        PredictSettings(checkpoint="c", input="i", output="o", shard=shard)


@pytest.mark.parametrize("more", [{"output": "-"}, {"input": "-"}, {"engine": TaggingEngine.ray}, {"retry_dead_letter": True}])
def test_what_cannot_be_divided_is_refused(more):
    with pytest.raises(SettingsError, match="shard"):
        PredictSettings(**({"checkpoint": "c", "input": "i", "output": "o", "shard": "1/3"} | more))
