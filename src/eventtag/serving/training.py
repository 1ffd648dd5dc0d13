"""Trainings on the corrections: one at a time, each in a process and a folder of its own, and which checkpoint is in use after it.

FOLDER/serve.json                    which checkpoint the folder belongs to, which of its trainings is in use
FOLDER/corrections.jsonl             `eventtag.serving.store`
FOLDER/trainings/3/request.json      what was asked for
FOLDER/trainings/3/corrections.jsonl the corrections as they were then
FOLDER/trainings/3/training.log      what the process said
FOLDER/trainings/3/run/              the run, as `eventtag train` leaves it
FOLDER/trainings/3/result.json       both scores, and the difference

The server uses a new checkpoint when both scores are known, unless the interval of the difference lies below 0. The message about a
training gives the scores with their intervals, and says so if the new one is lower.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import EventtagError, OutputError
from eventtag.formats.jsonl import write_jsonl
from eventtag.ledger import LossLedger
from eventtag.serving.batches import Model
from eventtag.serving.refusals import RequestError
from eventtag.serving.retraining import ARTICLES_FILE, REQUEST_FILE, RESULT_FILE, RUN
from eventtag.serving.store import Corrections
from eventtag.staging import named_full_disk, write_json
from eventtag.stored_json import read_stored
from eventtag.tagging.tagger import Tagger
from eventtag.training.comparing import describe_comparison, is_better, verdict
from eventtag.training.continued import settings_of_run

log = logging.getLogger(__name__)

RECORD_FILE = "serve.json"
FOLDER = "trainings"
LOG_FILE = "training.log"

Load = Callable[[Path], Tagger]


class Trainings:
    """The trainings in a folder. `base` is the checkpoint that the server was started with, `load` makes a checkpoint's tagger, and `use`
    puts a model into use.
    """

    def __init__(self, folder: Path, base: Path, corrections: Corrections, *, load: Load) -> None:
        self.folder = folder
        self.base = base
        self.corrections = corrections
        self.load = load
        self.use: Callable[[Model], None] = lambda _: None
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None
        self._in_force = 0
        self._done_with = -1

    def open(self, base: Tagger) -> Model:
        """The model in use: `base`, of the checkpoint the server was started with, or that of the training that was in use when it
        last ended.

        Raises OutputError if the folder belongs to another checkpoint, CheckpointError if a checkpoint cannot be loaded.
        """
        model = Model.of(base)
        file = self.folder / RECORD_FILE
        if file.exists():
            try:
                record = read_stored(file)
                begun, self._in_force = str(record["checkpoint"]), int(record["in_force"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise OutputError(
                    f"{file}: cannot be read ({error}); bring it back from a copy, or give another annotations="
                ) from error
            if begun != model.version:
                raise OutputError(
                    f"{self.folder}: was begun with another checkpoint ({begun}) than {self.base} ({model.version}); give that one, or "
                    "another annotations="
                )
            if self._in_force:
                model = Model.of(self.load(self._checkpoint(self._in_force)))
                log.info(
                    "%s: the checkpoint of training %d is in use, not that with which the server is started",
                    self.folder,
                    self._in_force,
                )
        else:
            self._record(model.version, 0)
        return model

    def _record(self, version: str, in_force: int) -> None:
        content = {"versions": {"eventtag": package_version("eventtag")}, "checkpoint": version, "in_force": in_force}
        write_json(self.folder / RECORD_FILE, content, replace=True)

    def _checkpoint(self, number: int) -> Path:
        return self.base if number == 0 else self.folder / FOLDER / str(number) / RUN / "checkpoint"

    def _numbers(self) -> list[int]:
        folder = self.folder / FOLDER
        return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal()) if folder.is_dir() else []

    @property
    def running(self) -> bool:
        """Whether a training is going on, or its checkpoint is about to be taken into use."""
        return self._watcher is not None and self._watcher.is_alive()

    def start(self) -> dict[str, Any]:
        """Begin a training on all corrections; returns what `state` says of it.

        Raises RequestError (409) while one goes on, where there is no correction, or none since the last training that was done;
        SettingsError if the run of the checkpoint is not there.
        """
        with self._lock:
            if self.running:
                raise RequestError("a training is going on already; wait until it is done", status=409)
            settings_of_run(self.base)
            corrections = self.corrections.exported()
            if not corrections:
                raise RequestError("there is no correction to learn from; correct and submit some articles first", status=409)
            if self._done_with == self.corrections.events:
                raise RequestError("nothing was corrected since the last training", status=409)
            number = max(self._numbers(), default=0) + 1
            folder = self.folder / FOLDER / str(number)
            with named_full_disk(folder, then="ask for the training again"):
                self._begin(folder, corrections)
            log.info("training %d: begun on %d corrections; %s", number, len(corrections), folder / LOG_FILE)
            events = self.corrections.events
            self._watcher = threading.Thread(target=self._watch, args=(number, events), name="training", daemon=True)
            self._watcher.start()
            return self._about(number)

    def _begin(self, folder: Path, corrections: Sequence[Article]) -> None:
        """Start the process; where that fails, the folder is taken away, so that nothing looks like a training."""
        folder.mkdir(parents=True)
        try:
            asked = {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "base": str(self.base.absolute()),
                "in_force": str(self._checkpoint(self._in_force).absolute()),
                "corrections": len(corrections),
            }
            write_json(folder / REQUEST_FILE, asked)
            write_jsonl(corrections, folder / ARTICLES_FILE, ledger=LossLedger())
            program = f"import sys; sys.path[:] = {sys.path!r}; from eventtag.serving.retraining import main; main()"
            with (folder / LOG_FILE).open("wb") as output:
                self._process = subprocess.Popen(  # noqa: S603 - the program is our own
                    [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=output, stderr=output
                )
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _watch(self, number: int, events: int) -> None:
        assert self._process is not None
        self._process.wait()
        about = self._about(number, ended=True)
        try:
            if about["state"] == "done":
                self._done_with = events
                if about["better"] is not False:
                    self._take(number)
                    about = self._about(number)
        except EventtagError as error:
            log.error("training %d: its checkpoint cannot be taken into use: %s", number, error)
            return
        log.info("training %d: %s", number, about["message"])

    def _take(self, number: int) -> None:
        model = Model.of(self.load(self._checkpoint(number)))
        record = read_stored(self.folder / RECORD_FILE)
        self._record(str(record["checkpoint"]), number)
        self._in_force = number
        self.use(model)

    def adopt(self, number: int) -> dict[str, Any]:
        """Put the checkpoint of a training into use, with any score; 0 is the checkpoint that the server was started with.
        Returns `state`.

        Raises RequestError (409) while a training is running, (404) if no finished training has this number.
        """
        with self._lock:
            if self.running:
                raise RequestError("a training is going on; wait until it is done", status=409)
            if number and (number not in self._numbers() or self._about(number)["state"] != "done"):
                raise RequestError(f"there is no training {number} that was done", status=404)
            self._take(number)
            log.info("the checkpoint of training %d is in use, as asked for", number)
            return self.state()

    def state(self) -> dict[str, Any]:
        """What the page shows of all trainings, the first one first."""
        return {
            "running": self.running,
            "in_force": self._in_force,
            "corrections": len(self.corrections),
            "trainings": [self._about(number) for number in self._numbers()],
        }

    def _about(self, number: int, *, ended: bool = False) -> dict[str, Any]:
        """`state` is running, done, failed or interrupted; `better` is False if the new checkpoint is worse beyond chance."""
        folder = self.folder / FOLDER / str(number)
        try:
            about = {"number": number, **read_stored(folder / REQUEST_FILE)}
        except (OSError, ValueError, TypeError):
            about = {"number": number, "time": None, "corrections": None}
        for key in ("base", "in_force"):
            about.pop(key, None)  # paths, which are nobody's business
        about["in_force"] = number == self._in_force
        try:
            result = read_stored(folder / RESULT_FILE)
        except (OSError, ValueError):
            last = number == max(self._numbers())
            if last and self.running and not ended:
                return {**about, "state": "running", "message": "training"}
            return {**about, "state": "interrupted", "message": f"it was interrupted; {LOG_FILE} in its folder may say why"}
        if "problem" in result:
            return {**about, "state": "failed", "message": result["problem"]}
        better = is_better(result["difference"])
        return {**about, **result, "state": "done", "better": better, "message": _message(result, better, about["in_force"])}

    def stop(self) -> None:
        """End the running training; its files stay."""
        process, watcher = self._process, self._watcher
        if process is not None and process.poll() is None:
            log.warning("the training is ended with the server; begin it anew when the server has been started again")
            process.terminate()
        if watcher is not None:
            watcher.join()


def _message(result: Mapping[str, Any], better: bool | None, in_force: bool) -> str:
    said = f"{describe_comparison(result)}: {verdict(result['difference'])}"
    if better is False:
        said += "; the server takes it into use only when asked to"
    return said + ("; the server uses it" if in_force else "")
