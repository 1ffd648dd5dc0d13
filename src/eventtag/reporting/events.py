"""The scores of links, records and status as tables, for the console, Markdown and the page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from eventtag.reporting.table import table_lines
from eventtag.scoring.bootstrap import Interval
from eventtag.scoring.event_report import EventScores, LinkScores, StatusScores
from eventtag.scoring.link_errors import LINK_ERRORS
from eventtag.scoring.scored_rows import ScoredRow
from eventtag.scoring.slices import Slice

Share = Callable[[float], str]
"""Writes a share."""

MEASURE_NAMES = {
    "strict": "strict",
    "unlabelled": "unlabelled",
    "strict_found": "strict, spans found",
    "unlabelled_found": "unlabelled, spans found",
    "records": "whole records",
    "records_credit": "records with credit",
}
MOST_ERRORS = 100
"""How many wrong links the page shows."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts, the first column of which names the rows; `about` says what it holds. `words`: its cells are words, not figures."""

    title: str
    about: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: bool = False


GIVEN = "given gold spans"


def console_lines(events: EventScores, *, given: bool = False) -> list[str]:
    """The scores as plain aligned text, four decimals; `given`: of a link head that was given the gold spans."""
    lines: list[str] = []
    for table in _score_tables(events, "{:.4f}".format, given=given):
        lines += ["", *table_lines(table.header, table.rows), table.about]
    return lines


def markdown_lines(events: EventScores, escape: Callable[[str], str], *, given: bool = False) -> list[str]:
    """The scores as Markdown tables, four decimals; `escape` makes text safe in a cell, `given` as in `console_lines`."""
    lines: list[str] = []
    for table in _score_tables(events, "{:.4f}".format, given=given):
        lines += ["", f"### {table.title}", ""]
        lines += ["| " + " | ".join(map(escape, row)) + " |" for row in (table.header, *table.rows)]
        lines.insert(-len(table.rows), "|---|" + "---:|" * (len(table.header) - 1))
        lines += ["", escape(table.about)]
    return lines


def page_tables(events: EventScores, *, given: bool = False) -> list[Table]:
    """All tables of the page, in percent; `given` as in `console_lines`."""
    tables = _score_tables(events, _percent, given=given)
    if events.links is not None:
        own = [_error_table(events.links), _slice_table(events.links), _cases_table(events.links)]
        tables[1:1] = [table for table in own if table.rows]
    return tables


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _score_tables(events: EventScores, share: Share, *, given: bool = False) -> list[Table]:
    tables = [] if events.links is None else [_link_table(events.links, share)]
    if events.status is not None:
        tables += [_gain_table(events.status, share), _status_table(events.status, share)]
    if given:
        tables = [
            replace(table, title=f"{table.title}, {GIVEN}", header=(f"{table.header[0]}, {GIVEN}", *table.header[1:]))
            for table in tables
        ]
    return tables


def _link_table(links: LinkScores, share: Share) -> Table:
    header = ("links", "precision", "recall", "F1", _level(links.level), "gold", "predicted")
    rows = []
    for name, row in links.measures.items():
        rows.append(_row(MEASURE_NAMES[name], row, share))
        if name == "strict":
            own = links.roles[name]
            rows += [_row(f"strict, {role}", found, share) for role, found in own.items() if role != "micro"]
    behind = [f"{part.dimension}: {part.value}" for part in links.slices if part.behind]
    errors = {kind: found["cases"] for kind, found in links.errors.to_json().items() if found["cases"]}
    about = [
        f"{links.articles} articles marked for links"
        + ("" if links.units == links.articles else f" in {links.units} clusters")
        + "; a link is right if both spans and its role are (strict)"
    ]
    if links.on_gold_spans:
        about.append("the predicted spans are the gold spans")
    if errors:
        about.append("errors: " + ", ".join(f"{count} {kind}" for kind, count in errors.items()))
    if none := [row[0].strip() for row in rows if row[4] == "-"]:
        unit = "article" if links.units == links.articles else "cluster"
        about.append(f"no interval for {', '.join(none)}: fewer than two {unit}s hold some")
    if behind:
        about.append(f"significantly behind the rest: {', '.join(behind)}")
    return Table("Links and records", "; ".join(about), header, tuple(rows))


def _gain_table(status: StatusScores, share: Share) -> Table:
    header = ("status", "predictions", _level(status.level), "always asserted", "difference", _level(status.level), "p")
    rows = []
    for name, value, interval, fixed, key in (
        ("accuracy", status.accuracy.accuracy, status.accuracy.accuracy_interval, status.baseline.accuracy, "accuracy"),
        (
            "F1 of asserted",
            status.accuracy.asserted_f1,
            status.accuracy.asserted_f1_interval,
            status.baseline.asserted_f1,
            "asserted_f1",
        ),
    ):
        gain = status.gains[key]
        spread = "-" if gain.low is None or gain.high is None else f"{_signed(gain.low, share)} to {_signed(gain.high, share)}"
        p = "-" if gain.p is None else f"{gain.p:.4f}"
        rows.append((name, share(value), _between(interval, share), share(fixed), _signed(gain.difference, share), spread, p))
    about = f"{status.found} of {status.events} gold events with a status were found, in {status.articles} articles"
    return Table("Status of events", about, header, tuple(rows))


def _status_table(status: StatusScores, share: Share) -> Table:
    said = next(iter(status.confusion.values()))
    header = ("gold / predicted", *said, "precision", "recall", "F1", _level(status.level))
    rows = []
    for name, row in status.rows.items():
        counts = status.confusion.get(name)
        known = counts is None or row.support or row.predicted
        scores = (share(row.precision), share(row.recall), share(row.f1), _between(row.intervals["f1"], share))
        cells = ("",) * len(said) if counts is None else tuple(map(str, counts.values()))
        rows.append((name, *cells, *(scores if known else ("-",) * 4)))
    about = "rows are gold, columns predicted; macro is the mean over the statuses that occur in gold"
    return Table("Status, one by one", about, header, tuple(rows))


def _error_table(links: LinkScores) -> Table:
    found = links.errors.to_json()
    header = ("kind", "errors", *(f"{role} (gold / predicted)" for role in links.errors.roles))
    rows = tuple(
        (
            kind,
            str(found[kind]["cases"]),
            *(f"{found[kind]['gold'][role]} / {found[kind]['predicted'][role]}" for role in links.errors.roles),
        )
        for kind in LINK_ERRORS
    )
    return Table("Wrong links by kind", "Every wrong link is of one kind.", header, rows)


def _slice_table(links: LinkScores) -> Table:
    header = ("slice", "F1", _level(links.level), "against the rest", "precision", "recall", "gold", "articles")
    rows = tuple(
        (
            f"{part.dimension}: {part.value}" + (" (behind)" if part.behind else ""),
            _percent(part.f1),
            "no interval" if part.low is None or part.high is None else f"{_percent(part.low)}–{_percent(part.high)}",
            _gap(part),
            _percent(part.precision),
            _percent(part.recall),
            str(part.support),
            str(part.articles),
        )
        for part in links.slices
    )
    return Table("Slices of links", "Strict links. Passive is a rule of thumb for English.", header, rows)


def _gap(part: Slice) -> str:
    if part.gap is None:
        return ""
    spread = (
        "" if part.gap_low is None or part.gap_high is None else f" ({100 * part.gap_low:+.1f} to {100 * part.gap_high:+.1f})"
    )
    return f"{100 * part.gap:+.1f}{spread}"


def _cases_table(links: LinkScores) -> Table:
    header = ("article", "kind", "gold", "predicted")
    cases = links.errors.cases
    rows = []
    for case in cases[:MOST_ERRORS]:
        sides = (
            ""
            if link is None
            else f"{case.article.mention(link.event)} {link.role} {case.article.mention(link.participant)}"
            f" ({link.event.start}, {link.participant.start})"
            for link in (case.gold, case.predicted)
        )
        rows.append((case.article.id, case.kind, *sides))
    held = f"The first {MOST_ERRORS} of {len(cases)}; " if len(cases) > MOST_ERRORS else ""
    about = f"{held}event, role, participant, and where both begin. link_errors.jsonl has all."
    return Table("Wrong links one by one", about[0].upper() + about[1:], header, tuple(rows), words=True)


def _row(name: str, row: ScoredRow, share: Share) -> tuple[str, ...]:
    figures = (share(row.precision), share(row.recall), share(row.f1), _between(row.intervals["f1"], share))
    return (name, *figures, str(row.support), str(row.predicted))


def _between(interval: Interval | None, share: Share) -> str:
    return "-" if interval is None else f"{share(interval.low)}-{share(interval.high)}"


def _signed(value: float, share: Share) -> str:
    return ("-" if value < 0 else "+") + share(abs(value))


def _level(level: float) -> str:
    return f"{100 * level:g} % interval"
