"""What a model learns before its own articles."""

import json
import logging
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from conftest import make_article, make_distinct, plain_model
from test_run import settings_of

from eventtag.article import Article
from eventtag.corpus.loading import load_corpus
from eventtag.corpus.seen import read_seen, seen_articles
from eventtag.evaluation import evaluate
from eventtag.experiments.learning_curve import run_learning_curve
from eventtag.experiments.sweep import run_sweep
from eventtag.formats.jsonl import json_line
from eventtag.heads.registry import head_of
from eventtag.labels import LabelSet
from eventtag.manifest import sha256_of
from eventtag.models.encoders import load_encoder
from eventtag.models.tiny import build_tiny_model, build_tiny_tokenizer
from eventtag.settings import (
    DataSettings,
    IntermediateSettings,
    LearningCurveSettings,
    TeacherSettings,
    TrainSettings,
)
from eventtag.settings.sweep import SweepSettings
from eventtag.tagging.tagger import Tagger
from eventtag.training import run as run_module
from eventtag.training.intermediate import plan_intermediate, share, take_weights
from eventtag.training.run import train

pytestmark = pytest.mark.slow


class StoppedError(Exception):
    """Stands for whatever ends a process."""


OWN = ("Voters", "Pilots", "Bakers", "Judges", "Dublin", "Tokyo")


@pytest.fixture(scope="module")
def own_file(tmp_path_factory) -> Path:
    """12 articles that those of the intermediate run have nothing in common with."""
    made = []
    for number in range(12):
        marked = f"{OWN[number % 6]}/ACTOR thanked/EVENT {OWN[(number + 2) % 6]}/ACTOR at Oslo/LOCATION on day {number} ."
        made.append(make_article(f"own{number}", marked, meta={"split": "validation" if number % 4 == 0 else "train"}))
    return write(tmp_path_factory.mktemp("own") / "own.jsonl", made)


def write(path: Path, articles: list[Article]) -> Path:
    path.write_text("".join(json_line(article) + "\n" for article in articles), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def encoder(articles, own_file, tmp_path_factory) -> Path:
    """A folder with a small model of random weights that knows the words of both corpora."""
    folder = tmp_path_factory.mktemp("encoder") / "model"
    texts = [json.loads(line)["text"] for line in own_file.read_text().splitlines()]
    tokenizer = build_tiny_tokenizer([*(article.text for article in articles), *texts])
    torch.manual_seed(3)
    build_tiny_model(tokenizer, LabelSet(("X",))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def two_stages(own_file: Path, corpus_file: Path, encoder: Path, run: Path, *, epochs: float = 2, **changes):
    settings = settings_of(own_file, run, **changes)
    intermediate = IntermediateSettings(
        data=DataSettings(name="first", path=str(corpus_file), split_field="split"), epochs=epochs
    )
    settings.model = replace(settings.model, name=str(encoder), attention_dropout=0.1, intermediate=intermediate)
    return settings


@pytest.fixture(scope="module")
def alone(own_file, corpus_file, encoder, tmp_path_factory) -> str:
    """What the weights are after both stages, in a run that shares nothing and is not stopped."""
    run = tmp_path_factory.mktemp("alone") / "run"
    train(two_stages(own_file, corpus_file, encoder, run))
    return weights_of(run)


def weights_of(run: Path) -> str:
    return sha256_of(run / "checkpoint" / "model.safetensors")


def test_the_model_begins_from_the_intermediate_checkpoint(own_file, corpus_file, encoder, articles, tmp_path):
    """At a rate at which the run itself learns nothing, the checkpoint is that of the intermediate run."""
    still = {"trainer": {"epochs": 1, "learning_rate": 1e-2, "head_learning_rate": 1e-2}}
    settings = two_stages(own_file, corpus_file, encoder, tmp_path / "run", epochs=12, **still)
    real = run_module._tune_first

    def tune_and_stand_still(trainer, *given) -> None:
        real(trainer, *given)
        trainer.args.learning_rate = trainer.head_learning_rate = 1e-12

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "_tune_first", tune_and_stand_still)
        train(settings)
    held_out = [article for article in articles if article.meta["split"] == "test"]
    assert evaluate(Tagger.load(tmp_path / "run" / "checkpoint"), held_out).report.strict.micro.f1 > 0.9
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["intermediate"]["name"] == "first"
    assert record["intermediate"]["articles"] == 16
    assert record["data"]["train"]["articles"] == 9
    assert not (tmp_path / "run" / "intermediate").exists()
    own = load_corpus(settings.data)
    assert read_seen(tmp_path / "run" / "checkpoint") == seen_articles(
        learnt=[*own.splits["train"], *(a for a in articles if a.meta["split"] == "train")],
        chose=[*own.splits["validation"], *(a for a in articles if a.meta["split"] == "validation")],
    )
    card = (tmp_path / "run" / "checkpoint" / "README.md").read_text()
    assert f"learnt from 16 articles of first (12 epochs; sha256\n  `{record['intermediate']['sha256']}`" in card


@pytest.mark.parametrize("during", ["the intermediate run", "the run"])
def test_an_interrupted_run_ends_with_the_weights_of_one_that_was_not(
    own_file, corpus_file, encoder, alone, tmp_path, monkeypatch, during
):
    stopped = two_stages(own_file, corpus_file, encoder, tmp_path / "stopped", resume=True)
    real = run_module.finish if during == "the intermediate run" else run_module.take_weights

    def stop(*given):
        if during == "the run":
            real(*given)
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "finish" if during == "the intermediate run" else "take_weights", stop)
        with pytest.raises(StoppedError):
            train(stopped)
    assert (tmp_path / "stopped" / "intermediate").exists()
    train(stopped)
    assert weights_of(tmp_path / "stopped") == alone


def test_other_intermediate_fine_tuning_is_another_run(own_file, corpus_file, encoder, tmp_path, monkeypatch):
    settings = two_stages(own_file, corpus_file, encoder, tmp_path / "run", resume=True)

    def stop(*_):
        raise StoppedError

    monkeypatch.setattr(run_module, "_tune_first", stop)
    with pytest.raises(StoppedError):
        train(settings)
    with pytest.raises(
        run_module.TrainingError, match=r"cannot be resumed, settings\.model\.intermediate\.epochs was 2 and is 3 now"
    ):
        train(two_stages(own_file, corpus_file, encoder, tmp_path / "run", epochs=3, resume=True))


def test_articles_that_are_in_the_corpus_or_near_its_held_out_ones_teach_nothing(articles, tmp_path, encoder, caplog):
    chosen = [article for article in articles if article.meta["split"] == "train"]
    other = [
        make_article(f"n{number}", " ".join(f"word{number}x{part}" for part in range(40)) + " Police/ACTOR met/EVENT .")
        for number in range(6)
    ]
    held_out = make_article("near", other[0].text + " Updated", meta={"split": "validation"})
    held_out = replace(held_out, spans=other[0].spans)
    corpus_file = write(tmp_path / "own.jsonl", [*chosen[:8], held_out])
    first = [replace(article, meta={"split": "train"}) for article in (*other, chosen[0])]
    first_file = write(tmp_path / "first.jsonl", [*first, make_article("v", "Rebels/ACTOR left", meta={"split": "validation"})])
    settings = two_stages(corpus_file, first_file, encoder, tmp_path / "run")
    plan = plan_intermediate(settings, load_corpus(settings.data))
    assert [article.id for article in plan.corpus.splits["train"]] == ["n1", "n2", "n3", "n4", "n5"]
    same = replace(settings.model.intermediate, data=replace(settings.data, name="same"))
    settings.model = replace(settings.model, intermediate=same)
    with caplog.at_level(logging.INFO):
        assert plan_intermediate(settings, load_corpus(settings.data)) is None
    assert "intermediate fine-tuning: 8 of 8 articles are in the corpus itself, so it is left out" in caplog.text


def test_a_part_of_a_corpus_does_not_learn_first_what_was_left_out_of_it(encoder, tmp_path):
    file = write(tmp_path / "articles.jsonl", make_distinct(10, train=8))
    settings = two_stages(file, file, encoder, tmp_path / "curve", trainer={"epochs": 0.5})
    own = {item.name: getattr(settings, item.name) for item in fields(TrainSettings)}
    run_learning_curve(LearningCurveSettings(**own, sizes=[1, 2, 3], repeats=1))
    records = [json.loads(path.read_text()) for path in sorted((tmp_path / "curve").glob("runs/*/run.json"))]
    assert [record["data"]["train"]["articles"] for record in records] == [1, 2, 3]
    assert not any("intermediate" in record for record in records)


def test_runs_that_share_intermediate_fine_tuning_end_as_they_would_alone(
    own_file, corpus_file, encoder, alone, tmp_path, caplog
):
    shared = tmp_path / "intermediate"
    with caplog.at_level(logging.INFO):
        for name, changes in (("a", {}), ("b", {"trainer": {"adversarial": 1.0}}), ("c", {"trainer": {"learning_rate": 3e-3}})):
            train(two_stages(own_file, corpus_file, encoder, tmp_path / name, **changes), shared=shared)
            assert not (tmp_path / name / "intermediate").exists()
            if changes:
                train(two_stages(own_file, corpus_file, encoder, tmp_path / f"{name} alone", **changes))
            assert weights_of(tmp_path / name) == (weights_of(tmp_path / f"{name} alone") if changes else alone)
    assert (
        caplog.text.count("intermediate fine-tuning: first,") == 2 + 2
    )  # of those alone, and of a and c: what is swept in c is a setting of its intermediate run too
    assert len(list(shared.iterdir())) == 2


@pytest.mark.parametrize("since", ["nothing", "other saves", "removed"])
def test_a_run_that_was_stopped_just_after_it_shared_its_intermediate_checkpoint_goes_on(
    own_file, corpus_file, encoder, alone, tmp_path, monkeypatch, since
):
    settings = two_stages(own_file, corpus_file, encoder, tmp_path / "run", resume=True)
    real = run_module.share

    def share_and_stop(*given) -> None:
        real(*given)
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "share", share_and_stop)
        with pytest.raises(StoppedError):
            train(settings, shared=tmp_path / "intermediate")
    assert len(list((tmp_path / "intermediate").iterdir())) == 1
    if since == "removed":
        shutil.rmtree(tmp_path / "intermediate")
    if since == "other saves":
        settings.trainer = replace(settings.trainer, save_every_steps=2)
    train(settings, shared=tmp_path / "intermediate")
    assert len(list((tmp_path / "intermediate").iterdir())) == 1
    assert weights_of(tmp_path / "run") == alone


def test_of_two_that_made_the_same_intermediate_checkpoint_at_once_the_first_is_kept(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        share(tmp_path / name, tmp_path / "intermediate" / "key")
    assert (tmp_path / "intermediate" / "key" / "file").read_text() == "first"
    with pytest.raises(FileNotFoundError):
        share(tmp_path / "missing", tmp_path / "intermediate" / "other")


def test_a_learning_curve_fine_tunes_first_once_for_all_sizes(own_file, corpus_file, encoder, tmp_path, caplog):
    settings = two_stages(own_file, corpus_file, encoder, tmp_path / "curve")
    own = {item.name: getattr(settings, item.name) for item in fields(TrainSettings)}
    with caplog.at_level(logging.INFO):
        run_learning_curve(LearningCurveSettings(**own, sizes=[3, 6, 9], repeats=2))
    assert caplog.text.count("intermediate fine-tuning: first,") == 2  # a repeat is another seed
    assert not (tmp_path / "curve" / "intermediate").exists()


def test_candidates_share_the_intermediate_checkpoint_of_the_sweep_s_own_settings_alone(
    own_file, corpus_file, encoder, tmp_path, caplog
):
    settings = two_stages(own_file, corpus_file, encoder, tmp_path / "sweep", trainer={"epochs": 1})
    own = {item.name: getattr(settings, item.name) for item in fields(TrainSettings)}
    space = {"trainer": {"adversarial": [0.0, 1.0]}}
    with caplog.at_level(logging.INFO):
        report = run_sweep(SweepSettings(**own, space=space, trials=8, seeds=1, prune_below=None))
    assert {candidate.values["trainer.adversarial"] for candidate in report.candidates} == {0.0, 1.0}
    assert caplog.text.count("intermediate fine-tuning: first,") == 1
    assert not (tmp_path / "sweep" / "intermediate").exists()
    caplog.clear()
    own["run_dir"] = str(tmp_path / "rates")
    with caplog.at_level(logging.INFO):
        run_sweep(SweepSettings(**own, space={"trainer.learning_rate": [1e-3, 2e-3]}, trials=4, seeds=1, prune_below=None))
    assert caplog.text.count("intermediate fine-tuning: first,") == 2


def test_articles_without_a_common_label_or_a_vocabulary_are_not_learnt_first(own_file, corpus_file, encoder, tmp_path, caplog):
    settings = two_stages(own_file, corpus_file, encoder, tmp_path / "run")
    corpus = replace(load_corpus(settings.data), labels=LabelSet(("PERSON",)))
    with caplog.at_level(logging.INFO):
        assert plan_intermediate(settings, corpus) is None
    assert "intermediate fine-tuning: first has none of the labels PERSON, so it is left out" in caplog.text
    settings.model = replace(settings.model, name="tiny")
    with caplog.at_level(logging.INFO):
        assert plan_intermediate(settings, corpus) is None
    assert "model.name=tiny makes its vocabulary from each corpus, so it is left out" in caplog.text
    assert plan_intermediate(settings_of(own_file, tmp_path / "plain"), corpus) is None


def test_what_is_of_the_run_alone_is_not_asked_of_the_intermediate_run(own_file, corpus_file, encoder, tmp_path):
    trainer = {"adversarial": 1.0, "patience": 1, "learning_rate": 7e-3}
    settings = two_stages(own_file, corpus_file, encoder, tmp_path / "run", trainer=trainer)
    settings.teacher = TeacherSettings(checkpoints=["somewhere"])
    first = plan_intermediate(settings, load_corpus(settings.data)).settings
    assert first.trainer.adversarial == 0.0
    assert (first.trainer.learning_rate, first.trainer.epochs, first.trainer.patience) == (7e-3, 2, None)
    assert first.teacher == TeacherSettings()
    assert first.model.intermediate.data is None


@pytest.mark.parametrize("labels", [("ACTOR", "EVENT", "LOCATION"), ("EVENT", "ACTOR", "PLACE")])
def test_a_head_is_taken_over_only_with_its_tags(trained_run, labels):
    checkpoint = trained_run / "checkpoint"
    model, _ = load_encoder(plain_model(name=str(checkpoint), attention_dropout=None), LabelSet(labels), seed=1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    take_weights(model, checkpoint)
    taken = {name: bool(weight.any()) for name, weight in model.named_parameters()}
    assert all(there for name, there in taken.items() if "classifier" not in name)
    assert taken["classifier.weight"] == (labels == ("ACTOR", "EVENT", "LOCATION"))


def test_the_module_s_names_of_head_weights_are_those_of_the_models():
    from eventtag.models.network import EventtagForTokenClassification  # noqa: F401 - registers the class
    from eventtag.settings import Head

    texts = ["Police met"]
    for head in Head:
        model, _ = load_encoder(
            plain_model(name="tiny", attention_dropout=None, head=head), LabelSet(("A",)), seed=1, texts=texts
        )
        outside = [
            name for name in model.state_dict() if not name.startswith((f"{model.base_model_prefix}.", "casing", "layer_weights"))
        ]
        assert outside
        assert all(name.startswith(head_of(model.config).weights) for name in outside)
