"""Settings of windows."""

from __future__ import annotations

from dataclasses import dataclass

from eventtag.settings.data import require_setting as _require


@dataclass
class WindowSettings:
    """How articles are cut for the model; saved in the checkpoint."""

    max_length: int = 128
    """Tokens of a window, special tokens included."""
    stride: int = 32
    """Tokens that neighbouring windows of one article share at most."""

    def __post_init__(self) -> None:
        _require(self.max_length >= 8, "window.max_length", self.max_length, "at least 8 tokens")
        _require(
            0 <= self.stride <= self.max_length // 2 - 2,
            "window.stride",
            self.stride,
            f"0 <= stride <= window.max_length / 2 - 2 (here {self.max_length // 2 - 2})",
        )
