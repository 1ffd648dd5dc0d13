"""The order of training windows: random, with windows of like length in one batch, and a pure function of seed and epoch.

Batches have a number of windows (`LengthPoolSampler`) or a number of tokens (`TokenBatchSampler`).

Sorting by length within pools of some 50 batches keeps padding small. The order depends on seed and epoch alone, so a resumed run reads the
same batches as an uninterrupted one (transformers' own length-grouped sampler draws from the global random state and does not).

If several processes train, accelerate gives them the batches in turn. The order is therefore that of one process with their batches
joined, and has a whole number of joined batches: the last is filled up with windows whose gold is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil

import numpy as np
from torch.utils.data import Dataset, Sampler

from eventtag.encoding.align import IGNORED
from eventtag.training.data.features import NO_SPANS, Feature

POOL_BATCHES = 50


class TrainingWindows(Dataset[Feature]):
    """Windows by index; `~index` is the same window without its gold, which does not change the loss."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, index: int) -> Feature:
        if index >= 0:
            return self.features[index]
        feature = self.features[~index]
        return replace(feature, tag_ids=np.full_like(feature.tag_ids, IGNORED), rejected=NO_SPANS, links=None)


class LengthPoolSampler(Sampler[int]):
    """Indices into TrainingWindows; consecutive `batch_size` of them belong together. With `fill`, the last batch is as large as all
    others, by the shortest window without its gold.
    """

    def __init__(self, lengths: Sequence[int], *, batch_size: int, seed: int, fill: bool = False) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.fillers = -len(lengths) % batch_size if fill else 0
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch; accelerate calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths) + self.fillers

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(len(self.lengths))
        pool_size = self.batch_size * POOL_BATCHES
        batches: list[list[int]] = []
        for start in range(0, len(order), pool_size):
            pool = order[start : start + pool_size]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches += [pool[at : at + self.batch_size].tolist() for at in range(0, len(pool), self.batch_size)]
        whole = [batch for batch in batches if len(batch) == self.batch_size]
        rest = [index for batch in batches if len(batch) < self.batch_size for index in batch]
        for position in random.permutation(len(whole)):
            yield from whole[position]
        yield from rest
        yield from [~int(self.lengths.argmin())] * self.fillers


class TokenBatchSampler(Sampler[list[int]]):
    """Batches of windows with about the same number of tokens, at most `batch_tokens` on average; every epoch has the same number of
    batches.

    `batch_tokens` is at least the length of the longest window. The number of batches is a multiple of `processes`.
    """

    def __init__(self, lengths: Sequence[int], *, batch_tokens: int, seed: int, processes: int = 1) -> None:
        self.lengths = np.asarray(lengths)
        self.seed = seed
        self.epoch = 0
        needed = ceil(int(self.lengths.sum()) / batch_tokens)
        self.batches = min(ceil(needed / processes) * processes, len(self.lengths))
        self.pool_size = max(1, len(self.lengths) * POOL_BATCHES // max(self.batches, 1))

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of an epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(len(self.lengths))
        pools = [order[start : start + self.pool_size] for start in range(0, len(order), self.pool_size)]
        # Lengths rise and fall in turn, so that a batch across two pools has windows of like length.
        ways = [self.lengths if number % 2 == 0 else -self.lengths for number in range(len(pools))]
        sequence = np.concatenate([pool[np.argsort(way[pool], kind="stable")] for pool, way in zip(pools, ways, strict=True)])
        ends = np.cumsum(self.lengths[sequence])
        # Cut where a batch's share of all tokens is reached; no batch is empty.
        cuts = np.searchsorted(ends, ends[-1] * np.arange(1, self.batches) / self.batches)
        steps = np.arange(1, self.batches)
        cuts = np.maximum.accumulate(np.maximum(cuts, steps) - steps) + steps
        cuts = np.minimum(cuts, len(sequence) - self.batches + steps)
        batches = np.split(sequence, cuts)
        for position in random.permutation(len(batches)):
            yield batches[position].tolist()
