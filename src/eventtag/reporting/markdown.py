"""The evaluation report as Markdown, for the model card."""

from __future__ import annotations

import re

from eventtag.reporting.events import markdown_lines
from eventtag.scoring.counts import Counts
from eventtag.scoring.report import Average, EvaluationReport

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn the direction of the text round them, and lone surrogates, which no file takes."""
_PLAIN = re.compile(r"[\w./:@+ -]+")


def render_scores_table(report: EvaluationReport) -> str:
    """The strict scores as a Markdown table, four decimals, with the interval of F1 where the report has one, and the scores of links and
    status as further tables; ends with a newline.
    """
    strict, intervals = report.strict, report.intervals
    rows: list[tuple[str, Counts | Average]] = [*strict.labels.items(), ("micro", strict.micro)]
    rows += [("macro", strict.macro), ("weighted", strict.weighted)]
    column = "" if intervals is None else f" {100 * intervals.level:g} % interval |"
    lines = [f"| label | precision | recall | F1 |{column} support |", "|---|---:|---:|---:|" + "---:|" * (1 + bool(column))]
    for name, row in rows:
        if name in strict.unannotated:
            lines.append(f"| {escape_cell(name)} |" + " - |" * (4 + bool(column)))
            continue
        cell = ""
        if intervals is not None:
            interval = intervals.interval("strict", name)
            cell = " - |" if interval is None else f" {interval.low:.4f}-{interval.high:.4f} |"
        lines.append(f"| {escape_cell(name)} | {row.precision:.4f} | {row.recall:.4f} | {row.f1:.4f} |{cell} {row.support} |")
    lines += [
        "",
        f"Strict character spans (offsets and label) on {escape_cell(f'{report.articles} articles{report.in_clusters}')}.",
    ]
    lines += [_sentence(note) for note in report.notes]
    if intervals is not None:
        if (detectable := intervals.detectable()) is not None:
            lines.append(f"Smallest detectable difference in micro F1 to an unrelated system: {detectable:.4f}.")
        units = "articles" if intervals.units == report.articles else "clusters of articles"
        lines += [escape_cell(f"{note[0].upper()}{note[1:]}.") for note in intervals.notes]
        lines.append(f"Intervals from {intervals.resamples} resamples of {intervals.units} {units} (seed {intervals.seed}).")
    if report.cross_check is not None:
        lines.append(" ".join(escape_cell(line.strip()) for line in report.cross_check.note.splitlines()))
    if report.calibration is not None:
        lines += [escape_cell(line) + "." for line in report.calibration.note.splitlines()]
    if any(part.behind for part in report.slices):
        behind = ", ".join(escape_cell(f"{part.dimension}: {part.value}") for part in report.slices if part.behind)
        lines.append(f"Significantly behind the rest: {behind}.")
    if report.events is not None:
        lines += markdown_lines(report.events, escape_cell)
    if report.given_gold is not None:
        lines += markdown_lines(report.given_gold, escape_cell, given=True)
    return "\n".join(lines) + "\n"


def _sentence(note: str) -> str:
    return escape_cell(note[0].upper() + note[1:]) + "."


def escape_cell(text: str) -> str:
    """Text that Markdown shows unchanged, also in a table cell: on one line, without markup, HTML or control characters.

    HTML's characters become entities, since not every renderer accepts a backslash before `<`.
    """
    text = " ".join(_CONTROL.sub("\ufffd", " ".join(text.split())).split())
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_[]|#~":
        text = text.replace(character, "\\" + character)
    return text


def code(text: str) -> str:
    """Text as a code span if it is a plain name, else as `escape_cell` writes it."""
    return f"`{text}`" if _PLAIN.fullmatch(text) else escape_cell(text)
