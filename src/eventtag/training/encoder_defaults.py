"""Training settings that depend on the encoder, for those that are null.

Wider encoders need smaller steps. Devlin et al. 2019 (https://aclanthology.org/N19-1423/, appendix A.3) fine-tune BERT base at 2e-5 to
5e-5, Liu et al. 2019 (https://arxiv.org/abs/1907.11692, table 10) RoBERTa large at 1e-5 to 3e-5. Adversarial training takes each step
twice, and a step of a base-size encoder costs about six times that of MiniLM.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from transformers import AutoConfig

from eventtag.manifest import read_json
from eventtag.models.accepted import CONFIG_FILE, require_known_kind
from eventtag.models.encoders import encoder_width
from eventtag.settings import TrainSettings
from eventtag.training.continued import base_checkpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncoderDefaults:
    """What null means for encoders whose layers have at least this width (H)."""

    width: int
    learning_rate: float
    adversarial: float


BY_WIDTH = (EncoderDefaults(1024, 2e-5, 0.0), EncoderDefaults(768, 5e-5, 0.0), EncoderDefaults(0, 1e-4, 1.0))
"""Widest first; docs/how-to/training.md has the same table and says what was measured."""


def with_encoder_defaults(settings: TrainSettings) -> TrainSettings:
    """The settings with those that are null and depend on the encoder filled in, of which the log tells; otherwise unchanged.

    Raises as `load_encoder` does for an encoder that cannot be loaded, CheckpointError for a base that is none.
    """
    trainer = settings.trainer
    if trainer.learning_rate is not None and trainer.adversarial is not None:
        return settings
    width = _width(settings)
    found = next(defaults for defaults in BY_WIDTH if width >= defaults.width)
    chosen = {name: getattr(found, name) for name in ("learning_rate", "adversarial") if getattr(trainer, name) is None}
    shown = " ".join(f"trainer.{name}={value:g}" for name, value in chosen.items())
    log.info("the encoder's layers are %d wide, so the defaults are %s", width, shown)
    return replace(settings, trainer=replace(trainer, **chosen))


def _width(settings: TrainSettings) -> int:
    if settings.base is None:
        return encoder_width(settings.model.name, revision=settings.model.revision)
    return checkpoint_width(base_checkpoint(settings.base)[0])


def checkpoint_width(path: Path) -> int:
    """The width of the layers of a checkpoint's encoder. Raises CheckpointError if its configuration is damaged or unknown."""
    require_known_kind(read_json(path / CONFIG_FILE, then="copy the checkpoint again"), str(path / CONFIG_FILE), ours=True)
    config = AutoConfig.from_pretrained(path, trust_remote_code=False)
    return int(getattr(config, "encoder", config).hidden_size)
