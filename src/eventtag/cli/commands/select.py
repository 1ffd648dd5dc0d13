"""`eventtag select checkpoint=DIR input=POOL output=PATH key=value ...`"""

from __future__ import annotations

from eventtag.cli.hydra_task import run_hydra
from eventtag.cli.terminal import print_message, print_result
from eventtag.settings import SelectSettings


def run() -> int:
    """Choose as the command line says."""
    return run_hydra("select", SelectSettings, _task)


def _task(settings: SelectSettings) -> None:
    from eventtag.api.select import select
    from eventtag.cli.job_progress import show_progress

    with show_progress(json_logs=False) as show:
        result = select(settings, on_progress=show)
    for line in (*result.ledger.summary(), *result.notes):
        print_message(line)
    print_result(f"{settings.output}: {result!r}")
