"""Training windows that each epoch draws anew, as a pure function of seed, epoch and window, so that a resumed run draws the same."""

from __future__ import annotations

from typing import Protocol

from torch.utils.data import Dataset

from eventtag.training.features import Feature


class Windows(Protocol):
    """Windows by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Feature: ...


class Change(Protocol):
    """What is made of a window; all that is random hangs on `key`."""

    def __call__(self, feature: Feature, /, *, key: tuple[int, ...]) -> Feature:
        """The changed window."""
        ...


class DrawnWindows(Dataset[Feature]):
    """The windows as `change` makes them, with (seed, epoch, number of the window) as key; the epoch is that of `set_epoch`."""

    def __init__(self, windows: Windows, change: Change, *, seed: int) -> None:
        self.windows = windows
        self.change = change
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose what an epoch draws; the trainer calls it before the epoch's first window is read."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> Feature:
        return self.change(self.windows[index], key=(self.seed, self.epoch, max(index, ~index)))
