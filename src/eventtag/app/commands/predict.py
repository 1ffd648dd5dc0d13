"""`eventtag predict checkpoint=DIR input=PATH output=PATH key=value ...`"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from eventtag.app.hydra_task import run_hydra
from eventtag.settings import OutputFormat, PredictSettings

if TYPE_CHECKING:
    from eventtag.articles import Article

log = logging.getLogger(__name__)


def run() -> int:
    """Tag articles as the command line says."""
    return run_hydra("predict", PredictSettings, _task)


def _task(settings: PredictSettings) -> None:
    from eventtag.staging import require_absent, staged_file
    from eventtag.tagging.inputs import read_inputs
    from eventtag.tagging.tagger import Tagger, with_spans

    to_screen = settings.output == "-"
    if not to_screen:
        require_absent(Path(settings.output))
    chosen = _output_format(settings)
    tagger = Tagger.load(settings.checkpoint, batch_tokens=settings.batch_tokens).with_thresholds(settings.thresholds)
    source = read_inputs(settings.input, text_field=settings.text_field, id_field=settings.id_field)
    articles = (
        replace(article, spans=tuple(span for span in article.spans if span.score >= settings.min_score))  # type: ignore[attr-defined]
        for article in map(with_spans, tagger.tag_many(source))
    )
    started = time.perf_counter()
    counted = _Counter()
    if to_screen:
        _write(sys.stdout, counted.watch(articles), chosen, tagger.labels.labels, settings)
    else:
        with staged_file(Path(settings.output)) as file:
            _write(file, counted.watch(articles), chosen, tagger.labels.labels, settings)
        seconds = time.perf_counter() - started
        log.info("%s: %d spans in %d articles, %.1f s", settings.output, counted.spans, counted.articles, seconds)


def _output_format(settings: PredictSettings) -> OutputFormat:
    if settings.format is not OutputFormat.auto:
        return settings.format
    if settings.output == "-":
        return OutputFormat.terminal if sys.stdout.isatty() else OutputFormat.jsonl
    return OutputFormat.html if settings.output.lower().endswith((".html", ".htm")) else OutputFormat.jsonl


def _write(
    file: TextIO, articles: Iterable[Article], chosen: OutputFormat, labels: tuple[str, ...], settings: PredictSettings
) -> None:
    from eventtag.app.terminal import print_highlighted
    from eventtag.formats.jsonl import json_line
    from eventtag.reporting.highlight import page

    if chosen is OutputFormat.terminal:
        for article in articles:
            print_highlighted(article, labels, file)
    elif chosen is OutputFormat.html:
        file.writelines(page(articles, labels, title=f"{settings.input}, tagged by eventtag"))
    else:
        file.writelines(json_line(article) + "\n" for article in articles)


class _Counter:
    """Counts what passes."""

    articles = 0
    spans = 0

    def watch(self, articles: Iterable[Article]) -> Iterator[Article]:
        for article in articles:
            self.articles += 1
            self.spans += len(article.spans)
            yield article
