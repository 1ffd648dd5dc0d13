"""A server on the tiny tagger: in this process, or as the command starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import REPOSITORY
from starlette.testclient import TestClient
from warm import WarmPopen, warm_programs

from eventtag.serving.app import build_app
from eventtag.serving.server import opened
from eventtag.serving.service import Service
from eventtag.settings import InferencePrecision, ServeSettings
from eventtag.tagging.tagger import Tagger

LOCAL = "http://127.0.0.1:8000"


@contextmanager
def serving(checkpoint: Path, folder: Path, **settings: object) -> Iterator[tuple[TestClient, Service]]:
    """A client of the application in this process, and the service behind it."""
    wanted = ServeSettings(
        checkpoint=str(checkpoint), annotations=str(folder), precision=InferencePrecision.fp32, threads=1, **settings
    )  # type: ignore[arg-type]
    with opened(wanted) as service, TestClient(build_app(service, token=None), base_url=LOCAL) as client:
        yield client, service


@pytest.fixture(scope="module", name="served")
def made_server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Service]]:
    """One server for tests that only read."""
    with serving(checkpoint, tmp_path_factory.mktemp("served") / "annotations") as both:
        yield both


@pytest.fixture(name="client")
def made_client(served: tuple[TestClient, Service]) -> TestClient:
    """A client of `served`."""
    return served[0]


@pytest.fixture(scope="session", name="tagger")
def made_tagger(checkpoint: Path) -> Tagger:
    """The tagger whose spans a server must give."""
    return Tagger.load(checkpoint, threads=1)


@contextmanager
def running(checkpoint: Path, folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[WarmPopen, str]]:
    """The command in a process of its own, and its address; it is killed in the end unless it has ended."""
    command = [
        warm_programs() / "eventtag", "serve", f"checkpoint={checkpoint}", f"annotations={folder}", "port=0", "precision=fp32",
        "threads=1", *arguments,
    ]  # fmt: skip
    with WarmPopen(
        command,
        cwd=folder.parent,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")} | environment,
    ) as process:
        assert process.stderr is not None
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if found := re.search(r"http://\S+:\d+", line):
                    yield process, found[0]
                    break
            else:
                raise AssertionError("".join(said))
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
