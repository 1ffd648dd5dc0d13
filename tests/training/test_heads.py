"""Runs with another head than softmax: they learn, and their checkpoints are whole."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from eventtag.errors import CheckpointError, SettingsError
from eventtag.evaluation import evaluate
from eventtag.modeling.checkpoint import load_checkpoint
from eventtag.modeling.crf import learnt_transitions
from eventtag.settings import DataSettings, Head, Loss, ModelSettings, TrainerSettings, TrainSettings, WindowSettings
from eventtag.tagging.tagger import Tagger
from eventtag.training.run import train


def settings_of(corpus, run, *, epochs=12, data=None, **model) -> TrainSettings:
    return TrainSettings(
        data=DataSettings(path=str(corpus), split_field="split", **(data or {})),
        model=ModelSettings(name="tiny", attention_dropout=None, **model),
        window=WindowSettings(max_length=24, stride=6),
        trainer=TrainerSettings(epochs=epochs, batch_size=4, learning_rate=1e-2, head_learning_rate=1e-2, patience=None),
        run_dir=str(run),
    )


@pytest.fixture(scope="module")
def crf_run(corpus_file, tmp_path_factory):
    run = tmp_path_factory.mktemp("crf") / "run"
    train(settings_of(corpus_file, run, head=Head.crf))
    return run


def test_a_crf_learns_its_articles(crf_run, articles):
    tagger = Tagger.load(crf_run / "checkpoint")
    assert evaluate(tagger, [a for a in articles if a.meta["split"] == "train"]).report.strict.micro.f1 == 1.0
    assert evaluate(tagger, [a for a in articles if a.meta["split"] == "test"]).report.strict.micro.f1 > 0.9


def test_the_transitions_of_a_crf_are_learnt_and_stand_in_the_checkpoint(crf_run):
    checkpoint = load_checkpoint(crf_run / "checkpoint")
    transitions = checkpoint.info.transitions
    legal = checkpoint.info.labels.legal_transitions
    assert np.abs(transitions[legal]).max() > 0.01
    np.testing.assert_array_equal(transitions, learnt_transitions(checkpoint.model))


def test_a_crf_checkpoint_scores_as_its_run_did(crf_run, articles):
    validation = [article for article in articles if article.meta["split"] == "validation"]
    report = evaluate(Tagger.load(crf_run / "checkpoint"), validation).report.to_json()
    assert report["micro"] == json.loads((crf_run / "report.json").read_text())["micro"]


def test_transitions_of_another_size_are_refused(crf_run, tmp_path):
    copy = tmp_path / "checkpoint"
    shutil.copytree(crf_run / "checkpoint", copy)
    content = json.loads((copy / "eventtag.json").read_text())
    content["transitions"] = [[0.0]]
    (copy / "eventtag.json").write_text(json.dumps(content))
    manifest = json.loads((copy / "manifest.json").read_text())
    written = (copy / "eventtag.json").read_bytes()
    manifest["files"]["eventtag.json"] = {"sha256": hashlib.sha256(written).hexdigest(), "size": len(written)}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="transitions are not a finite number for each pair of the 7 tags"):
        load_checkpoint(copy)


def test_a_plain_checkpoint_has_no_transitions(checkpoint):
    assert load_checkpoint(checkpoint).info.transitions is None


@pytest.mark.parametrize(
    "changes", [{"loss": Loss.focal}, {"class_weights": "balanced"}, {"label_smoothing": 0.1}, {"outside_share": 0.5}]
)
def test_losses_of_the_softmax_head_are_refused_for_another(changes):
    with pytest.raises(SettingsError, match=f"trainer.{next(iter(changes))}=.*model.head=crf has its own loss"):
        TrainSettings(model=ModelSettings(name="tiny", head=Head.crf), trainer=TrainerSettings(**changes))
