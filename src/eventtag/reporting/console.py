"""The evaluation report as plain aligned text."""

from __future__ import annotations

from eventtag.scoring.report import EvaluationReport

HEADER = ("label", "precision", "recall", "F1", "support", "predicted")


def render_table(report: EvaluationReport) -> str:
    """The strict scores per label, micro, macro and weighted, four decimals, with the seqeval note below; ends without a
    newline.
    """
    strict = report.strict
    rows = [
        (name, f"{counts.precision:.4f}", f"{counts.recall:.4f}", f"{counts.f1:.4f}", str(counts.support), str(counts.predicted))
        for name, counts in (*strict.labels.items(), ("micro", strict.micro))
    ]
    rows += [
        (name, f"{mean.precision:.4f}", f"{mean.recall:.4f}", f"{mean.f1:.4f}", str(mean.support), "")
        for name, mean in (("macro", strict.macro), ("weighted", strict.weighted))
    ]
    lines = align_columns([HEADER, *rows])
    rule = "-" * max(len(line) for line in lines)
    lines.insert(1, rule)
    lines.insert(2 + len(strict.labels), rule)
    lines.append(f"{report.articles} articles; a span is right if its offsets and its label are (strict)")
    if report.cross_check is not None:
        lines.append(report.cross_check.note)
    return "\n".join(lines)


def align_columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows of equal length as lines: the first column to the left, the others to the right, two spaces between."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
