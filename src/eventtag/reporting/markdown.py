"""The evaluation report as Markdown, for the model card."""

from __future__ import annotations

from eventtag.scoring.counts import Counts
from eventtag.scoring.report import Average, EvaluationReport


def render_scores_table(report: EvaluationReport) -> str:
    """The strict scores as a Markdown table, four decimals; ends with a newline."""
    strict = report.strict
    lines = ["| label | precision | recall | F1 | support |", "|---|---:|---:|---:|---:|"]
    rows: list[tuple[str, Counts | Average]] = [*strict.labels.items(), ("micro", strict.micro)]
    rows += [("macro", strict.macro), ("weighted", strict.weighted)]
    lines += [
        f"| {escape_cell(name)} | {row.precision:.4f} | {row.recall:.4f} | {row.f1:.4f} | {row.support} |" for name, row in rows
    ]
    lines += ["", f"Strict character spans (offsets and label) on {report.articles} articles."]
    if report.cross_check is not None:
        lines.append(" ".join(escape_cell(line.strip()) for line in report.cross_check.note.splitlines()))
    return "\n".join(lines) + "\n"


def escape_cell(text: str) -> str:
    """Text that stands for itself in a Markdown table cell."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, "\\" + character)
    return text
