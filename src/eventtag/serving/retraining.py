"""A training on corrections, in a separate process: the run of the checkpoint once more, with the corrections among what it learns.

The validation and test articles stay the same; corrections of these are left out. A correction of a training article replaces that
article. Then both checkpoints, that in use and the new one, are scored on the test articles.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from eventtag.errors import EventtagError, ExportError
from eventtag.formats.jsonl import read_jsonl
from eventtag.ledger import LossLedger
from eventtag.staging import write_json
from eventtag.stored_json import read_stored
from eventtag.tagging.tagger import Tagger
from eventtag.training.comparing import compare_taggers
from eventtag.training.continued import add_articles, corpus_of_run, settings_of_run
from eventtag.training.finish import export_result
from eventtag.training.run import require_trainable, train

REQUEST_FILE = "request.json"
ARTICLES_FILE = "corrections.jsonl"
RESULT_FILE = "result.json"
RUN = "run"
NICENESS = 10
"""Training has a lower priority than tagging, so that requests are answered."""

log = logging.getLogger(__name__)


def retrain(folder: Path) -> dict[str, Any]:
    """Train as REQUEST_FILE in the folder says, and score both checkpoints; returns the result to show."""
    request = read_stored(folder / REQUEST_FILE)
    base = Path(request["base"])
    settings, corpus = settings_of_run(base), corpus_of_run(base)
    require_trainable(corpus)
    corrections = list(read_jsonl(folder / ARTICLES_FILE, ledger=LossLedger()))
    added = add_articles(corpus, corrections, what="corrections")
    for note in added.notes:
        log.info("%s", note)
    result = train(replace(settings, run_dir=str(folder / RUN)), corpus=added.corpus)
    notes = [*added.notes]
    try:
        export_result(result, wanted=settings.export)
    except ExportError as error:
        notes.append(str(error).partition("\n")[0])
    taggers = {"in_force": Tagger.load(Path(request["in_force"])), "new": Tagger.load(folder / RUN / "checkpoint")}
    compared = compare_taggers(taggers, corpus, settings.evaluation)
    return {**compared, "corrections": added.count, "notes": [*notes, *compared["notes"]]}


def main() -> None:
    """Train in the folder that the command line names; if that fails, the result is a message. Ends when its parent has ended."""
    folder = Path(sys.argv[1])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICENESS)
    try:
        result = retrain(folder)
    except EventtagError as error:
        result = {"problem": str(error)}
    write_json(folder / RESULT_FILE, result)


def _end_with_parent() -> None:
    sys.stdin.buffer.read()  # ends when nobody holds the other end of the pipe any more
    os._exit(1)
