"""`eventtag predict checkpoint=DIR input=PATH output=PATH key=value ...`"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from eventtag.article import Article
from eventtag.cli.hydra_task import run_hydra
from eventtag.cli.terminal import print_message
from eventtag.errors import SettingsError
from eventtag.ledger import LossLedger
from eventtag.printable import printable
from eventtag.settings import OutputFormat, PredictSettings

log = logging.getLogger(__name__)

TO_SCREEN = (OutputFormat.jsonl, OutputFormat.html, OutputFormat.terminal)
SHOWN = 5
"""Bad rows that are named one by one where there is no file for them."""


def run() -> int:
    """Tag articles as the command line says."""
    sys.argv = ["json_logs=true" if argument == "--json-logs" else argument for argument in sys.argv]
    terminated = False

    def terminate(*_: object) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    try:
        return run_hydra("predict", PredictSettings, _task)
    except KeyboardInterrupt:
        return 143 if terminated else 130


def _task(settings: PredictSettings) -> None:
    if settings.output == "-":
        _tag_to_screen(settings)
        return
    from eventtag.api.predict import predict
    from eventtag.cli.job_progress import show_progress

    try:
        with show_progress(json_logs=settings.json_logs) as show:
            predict(settings, on_progress=show)
    except KeyboardInterrupt:
        print_message("stopped; what is tagged is kept, and the same command goes on from there")
        raise


def _tag_to_screen(settings: PredictSettings) -> None:
    """Tag and write article by article; bad rows are named on standard error."""
    from eventtag.api.predict import require_few_bad_rows, tag_rows

    chosen = settings.format
    if chosen is OutputFormat.auto:
        chosen = OutputFormat.terminal if sys.stdout.isatty() else OutputFormat.jsonl
    if chosen not in TO_SCREEN:
        raise SettingsError(
            f"format={chosen.value} needs a file: give output=; standard output takes {', '.join(f.value for f in TO_SCREEN)}"
        )
    rows = bad = 0

    def articles() -> Iterator[Article]:
        nonlocal rows, bad
        for row in tag_rows(settings):
            rows += 1
            if isinstance(row, Article):
                yield row
                continue
            bad += 1
            if bad <= SHOWN:
                line = "" if row.place.line is None else f":{row.place.line}"
                log.warning("%s%s: %s; left out", row.place.file, line, row.reason)

    _write(sys.stdout, articles(), chosen, settings)
    require_few_bad_rows(bad, rows, settings.max_bad_rows, where="dead_letter.jsonl where output= is a file")


def _write(file: TextIO, articles: Iterator[Article], chosen: OutputFormat, settings: PredictSettings) -> None:
    from eventtag.cli.terminal import print_highlighted
    from eventtag.formats.jsonl import json_line
    from eventtag.models.checkpoint import WEIGHTS_FILE, read_info
    from eventtag.reporting.highlight import page

    ledger = LossLedger()
    labels = read_info(Path(settings.checkpoint), unread=(WEIGHTS_FILE,))[0].labels.labels
    if chosen is OutputFormat.terminal:
        for article in articles:
            print_highlighted(article, labels, file)
        return
    if chosen is OutputFormat.html:
        lines = page(articles, labels, title=f"{settings.input}, tagged by eventtag")
    else:
        lines = (json_line(article, sentences=ledger if settings.sentences else None) + "\n" for article in articles)
    file.writelines(map(printable, lines) if file.isatty() else lines)
    for line in ledger.summary():
        log.info("%s", line)
