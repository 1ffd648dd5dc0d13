"""Evaluation reports and comparisons as plain aligned text."""

from __future__ import annotations

from eventtag.reporting.events import MEASURE_NAMES, console_lines
from eventtag.reporting.table import table_lines
from eventtag.scoring.ceiling import Ceiling
from eventtag.scoring.compare import Comparison, Difference, PairComparison
from eventtag.scoring.compare_events import EventComparison
from eventtag.scoring.report import EvaluationReport
from eventtag.scoring.seeds import SeedSummary

SHOWN_ARTICLES = 5


def render_table(report: EvaluationReport) -> str:
    """The strict scores per label, micro, macro and weighted, four decimals, with the interval of F1 if the report has one, the seqeval
    note below, and the scores of links and status; ends without a newline.
    """
    strict, intervals = report.strict, report.intervals
    header = ("label", "precision", "recall", "F1", "support", "predicted")
    rows = [
        (name, f"{counts.precision:.4f}", f"{counts.recall:.4f}", f"{counts.f1:.4f}", str(counts.support), str(counts.predicted))
        for name, counts in (*strict.labels.items(), ("micro", strict.micro))
    ]
    rows += [
        (name, f"{mean.precision:.4f}", f"{mean.recall:.4f}", f"{mean.f1:.4f}", str(mean.support), "")
        for name, mean in (("macro", strict.macro), ("weighted", strict.weighted))
    ]
    cells: list[tuple[str, ...]] = [header, *rows]
    if intervals is not None:
        column = [f"{100 * intervals.level:g} % interval"]
        for name, *_ in rows:
            interval = intervals.interval("strict", name)
            column.append("-" if interval is None else f"{interval.low:.4f}-{interval.high:.4f}")
        cells = [(*row[:4], cell, *row[4:]) for row, cell in zip(cells, column, strict=True)]
    cells = [(row[0], *("-" for _ in row[1:])) if row[0] in strict.unannotated else row for row in cells]
    lines = table_lines(cells[0], cells[1:])
    lines.insert(2 + len(strict.labels), lines[1])
    lines.append(f"{report.articles} articles{report.in_clusters}; a span is right if its offsets and its label are (strict)")
    lines += report.notes
    if intervals is not None:
        if (detectable := intervals.detectable()) is not None:
            lines.append(f"smallest detectable difference in micro F1 to an unrelated system: {detectable:.4f}")
        lines += intervals.notes
    if report.ceiling is not None:
        lines += ["", *render_ceiling(report.ceiling), ""]
    if report.cross_check is not None:
        lines.append(report.cross_check.note)
    if report.calibration is not None and report.calibration.note:
        lines.append(report.calibration.note)
    if any(part.behind for part in report.slices):
        lines.append(
            f"significantly behind the rest: {', '.join(f'{part.dimension}: {part.value}' for part in report.slices if part.behind)}"
        )
    if report.events is not None:
        lines += console_lines(report.events)
    if report.given_gold is not None:
        lines += console_lines(report.given_gold, given=True)
    return "\n".join(lines)


def render_ceiling(ceiling: Ceiling) -> list[str]:
    """The tagger's F1 beside that of the two annotators, and the ratio with its interval."""
    header = ("F1", "tagger", "annotators", "ratio", f"{100 * ceiling.level:g} % interval")
    rows = [
        (name, row.tagger, row.annotators, row.ratio, None if row.low is None else f"{row.low:.3f}-{row.high:.3f}")
        for name, row in ceiling.rows.items()
    ]
    clusters = "" if ceiling.units == ceiling.articles else f" in {ceiling.units} clusters"
    return [
        *table_lines(header, rows),
        f"both against the same gold, on what both annotators looked at of {ceiling.articles} articles{clusters}",
    ]


def render_comparison(comparison: Comparison, *, resampled_by: str) -> str:
    """Differences in F1 of every pair of systems, in points, and the articles that changed most; ends without a newline.

    `resampled_by` says how articles were put into clusters.
    """
    return "\n\n".join(_render_pair(pair, comparison, resampled_by) for pair in comparison.pairs)


def _render_pair(pair: PairComparison, comparison: Comparison, resampled_by: str) -> str:
    strict = [d for d in pair.differences if d.metric == "f1" and d.scheme == "strict" and d.row != "weighted"]
    others = [d for d in pair.differences if d.metric == "f1" and d.scheme != "strict" and d.row == "micro"]
    rows = [_row(d.row, d, pair) for d in strict] + [_row(f"micro, {d.scheme}", d, pair) for d in others]
    lines = table_lines(_header(pair, comparison.level), rows)
    lines.insert(2 + len(strict), lines[1])
    clusters = "" if resampled_by == "articles" else f" in {comparison.units} clusters by {resampled_by}"
    micro = pair.difference("strict", "micro")
    lines.append(
        f"{comparison.articles} articles{clusters}; strict unless said otherwise, in points; difference: {pair.second} minus {pair.first}"
    )
    lines.append(_about(pair, comparison))
    notes: dict[str, list[str]] = {}
    for found, row in zip((*strict, *others), rows, strict=True):
        if found.note:
            notes.setdefault(found.note, []).append(row[0])
    lines += [f"{'; '.join(names)}: {note}" for note, names in notes.items()]
    if micro.detectable is not None:
        lines.append(
            f"smallest difference in micro F1 that this comparison finds four times out of five: {100 * micro.detectable:.2f}"
        )
    if pair.changed:
        lines.append(f"articles that changed most (strict errors, {pair.first} -> {pair.second}):")
        lines += [f"  {c.article_id}: {c.first_errors:.3g} -> {c.second_errors:.3g}" for c in pair.changed[:SHOWN_ARTICLES]]
    return "\n".join(lines)


def render_event_comparison(found: EventComparison) -> str:
    """Differences in links and status of every pair of systems, in points; ends without a newline."""
    blocks = []
    names = [(p.first, p.second) for comparison in (found.links, found.status) if comparison for p in comparison.pairs]
    for name in dict.fromkeys(names):
        rows: list[tuple[str, Difference]] = []
        own = {
            what: next((p for p in comparison.pairs if (p.first, p.second) == name), None)
            for what, comparison in (("links", found.links), ("roles", found.roles), ("status", found.status))
            if comparison is not None
        }
        if (pair := own.get("links")) is not None:
            rows += [(f"links, {MEASURE_NAMES[d.scheme]}", d) for d in pair.differences if d.metric == "f1"]
        if (pair := own.get("roles")) is not None:
            chosen = (d for d in pair.differences if (d.metric, d.scheme) == ("f1", "strict") and d.row != "micro")
            rows[1:1] = [(f"links, {d.row}", d) for d in chosen]
        if (pair := own.get("status")) is not None:
            rows.append(("status, accuracy", pair.difference("status", "micro", "recall")))
            rows += [(f"status, {d.row}", d) for d in pair.differences if d.metric == "f1" and d.row != "micro"]
        shown = next(pair for pair in own.values() if pair is not None)
        comparison = next(c for c in (found.links, found.status) if c is not None)
        lines = table_lines(_header(shown, comparison.level), [_row(title, d, shown) for title, d in rows])
        lines.append(
            f"F1 and accuracy in points; difference: {shown.second} minus {shown.first}; each status on the events that are found"
        )
        lines.append(_about(shown, comparison))
        notes: dict[str, list[str]] = {}
        for title, d in rows:
            if d.note:
                notes.setdefault(d.note, []).append(title)
        blocks.append("\n".join(lines + [f"{'; '.join(titles)}: {note}" for note, titles in notes.items()]))
    return "\n\n".join([*blocks, *(["\n".join(found.notes)] if found.notes else [])])


def _header(pair: PairComparison, level: float) -> tuple[str, ...]:
    return ("F1", pair.first, pair.second, "difference", f"{100 * level:g} % interval", "p", "p (Holm)", "")


def _about(pair: PairComparison, comparison: Comparison) -> str:
    """What interval and p are about."""
    if not pair.over_seeds:
        return "interval and p are about other articles and these very predictions, not about other seeds (see --seeds)"
    runs = dict(zip(comparison.systems, comparison.runs, strict=True))
    said = f"means over {runs[pair.first]} and {runs[pair.second]} runs; interval and p are about other articles and other seeds"
    fixed = [name for name in (pair.first, pair.second) if name not in pair.recipes]
    single = [name for name in pair.recipes if runs[name] == 1]
    if fixed:
        said += f", but {fixed[0]} stands as it is"
    if single and len(single) < len(pair.recipes):
        said += f"; {single[0]} has one run, whose seeds are taken to vary as those of the other"
    return said


def _row(name: str, found: Difference, pair: PairComparison) -> tuple[str, ...]:
    better = {"first": f"{pair.first} is better", "second": f"{pair.second} is better"}
    return (
        name,
        f"{100 * found.first:.2f}",
        f"{100 * found.second:.2f}",
        f"{100 * found.difference:+.2f}",
        "-" if found.low is None or found.high is None else f"{100 * found.low:+.2f} to {100 * found.high:+.2f}",
        "-" if found.p is None else f"{found.p:.4f}",
        "-" if found.adjusted_p is None else f"{found.adjusted_p:.4f}",
        better.get(found.verdict, "no difference shown"),
    )


def render_seeds(name: str, summary: SeedSummary) -> str:
    """Strict F1 of one system over its seeds, in points, and the run that validation picks; ends without a newline."""
    chosen = summary.chosen
    header = ("F1", "mean", "deviation", "lowest", "highest", f"seed {chosen.seed}")
    rows = []
    for row, spread in summary.f1.items():
        deviation = "-" if spread.deviation is None else f"{100 * spread.deviation:.2f}"
        mean, low, high, picked = (f"{100 * value:.2f}" for value in (spread.mean, spread.low, spread.high, chosen.f1(row)))
        rows.append((row, mean, deviation, low, high, picked))
    lines = table_lines(header, rows)
    seeds = ", ".join(str(run.seed) for run in summary.runs)
    count = len(summary.runs)
    lines.insert(0, f"{name}: {count} run{'s' * (count > 1)}, seed{'s' * (count > 1)} {seeds}; strict, in points")
    lines.append(
        f"picked by its validation score {100 * chosen.validation:.2f}, not by the above: {chosen.name}, seed {chosen.seed}"
    )
    return "\n".join(lines)
