import importlib.util
import os

import pytest
from test_run import settings_of

from eventtag.errors import SettingsError
from eventtag.training.run import train
from eventtag.training.tracking import require_trackers, tracked


def test_tensorboard_logs_into_the_run_directory(corpus_file, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trainer = {"tracking": ["tensorboard"], "extra": {"logging_steps": 2}}
    result = train(settings_of(corpus_file, tmp_path / "run", trainer=trainer))
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    logged = {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}
    assert logged["eval/micro_f1"] == [
        (4 * n, pytest.approx(e["eval_micro_f1"])) for n, e in enumerate(result.metrics["epochs"], 1)
    ]
    assert logged["eval/ACTOR_f1"][1][1] == pytest.approx(result.metrics["epochs"][1]["eval_ACTOR_f1"])
    assert [value for _, value in logged["train/loss"]] == pytest.approx([entry["loss"] for entry in result.metrics["loss"]])
    assert len(logged["train/learning_rate"]) == 4
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ


@pytest.mark.parametrize(("name", "place"), [("mlflow", "mlflow.db"), ("wandb", "wandb"), ("trackio", "trackio")])
def test_other_trackers_write_into_the_run_directory(name, place, corpus_file, tmp_path, monkeypatch):
    if importlib.util.find_spec(name) is None:  # not imported here: trackio takes its place from the environment when it is
        pytest.skip(f"{name} is not installed")
    monkeypatch.chdir(tmp_path)
    train(settings_of(corpus_file, tmp_path / "run", trainer={"epochs": 1, "tracking": [name]}))
    assert (tmp_path / "run" / place).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # and nowhere else


def test_a_missing_package_is_said_before_anything_is_written(corpus_file, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        SettingsError, match=r"trainer.tracking=wandb: the package is not installed; pip install 'eventtag\[tracking\]'"
    ):
        train(settings_of(corpus_file, tmp_path / "run", trainer={"tracking": ["wandb"]}))
    assert not (tmp_path / "run").exists()


def test_an_unknown_tracker_is_refused():
    with pytest.raises(SettingsError, match=r"trainer.tracking=comet is not allowed: one of tensorboard, mlflow, wandb, trackio"):
        require_trackers(["comet"])


def test_what_the_environment_says_already_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_DIR", raising=False)
    with tracked(["wandb"], tmp_path):
        assert (os.environ["WANDB_MODE"], os.environ["WANDB_DIR"]) == ("online", str(tmp_path))
    assert os.environ["WANDB_MODE"] == "online"
    assert "WANDB_DIR" not in os.environ
