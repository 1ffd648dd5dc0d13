"""Which weights are trained, and at which learning rates."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from eventtag.errors import SettingsError

_LAYER = re.compile(r"\.layers?\.(\d+)\.")


def freeze(model: PreTrainedModel, layers: int) -> None:
    """Keep the embeddings and the lowest `layers` layers of the encoder fixed; 0 trains everything, embeddings included.

    Raises SettingsError if the encoder has fewer layers.
    """
    if not layers:
        return
    depth = count_layers(model)
    if layers > depth:
        raise SettingsError(f"trainer.freeze_layers={layers} is not allowed: the encoder has {depth} layers")
    for name, weight in _encoder_weights(model):
        if layer_of(name) < layers:
            weight.requires_grad_(False)


def parameter_groups(
    model: PreTrainedModel,
    *,
    learning_rate: float,
    head_learning_rate: float,
    weight_decay: float,
    decayed: Collection[str],
) -> list[dict[str, Any]]:
    """Groups for an optimizer: by learning rate, and with or without weight decay (`decayed` names the weights that have it).

    The encoder has `learning_rate`, all new weights have `head_learning_rate`. The encoder's groups are first, since the Trainer logs the
    rate of the first group.
    """
    inside = {name for name, _ in _encoder_weights(model)}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            rate = learning_rate if name in inside else head_learning_rate
            groups.setdefault((rate, name in decayed), []).append(weight)
    return [
        {"params": weights, "lr": rate, "weight_decay": weight_decay if decay else 0.0}
        for (rate, decay), weights in sorted(groups.items(), key=lambda group: group[0][0] != learning_rate)
    ]


def count_layers(model: PreTrainedModel) -> int:
    """Number of layers of the encoder, by the names of its weights."""
    numbers = [int(found[1]) for name, _ in _encoder_weights(model) if (found := _LAYER.search(f".{name}"))]
    return max(numbers, default=-1) + 1


def layer_of(name: str) -> int:
    """The layer of an encoder's weight: from 0; -1 for embeddings, those of relative positions among them (MPNet's lowest layer reads
    them), a high number for weights above the layers.
    """
    found = _LAYER.search(f".{name}")
    if found:
        return int(found[1])
    return -1 if "embed" in name or "relative_attention_bias" in name else 1_000_000


def _encoder_weights(model: PreTrainedModel) -> list[tuple[str, nn.Parameter]]:
    prefix = f"{model.base_model_prefix}."
    return [(name, weight) for name, weight in model.named_parameters() if name.startswith(prefix)]
