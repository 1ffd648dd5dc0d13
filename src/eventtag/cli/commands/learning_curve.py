"""`eventtag learning-curve key=value ...`"""

from __future__ import annotations

import logging
from pathlib import Path

from eventtag.cli.hydra_task import run_hydra
from eventtag.settings import LearningCurveSettings
from eventtag.staging import json_text, staged_file

log = logging.getLogger(__name__)


def run() -> int:
    """Train on growing numbers of articles as the command line says. Hydra's sweepers get the extrapolated gain in micro F1."""
    return run_hydra("learning_curve", LearningCurveSettings, _task)


def _task(settings: LearningCurveSettings) -> float:
    from eventtag.experiments.learning_curve import run_learning_curve
    from eventtag.reporting.learning_curve import render_curve, render_curve_page

    report = run_learning_curve(settings)
    folder = Path(settings.run_dir)
    page = render_curve_page(report)
    # Continuing a curve replaces the report on its first part.
    for name, text in (("learning_curve.json", json_text(report.to_json())), ("learning_curve.html", page)):
        with staged_file(folder / name, replace=True) as file:
            file.write(text)
    log.info("\n%s", render_curve(report))
    log.info("\nplot: %s", folder / "learning_curve.html")
    return report.curves["micro"].gain
