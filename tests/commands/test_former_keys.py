"""Keys of earlier versions, wherever they may still stand: each is an error of two lines that says what to write instead."""

import json

import pytest
from conftest import trained_settings

from eventtag.cli.hydra_task import compose_training
from eventtag.errors import SettingsError, TrainingError
from eventtag.experiments.search_space import read_space
from eventtag.settings import TrainSettings
from eventtag.settings.former_keys import FORMER
from eventtag.training.record import plain, require_same_run


def settings_of(corpus):
    return TrainSettings(**trained_settings(corpus), run_dir="unused")


@pytest.mark.parametrize("key", FORMER)
@pytest.mark.parametrize("before", ["", "+", "++"])
def test_a_former_key_on_the_command_line_is_refused_with_what_to_write_instead(key, before):
    with pytest.raises(SettingsError) as error:
        compose_training([f"{before}{key}=sample"])
    assert str(error.value) == f"{key}: is a key of an earlier version of eventtag\n{FORMER[key]}"


@pytest.mark.parametrize("content", ["model: {primer: {epochs: 3}}", "trainer: {averaging: {decay: 0.9}}"])
def test_a_former_key_in_an_experiment_of_one_s_own_is_refused_likewise(content, tmp_path, monkeypatch):
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "best.yaml").write_text(f"# @package _global_\n{content}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="is a key of an earlier version of eventtag\n"):
        compose_training(["experiment=best"])


def test_a_former_key_in_the_space_of_a_sweep_is_refused_likewise(corpus_file):
    with pytest.raises(SettingsError, match=r"space\.trainer\.rdrop: is a key of an earlier version of eventtag\n"):
        read_space({"trainer.rdrop": [0.0, 1.0]}, settings_of(corpus_file))


def test_an_unfinished_run_with_a_former_key_says_so(corpus_file, tmp_path):
    now = {"settings": plain(settings_of(corpus_file))}
    then = json.loads(json.dumps(now))
    then["settings"]["model"]["primer"] = then["settings"]["model"].pop("intermediate")
    (tmp_path / "run.json").write_text(json.dumps(then))
    with pytest.raises(TrainingError, match=r"cannot be resumed; model\.primer\.data: is a key of an earlier version"):
        require_same_run(tmp_path / "run.json", now)
