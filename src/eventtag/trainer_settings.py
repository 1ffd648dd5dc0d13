"""Settings of how a run trains."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from eventtag.data_settings import require_setting as _require


def _require_class_weights(weights: Any) -> None:
    if weights is None or weights == "balanced":
        return
    _require(isinstance(weights, dict), "trainer.class_weights", weights, "null, balanced, or weights by label ({EVENT: 2})")
    for label, weight in weights.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool) and 0 < weight < float("inf")
        _require(number, f"trainer.class_weights.{label}", weight, "a number above 0")


class Metric(Enum):
    """Validation scores that can choose a checkpoint (article-level strict span F1)."""

    micro_f1 = "micro_f1"
    macro_f1 = "macro_f1"


class Loss(Enum):
    """What a gold position adds to the loss (`eventtag.modeling.loss`, docs/results.md)."""

    cross_entropy = "cross_entropy"
    focal = "focal"
    """Positions that are easy already weigh less."""
    dice = "dice"
    """A smooth F1 of each position; many easy `O` add little."""


class Precision(Enum):
    """Arithmetic of training steps; weights and optimizer are float32 in all of them."""

    auto = "auto"
    """What is fastest on this machine by a short measurement, written into run.json."""
    fp32 = "fp32"
    bf16 = "bf16"
    """Matrix products in bfloat16."""


class AveragedEpochs(Enum):
    """Whose final weights are averaged."""

    last = "last"
    best = "best"
    """those whose own weights score best on the validation articles, which takes a second scoring of every epoch"""


@dataclass
class AveragingSettings:
    """An average of the run's weights is scored after every epoch, and that of the best epoch is the checkpoint; training itself goes on
    with the run's own weights. At most one of `ema` and `epochs`.
    """

    ema: float | None = None
    """Decay of an exponential moving average of the weights over updates, such as 0.99 (about the last 100 count) or 0.999; null: none.
    The first averages forget faster."""
    epochs: int | None = None
    """Epochs whose final weights are averaged, such as 3; null: none. The state of the run grows by as many copies of the weights."""
    of: AveragedEpochs = AveragedEpochs.last
    """Which epochs those are: the last ones until then, or the best."""

    def __post_init__(self) -> None:
        _require(self.ema is None or 0 < self.ema < 1, "trainer.averaging.ema", self.ema, "above 0 and below 1, or null")
        _require(self.epochs is None or self.epochs >= 2, "trainer.averaging.epochs", self.epochs, "at least 2, or null")
        _require(
            self.ema is None or self.epochs is None, "trainer.averaging.epochs", self.epochs,
            "trainer.averaging.ema is set too; choose one of them",
        )  # fmt: skip


@dataclass
class AugmentationSettings:
    """Training windows that each epoch changes a little, drawn by seed, epoch and window (docs/training.md)."""

    mention_replacement: float = 0.0
    """Share of gold mentions that are replaced by another training mention with the same label, where the window has room for it."""
    mention_labels: list[str] | None = None
    """Labels whose mentions are replaced; null: all."""
    casing: float = 0.0
    """Share of windows in which all words are told to be lower, Title or UPPER; for encoders that lower-case and are told of casing
    (`model.casing`)."""
    masking: float = 0.0
    """Share of tokens that are hidden behind the tokenizer's mask."""

    def __post_init__(self) -> None:
        for key in ("mention_replacement", "casing", "masking"):
            share = getattr(self, key)
            _require(0 <= share <= 1, f"trainer.augmentation.{key}", share, "a share, 0 to 1")


@dataclass
class TrainerSettings:
    """How to train. Anything else of transformers' TrainingArguments goes into `extra`."""

    epochs: float | None = None
    """Passes over the training windows at most; null: five, and up to 40 where five are fewer than `min_updates`."""
    min_updates: int = 500
    """Updates that few windows are trained for nevertheless where `epochs` is null; `patience` grows with the epochs."""
    batch_size: int = 8
    """Windows per step and device."""
    batch_tokens: int | None = None
    """Tokens per step, in place of `batch_size`: each step takes windows with about as many tokens, at most so many on average; null
    counts windows."""
    micro_batch_tokens: int | None = None
    """Tokens, padding included, that go through the model at once: a step's windows are taken in so many parts as that needs, and
    their gradients added up. It bounds memory and does not change what is learnt; null takes a step at once."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, about a third more time, the same
    gradients."""
    learning_rate: float = 1e-4
    """Peak learning rate of the encoder."""
    head_learning_rate: float = 1e-3
    """Peak learning rate of the new classification head."""
    casing_learning_rate: float | None = None
    """Peak learning rate of the casing embedding (`model.casing`); null: that of the head."""
    layer_decay: float = 1.0
    """Learning rate of each layer of the encoder as a share of that of the layer above it; 1: the same for all."""
    freeze_layers: int = 0
    """Lowest layers of the encoder that are left as they are, together with its embeddings; 0 trains everything."""
    weight_decay: float = 0.01
    """Decoupled weight decay of all matrices (not of biases and normalisation)."""
    warmup: float = 0.1
    """Share of steps in which the learning rate rises; it falls linearly after."""
    patience: int | None = 3
    """Epochs without a better validation score after which training stops; null never stops early."""
    metric: Metric = Metric.micro_f1
    """Validation score that chooses the checkpoint."""
    loss: Loss = Loss.cross_entropy
    """Loss of the softmax head."""
    class_weights: Any = None
    """Weights of labels (and of `O`) in that loss: null, `balanced` (rare ones weigh more), or a mapping as
    `{EVENT: 2, O: 0.5}`, where labels not named weigh 1."""
    label_smoothing: float = 0.0
    """Share of that loss that asks for an equal probability of all tags."""
    focal_gamma: float = 2.0
    """Exponent of `loss=focal`; at 0 it is cross-entropy."""
    outside_share: float = 1.0
    """Share of the positions outside any span that each epoch learns from, drawn anew by seed, epoch and window; softmax head only."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    adversarial: float = 0.0
    """How far the word embeddings of each batch are moved along their gradient for a second look at it (adversarial training: Miyato et
    al. 2017); every step costs two. 0: one look."""
    rdrop: float = 0.0
    """Weight of the divergence between two passes of each window with different dropout (R-Drop: Liang et al. 2021), which keeps the
    model from hanging on what dropout leaves; every step costs two. Softmax head only; 0: one pass."""
    averaging: AveragingSettings = field(default_factory=AveragingSettings)
    precision: Precision = Precision.auto
    """Arithmetic of a step: `auto`, `fp32` or `bf16`. Weights are float32 in all; `auto` takes what is fastest here."""
    save_every_steps: int | None = None
    """Updates after which the state of the run is saved, beside the end of every epoch; null: only there."""
    tracking: list[str] = field(default_factory=list)
    """Trackers that log the run: `tensorboard`, `mlflow`, `wandb`, `trackio` (docs/training.md)."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further TrainingArguments by name, for example `trainer.extra.max_grad_norm=0.5`."""

    def __post_init__(self) -> None:
        _require(self.epochs is None or self.epochs > 0, "trainer.epochs", self.epochs, "above 0, or null")
        _require(self.min_updates >= 0, "trainer.min_updates", self.min_updates, "0 or above")
        _require(self.batch_size >= 1, "trainer.batch_size", self.batch_size, "at least 1")
        for key in ("batch_tokens", "micro_batch_tokens"):
            _require(
                getattr(self, key) is None or getattr(self, key) >= 1, f"trainer.{key}", getattr(self, key), "at least 1, or null"
            )
        _require(self.learning_rate > 0, "trainer.learning_rate", self.learning_rate, "above 0")
        _require(self.head_learning_rate > 0, "trainer.head_learning_rate", self.head_learning_rate, "above 0")
        rate = self.casing_learning_rate
        _require(rate is None or rate > 0, "trainer.casing_learning_rate", rate, "above 0, or null")
        _require(0 <= self.adversarial < float("inf"), "trainer.adversarial", self.adversarial, "0 or above")
        _require(0 <= self.rdrop < float("inf"), "trainer.rdrop", self.rdrop, "0 or above")
        _require(0 < self.layer_decay <= 1, "trainer.layer_decay", self.layer_decay, "above 0 and at most 1")
        _require(self.freeze_layers >= 0, "trainer.freeze_layers", self.freeze_layers, "0 or above")
        _require(self.weight_decay >= 0, "trainer.weight_decay", self.weight_decay, "0 or above")
        _require(0 <= self.warmup < 1, "trainer.warmup", self.warmup, "a share, 0 <= warmup < 1")
        _require(self.patience is None or self.patience >= 1, "trainer.patience", self.patience, "at least 1, or null")
        _require(0 <= self.label_smoothing < 1, "trainer.label_smoothing", self.label_smoothing, "0 <= smoothing < 1")
        _require(
            self.loss is not Loss.dice or not self.label_smoothing, "trainer.label_smoothing", self.label_smoothing,
            "trainer.loss=dice has no smoothing",
        )  # fmt: skip
        _require(self.focal_gamma >= 0, "trainer.focal_gamma", self.focal_gamma, "0 or above")
        _require(0 < self.outside_share <= 1, "trainer.outside_share", self.outside_share, "a share, 0 < share <= 1")
        _require_class_weights(self.class_weights)
        for key, least in (("gradient_accumulation_steps", 1), ("max_steps", -1)):
            number = self.extra.get(key, least)
            whole = isinstance(number, int) and not isinstance(number, bool) and number >= least
            _require(whole, f"trainer.extra.{key}", number, f"a whole number, {least} or above")
        every = self.save_every_steps
        _require(every is None or every >= 1, "trainer.save_every_steps", every, "at least 1, or null")
