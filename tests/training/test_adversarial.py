"""Adversarial training: each batch once more, with its words moved along their gradient."""

import pytest
import torch
from test_micro_batches import batch_of, gradients, trainer_of

from eventtag.training.loop.adversarial import movable_words


def table_of(trainer) -> torch.nn.Parameter:
    return trainer.network.get_input_embeddings().weight


@pytest.mark.parametrize("budget", [None, 60])
def test_the_gradient_is_that_of_both_looks_and_the_words_are_put_back(corpus_file, tmp_path, budget):
    trainer = trainer_of(corpus_file, tmp_path, micro_batch_tokens=budget)
    batch, table = batch_of(trainer), table_of(trainer)
    before = table.detach().clone()
    loss, first = gradients(trainer, batch)
    direction = first[next(name for name, p in trainer.network.named_parameters() if p is table)]
    used = torch.zeros(len(table), dtype=torch.bool)
    used[batch["input_ids"].unique()] = True
    with torch.no_grad():
        table[used] += 0.7 * (direction / direction.norm())[used]
    _, second = gradients(trainer, batch)
    with torch.no_grad():
        table.copy_(before)
    trainer.settings.adversarial = 0.7
    found_loss, found = gradients(trainer, batch)
    assert found_loss == pytest.approx(loss, rel=1e-6)
    assert torch.equal(table, before)
    assert any(not torch.allclose(first[name], second[name], rtol=1e-2, atol=1e-5) for name in first)
    for name in first:
        torch.testing.assert_close(found[name], first[name] + second[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_step_has_the_length_asked_for_and_forgets_the_gradients_of_earlier_batches(corpus_file, tmp_path):
    trainer = trainer_of(corpus_file, tmp_path)
    batch, table = batch_of(trainer), table_of(trainer)
    before = table.detach().clone()
    steps = []
    for earlier in (None, torch.randn(table.shape)):
        table.grad = earlier
        with movable_words(trainer.network, batch["input_ids"]) as move:
            trainer.network(**{key: batch[key] for key in ("input_ids", "attention_mask")}).logits.square().sum().backward()
            move(0.5)
            steps.append(table.detach() - before)
        assert torch.equal(table, before)
    assert float(steps[0].norm()) == pytest.approx(0.5, rel=1e-4)
    torch.testing.assert_close(steps[1], steps[0], rtol=1e-3, atol=1e-5)


def test_words_that_are_not_trained_are_moved_and_learn_nothing(corpus_file, tmp_path):
    trainer = trainer_of(corpus_file, tmp_path, freeze_layers=1, adversarial=1.0)
    table = table_of(trainer)
    before = table.detach().clone()
    _, found = gradients(trainer, batch_of(trainer))
    trainer.settings.adversarial = 0.0
    _, once = gradients(trainer, batch_of(trainer))
    assert not table.requires_grad
    assert table.grad is None
    assert torch.equal(table, before)
    assert found.keys() == once.keys()
    assert any(not torch.allclose(found[name], 2 * once[name], rtol=1e-2, atol=1e-5) for name in once)


def test_an_error_between_the_looks_leaves_the_words_as_they_were(corpus_file, tmp_path):
    trainer = trainer_of(corpus_file, tmp_path)
    batch, table = batch_of(trainer), table_of(trainer)
    before = table.detach().clone()

    def look_and_fail() -> None:
        with movable_words(trainer.network, batch["input_ids"]) as move:
            trainer.network(**{key: batch[key] for key in ("input_ids", "attention_mask")}).logits.sum().backward()
            move(3.0)
            assert not torch.equal(table, before)
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        look_and_fail()
    assert torch.equal(table, before)


def test_tokens_are_counted_once_and_passes_as_they_are(corpus_file, tmp_path):
    trainer = trainer_of(corpus_file, tmp_path, adversarial=1.0, micro_batch_tokens=60)
    batch = batch_of(trainer)
    gradients(trainer, batch)
    tokens = int(batch["attention_mask"].sum())
    assert (trainer.speed.tokens, trainer.speed.passed) == (tokens, 2 * tokens)
