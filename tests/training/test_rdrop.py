"""Two passes with different dropout that are kept alike."""

import pytest
import torch
from test_micro_batches import batch_of, gradients, trainer_of

from eventtag.errors import SettingsError
from eventtag.modeling.loss import tag_loss
from eventtag.settings import Head, ModelSettings, TrainerSettings, TrainSettings


def test_without_dropout_the_loss_and_its_gradient_are_those_of_one_pass(corpus_file, tmp_path):
    trainer = trainer_of(corpus_file, tmp_path)
    batch = batch_of(trainer)
    loss, plain = gradients(trainer, batch)
    trainer.rdrop = 5.0
    for budget in (None, 60):
        trainer.micro_batch_tokens = budget
        twice, found = gradients(trainer, batch)
        assert twice == pytest.approx(loss, rel=1e-5)
        assert found.keys() == plain.keys()
        for name in plain:
            torch.testing.assert_close(found[name], plain[name], rtol=1e-4, atol=1e-6, msg=name)


def test_with_dropout_the_loss_is_the_mean_of_two_passes_and_their_weighted_divergence(corpus_file, tmp_path):
    trainer = trainer_of(corpus_file, tmp_path, rdrop=3.0)
    for module in trainer.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.3
    trainer.network.train()
    batch = batch_of(trainer)
    positions = (batch["labels"] >= 0).sum()
    torch.manual_seed(5)
    loss = trainer.compute_loss(trainer.network, batch, num_items_in_batch=positions)
    torch.manual_seed(5)
    names = ("input_ids", "attention_mask", "casing_ids")
    logits = trainer.network(**{name: batch[name].repeat(2, 1) for name in names}).logits
    first, second = logits.split(len(batch["input_ids"]))
    assert not torch.equal(first, second)
    nll = [tag_loss(scores, batch["labels"], batch["unmarked"]) for scores in (first, second)]
    p, q = (scores.softmax(dim=-1)[batch["labels"] >= 0] for scores in (first, second))
    apart = ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2 / positions
    assert apart > 1e-4
    torch.testing.assert_close(loss, sum(nll) / 2 + 3.0 * apart)


def test_two_passes_keep_within_the_budget_of_a_step_s_parts(corpus_file, tmp_path):
    trainer = trainer_of(corpus_file, tmp_path, rdrop=1.0, micro_batch_tokens=100)
    seen = []
    real = trainer.network.forward
    trainer.network.forward = lambda *args, **given: seen.append(given["input_ids"].numel()) or real(*args, **given)
    gradients(trainer, batch_of(trainer))
    assert len(seen) > 1
    assert max(seen) <= 100


@pytest.mark.parametrize("head", [Head.crf, Head.span])
def test_another_head_is_refused(head):
    with pytest.raises(SettingsError, match=r"trainer\.rdrop=1\.0 is not allowed: only with model\.head=softmax, not"):
        TrainSettings(model=ModelSettings(name="tiny", head=head), trainer=TrainerSettings(rdrop=1.0))
