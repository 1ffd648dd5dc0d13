"""Low-rank adapters (Hu et al. 2022, https://arxiv.org/abs/2106.09685). Small matrices beside a large encoder's own are trained, and the
encoder's stay fixed. At the end the small ones are added to them, so that the checkpoint is like any other.
"""

from __future__ import annotations

import logging
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from eventtag.errors import SettingsError
from eventtag.settings import LoraSettings

log = logging.getLogger(__name__)

ALL_LINEAR = "all-linear"
"""peft's word for every linear layer of the encoder; adapting all of them, attention and feed-forward, is what reaches full
fine-tuning (Dettmers et al. 2023, section 4, https://arxiv.org/abs/2305.14314)."""


def add_lora(model: PreTrainedModel, settings: LoraSettings) -> None:
    """Freeze the encoder of `model` and put adapters beside its linear layers; head and casing embedding stay trainable.

    The output does not change before training. Does nothing without `rank`. Raises SettingsError if peft is not installed or no layer has
    one of the names in `targets`.
    """
    if settings.rank is None:
        return
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise SettingsError(f"model.lora.rank needs the package peft: pip install 'eventtag[lora]' ({error})") from error
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=2 * settings.rank if settings.alpha is None else settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=ALL_LINEAR if settings.targets is None else settings.targets,
    )
    encoder = getattr(model, model.base_model_prefix)
    try:
        inject_adapter_in_model(config, encoder)
    except ValueError as error:
        names = sorted({name.rpartition(".")[2] for name, module in encoder.named_modules() if isinstance(module, nn.Linear)})
        raise SettingsError(
            f"model.lora.targets={settings.targets}: no such layers; linear layers here: {', '.join(names)}"
        ) from error
    learnt = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    log.info("LoRA: %d of %d weights are trained", learnt, sum(parameter.numel() for parameter in model.parameters()))


def merge_lora(model: PreTrainedModel) -> None:
    """Add the adapters to the layers beside them and remove them; the output stays the same to rounding."""
    for name, module in list(model.named_modules()):
        if not hasattr(module, "lora_A"):
            continue
        adapted: Any = module
        adapted.merge()
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, adapted.get_base_layer())
    for parameter in model.parameters():
        parameter.requires_grad_(True)
