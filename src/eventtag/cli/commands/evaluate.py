"""`eventtag evaluate checkpoint=DIR key=value ...`"""

from __future__ import annotations

import logging

from eventtag.cli.hydra_task import run_hydra
from eventtag.settings import EvaluateSettings

log = logging.getLogger(__name__)


def run() -> int:
    """Evaluate as the command line says; the value that a sweep sees is micro F1."""
    return run_hydra("evaluate", EvaluateSettings, _task)


def _task(settings: EvaluateSettings) -> float:
    from eventtag.api.evaluate import evaluate
    from eventtag.reporting.console import render_table

    result = evaluate(settings)
    for line in [*result.ledger.remarks, *result.ledger.summary()]:
        log.info("%s", line)
    log.info("%s, %s articles:\n%s", result.name, result.split, render_table(result.report))
    for line in result.notes:
        log.info("%s", line)
    assert result.folder is not None
    log.info("\nreport: %s", result.folder / "report.html")
    return result.f1
