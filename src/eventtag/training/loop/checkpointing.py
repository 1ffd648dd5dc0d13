"""Gradient checkpointing: activations are computed again in the backward pass instead of being kept (Chen et al. 2016,
https://arxiv.org/abs/1604.06174). The gradients stay the same.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

_LAYERS = re.compile(r"layers?$")
"""How the names of lists of an encoder's layers end."""


def enable_checkpointing(model: PreTrainedModel) -> None:
    """Make the layers of the model's encoder compute their activations again while they train.

    transformers does it for most architectures. For the others (MPNet, ALBERT), each module of the encoder's lists of layers is wrapped.
    """
    if not any(hasattr(module, "gradient_checkpointing") for module in model.modules()):
        for name, layers in model.named_modules():
            if isinstance(layers, nn.ModuleList) and _LAYERS.search(name):
                for layer in layers:
                    _wrap(layer)
        return
    # The reentrant implementation loses the gradients of a model whose first layers are frozen.
    new_name = hasattr(model, "activation_checkpointing_enable")
    getattr(model, f"{'activation' if new_name else 'gradient'}_checkpointing_enable")({"use_reentrant": False})


def _wrap(layer: nn.Module) -> None:
    compute = layer.forward

    def forward(*given: Any, **options: Any) -> Any:
        if not layer.training:
            return compute(*given, **options)
        return checkpoint(partial(compute, **options), *given, use_reentrant=False)

    vars(layer).update(forward=forward, gradient_checkpointing=True)
