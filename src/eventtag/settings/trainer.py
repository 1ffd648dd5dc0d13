"""Settings of how a run trains."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from eventtag.settings.data import require_names
from eventtag.settings.data import require_setting as _require


class Metric(Enum):
    """Validation scores that can choose a checkpoint (article-level strict span F1)."""

    micro_f1 = "micro_f1"
    macro_f1 = "macro_f1"


class Precision(Enum):
    """Arithmetic of training steps; weights and optimizer are float32 in all of them."""

    auto = "auto"
    """The fastest on this machine by a short measurement, which run.json records."""
    fp32 = "fp32"
    bf16 = "bf16"
    """Matrix products in bfloat16."""


@dataclass
class TrainerSettings:
    """How to train. Other TrainingArguments of transformers go into `extra`."""

    epochs: float | None = None
    """Largest number of passes over the training windows; null: five, or up to 40 if five have fewer than `min_updates` updates."""
    min_updates: int = 500
    """Fewest updates of a run with `epochs` null; with few windows, it has more epochs to reach them, and `patience` grows with the
    epochs."""
    batch_size: int = 8
    """Windows per step and device."""
    batch_tokens: int | None = None
    """Tokens per step, instead of `batch_size`: each step takes windows with about this many tokens, on average at most this many;
    null counts windows."""
    micro_batch_tokens: int | None = None
    """Tokens, padding included, that go through the model at once. A step's windows are read in parts and their gradients added up;
    this limits memory and does not change what is learnt. null reads a step at once."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, about a third more time, the same
    gradients."""
    learning_rate: float | None = None
    """Peak learning rate of the encoder; null: the one for its width (docs/how-to/training.md#encoders), 1e-4 for MiniLM."""
    head_learning_rate: float = 1e-3
    """Peak learning rate of the new classification head."""
    freeze_layers: int = 0
    """Number of lowest layers of the encoder that stay fixed, together with its embeddings; 0 trains everything."""
    weight_decay: float = 0.01
    """Decoupled weight decay of all matrices (not of biases and normalisation)."""
    warmup: float = 0.1
    """Share of steps in which the learning rate rises; it falls linearly after."""
    patience: int | None = 3
    """Epochs without a better validation score after which training stops; null never stops early."""
    metric: Metric = Metric.micro_f1
    """Validation score that chooses the checkpoint."""
    adversarial: float | None = None
    """Adversarial training: each batch is learnt a second time with its word embeddings moved this far along their gradient (Miyato
    et al. 2017), so a step takes twice as long. 0: none; null: by the encoder's width (docs/how-to/training.md#encoders), 1.0 for
    MiniLM."""
    precision: Precision = Precision.auto
    """Arithmetic of a step: `fp32`, `bf16`, or `auto`, which takes the one that is faster on this machine. Weights are always
    float32."""
    save_every_steps: int | None = None
    """Number of updates after which the state of the run is saved, in addition to the end of every epoch; null: only at the end of
    epochs."""
    tracking: list[str] = field(default_factory=list)
    """Trackers that log the run: `tensorboard`, `mlflow`, `wandb`, `trackio` (docs/how-to/tracking.md)."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further TrainingArguments by name, for example `trainer.extra.max_grad_norm=0.5`."""

    def __post_init__(self) -> None:
        _require(self.epochs is None or 0 < self.epochs < math.inf, "trainer.epochs", self.epochs, "above 0, or null")
        _require(self.min_updates >= 0, "trainer.min_updates", self.min_updates, "0 or above")
        _require(self.batch_size >= 1, "trainer.batch_size", self.batch_size, "at least 1")
        for key in ("batch_tokens", "micro_batch_tokens"):
            _require(
                getattr(self, key) is None or getattr(self, key) >= 1, f"trainer.{key}", getattr(self, key), "at least 1, or null"
            )
        rate, length = self.learning_rate, self.adversarial
        _require(rate is None or 0 < rate < math.inf, "trainer.learning_rate", rate, "above 0, or null")
        _require(0 < self.head_learning_rate < math.inf, "trainer.head_learning_rate", self.head_learning_rate, "above 0")
        _require(length is None or 0 <= length < math.inf, "trainer.adversarial", length, "0 or above, or null")
        _require(self.freeze_layers >= 0, "trainer.freeze_layers", self.freeze_layers, "0 or above")
        _require(0 <= self.weight_decay < math.inf, "trainer.weight_decay", self.weight_decay, "0 or above")
        _require(0 <= self.warmup < 1, "trainer.warmup", self.warmup, "a share, 0 <= warmup < 1")
        _require(self.patience is None or self.patience >= 1, "trainer.patience", self.patience, "at least 1, or null")
        for key, least in (("gradient_accumulation_steps", 1), ("max_steps", -1)):
            number = self.extra.get(key, least)
            whole = isinstance(number, int) and not isinstance(number, bool) and number >= least
            _require(whole, f"trainer.extra.{key}", number, f"a whole number, {least} or above")
        if self.tracking:
            require_names("trainer.tracking", self.tracking)
        every = self.save_every_steps
        _require(every is None or every >= 1, "trainer.save_every_steps", every, "at least 1, or null")
