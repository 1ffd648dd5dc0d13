"""`eventtag train key=value ...`"""

from __future__ import annotations

import logging
import shlex
from dataclasses import fields
from pathlib import Path

from eventtag.cli.hydra_task import run_hydra
from eventtag.settings import ModelSettings, TrainSettings

log = logging.getLogger(__name__)


def run() -> int:
    """Train as the command line says; the value that a sweep sees is the validation score."""
    return run_hydra("train", TrainSettings, _task)


def _given(settings: TrainSettings) -> set[str]:
    """The keys that the command line sets; a configuration that it chooses sets those that differ from the defaults."""
    from hydra.core.hydra_config import HydraConfig

    keys = {override.partition("=")[0].lstrip("+~") for override in HydraConfig.get().overrides.task}
    if "model" in keys or "experiment" in keys:
        usual = ModelSettings()
        keys |= {
            f"model.{item.name}" for item in fields(usual) if getattr(settings.model, item.name) != getattr(usual, item.name)
        }
    if "data@model.intermediate.data" in keys or any(key.startswith("model.intermediate.data") for key in keys):
        keys.add("model.intermediate.data")
    return keys


def _task(settings: TrainSettings) -> float:
    from eventtag.api.train import train
    from eventtag.errors import RunFinishedError
    from eventtag.reporting.console import render_table
    from eventtag.training.continued import with_base
    from eventtag.training.loop.processes import leave_processes
    from eventtag.training.record import recorded_metric
    from eventtag.training.run import METRICS_FILE

    settings = with_base(settings, _given(settings))
    try:
        result = train(settings)
    except RunFinishedError as finished:
        leave_processes()
        log.info("%s", finished)
        row = settings.trainer.metric.value.removesuffix("_f1")
        return recorded_metric(Path(settings.run_dir) / METRICS_FILE, "validation", row, "f1")
    leave_processes()
    strict = result.evaluation.report.strict
    log.info("\nvalidation articles, best epoch %g:\n%s", result.metrics["best_epoch"], render_table(result.evaluation.report))
    folder = result.checkpoint.parent
    run_dir = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    named = shlex.quote(f"checkpoint={run_dir}")
    log.info("\nreport: %s\ncheckpoint: %s", run_dir / "report.html", run_dir / "checkpoint")
    log.info("next: eventtag evaluate %s\n      eventtag predict %s input=NEW_ARTICLES output=tagged.jsonl", named, named)
    return strict.micro.f1 if settings.trainer.metric.value == "micro_f1" else strict.macro.f1
