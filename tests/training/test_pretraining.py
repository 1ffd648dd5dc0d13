import json
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import plain_model, plain_trainer

from eventtag.corpus.seen import read_seen
from eventtag.errors import DataError, FormatError, OutputError, SettingsError, TrainingError
from eventtag.manifest import sha256_of
from eventtag.pretraining.run import pretrain
from eventtag.pretraining.trainer import MaskedTrainer
from eventtag.settings import DataSettings, TrainSettings
from eventtag.settings.pretrain import PretrainSettings, PretrainTrainerSettings
from eventtag.training.run import train


def settings_of(source: Path | None, run: Path, **changes) -> PretrainSettings:
    trainer = {"epochs": 10, "batch_size": 4, "learning_rate": 5e-3, "head_learning_rate": 5e-3, **changes.pop("trainer", {})}
    return PretrainSettings(
        **{
            "input": None if source is None else str(source),
            "model": plain_model(name="tiny", attention_dropout=None),
            "max_length": 24,
            "held_out": 0.2,
            "trainer": PretrainTrainerSettings(**trainer),
            "run_dir": str(run),
            **changes,
        }
    )


@pytest.fixture(scope="module")
def adapted(corpus_file, tmp_path_factory) -> Path:
    """The directory of a finished pre-training."""
    run = tmp_path_factory.mktemp("pretraining") / "run"
    pretrain(settings_of(corpus_file, run))
    return run


def test_hidden_words_are_guessed_better_after_than_before(adapted):
    metrics = json.loads((adapted / "metrics.json").read_text())
    assert metrics["after"] < metrics["head_alone"] < metrics["before"]
    assert metrics["after"] == min(epoch["loss"] for epoch in metrics["epochs"])
    assert {path.name for path in adapted.iterdir()} == {"pretraining.json", "metrics.json", "encoder"}
    about = json.loads((adapted / "encoder" / "pretraining.json").read_text())
    assert about["data"]["articles"] == 24
    assert about["data"]["held_out"] == 5
    assert about["held_out"]["after"] == metrics["after"]


def test_training_takes_the_encoder_and_what_it_has_seen(adapted, corpus_file, articles, tmp_path, caplog):
    result = train(
        TrainSettings(
            data=DataSettings(path=str(corpus_file), split_field="split"),
            model=plain_model(name=str(adapted / "encoder"), attention_dropout=None),
            trainer=plain_trainer(epochs=8, batch_size=4, learning_rate=5e-3, head_learning_rate=5e-3, patience=None),
            run_dir=str(tmp_path / "run"),
        )
    )
    assert result.evaluation.report.strict.micro.f1 > 0.9
    before, after = read_seen(adapted / "encoder"), read_seen(result.checkpoint)
    assert (len(before.read), len(before.chose), before.unknown) == (19, 5, ())
    assert (before.read, len(after.learnt)) == (after.read, 16)
    scored = result.evaluation.report.data["seen"]["scored"]
    assert scored["read"] == sum(
        before.kind_of(article) == "read" for article in articles if article.meta["split"] == "validation"
    )
    warned = [record.message for record in caplog.records if "articles were learnt by the base, the encoder" in record.message]
    assert len(warned) == 2


def test_a_stopped_run_resumes_to_the_same_encoder(adapted, corpus_file, tmp_path, monkeypatch):
    evaluate = MaskedTrainer.evaluate

    def stop_in_sixth_epoch(self, *args, **kwargs):
        if self.state.epoch and self.state.epoch > 5:
            raise KeyboardInterrupt
        return evaluate(self, *args, **kwargs)

    settings = settings_of(corpus_file, tmp_path / "stopped", resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(MaskedTrainer, "evaluate", stop_in_sixth_epoch)
        with pytest.raises(KeyboardInterrupt):
            pretrain(settings)
    assert not (tmp_path / "stopped" / "encoder").exists()
    resumed, whole = pretrain(settings).encoder, adapted / "encoder"
    assert sha256_of(resumed / "model.safetensors") == sha256_of(whole / "model.safetensors")
    one, other = (json.loads((run.parent / "metrics.json").read_text()) for run in (resumed, whole))
    compared = ("before", "head_alone", "epochs", "after", "loss")
    assert {key: one[key] for key in compared} == {key: other[key] for key in compared}


def test_of_a_corpus_only_the_training_articles_are_read(corpus_file, tmp_path):
    data = DataSettings(path=str(corpus_file), split_field="split")
    pretrain(settings_of(None, tmp_path / "run", data=data, trainer={"epochs": 1}))
    assert json.loads((tmp_path / "run" / "pretraining.json").read_text())["data"]["articles"] == 16


def test_what_is_wrong_shows_before_anything_is_written(corpus_file, tmp_path, monkeypatch):
    run = tmp_path / "run"
    with pytest.raises(SettingsError, match=r"input=null is not allowed: give input= or data="):
        settings_of(None, run)
    with pytest.raises(SettingsError, match=r"max_length=600 is not allowed: tiny reads at most 512"):
        pretrain(settings_of(corpus_file, run, max_length=600))
    with pytest.raises(SettingsError, match=r"trainer.extra.lr_scheduler_type cannot be changed"):
        pretrain(settings_of(corpus_file, run, trainer={"extra": {"lr_scheduler_type": "cosine"}}))
    with pytest.raises(FormatError, match="no such file or folder"):
        pretrain(settings_of(tmp_path / "none.jsonl", run))
    (tmp_path / "one.txt").write_text("Police met men.")
    with pytest.raises(DataError, match="found 1 articles with a word in them; pre-training needs two"):
        pretrain(settings_of(tmp_path / "one.txt", run))
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match=r"runs in one process \(found: 2\)"):
        pretrain(settings_of(corpus_file, run))
    assert not run.exists()


def test_a_run_is_gone_on_with_only_when_asked_under_the_same_settings_and_never_overwritten(adapted, corpus_file, tmp_path):
    with pytest.raises(OutputError, match="this run is finished"):
        pretrain(settings_of(corpus_file, adapted, resume=True))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "pretraining.json").write_bytes((adapted / "pretraining.json").read_bytes())
    settings = settings_of(corpus_file, tmp_path / "run")
    with pytest.raises(OutputError, match="continue it with resume=true"):
        pretrain(settings)
    with pytest.raises(TrainingError, match=r"settings\.mask_share was 0\.15 and is 0\.3 now"):
        pretrain(replace(settings, resume=True, mask_share=0.3))


def test_rows_that_are_no_articles_are_left_out_and_named(tmp_path, caplog):
    rows = ['{"text": "Police met men."}', '{"body": "x"}', '{"text": "Miners freed nurses."}', "{"]
    (tmp_path / "rows.jsonl").write_text("\n".join(rows) + "\n")
    pretrain(settings_of(tmp_path / "rows.jsonl", tmp_path / "run", trainer={"epochs": 1}))
    assert json.loads((tmp_path / "run" / "pretraining.json").read_text())["data"]["articles"] == 2
    assert "rows.jsonl:2: left out" in caplog.text
    assert "rows.jsonl:4: left out" in caplog.text
