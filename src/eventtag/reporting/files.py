"""The files of an evaluation: report.json, report.md, predictions.jsonl, and with an analysis report.html and errors.jsonl."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from eventtag.article import Article
from eventtag.formats.jsonl import json_line
from eventtag.reporting.html import render_page
from eventtag.reporting.markdown import render_scores_table
from eventtag.reporting.training import TrainingHistory
from eventtag.scoring.report import EvaluationReport
from eventtag.span import Span
from eventtag.staging import staged_file, write_json


class Prediction(Protocol):
    """An article and the spans predicted for it."""

    @property
    def article(self) -> Article:
        """The article with its gold."""
        ...

    @property
    def spans(self) -> tuple[Span, ...]:
        """The predicted spans."""
        ...


def write_evaluation(
    report: EvaluationReport, predictions: Iterable[Prediction], folder: Path, *, training: TrainingHistory | None = None
) -> None:
    """Write the files into `folder`; raises OutputError if one exists.

    predictions.jsonl holds every scored article in the project's format with the predicted spans and their scores in place of
    gold; `annotated` and `labels` stay, so that it can be scored again.
    """
    pairs = [(item.article, item.spans) for item in predictions]
    with staged_file(folder / "predictions.jsonl") as file:
        for gold, spans in pairs:
            counted = tuple(span for span in spans if gold.counts(span))
            file.write(json_line(replace(gold, spans=counted, rejected=(), links=None)) + "\n")
    with staged_file(folder / "report.md") as file:
        file.write(render_scores_table(report) + "\n")
    if report.errors is not None:
        with staged_file(folder / "errors.jsonl") as file:
            file.writelines(line + "\n" for line in report.errors.json_lines())
        title = f"{report.data.get('name', '')} {report.data.get('split', '')}".strip() or "Evaluation"
        with staged_file(folder / "report.html") as file:
            file.write(render_page(report, pairs, title=title, training=training))
    write_json(folder / "report.json", report.to_json())
