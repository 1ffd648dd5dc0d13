"""Settings of `eventtag pretrain`; as in `eventtag.settings`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from eventtag.settings.data import MISSING, DataSettings
from eventtag.settings.data import require_given as _require_given
from eventtag.settings.data import require_setting as _require
from eventtag.settings.model import ModelSettings


@dataclass
class PretrainTrainerSettings:
    """How to pre-train, in bfloat16 if the GPU has it. Other TrainingArguments of transformers go into `extra`."""

    epochs: float = 3
    """Passes over the articles; the encoder after the one with the lowest held-out loss is kept."""
    batch_size: int = 16
    """Windows per step and device."""
    learning_rate: float = 1e-4
    """Peak learning rate of the encoder."""
    head_learning_rate: float = 1e-3
    """Peak learning rate of the head that guesses the hidden tokens, if it is new."""
    head_first: float = 0.1
    """Share of the steps, at the beginning, in which only a new head learns, because its first, random gradients would harm the
    encoder.
    """
    weight_decay: float = 0.01
    """Decoupled weight decay of all matrices (not of biases and normalisation)."""
    warmup: float = 0.06
    """Share of steps in which the learning rate rises; afterwards it falls linearly."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further TrainingArguments by name, for example `trainer.extra.max_grad_norm=0.5`."""

    def __post_init__(self) -> None:
        for key in ("epochs", "learning_rate", "head_learning_rate"):
            _require(0 < getattr(self, key) < math.inf, f"trainer.{key}", getattr(self, key), "above 0")
        _require(self.batch_size >= 1, "trainer.batch_size", self.batch_size, "at least 1")
        _require(0 <= self.weight_decay < math.inf, "trainer.weight_decay", self.weight_decay, "0 or above")
        for key in ("head_first", "warmup"):
            _require(0 <= getattr(self, key) < 0.5, f"trainer.{key}", getattr(self, key), "a share, 0 <= share < 0.5")


@dataclass
class PretrainSettings:
    """`eventtag pretrain`."""

    input: str | None = None
    """Articles that nobody annotated: files or folders as for `predict`. Rows that cannot be read are left out and named."""
    text_field: str = "text"
    """Field of a row that holds the text."""
    data: DataSettings | None = None
    """An annotated corpus whose training articles are read as text, instead of `input` or in addition. Its validation and test
    articles are never read."""
    model: ModelSettings = field(default_factory=ModelSettings)
    max_length: int = 128
    """Tokens of a window, special tokens included."""
    mask_share: float = 0.15
    """Share of a window's tokens that are hidden and guessed."""
    whole_words: bool = True
    """Hide all tokens of a word together."""
    held_out: float = 0.05
    """Share of the articles that are not learnt, but used to measure how well hidden tokens are guessed."""
    trainer: PretrainTrainerSettings = field(default_factory=PretrainTrainerSettings)
    seed: int = 42
    """Seed of everything random."""
    resume: bool = False
    """Continue the unfinished run in `run_dir`, or start it if there is none."""
    run_dir: str = MISSING
    """Directory of this run; the encoder is in `encoder` below it."""

    def __post_init__(self) -> None:
        for key in ("input", "text_field", "run_dir"):
            _require_given(key, getattr(self, key))
        _require(self.input is not None or self.data is not None, "input", "null", "give input= or data=, or both")
        _require(self.max_length >= 8, "max_length", self.max_length, "at least 8 tokens")
        _require(self.model.lora.rank is None, "model.lora.rank", self.model.lora.rank, "null; pre-training trains all weights")
        _require(0 < self.mask_share < 1, "mask_share", self.mask_share, "a share, 0 < share < 1")
        _require(0 < self.held_out < 1, "held_out", self.held_out, "a share, 0 < share < 1")
        _require(0 <= self.seed < 2**32, "seed", self.seed, "0 <= seed < 2**32")
