"""`eventtag serve checkpoint=DIR port=8000 key=value ...`"""

from __future__ import annotations

from eventtag.cli.hydra_task import run_hydra
from eventtag.settings import ServeSettings


def run() -> int:
    """Serve as the command line says, until SIGTERM or Ctrl-C ends it."""
    return run_hydra("serve", ServeSettings, _task)


def _task(settings: ServeSettings) -> None:
    from eventtag.api.serve import serve

    serve(settings)
