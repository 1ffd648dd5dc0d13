"""`eventtag pretrain key=value ...`"""

from __future__ import annotations

import logging
from pathlib import Path

from eventtag.cli.hydra_task import run_hydra
from eventtag.settings.pretrain import PretrainSettings

log = logging.getLogger(__name__)


def run() -> int:
    """Pre-train as the command line says; the value that a sweep sees is the held-out loss."""
    return run_hydra("pretrain", PretrainSettings, _task)


def _task(settings: PretrainSettings) -> float:
    from eventtag.errors import RunFinishedError
    from eventtag.pretraining.run import METRICS_FILE, pretrain
    from eventtag.training.record import recorded_metric

    try:
        result = pretrain(settings)
    except RunFinishedError as finished:
        log.info("%s", finished)
        return recorded_metric(Path(settings.run_dir) / METRICS_FILE, "after")
    log.info("\nencoder: %s\ntrain on it: eventtag train model.name=%s", result.encoder, result.encoder)
    return float(result.metrics["after"])
