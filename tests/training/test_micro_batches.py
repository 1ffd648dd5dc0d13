from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_run import settings_of

from eventtag.corpus.loading import load_corpus
from eventtag.manifest import sha256_of
from eventtag.settings import Head, Precision
from eventtag.training.data.features import collate
from eventtag.training.loop.micro_batches import split_batch
from eventtag.training.run import _build_trainer, train


def trainer_of(corpus_file: Path, run: Path, head: Head = Head.softmax, **trainer):
    settings = settings_of(corpus_file, run, trainer=trainer)
    settings.model.head = head
    made = _build_trainer(settings, load_corpus(settings.data))
    for module in made.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return made


def batch_of(trainer) -> dict[str, torch.Tensor]:
    unlike = sorted(trainer.features, key=lambda feature: len(feature.input_ids))[::2]
    marked = [replace(feature, unannotated=feature.unannotated | (number % 2 == 0)) for number, feature in enumerate(unlike)]
    return collate(marked, pad_token_id=0)


def test_parts_hold_every_window_once_within_the_budget(corpus_file, tmp_path):
    batch = batch_of(trainer_of(corpus_file, tmp_path))
    parts = split_batch(batch, 50)
    assert len(parts) > 2
    assert all(part["input_ids"].numel() <= 50 for part in parts)
    assert all(bool(part["attention_mask"][:, -1].any()) for part in parts)

    def rows(items) -> list:
        return sorted(
            (ids[mask == 1].tolist(), tags[mask == 1].tolist(), unannotated.tolist())
            for part in items
            for ids, mask, tags, unannotated in zip(
                part["input_ids"], part["attention_mask"], part["labels"], part["unannotated"], strict=True
            )
        )

    assert rows(parts) == rows([batch])
    assert len(split_batch(batch, 1)) == len(batch["input_ids"])
    (whole,) = split_batch(batch, None)
    assert all(whole[key] is batch[key] for key in batch)


def gradients(trainer, batch) -> tuple[float, dict[str, torch.Tensor]]:
    trainer.create_optimizer_and_scheduler(10)
    trainer.network.zero_grad()
    positions = (batch["labels"] >= 0).sum()
    loss = trainer.training_step(trainer.network, batch, positions)
    return float(loss), {name: p.grad.clone() for name, p in trainer.network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("change", "head"),
    [
        ({"micro_batch_tokens": 30}, Head.softmax),
        ({"micro_batch_tokens": 30}, Head.crf),
        ({"micro_batch_tokens": 30}, Head.span),
        ({"gradient_checkpointing": True}, Head.softmax),
    ],
    ids=["in parts", "in parts, crf", "in parts, span", "checkpointing"],
)
def test_the_gradient_is_that_of_the_whole_batch(corpus_file, tmp_path, change, head):
    whole = trainer_of(corpus_file, tmp_path, head)
    batch = batch_of(whole)
    loss, expected = gradients(whole, batch)
    other = trainer_of(corpus_file, tmp_path, head, **change)
    assert other.network.is_activation_checkpointing == ("gradient_checkpointing" in change)
    found_loss, found = gradients(other, batch)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert found.keys() == expected.keys()
    assert any(gradient.abs().max() > 1e-3 for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_training_by_tokens_takes_fewer_steps_and_resumes_to_the_same_weights(corpus_file, tmp_path, monkeypatch):
    from eventtag.training.loop import trainer as trainer_module

    by_tokens = {"epochs": 3, "precision": Precision.fp32, "batch_tokens": 100, "micro_batch_tokens": 60}
    whole = train(settings_of(corpus_file, tmp_path / "whole", trainer=by_tokens))

    evaluate = trainer_module.ArticleTrainer.evaluate

    def stop_in_third_epoch(self, *args, **kwargs):
        if self.state.epoch and self.state.epoch > 2:
            raise KeyboardInterrupt
        return evaluate(self, *args, **kwargs)

    settings = settings_of(corpus_file, tmp_path / "stopped", resume=True, trainer=by_tokens)
    with monkeypatch.context() as patch:
        patch.setattr(trainer_module.ArticleTrainer, "evaluate", stop_in_third_epoch)
        with pytest.raises(KeyboardInterrupt):
            train(settings)
    resumed = train(settings)
    assert sha256_of(resumed.checkpoint / "model.safetensors") == sha256_of(whole.checkpoint / "model.safetensors")
