import json
from dataclasses import replace
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_run import settings_of

from eventtag.errors import SettingsError
from eventtag.settings import TrainerSettings
from eventtag.training.duration import MOST, USUAL, updates_per_epoch, with_epochs
from eventtag.training.run import train

LENGTHS = st.lists(st.integers(3, 128), min_size=1, max_size=300)


@given(LENGTHS, st.integers(0, 2000), st.sampled_from([None, 256]), st.integers(1, 3))
def test_few_windows_are_trained_for_so_many_updates_up_to_a_limit(lengths, wanted, batch_tokens, accumulate):
    untold = TrainerSettings(min_updates=wanted, batch_tokens=batch_tokens, extra={"gradient_accumulation_steps": accumulate})
    found = with_epochs(untold, lengths, processes=1)
    updates = updates_per_epoch(untold, lengths, processes=1)
    assert USUAL <= found.epochs <= MOST
    assert found.epochs * updates >= min(wanted, MOST * updates)
    if found.epochs > USUAL:
        assert (found.epochs - 1) * updates < wanted
    assert found.patience == ceil(untold.patience * found.epochs / USUAL)
    assert replace(found, epochs=None, patience=untold.patience) == untold


def test_epochs_that_are_given_stay():
    settings = TrainerSettings(epochs=1.5, min_updates=500)
    assert with_epochs(settings, [10], processes=1) == settings


def test_several_processes_make_fewer_updates():
    lengths = [100] * 64
    assert updates_per_epoch(TrainerSettings(batch_size=8), lengths, processes=1) == 8
    assert updates_per_epoch(TrainerSettings(batch_size=8), lengths, processes=2) == 4
    assert updates_per_epoch(TrainerSettings(batch_tokens=800), lengths, processes=1) == 8


def test_a_limit_of_steps_stays():
    settings = TrainerSettings(extra={"max_steps": 2})
    assert with_epochs(settings, [10], processes=1) == replace(settings, epochs=USUAL)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"gradient_accumulation_steps": 0}, r"gradient_accumulation_steps=0 is not allowed: a whole number, 1 or above"),
        ({"gradient_accumulation_steps": "two"}, r"gradient_accumulation_steps='?two'? is not allowed"),
        ({"max_steps": "10"}, r"max_steps='?10'? is not allowed"),
    ],
)
def test_numbers_that_decide_how_long_a_run_trains_are_checked_with_the_settings(extra, message):
    with pytest.raises(SettingsError, match=message):
        TrainerSettings(extra=extra)


def test_fewer_updates_than_none_are_refused():
    with pytest.raises(SettingsError, match=r"trainer\.min_updates=-1 is not allowed: 0 or above"):
        TrainerSettings(min_updates=-1)


def test_a_run_is_as_long_as_it_says(corpus_file, tmp_path, caplog):
    with caplog.at_level("INFO"):
        train(settings_of(corpus_file, tmp_path / "run", trainer={"epochs": None, "min_updates": 50, "batch_size": 2}))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    (said,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("few windows")]
    epochs, updates = int(said.split()[2]), int(said.split()[-2])
    assert len(metrics["epochs"]) == epochs > USUAL
    assert metrics["epochs"][-1]["step"] == updates >= 50
    assert updates - updates // epochs < 50
