"""`eventtag.lint`: finds mistakes in annotated articles."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from eventtag.api.articles import Source, read_source, require_articles
from eventtag.article import Article
from eventtag.corpus.lint import LintReport, fix_articles
from eventtag.corpus.lint import lint as lint_articles
from eventtag.errors import SettingsError
from eventtag.formats.registry import format_of_suffix, write_articles
from eventtag.ledger import LossLedger
from eventtag.settings import TrainSettings
from eventtag.settings.building import build_settings


def lint(
    articles: Source,
    *,
    max_words: int = 350,
    checkpoint: str | os.PathLike[str] | None = None,
    cross_validate: int | None = None,
    training: TrainSettings | Mapping[str, Any] | None = None,
    seen: str = "exclude",
    fix: str | os.PathLike[str] | None = None,
    **reading: Any,
) -> LintReport:
    """Find mistakes in annotated articles: `lint("articles.jsonl").to_pandas()`.

    `max_words`: about how many words fit into one window. A `checkpoint`, or `cross_validate` taggers trained with the settings
    `training`, judge the annotations too; articles that the judge learnt from are left out unless `seen="include"`. `fix` is a file
    to make with the safe repairs, in the format of its suffix. `reading` are `format`, `options` and `label_map`.

    Raises SettingsError for settings that contradict each other, what the readers raise, and OutputError if `fix` exists.
    """
    if checkpoint is not None and cross_validate is not None:
        raise SettingsError("checkpoint and cross_validate: give one of them")
    if training is not None and cross_validate is None:
        raise SettingsError("training: says what cross_validate trains; give both")
    if fix is not None:
        format_of_suffix(Path(fix))
    source = require_articles(articles) if isinstance(articles, Iterator) else articles

    def read(ledger: LossLedger) -> Iterator[Article]:
        return read_source(source, ledger, **reading)

    report = lint_articles(read, max_words=max_words)
    if checkpoint is not None or cross_validate is not None:
        from eventtag.api.judging import judge_by_checkpoint, judge_by_folds  # slow to import: torch

        found = list(read(LossLedger()))
        how: dict[str, Any] = {"include_seen": seen == "include", "say": report.notes.append}
        if checkpoint is not None:
            report.add(judge_by_checkpoint(found, os.fspath(checkpoint), **how))
        elif cross_validate is not None:
            settings = training if isinstance(training, TrainSettings) else build_settings(TrainSettings, training or {})
            report.add(judge_by_folds(found, cross_validate, settings, **how))
    if fix is not None:
        repairing = LossLedger()
        write_articles(fix_articles(read(LossLedger()), ledger=repairing), fix)
        report.notes += repairing.summary()
    return report
