"""The files of an evaluation: report.json, report.md, predictions.jsonl, and with an analysis report.html, errors.jsonl and, if links are
scored, link_errors.jsonl.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from eventtag.article import Article
from eventtag.formats.jsonl import json_line
from eventtag.link import Link
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

    @property
    def links(self) -> tuple[Link, ...] | None:
        """The predicted links between them; None if the predictions say nothing of links."""
        ...


def write_evaluation(
    report: EvaluationReport, predictions: Iterable[Prediction], folder: Path, *, training: TrainingHistory | None = None
) -> None:
    """Write the files into `folder`; raises OutputError if one exists.

    predictions.jsonl holds every scored article in the project's format with the predicted spans and links and their scores in place of
    gold; `annotated` and `labels` stay, so that it can be scored again.
    """
    predicted = list(predictions)
    pairs = [(item.article, item.spans) for item in predicted]
    with staged_file(folder / "predictions.jsonl") as file:
        file.writelines(json_line(_counted(item)) + "\n" for item in predicted)
    with staged_file(folder / "report.md") as file:
        file.write(render_scores_table(report) + "\n")
    if report.errors is not None:
        with staged_file(folder / "errors.jsonl") as file:
            file.writelines(line + "\n" for line in report.errors.json_lines())
        title = f"{report.data.get('name', '')} {report.data.get('split', '')}".strip() or "Evaluation"
        with staged_file(folder / "report.html") as file:
            file.write(render_page(report, pairs, title=title, training=training))
    if report.events is not None and report.events.links is not None:
        with staged_file(folder / "link_errors.jsonl") as file:
            file.writelines(line + "\n" for line in report.events.links.errors.json_lines())
    write_json(folder / "report.json", report.to_json())


def _counted(item: Prediction) -> Article:
    """The article with what was predicted where it counts."""
    spans = tuple(span for span in item.spans if item.article.counts(span))
    there = set(spans)
    links = item.links and tuple(link for link in item.links if {link.event, link.participant} <= there)
    return replace(item.article, spans=spans, rejected=(), links=links)
