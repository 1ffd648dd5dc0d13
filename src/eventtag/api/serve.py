"""`eventtag serve`: tagging, correcting and training over HTTP."""

from __future__ import annotations

import os
from typing import Any

from eventtag.formats.extras import load_extra
from eventtag.settings import ServeSettings
from eventtag.settings.building import with_values


def serve(checkpoint: str | os.PathLike[str] | ServeSettings, **settings: Any) -> None:
    """Serve a checkpoint (or a run) until the process is ended: `serve("outputs/mine", port=8000)`.

    Further keyword arguments are the settings of `eventtag serve` (docs/reference/settings.md).

    Raises SettingsError for wrong settings or if starlette or uvicorn is not installed; CheckpointError, FormatError and
    OutputError for a checkpoint or a folder of corrections that cannot be used.
    """
    wanted = checkpoint if isinstance(checkpoint, ServeSettings) else ServeSettings(checkpoint=os.fspath(checkpoint))
    wanted = with_values(wanted, settings)
    for module in ("starlette", "uvicorn"):
        load_extra(module, "serve")
    from eventtag.serving.server import serve as run_server  # starlette and uvicorn are optional

    run_server(wanted)
