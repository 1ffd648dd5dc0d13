"""`TrainSettings(...)` in Python and `eventtag train` without further keys mean the same, whichever encoder is chosen."""

from dataclasses import fields, replace

import pytest
from conftest import REPOSITORY

from eventtag.cli.hydra_task import compose_training
from eventtag.settings import DataSettings, LearningCurveSettings, ModelSettings, TrainerSettings, TrainSettings
from eventtag.settings.data import sample_data

ENCODERS = sorted(file.stem for file in (REPOSITORY / "configs" / "model").glob("*.yaml"))


@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name != "tiny"])
def test_the_command_does_what_the_settings_say_for_every_encoder(encoder):
    composed = compose_training([f"model={encoder}", "data.path=mine.jsonl"])
    wanted = TrainSettings(data=DataSettings(path="mine.jsonl"), model=ModelSettings(name=composed.model.name), run_dir="unused")
    assert composed == wanted


def test_without_any_key_the_command_trains_on_the_sample():
    assert compose_training([]) == replace(compose_training(["data.path=x"]), data=sample_data())


def test_a_choice_of_a_trainer_changes_what_its_name_says():
    assert compose_training(["trainer=default"]).trainer == TrainerSettings()
    assert compose_training(["trainer=fast"]).trainer == TrainerSettings(epochs=2)
    assert compose_training(["trainer=debug"]).trainer == TrainerSettings(epochs=1, batch_size=2, extra={"max_steps": 2})


def test_other_data_for_intermediate_fine_tuning_keep_nothing_of_the_sample():
    chosen = compose_training(["model=roberta_base", "data@model.intermediate.data=corpus", "model.intermediate.data.path=x"])
    assert chosen.model.intermediate.data == DataSettings(path="x")
    assert compose_training(["model.intermediate.data=null"]).model.intermediate.data is None


def test_a_learning_curve_has_the_defaults_of_training():
    curve = LearningCurveSettings(data=DataSettings(path="x"), model=ModelSettings(name="y"), run_dir="z")
    plain = TrainSettings(data=DataSettings(path="x"), model=ModelSettings(name="y"), run_dir="z")
    assert {field.name: getattr(curve, field.name) for field in fields(plain)} == vars(plain)
