"""Averages of weights: what they are, and that a run keeps them through everything."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from test_resuming import dropout_of, stop_before_finishing, weights_of
from torch import nn
from transformers import TrainerState

from eventtag.errors import SettingsError
from eventtag.evaluation import evaluate
from eventtag.modeling.checkpoint import Calibration
from eventtag.settings import AveragedEpochs, AveragingSettings
from eventtag.tagging.tagger import Tagger
from eventtag.training.averaging import AverageUpdates, EpochAverage, MovingAverage, averaged, trained_weights
from eventtag.training.run import train


class Line(nn.Module):
    """Two numbers, of which one is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([1.0]))
        self.frozen = nn.Parameter(torch.tensor([7.0]), requires_grad=False)


def set_to(model: Line, value: float) -> None:
    with torch.no_grad():
        model.a.fill_(value)


def test_a_moving_average_by_hand():
    """From 1, over 3, 5 and 9: the first three decays are 2/11, 3/12 and 4/13, or the one that is set where that is lower."""
    for decay, expected in ((0.999, [(1 * 2 + 3 * 9) / 11]), (0.1, [1 * 0.1 + 3 * 0.9])):
        model = Line()
        average = MovingAverage(model, decay=decay)
        for step, value in ((1, 5.0), (2, 9.0)):
            used = min(decay, (2 + step) / (11 + step))
            expected.append(used * expected[-1] + (1 - used) * value)
        for value, wanted in zip((3.0, 5.0, 9.0), expected, strict=True):
            set_to(model, value)
            average.after_update(model)
            assert average.weights["a"].item() == pytest.approx(wanted, rel=1e-6)


def test_a_moving_average_starts_from_the_weights_that_the_run_begins_with():
    """They may not be those that the model was built with: a primer comes between."""
    model = Line()
    average = MovingAverage(model, decay=0.5)
    callback = AverageUpdates(average, model)
    for step, expected in ((7, 1.0), (0, 3.0)):
        set_to(model, 3.0)
        callback.on_train_begin(None, TrainerState(global_step=step), None)
        assert average.weights["a"].item() == expected


scores_and_weights = st.lists(st.tuples(st.integers(0, 3), st.integers(-50, 50)), min_size=1, max_size=8)


@given(ends=scores_and_weights, epochs=st.integers(2, 4), best=st.booleans())
def test_an_average_of_epochs_is_that_of_the_last_or_the_best_until_then(ends, epochs, best):
    model = Line()
    average = EpochAverage(model, epochs=epochs, best=best)
    for done, (score, value) in enumerate(ends, start=1):
        set_to(model, value)
        average.after_epoch(model, lambda score=score: score)
        numbered = list(enumerate(ends[:done]))
        kept = sorted(numbered, key=lambda item: (-item[1][0], item[0]))[:epochs] if best else numbered[-epochs:]
        assert average.weights["a"].item() == pytest.approx(np.mean([value for _, (_, value) in kept]), abs=1e-4)


@pytest.mark.parametrize("build", [lambda m: MovingAverage(m, decay=0.9), lambda m: EpochAverage(m, epochs=2, best=True)])
def test_an_average_that_was_saved_goes_on_as_if_it_had_not_been(build, tmp_path):
    model = Line()
    whole = build(model)

    def go_on(average, values):
        for value in values:
            set_to(model, value)
            average.after_update(model)
            average.after_epoch(model, lambda value=value: -abs(value - 4.0))

    go_on(whole, (3.0, 5.0))
    torch.save(whole.state_dict(), tmp_path / "average.pt")
    resumed = build(Line())
    resumed.load_state_dict(torch.load(tmp_path / "average.pt", weights_only=True))
    for average in (whole, resumed):
        go_on(average, (9.0, 4.0))
    assert torch.equal(whole.weights["a"], resumed.weights["a"])


def test_the_model_has_the_average_within_the_block_only_and_what_is_frozen_stays():
    model = Line()
    average = MovingAverage(model, decay=0.5)
    set_to(model, 3.0)
    with averaged(model, average):
        assert (model.a.item(), model.frozen.item()) == (1.0, 7.0)
    assert model.a.item() == 3.0
    assert list(average.weights) == ["a"] == list(trained_weights(model))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ema": 1.0}, r"trainer\.averaging\.ema=1\.0 is not allowed: above 0 and below 1, or null"),
        ({"epochs": 1}, r"trainer\.averaging\.epochs=1 is not allowed: at least 2, or null"),
        ({"ema": 0.9, "epochs": 2}, r"trainer\.averaging\.epochs=2 is not allowed: trainer\.averaging\.ema is set too"),
    ],
)
def test_what_makes_no_average_is_refused(options, message):
    with pytest.raises(SettingsError, match=message):
        AveragingSettings(**options)


TRAINER = {"epochs": 3, "save_every_steps": 3, "extra": {"save_total_limit": 99}}


@pytest.fixture(scope="module")
def plain_run(corpus_file, tmp_path_factory):
    """A run without an average, with all of its states."""
    run = tmp_path_factory.mktemp("plain") / "run"
    with pytest.MonkeyPatch.context() as patch:
        stop_before_finishing(patch, dropout_of(corpus_file, run, **TRAINER))
    return run


@pytest.mark.parametrize(
    "averaging", [AveragingSettings(ema=0.9), AveragingSettings(epochs=2, of=AveragedEpochs.best)], ids=["moving", "best epochs"]
)
def test_a_resumed_run_has_the_same_average_and_the_checkpoint_is_the_one_that_was_scored(
    plain_run, corpus_file, articles, tmp_path, monkeypatch, averaging
):
    """Gone on with from within an epoch, and from the end of one. Training itself is what it is without an average."""
    trainer = {**TRAINER, "averaging": averaging}
    stop_before_finishing(monkeypatch, dropout_of(corpus_file, tmp_path / "begun", **trainer))
    states = sorted(int(path.name.removeprefix("checkpoint-")) for path in (tmp_path / "begun" / "trainer").iterdir())
    for step in states:
        own, without = (run / "trainer" / f"checkpoint-{step}" for run in (tmp_path / "begun", plain_run))
        assert (own / "model.safetensors").read_bytes() == (without / "model.safetensors").read_bytes()
        assert (own / "average.pt").exists()
        assert not (without / "average.pt").exists()
    for step in (states[1], states[-2]):
        run = tmp_path / f"from {step}"
        shutil.copytree(tmp_path / "begun", run)
        for later in (state for state in states if state > step):
            shutil.rmtree(run / "trainer" / f"checkpoint-{later}")
    (tmp_path / "begun").rename(tmp_path / "whole")
    whole = train(dropout_of(corpus_file, tmp_path / "whole", **trainer))
    for step in (states[1], states[-2]):
        train(dropout_of(corpus_file, tmp_path / f"from {step}", **trainer))
        assert weights_of(tmp_path / f"from {step}") == weights_of(tmp_path / "whole")
    validation = [article for article in articles if article.meta["split"] == "validation"]
    tagger = replace(Tagger.load(whole.checkpoint), calibration=Calibration())
    best = max(epoch["eval_micro_f1"] for epoch in whole.metrics["epochs"])
    assert evaluate(tagger, validation).report.strict.micro.f1 == best


def test_the_checkpoint_holds_the_mean_of_the_last_epochs(corpus_file, tmp_path, monkeypatch):
    trainer = {"epochs": 3, "averaging": AveragingSettings(epochs=2), "extra": {"save_total_limit": 99}}
    settings = dropout_of(corpus_file, tmp_path / "run", **trainer)
    stop_before_finishing(monkeypatch, settings)
    shutil.copytree(tmp_path / "run", tmp_path / "states")
    result = train(settings)
    ends = sorted((tmp_path / "states" / "trainer").iterdir(), key=lambda path: int(path.name.removeprefix("checkpoint-")))
    epoch = round(result.metrics["best_epoch"])
    own = [load_file(path / "model.safetensors") for path in ends[max(epoch - 2, 0) : epoch]]
    kept = load_file(result.checkpoint / "model.safetensors")
    for name, weight in kept.items():
        torch.testing.assert_close(weight, sum(weights[name] for weights in own) / len(own), msg=name)
