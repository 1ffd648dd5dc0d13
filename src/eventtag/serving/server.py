"""The server: opens what it needs, listens until it is ended, and closes everything."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from eventtag.errors import OutputError, SettingsError
from eventtag.models.checkpoint import checkpoint_folder
from eventtag.run_folder import claimed_folder
from eventtag.serving.app import build_app
from eventtag.serving.batches import Batches
from eventtag.serving.guard import TOKEN_VARIABLE
from eventtag.serving.service import Service
from eventtag.serving.store import Corrections
from eventtag.serving.training import Trainings
from eventtag.settings import ServeSettings
from eventtag.tagging.tagger import Tagger

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
LEAST_TOKEN = 16
"""Characters; a shorter one can be guessed."""
PATIENCE = 30
"""Seconds that requests have to be answered when the server is told to end."""
KEPT_OPEN = 75
"""Seconds that a connection stays open without a request. A client that sends one just when its connection is closed gets an error. Many
work on an answer for longer than uvicorn's own five seconds.
"""


def serve(settings: ServeSettings) -> None:
    """Answer requests until SIGTERM or SIGINT comes; requests that are being answered then are answered first.

    Raises CheckpointError, FormatError and OutputError as what is opened does, SettingsError for a token that is too short and an
    address that cannot be listened on.
    """
    token = token_for(settings)
    listening = _listen(settings)
    with listening, opened(settings) as service:
        app = build_app(service, token=token)
        address = f"http://{_shown(settings.host)}:{listening.getsockname()[1]}"
        log.info("%s: %s, labels %s", address, service.model.version, ", ".join(service.labels))
        log.info("corrections are kept in %s; there are %d", service.corrections.file, len(service.corrections))
        if token is not None and TOKEN_VARIABLE not in os.environ:
            log.info("every request needs this token: %s (set %s to choose it)", token, TOKEN_VARIABLE)
        _Server(_config(app)).run(sockets=[listening])
    log.info("ended")


def token_for(settings: ServeSettings) -> str | None:
    """The token that every request must carry: that of the environment, else a new one where other machines reach the address, else none.

    Raises SettingsError for one that is too short.
    """
    given = os.environ.get(TOKEN_VARIABLE)
    if given is not None and (len(given) < LEAST_TOKEN or not given.isascii() or given != given.strip()):
        raise SettingsError(
            f"{TOKEN_VARIABLE}: must have {LEAST_TOKEN} characters or more, plain letters and digits without spaces around; "
            "`openssl rand -hex 16` makes one"
        )
    return given if given is not None or settings.is_local else secrets.token_hex(16)


@contextmanager
def opened(settings: ServeSettings) -> Iterator[Service]:
    """Within the block, what the addresses need: the tagger in use, the folder of corrections, which is this process's alone."""
    folder = Path(settings.annotations)

    def load(checkpoint: Path) -> Tagger:
        tagger = Tagger.load(checkpoint, precision=settings.precision.value, threads=settings.threads)
        return tagger.with_thresholds(settings.thresholds)

    checkpoint = checkpoint_folder(settings.checkpoint)
    base = load(checkpoint)  # wrong before the folder is made
    with _own_folder(folder):
        corrections = Corrections(folder)
        trainings = Trainings(folder, checkpoint, corrections, load=load)
        try:
            batches = Batches(trainings.open(base), max_waiting=int(settings.max_waiting_mb * MEGABYTE))
            trainings.use = batches.use
            try:
                yield Service(batches, corrections, trainings, max_body=int(settings.max_body_mb * MEGABYTE))
            finally:
                trainings.stop()
                batches.stop()
        finally:
            corrections.close()


@contextmanager
def _own_folder(folder: Path) -> Iterator[None]:
    begun = False
    try:
        with claimed_folder(folder, "serve"):
            begun = True
            yield
    except OutputError as error:
        if begun:
            raise
        raise OutputError(str(error).replace("run_dir=", "annotations=").replace("run_dir", "annotations")) from error


def _listen(settings: ServeSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise SettingsError(
            f"port={settings.port}: {settings.host} cannot be listened on ({error.strerror}); give another port=, or end what uses it"
        ) from error


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _config(app: Starlette) -> uvicorn.Config:
    options: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off", "server_header": False, "ws": "none"}
    return uvicorn.Config(app, timeout_graceful_shutdown=PATIENCE, timeout_keep_alive=KEPT_OPEN, proxy_headers=False, **options)


class _Server(uvicorn.Server):
    """uvicorn raises the signal that ended it again; here the process continues, to close what is open."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            yield
            self._captured_signals.clear()
