"""`eventtag train key=value ...`"""

from __future__ import annotations

import logging

from eventtag.app.hydra_task import run_hydra
from eventtag.settings import TrainSettings

log = logging.getLogger(__name__)


def run() -> int:
    """Train as the command line says; the value that a sweep sees is the validation score."""
    return run_hydra("train", TrainSettings, _task)


def _task(settings: TrainSettings) -> float:
    from eventtag.reporting.console import render_table
    from eventtag.training.processes import leave_processes
    from eventtag.training.run import train

    result = train(settings)
    leave_processes()
    strict = result.evaluation.report.strict
    log.info("\nvalidation articles, best epoch %g:\n%s", result.metrics["best_epoch"], render_table(result.evaluation.report))
    log.info("\ncheckpoint: %s", result.checkpoint)
    return strict.micro.f1 if settings.trainer.metric.value == "micro_f1" else strict.macro.f1
