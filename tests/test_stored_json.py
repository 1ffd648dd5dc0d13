"""Stored JSON that somebody damaged: errors of the project wherever it is read."""

import pytest

from eventtag.api.systems import describe_run
from eventtag.corpus.seen import SEEN_FILE, read_seen
from eventtag.errors import CheckpointError, DataError, OutputError, TrainingError
from eventtag.experiments.candidate import OUTCOME_FILE, read_outcome
from eventtag.jobs.job import read_json
from eventtag.stored_json import parse_stored
from eventtag.training.record import recorded_arithmetic, recorded_metric, require_same_run

DEEP = "[" * 100_000


def test_nesting_that_is_too_deep_is_a_value_error():
    with pytest.raises(ValueError, match="nested too deep"):
        parse_stored(DEEP)


@pytest.mark.parametrize("damage", [DEEP, "{", "[]", '"text"', ""])
def test_damaged_files_are_errors_with_the_file_s_name(tmp_path, damage):
    def damaged(name: str):
        path = tmp_path / name
        path.write_text(damage)
        return path

    reads = {
        SEEN_FILE: (CheckpointError, lambda path: read_seen(path.parent)),
        OUTCOME_FILE: (TrainingError, lambda path: read_outcome(path.parent)),
        "job.json": (OutputError, read_json),
        "run.json": (TrainingError, recorded_arithmetic),
        "metrics.json": (TrainingError, lambda path: recorded_metric(path, "validation", "micro", "f1")),
        "report.json": (DataError, lambda path: describe_run(str(path.parent))),
    }
    for name, (error, read) in reads.items():
        with pytest.raises(error, match=name):
            read(damaged(name))
    with pytest.raises(TrainingError, match=r"same\.json"):
        require_same_run(damaged("same.json"), {"settings": {}})
