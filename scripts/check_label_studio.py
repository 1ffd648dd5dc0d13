"""`eventtag serve` with Label Studio itself: a project of 50 tasks, predictions for all, corrections, a training, new predictions.

python -m venv ENV && ENV/bin/pip install label-studio==1.23.2
python scripts/check_label_studio.py RUN --label-studio ENV/bin/label-studio

RUN is a folder that `eventtag train` left. Label Studio's data are kept in a folder that is removed in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eventtag.formats.jsonl import read_jsonl
from eventtag.ledger import LossLedger
from eventtag.settings.data import sample_file

TASKS = 50
CORRECTED = 10
XML = (
    '<View><Labels name="label" toName="text"><Label value="ACTOR"/><Label value="EVENT"/><Label value="LOCATION"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)
TOKEN = "5f0c6a3b8e1d4972a6b0c3d8e5f7a1b2c4d6e8f0"  # noqa: S105 - of an installation that ends with this script
BOTH = {"ML_BLOCK_LOCAL_IP": "false", "SSRF_PROTECTION_ENABLED": "false"}
"""Without them Label Studio refuses a backend on the same machine."""


class Api:
    """Label Studio's own API, as a user of it calls it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer; raises HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/api/{path}", data, self.headers, method=method)  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=300) as answer:  # noqa: S310
            content = answer.read()
        return json.loads(content) if content else None


def main() -> int:
    """Run the whole loop; returns 1 where a step fails, with what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a run of eventtag train")
    parser.add_argument("--label-studio", required=True, help="the program of Label Studio")
    parser.add_argument("--training-seconds", type=float, default=3600, help="how long to wait for the training (default: 3600)")
    arguments = parser.parse_args()
    articles = list(read_jsonl(Path(sample_file()), ledger=LossLedger()))[:TASKS]
    with tempfile.TemporaryDirectory() as folder:
        backend = subprocess.Popen(
            [sys.executable, "-m", "eventtag", "serve", f"checkpoint={arguments.run}", f"annotations={folder}/annotations", "port=0"],
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        studio = _start_label_studio(arguments.label_studio, Path(folder))
        try:
            return _loop(
                Api(f"http://127.0.0.1:{studio[1]}"), f"http://127.0.0.1:{_port(backend)}", articles, arguments.training_seconds
            )
        finally:
            for process in (backend, studio[0]):
                process.send_signal(signal.SIGTERM)
                process.wait()


def _loop(api: Api, address: str, articles: list[Any], patience: float) -> int:
    _until("Label Studio answers", lambda: _answers(api), 600)
    project = api.call("POST", "projects", {"title": "try", "label_config": XML})["id"]
    tasks = [{"data": {"text": article.text}} for article in articles]
    api.call("POST", f"projects/{project}/import", tasks)
    backend = api.call(
        "POST", "ml", {"url": f"{address}/label_studio", "project": project, "title": "eventtag", "is_interactive": False}
    )
    print(f"backend {backend['id']} is connected; state {backend.get('state')}")
    first = _retrieve(api, project)
    bad = _require(f"{TASKS} tasks have a prediction", len(first) == TASKS)
    bad += _require("every prediction has a score", all(item["score"] is not None for found in first.values() for item in found))
    print(
        "     scores from",
        min(i["score"] for f in first.values() for i in f),
        "to",
        max(i["score"] for f in first.values() for i in f),
    )
    version = {item["model_version"] for found in first.values() for item in found}
    for (number, _), article in zip(sorted(first.items())[:CORRECTED], articles, strict=False):
        result = [
            {
                "id": f"r{position}", "from_name": "label", "to_name": "text", "type": "labels",
                "value": {"start": s.start, "end": s.end, "text": article.mention(s), "labels": [s.label]},
            }
            for position, s in enumerate(article.spans)
        ]  # fmt: skip
        made = api.call("POST", f"tasks/{number}/annotations", {"result": result, "lead_time": 3.2})
    kept = [json.loads(line) for line in _get(f"{address}/api/corrections").splitlines()]
    bad += _require(f"{CORRECTED} corrections are kept", len(kept) == CORRECTED)
    spans = {article.text: [(s.start, s.end, s.label) for s in article.spans] for article in articles}
    same = all([(s["start"], s["end"], s["label"]) for s in one["spans"]] == spans[one["text"]] for one in kept)
    bad += _require("they are what was annotated", same)
    api.call("DELETE", f"annotations/{made['id']}")
    bad += _require("a deleted one is forgotten", len(_get(f"{address}/api/corrections").splitlines()) == CORRECTED - 1)
    api.call("POST", f"ml/{backend['id']}/train", {})
    _until("the training is done", lambda: not json.loads(_get(f"{address}/api/training"))["running"], patience)
    training = json.loads(_get(f"{address}/api/training"))["trainings"][-1]
    print(f"     {training['state']}: {training['message']}")
    bad += _require("the training is done", training["state"] == "done")
    if not training["in_force"]:
        print("     the new checkpoint is worse; it is taken into force by hand, to see the rest")
        _post(f"{address}/api/training/adopt", {"number": training["number"]})
    second = _retrieve(api, project)
    newer = {item["model_version"] for found in second.values() for item in found} - version
    bad += _require("there are predictions of the new version for all tasks", len(newer) == 1 and _with(second, newer) == TASKS)
    return 1 if bad else 0


def _with(found: dict[int, list[Any]], versions: set[str]) -> int:
    return sum(any(item["model_version"] in versions for item in items) for items in found.values())


def _retrieve(api: Api, project: int) -> dict[int, list[Any]]:
    """The predictions of all tasks, after Data Manager > Retrieve predictions."""
    api.call(
        "POST", f"dm/actions?id=retrieve_tasks_predictions&project={project}", {"selectedItems": {"all": True, "excluded": []}}
    )
    found: dict[int, list[Any]] = {}
    for item in api.call("GET", f"predictions?project={project}"):
        found.setdefault(item["task"], []).append(item)
    return found


def _start_label_studio(program: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | BOTH | {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "label-studio"), "COLLECT_ANALYTICS": "false", "LATEST_VERSION_CHECK": "false",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    }  # fmt: skip
    command = [program, "start", "--no-browser", "--port", str(port), "--username", "a@example.org", "--password", "try-it-out-1"]
    with (folder / "label-studio.log").open("wb") as log:
        process = subprocess.Popen([*command, "--user-token", TOKEN], env=environment, stdout=log, stderr=log)
    return process, port


def _answers(api: Api) -> bool:
    try:
        api.call("GET", "projects")
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise SystemExit(f"Label Studio refuses the token: {error.read()[:300]!r}") from error
        return False
    except OSError:
        return False
    return True


def _port(server: subprocess.Popen[str]) -> int:
    assert server.stderr is not None
    for line in server.stderr:
        print(f"     {line}", end="")
        if found := re.search(r"http://\S+:(\d+)", line):
            threading.Thread(target=lambda: [print(f"     {said}", end="") for said in server.stderr or ()], daemon=True).start()
            return int(found[1])
    raise SystemExit("eventtag serve did not start")


def _until(what: str, holds: Callable[[], bool], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            raise SystemExit(f"not after {seconds:g} seconds: {what}")
        time.sleep(1)


def _require(what: str, holds: bool) -> int:
    print(f"{'ok  ' if holds else 'FAIL'} {what}", flush=True)
    return 0 if holds else 1


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own
        return str(answer.read().decode())


def _post(url: str, body: object) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")  # noqa: S310 - our own
    urllib.request.urlopen(request, timeout=60).close()  # noqa: S310


if __name__ == "__main__":
    sys.exit(main())
