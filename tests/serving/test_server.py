"""The command in a process of its own, with real clients."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import pytest
from huggingface_hub import InferenceClient
from served_app import made_tagger, running  # noqa: F401 - fixtures
from warm import warm_programs

import eventtag
from eventtag.errors import EventtagError, SettingsError
from eventtag.serving.store import Corrections
from eventtag.tagging.tagger import Tagger

TEXT = "Police attacked Rebels in Lima . Nurses praised Moscow in Osaka ."


def test_clients_many_at_once_and_an_orderly_end(
    checkpoint: Path, tmp_path: Path, tagger: Tagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.is_offline_mode", bool)  # tests are offline; 127.0.0.1 is no hub
    folder = tmp_path / "annotations"
    expected = [(s.label, s.start, s.end) for s in tagger.tag(TEXT)]
    with running(checkpoint, folder) as (process, address):
        answer = InferenceClient(model=f"{address}/hf").token_classification(TEXT, aggregation_strategy="simple", stride=16)
        assert [(one.entity_group, one.start, one.end) for one in answer] == expected
        assert [one.word for one in answer] == [TEXT[start:end] for _, start, end in expected]

        second = subprocess.run(
            [warm_programs() / "eventtag", "serve", f"checkpoint={checkpoint}", f"annotations={folder}", "port=0"],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert second.returncode == 1
        assert "is working in this folder already; wait until it is done, or give another annotations" in second.stderr

        with (
            httpx.Client(base_url=address, timeout=120, limits=httpx.Limits(max_connections=200)) as client,
            ThreadPoolExecutor(200) as pool,
        ):
            ready = threading.Barrier(200)

            def ask(number: int) -> tuple[int, str, str]:
                ready.wait()
                answer = client.post("/api/tag", json={"articles": [{"id": f"n{number}", "text": TEXT}] * (1 + number % 3)})
                return answer.status_code, answer.text, f"n{number}"

            for status, text, name in pool.map(ask, range(200)):
                assert status == 200
                for line in map(json.loads, text.splitlines()):
                    assert line["id"] == name
                    assert [(s["label"], s["start"], s["end"]) for s in line["spans"]] == expected

            long = pool.submit(client.post, "/api/tag", json={"texts": [TEXT * 20] * 20})
            while "waiting_characters 0" in client.get("/metrics").text and not long.done():
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert len(long.result().text.splitlines()) == 20  # it is answered, although the server is ending
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[-1] == "ended"
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_what_was_confirmed_survives_kill_9(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    confirmed: list[str] = []
    with running(checkpoint, folder) as (process, address):

        def annotate(worker: int) -> None:
            with httpx.Client(base_url=address, timeout=60) as client:
                for number in range(10_000):
                    name = f"{worker}/{number}"
                    article = {
                        "id": name,
                        "text": TEXT,
                        "spans": [{"start": 0, "end": 6, "label": "ACTOR"}],
                        "annotated": [[0, 20]],
                    }
                    try:
                        answer = client.post("/api/corrections", json={"annotator": "Ann", "article": article})
                    except httpx.TransportError:
                        return
                    assert answer.status_code == 201
                    confirmed.append(name)

        with ThreadPoolExecutor(4) as pool:
            workers = [pool.submit(annotate, worker) for worker in range(4)]
            while len(confirmed) < 100 and not any(worker.done() for worker in workers):
                time.sleep(0.001)
            process.kill()
            for worker in workers:
                worker.result()
    kept = Corrections(folder)
    assert len(confirmed) >= 100
    assert {one.article.id for one in kept} >= set(confirmed)
    kept.close()


def test_a_wrong_start_leaves_nothing(tmp_path: Path) -> None:
    for change, said in (({"checkpoint": "none"}, "none: no such directory"), ({"port": 70000}, "port=70000 is not allowed")):
        with pytest.raises(EventtagError, match=said):
            eventtag.serve(**{"checkpoint": "none", "annotations": str(tmp_path / "a"), "port": 0, **change})
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="cannot be listened on"):
        eventtag.serve("none", annotations=str(tmp_path / "a"), port=taken.getsockname()[1])
    assert not (tmp_path / "a").exists()
