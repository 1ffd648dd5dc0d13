"""The gradient of an embedding table that stays from step to step."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_micro_batches import batch_of, gradients, trainer_of
from torch import nn

from eventtag.training.loop import word_table
from eventtag.training.loop.word_table import WordTable, keep_gradient

ROWS, WIDTH = 11, 3


def two_tables(padding_idx=None):
    """A plain table and one whose gradient stays, with the same weights."""
    torch.manual_seed(0)
    plain = nn.Embedding(ROWS, WIDTH, padding_idx=padding_idx).train()
    kept = copy.deepcopy(plain)
    keep_gradient(kept)
    assert type(kept) is WordTable
    return plain, kept


@given(
    steps=st.lists(st.lists(st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=8), min_size=1, max_size=3), max_size=4),
    padding_idx=st.sampled_from([None, 0, 5, ROWS - 1]),
    to_none=st.booleans(),
)
def test_every_step_has_the_gradient_of_a_plain_table(steps, padding_idx, to_none):
    plain, kept = two_tables(padding_idx)
    optimizers = [torch.optim.AdamW(table.parameters(), lr=0.1) for table in (plain, kept)]
    random = torch.Generator().manual_seed(1)
    for batches in steps:
        for batch in batches:
            ids = torch.tensor(batch)
            wanted = torch.randn(len(batch), WIDTH, generator=random)
            for table in (plain, kept):
                (table(ids) * wanted).sum().backward()
        torch.testing.assert_close(kept.weight.grad, plain.weight.grad)
        for table, optimizer in zip((plain, kept), optimizers, strict=True):
            nn.utils.clip_grad_norm_(table.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=to_none)
        torch.testing.assert_close(kept.weight, plain.weight)


def test_a_gradient_that_somebody_else_put_there_is_added_to():
    plain, kept = two_tables()
    for table in (plain, kept):
        table.weight.grad = torch.ones(ROWS, WIDTH)
        table(torch.tensor([[1, 4], [4, 4]])).sum().backward()
    torch.testing.assert_close(kept.weight.grad, plain.weight.grad)
    kept.weight.grad = None
    kept(torch.tensor([2])).sum().backward()
    assert kept.weight.grad.any(dim=1).nonzero().tolist() == [[2]]


def test_the_memory_of_the_gradient_is_the_same_in_every_step():
    _, kept = two_tables()
    kept(torch.tensor([1, 2])).sum().backward()
    memory = kept.weight.grad.data_ptr()
    kept.zero_grad(set_to_none=True)
    kept(torch.tensor([3])).sum().backward()
    assert kept.weight.grad.data_ptr() == memory


@pytest.mark.parametrize("way", ["frozen", "evaluation", "no_grad"])
def test_a_table_that_is_not_trained_is_looked_up_as_ever(way):
    plain, kept = two_tables()
    ids = torch.tensor([[0, 3, 3]])
    if way == "frozen":
        kept.weight.requires_grad_(False)
    if way == "evaluation":
        kept.eval()
    with torch.set_grad_enabled(way != "no_grad"):
        assert torch.equal(kept(ids), plain(ids))
        assert kept(ids).requires_grad == (way == "evaluation")


@pytest.mark.parametrize(
    "options", [{}, {"adversarial": 0.7}, {"adversarial": 0.7, "micro_batch_tokens": 60}, {"freeze_layers": 1}]
)
def test_a_run_keeps_its_gradient_and_learns_what_it_would_without(corpus_file, tmp_path, options):
    trainer = trainer_of(corpus_file, tmp_path, **options)
    table, batch = trainer.network.get_input_embeddings(), batch_of(trainer)
    assert type(table) is WordTable
    found = [gradients(trainer, batch) for _ in range(2)][1]
    table.__class__ = nn.Embedding
    plain = gradients(trainer, batch)
    assert found[0] == plain[0]
    assert found[1].keys() == plain[1].keys()
    for name in plain[1]:
        torch.testing.assert_close(found[1][name], plain[1][name], rtol=1e-5, atol=1e-7, msg=name)


def test_an_optimizer_of_ones_own_has_gradients_of_the_usual_kind(corpus_file, tmp_path):
    trainer = trainer_of(corpus_file, tmp_path, extra={"optim": "sgd"})
    assert type(trainer.network.get_input_embeddings()) is nn.Embedding


def test_many_batches_in_a_step_are_remembered_as_one(monkeypatch):
    monkeypatch.setattr(word_table, "MANY", 3)
    plain, kept = two_tables()
    for _ in range(2):
        for row in range(ROWS):
            for table in (plain, kept):
                table(torch.tensor([row, 1])).sum().backward()
        assert torch.equal(kept.weight.grad, plain.weight.grad)
        assert len(kept.kept_gradient.touched) <= 4
        plain.weight.grad = kept.weight.grad = None


def test_tables_with_ways_of_their_own_stay_as_they_are():
    for table in (nn.Embedding(3, 2, max_norm=1.0), nn.Embedding(3, 2, sparse=True), nn.Linear(2, 2)):
        kind = type(table)
        keep_gradient(table)
        assert type(table) is kind
