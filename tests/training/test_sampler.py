from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.errors import SettingsError
from eventtag.settings import DataSettings, ModelSettings, TrainerSettings, TrainSettings
from eventtag.training.loop.sampler import TokenBatchSampler

LENGTHS = st.lists(st.integers(1, 64), min_size=1, max_size=200)


def batches_of(sampler: TokenBatchSampler, epoch: int = 0) -> list[list[int]]:
    sampler.set_epoch(epoch)
    return list(sampler)


@settings(max_examples=150)
@given(LENGTHS, st.integers(64, 400), st.integers(0, 5), st.integers(1, 3))
def test_every_window_is_in_one_batch_and_every_epoch_has_as_many_batches(lengths, budget, epoch, processes):
    sampler = TokenBatchSampler(lengths, batch_tokens=budget, seed=1, processes=processes)
    batches = batches_of(sampler, epoch)
    assert sorted(chain(*batches)) == list(range(len(lengths)))
    assert all(batches)
    assert len(batches) == len(sampler)
    assert len(batches) >= sum(lengths) / budget or len(batches) == len(lengths)
    if len(lengths) >= 2 * len(batches) and len(lengths) % processes == 0:
        assert len(batches) % processes == 0


def test_batches_have_nearly_as_many_tokens_each_and_little_padding():
    lengths = np.random.default_rng(3).integers(5, 128, size=3000)
    batches = batches_of(TokenBatchSampler(lengths, batch_tokens=1024, seed=1))
    tokens = np.array([lengths[batch].sum() for batch in batches])
    assert abs(tokens - tokens.mean()).max() <= 128
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert lengths.sum() / padded > 0.95


def test_the_order_depends_on_seed_and_epoch_alone():
    lengths = list(range(5, 60)) * 3

    def made(seed: int) -> TokenBatchSampler:
        return TokenBatchSampler(lengths, batch_tokens=256, seed=seed)

    used = made(1)
    list(used)
    assert batches_of(used, 2) == batches_of(made(1), 2)
    assert batches_of(made(1), 2) != batches_of(made(1), 3)
    assert batches_of(made(1), 2) != batches_of(made(2), 2)


def test_a_step_holds_one_window_at_least():
    with pytest.raises(SettingsError, match=r"trainer.batch_tokens=64 is not allowed: at least window.max_length \(here 128\)"):
        TrainSettings(
            data=DataSettings(path="x"), model=ModelSettings(name="tiny"), trainer=TrainerSettings(batch_tokens=64), run_dir="x"
        )
