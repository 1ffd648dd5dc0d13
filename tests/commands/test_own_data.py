"""`data.path` alone means one's own articles, and nothing of another corpus is said of them."""

import subprocess

import pytest
from warm import warm_programs

from eventtag.cli.hydra_task import compose_data, compose_training
from eventtag.cli.own_data import choose_own_data
from eventtag.errors import SettingsError


def test_a_path_alone_is_one_s_own_corpus():
    data = compose_training(["data.path=mine.jsonl"]).data
    assert (data.name, data.path, data.format, data.split_field, data.licence) == ("corpus", "mine.jsonl", "auto", None, None)
    assert compose_data(["data.path=mine.jsonl"]).name == "corpus"


@pytest.mark.parametrize("model", [[], ["model=minilm"], ["model=roberta_base"]])
def test_a_path_for_intermediate_fine_tuning_alone_is_one_s_own_corpus(model):
    intermediate = compose_training([*model, "model.intermediate.data.path=mine.jsonl"]).model.intermediate.data
    assert (intermediate.name, intermediate.path, intermediate.licence) == ("corpus", "mine.jsonl", None)


def test_a_choice_stays_as_it_is():
    assert compose_training(["data=re3d", "data.path=elsewhere"]).data.name == "re3d"
    assert compose_training([]).data.name == "sample"
    given = ["experiment=ecbplus", "data.path=elsewhere"]
    assert choose_own_data(given) == given
    assert compose_training(given).data.name == "ecbplus"


def answer(folder, *command) -> str:
    """What a command that fails says. It runs in a process of its own, since Hydra closes the log handlers of the whole process."""
    done = subprocess.run([warm_programs() / "eventtag", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("choice", ["data=sample", "experiment=mine"])
def test_the_sample_s_description_of_another_file_is_refused(choice, tmp_path):
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 3\n")
    shown = answer(tmp_path, "train", choice, "data.path=mine.jsonl", "run_dir=run")
    assert "data.path=mine.jsonl: data=sample describes the corpus that comes with eventtag" in shown
    assert "choose data=corpus" in shown


def test_a_setting_without_a_corpus_is_answered(tmp_path):
    shown = answer(tmp_path, "evaluate", "checkpoint=c", "data.split_field=split")
    assert "data.split_field=split: belongs to no corpus; name one by data=NAME" in shown
    with pytest.raises(SettingsError, match=r"data\.split_field=split: belongs to no corpus"):
        compose_data(["data.split_field=split"])
