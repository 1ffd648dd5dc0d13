"""Learning from a share of the words outside any span: most words are outside, and most of those are easy.

Which words are left out is a pure function of seed, epoch and window, so that a resumed run leaves out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from torch.utils.data import Dataset

from eventtag.encoding.align import IGNORED
from eventtag.training.features import Feature


class Windows(Protocol):
    """Windows by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Feature: ...


class OutsideSample(Dataset[Feature]):
    """The windows with a `share` of their outside positions; which ones changes with `set_epoch`."""

    def __init__(self, windows: Windows, *, share: float, seed: int) -> None:
        self.windows = windows
        self.share = share
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the positions of an epoch; the trainer calls it before the epoch's first window is read."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Feature:
        return sample_outside(self.windows[index], share=self.share, key=(self.seed, self.epoch, max(index, ~index)))


def sample_outside(feature: Feature, *, share: float, key: Sequence[int]) -> Feature:
    """The window without gold on some of its positions outside any span: each stays with probability `share`, drawn with `key`."""
    left_out = np.random.default_rng(key).random(len(feature.tag_ids)) >= share
    return replace(feature, tag_ids=np.where((feature.tag_ids == 0) & left_out, IGNORED, feature.tag_ids))
