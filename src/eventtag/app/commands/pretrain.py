"""`eventtag pretrain key=value ...`"""

from __future__ import annotations

import logging

from eventtag.app.hydra_task import run_hydra
from eventtag.pretrain_settings import PretrainSettings

log = logging.getLogger(__name__)


def run() -> int:
    """Pre-train as the command line says; the value that a sweep sees is the held-out loss."""
    return run_hydra("pretrain", PretrainSettings, _task)


def _task(settings: PretrainSettings) -> float:
    from eventtag.training.pretraining import pretrain

    result = pretrain(settings)
    log.info("\nencoder: %s\ntrain on it: eventtag train model.name=%s", result.encoder, result.encoder)
    return float(result.metrics["after"])
