"""A run that was interrupted ends as one that was not, to the last bit; and what interrupts it leaves its states sound."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch
from test_run import settings_of

from eventtag.errors import OutputError, TrainingError
from eventtag.heads import softmax as softmax_module
from eventtag.manifest import sha256_of
from eventtag.training import run as run_module
from eventtag.training.loop.saving import check_state, newest_sound
from eventtag.training.run import train

pytestmark = pytest.mark.slow


class StoppedError(Exception):
    """Stands for whatever ends a process."""


def dropout_of(corpus_file: Path, run: Path, **trainer):
    settings = settings_of(corpus_file, run, resume=True, trainer=trainer)
    settings.model.attention_dropout = 0.2  # so that the state of random numbers matters
    return settings


def weights_of(run: Path) -> str:
    return sha256_of(run / "checkpoint" / "model.safetensors")


def stop_before_finishing(monkeypatch, settings) -> None:
    def stop(*_, **__):
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "finish", stop)
        with pytest.raises(StoppedError):
            train(settings)


def after_loss(monkeypatch, number: int, act):
    """Have `act(loss)` in place of the loss of the `number`-th batch."""
    real, seen = softmax_module.tag_loss, []

    def tag_loss(*args, **options):
        seen.append(1)
        loss = real(*args, **options)
        return act(loss) if len(seen) == number else loss

    monkeypatch.setattr(softmax_module, "tag_loss", tag_loss)


@pytest.mark.parametrize(
    ("options", "resumed_from"),
    [
        ({}, (1, 4, 6)),
        (
            {
                "adversarial": 0.5,
                "extra": {"gradient_accumulation_steps": 3, "dataloader_num_workers": 1},
            },
            (1, 3),
        ),
    ],
    ids=["plain", "accumulation, workers and adversarial training"],
)
def test_a_run_resumed_from_any_state_ends_with_the_same_weights(corpus_file, tmp_path, monkeypatch, options, resumed_from):
    """Also within an epoch, and in another place than where it began."""
    trainer = {"epochs": 2, "save_every_steps": 1, **options, "extra": {"save_total_limit": 99, **options.get("extra", {})}}
    stop_before_finishing(monkeypatch, dropout_of(corpus_file, tmp_path / "begun", **trainer))
    states = sorted(int(path.name.removeprefix("checkpoint-")) for path in (tmp_path / "begun" / "trainer").iterdir())
    assert states == list(range(1, states[-1] + 1))
    for step in resumed_from:
        run = tmp_path / f"from {step}"
        shutil.copytree(tmp_path / "begun", run)
        for later in states[step:]:
            shutil.rmtree(run / "trainer" / f"checkpoint-{later}")
    (tmp_path / "begun").rename(tmp_path / "whole")
    train(dropout_of(corpus_file, tmp_path / "whole", **trainer))
    for step in resumed_from:
        run = tmp_path / f"from {step}"
        train(dropout_of(corpus_file, run, **trainer))
        assert weights_of(run) == weights_of(tmp_path / "whole"), step
        predictions = [(folder / "predictions.jsonl").read_bytes() for folder in (run, tmp_path / "whole")]
        assert predictions[0] == predictions[1]


def test_a_run_that_had_stopped_early_stays_stopped(corpus_file, tmp_path, monkeypatch, caplog):
    """The patience that is used up is saved too: at this rate no epoch is better than the first."""
    caplog.set_level("INFO", "eventtag")
    trainer = {"epochs": 6, "patience": 2, "learning_rate": 1e-9, "head_learning_rate": 1e-9}
    settings = settings_of(corpus_file, tmp_path / "run", resume=True, trainer=trainer)
    stop_before_finishing(monkeypatch, settings)
    shutil.copytree(tmp_path / "run", tmp_path / "earlier")
    assert len(train(settings).metrics["epochs"]) == 3
    assert "stopped early after epoch 3 of 6: for 2 epochs no micro_f1 of the validation articles was above 0." in caplog.text
    assert len(re.findall(r"epoch [123]: .*; at most \d+ s left", caplog.text)) == 3
    newest = newest_sound(tmp_path / "earlier" / "trainer", processes=1)
    shutil.rmtree(newest)
    resumed = settings_of(corpus_file, tmp_path / "earlier", resume=True, trainer=trainer)
    assert len(train(resumed).metrics["epochs"]) == 3


def test_sigterm_ends_the_step_saves_a_state_and_says_how_to_go_on(corpus_file, tmp_path, monkeypatch, caplog):
    settings = dropout_of(corpus_file, tmp_path / "run")
    before = signal.getsignal(signal.SIGTERM)
    with monkeypatch.context() as patch:
        after_loss(patch, 6, lambda loss: os.kill(os.getpid(), signal.SIGTERM) or loss)
        with pytest.raises(SystemExit) as ended:
            train(settings)
    assert ended.value.code == 143
    state = tmp_path / "run" / "trainer" / "checkpoint-6"
    assert (
        f"stopped by SIGTERM after step 6 of 8, saved in {state}; continue with the same command and resume=true" in caplog.text
    )
    check_state(state, processes=1)
    assert signal.getsignal(signal.SIGTERM) == before
    train(settings)
    train(dropout_of(corpus_file, tmp_path / "whole"))
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda loss: loss * float("nan"),
            r"the loss is nan at step 6; training stopped before the update, and saved states are sound",
        ),
        (lambda loss: loss * float("inf"), r"the loss is inf at step 6"),
        (lambda loss: loss + torch.sqrt(loss * 0), r"the gradients of step 6 are not finite \(norm nan\), though the loss is"),
    ],
    ids=["nan", "inf", "gradient"],
)
def test_numbers_that_are_not_finite_stop_before_the_update_and_name_the_articles(
    corpus_file, articles, tmp_path, monkeypatch, act, message
):
    after_loss(monkeypatch, 6, act)
    with pytest.raises(TrainingError, match=message) as stopped:
        train(settings_of(corpus_file, tmp_path / "run"))
    named = str(stopped.value).split("to be looked at: ")[1].split(". ")[0].split(", ")
    assert 1 <= len(named) <= 4
    assert set(named) <= {article.id for article in articles if article.meta["split"] == "train"}
    state = newest_sound(tmp_path / "run" / "trainer", processes=1)
    assert state.name == "checkpoint-4"


def test_weights_that_are_not_finite_are_not_saved(corpus_file, tmp_path, monkeypatch):
    settings = settings_of(corpus_file, tmp_path / "run", trainer={"extra": {"max_grad_norm": 0.0}})
    after_loss(monkeypatch, 8, lambda loss: loss * 3e38)
    with pytest.raises(TrainingError, match=r"not finite"):
        train(settings)
    assert [path.name for path in (tmp_path / "run" / "trainer").iterdir()] == ["checkpoint-4"]


def test_a_full_disk_leaves_the_state_before_and_the_run_goes_on_when_there_is_room(corpus_file, tmp_path, monkeypatch):
    real = torch.save

    def full(value, path, *args, **options):
        if "checkpoint-8" in str(path):
            raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")
        return real(value, path, *args, **options)

    settings = dropout_of(corpus_file, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OutputError, match=r"could not be saved \(.*file write failed\); .*checkpoint-4 is whole"):
            train(settings)
    assert [path.name for path in (tmp_path / "run" / "trainer").iterdir()] == ["checkpoint-4"]
    train(settings)
    assert (tmp_path / "run" / "metrics.json").exists()
