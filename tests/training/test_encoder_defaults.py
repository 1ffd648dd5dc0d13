"""What null means for settings that depend on the encoder."""

import json
import re
from dataclasses import replace

import pytest
from conftest import REPOSITORY, trained_settings
from transformers import AutoConfig

from eventtag.errors import CheckpointError
from eventtag.experiments.search_space import read_space, values_of
from eventtag.settings import ModelSettings, TrainerSettings, TrainSettings
from eventtag.training.encoder_defaults import BY_WIDTH, with_encoder_defaults
from eventtag.training.run import train


def encoder_of(folder, kind: str, width: int) -> str:
    """A folder with nothing but the configuration of an encoder of this width."""
    size = {"dim": width, "n_heads": 2} if kind == "distilbert" else {"hidden_size": width, "num_attention_heads": 2}
    AutoConfig.for_model(kind, **size).save_pretrained(folder)
    return str(folder)


def settings_of(name: str, **trainer) -> TrainSettings:
    return TrainSettings(model=ModelSettings(name=name), trainer=TrainerSettings(**trainer))


@pytest.mark.parametrize(
    ("kind", "width", "expected"),
    [
        ("bert", 384, (1e-4, 1.0)),
        ("bert", 766, (1e-4, 1.0)),
        ("mpnet", 768, (5e-5, 0.0)),
        ("distilbert", 768, (5e-5, 0.0)),
        ("roberta", 1022, (5e-5, 0.0)),
        ("roberta", 1024, (2e-5, 0.0)),
    ],
)
def test_rate_and_adversarial_training_follow_the_width_and_the_log_says_so(tmp_path, caplog, kind, width, expected):
    caplog.set_level("INFO", logger="eventtag")
    found = with_encoder_defaults(settings_of(encoder_of(tmp_path / "encoder", kind, width)))
    assert (found.trainer.learning_rate, found.trainer.adversarial) == expected
    rate, length = expected
    said = f"the encoder's layers are {width} wide, so the defaults are trainer.learning_rate={rate:g} trainer.adversarial={length:g}"
    assert caplog.messages == [said]


def test_what_is_given_stays_and_only_the_rest_is_filled_in(tmp_path, caplog):
    name = encoder_of(tmp_path / "encoder", "mpnet", 768)
    found = with_encoder_defaults(settings_of(name, learning_rate=3e-5)).trainer
    assert (found.learning_rate, found.adversarial) == (3e-5, 0.0)
    assert with_encoder_defaults(settings_of(name, adversarial=0.5)).trainer.adversarial == 0.5
    both = settings_of("an/encoder-that-is-nowhere", learning_rate=3e-5, adversarial=0.0)
    assert with_encoder_defaults(both) == both
    with pytest.raises(CheckpointError, match=r"model.name=an/encoder-that-is-nowhere: cannot be loaded"):
        with_encoder_defaults(settings_of("an/encoder-that-is-nowhere"))


def test_the_run_records_what_was_chosen(corpus_file, tmp_path):
    settings = TrainSettings(**trained_settings(corpus_file), run_dir=str(tmp_path / "run"))
    untold = replace(settings.trainer, learning_rate=None, adversarial=None, epochs=1)
    train(replace(settings, trainer=untold))
    recorded = json.loads((tmp_path / "run" / "run.json").read_text())["settings"]["trainer"]
    assert (recorded["learning_rate"], recorded["adversarial"]) == (1e-4, 1.0)
    again = with_encoder_defaults(replace(settings, trainer=untold, base=str(tmp_path / "run"))).trainer
    assert (again.learning_rate, again.adversarial) == (1e-4, 1.0)


def test_a_sweep_begins_at_the_defaults_of_the_encoder(tmp_path):
    settings = settings_of(encoder_of(tmp_path / "encoder", "mpnet", 768))
    parameters = read_space({"trainer.learning_rate": {"low": 1e-5, "high": 1e-4}, "trainer.adversarial": [0.0, 1.0]}, settings)
    assert values_of(with_encoder_defaults(settings), parameters) == {"trainer.learning_rate": 5e-5, "trainer.adversarial": 0.0}


def test_the_table_of_the_documentation_is_that_of_the_code():
    page = (REPOSITORY / "docs" / "how-to" / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (below )?([\d,]+)[^|]*\|[^|]*\| ([\d.e-]+) \| ([\d.]+) \|$", page, flags=re.MULTILINE)
    shown = [(0 if below else int(width.replace(",", "")), float(rate), float(length)) for below, width, rate, length in rows]
    assert shown == [(row.width, row.learning_rate, row.adversarial) for row in reversed(BY_WIDTH)]
