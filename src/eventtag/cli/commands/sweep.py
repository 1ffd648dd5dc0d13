"""`eventtag sweep key=value ...`"""

from __future__ import annotations

import logging
from pathlib import Path

from eventtag.cli.hydra_task import run_hydra
from eventtag.settings.sweep import SweepSettings
from eventtag.staging import json_text, staged_file

log = logging.getLogger(__name__)


def run() -> int:
    """Try settings as the command line says. Hydra's sweepers get the best mean score."""
    return run_hydra("sweep", SweepSettings, _task)


def _task(settings: SweepSettings) -> float:
    from eventtag.experiments.candidate import train_settings
    from eventtag.experiments.experiment_file import render_experiment
    from eventtag.experiments.search_space import place_values
    from eventtag.experiments.sweep import run_sweep
    from eventtag.reporting.sweep_report import render_sweep, render_sweep_page

    report = run_sweep(settings)
    folder = Path(settings.run_dir)
    texts = {"results.json": json_text(report.to_json()), "results.html": render_sweep_page(report)}
    command = f"eventtag train experiment=best hydra.searchpath=[{folder}]"
    if report.best is not None:
        best = place_values(report.best.values, train_settings(settings))
        texts["experiment/best.yaml"] = render_experiment(best, comment=command)
    # Continuing a sweep replaces the report on its first part.
    for name, text in texts.items():
        with staged_file(folder / name, replace=True) as file:
            file.write(text)
    log.info("\n%s", render_sweep(report))
    log.info("\nplots: %s", folder / "results.html")
    if report.best is None:
        log.warning("no candidate has finished; the table says why")
        return 0.0
    log.info("the best settings: %s", command)
    score = report.score(report.best)
    return 0.0 if score is None else score.mean
