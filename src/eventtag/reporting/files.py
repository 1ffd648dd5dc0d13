"""The files of an evaluation: report.json, report.md and predictions.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from eventtag.articles import Article
from eventtag.formats.jsonl import json_line
from eventtag.reporting.markdown import render_scores_table
from eventtag.scoring.report import EvaluationReport
from eventtag.spans import ScoredSpan
from eventtag.staging import staged_file


class Prediction(Protocol):
    """An article and the spans predicted for it."""

    @property
    def article(self) -> Article:
        """The article with its gold."""
        ...

    @property
    def spans(self) -> tuple[ScoredSpan, ...]:
        """The predicted spans."""
        ...


def write_evaluation(report: EvaluationReport, predictions: Iterable[Prediction], folder: Path) -> None:
    """Write the three files into `folder`; raises OutputError where one exists.

    predictions.jsonl holds every scored article in the project's format with the predicted spans and their scores in place of
    gold; `annotated` and `labels` stay, so that it can be scored again.
    """
    with staged_file(folder / "predictions.jsonl") as file:
        for item in predictions:
            article = Article(
                item.article.id,
                item.article.text,
                tuple(span for span in item.spans if item.article.counts(span)),
                item.article.annotated,
                item.article.labels,
                item.article.meta,
            )
            file.write(json_line(article) + "\n")
    with staged_file(folder / "report.md") as file:
        file.write(render_scores_table(report) + "\n")
    with staged_file(folder / "report.json") as file:
        json.dump(report.to_json(), file, indent=2, ensure_ascii=False)
        file.write("\n")
