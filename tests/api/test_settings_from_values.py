"""Settings from plain values: keyword arguments and what a YAML file holds."""

from pathlib import Path

import pytest
import yaml
from conftest import trained_settings

from eventtag.errors import SettingsError
from eventtag.settings import Head, ModelSettings, PredictSettings, TrainSettings
from eventtag.settings.building import build_settings, with_values
from eventtag.training.record import plain


def test_groups_are_mappings_and_choices_are_words():
    settings = build_settings(
        TrainSettings,
        {
            "data": {"path": Path("a.jsonl"), "labels": ["EVENT"]},
            "model": {"head": "crf", "lora": {"rank": 4}},
            "seed": 7,
            "run_dir": "r",
        },
    )
    assert (settings.data.path, settings.data.labels, settings.model.head) == ("a.jsonl", ["EVENT"], Head.crf)
    assert (settings.model.lora.rank, settings.seed, settings.run_dir) == (4, 7, "r")
    again = with_values(settings, {"model": {"overlap": False}})
    assert again.model.head is Head.crf
    assert again.model.lora.rank == 4


def test_what_a_run_writes_down_gives_the_same_settings_again(corpus_file):
    settings = TrainSettings(**trained_settings(corpus_file), run_dir="r")
    assert build_settings(TrainSettings, yaml.safe_load(yaml.safe_dump(plain(settings)))) == settings


@pytest.mark.parametrize(
    ("kind", "values", "problem"),
    [
        (TrainSettings, {"sed": 1}, "sed: there is no such key; did you mean seed?"),
        (TrainSettings, {"trainer": {"epoch": 1}}, "trainer.epoch: there is no such key; did you mean trainer.epochs?"),
        (TrainSettings, {"seed": "one"}, "seed='one' is not allowed: give a whole number"),
        (TrainSettings, {"seed": True}, "seed=True is not allowed: give a whole number"),
        (
            TrainSettings,
            {"data": {"path": "a", "labels": "EVENT"}},
            "data.labels='EVENT' is not allowed: give a list, such as [EVENT]",
        ),
        (TrainSettings, {"model": {"head": "lstm"}}, "model.head='lstm' is not allowed: give one of softmax"),
        (TrainSettings, {"model": "minilm"}, "model='minilm' is not allowed: give a mapping of its keys"),
        (PredictSettings, {"min_score": 2}, "min_score=2.0 is not allowed"),
        (ModelSettings, {"name": 3}, "name=3 is not allowed: give text"),
    ],
)
def test_a_wrong_key_or_value_is_named(kind, values, problem):
    with pytest.raises(SettingsError) as error:
        build_settings(kind, values)
    assert problem in str(error.value)
