"""The loss ledger: what became of gold spans that did not go through a stage unchanged.

A stage is reading, mapping labels, resolving overlaps, aligning to tokens, windowing, scoring or writing. What is kept as it was
needs no entry; everything else has one, so that nothing disappears unnamed: a span is moved, merged with another, cut (learnt in
parts), dropped, or cannot be matched by any prediction (it counts as missed). What a stage changed in an article apart from its
spans (its white space, its annotated regions, its metadata) has a note.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Literal, TypeVar

from eventtag.errors import DataError
from eventtag.printable import printable
from eventtag.span import Span

KEPT = 50_000
"""Entries, and notes, that a ledger holds in memory."""

Outcome = Literal["moved", "merged", "cut", "dropped", "unmatchable"]
Part = Literal["id", "text", "tags", "spans", "status", "links", "annotated", "labels", "meta", "rejected", "article"]


@dataclass(frozen=True, slots=True)
class LossEntry:
    """One span of one article that a stage changed.

    `start` and `end` are its character offsets before the stage (half-open). `reason` is a short fixed phrase, so that entries
    can be counted by it; `detail` says more. `asked` is true where the user's own settings dropped it (a label mapped to
    nothing).
    """

    article_id: str
    stage: str
    outcome: Outcome
    reason: str
    start: int
    end: int
    label: str
    detail: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True)
class ArticleNote:
    """Something else of an article that a stage changed: which `part` of it and why, in a short fixed phrase."""

    article_id: str
    stage: str
    part: Part
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """One link of one article that a stage dropped, or merged with another.

    `event` and `participant` are the offsets of its spans before the stage; None where a file's relation points to what is not a span.
    """

    article_id: str
    stage: str
    outcome: Outcome
    reason: str
    role: str
    event: tuple[int, int] | None
    participant: tuple[int, int] | None
    detail: str = ""
    asked: bool = False


Record = TypeVar("Record", LossEntry, LinkEntry, ArticleNote)


@dataclass
class LossLedger:
    """Collects entries and notes over all stages; `seen` counts every gold span that a reader met, lost or not.

    `entries`, `links` and `notes` hold the first `KEPT` of each; what comes after goes to a temporary file, so that a ledger needs no
    more memory for a large corpus than for a small one. Counts, `summary` and `json_lines` are of all of them.
    """

    entries: list[LossEntry] = field(default_factory=list)
    links: list[LinkEntry] = field(default_factory=list)
    notes: list[ArticleNote] = field(default_factory=list)
    remarks: dict[str, int] = field(default_factory=dict)
    """What readers recognised and took for granted (a tag scheme, a unit of offsets), and in how many files."""
    seen: int = 0
    first_drop: LossEntry | None = None
    """The first span that was dropped without being asked to."""
    _spans: Counter[tuple[str, Outcome, str, bool]] = field(default_factory=Counter, repr=False)
    _links: Counter[tuple[str, Outcome, str, bool]] = field(default_factory=Counter, repr=False)
    _articles: Counter[tuple[str, Part, str]] = field(default_factory=Counter, repr=False)
    _overflow: IO[str] | None = field(default=None, repr=False, compare=False)

    def add(self, entry: LossEntry) -> None:
        """Record one entry."""
        self._spans[entry.stage, entry.outcome, entry.reason, entry.asked] += 1
        if self.first_drop is None and entry.outcome == "dropped" and not entry.asked:
            self.first_drop = entry
        self._keep(entry, self.entries)

    def add_span(
        self, article_id: str, stage: str, outcome: Outcome, reason: str, span: Span, *, detail: str = "", asked: bool = False
    ) -> None:
        """Record what became of one span."""
        self.add(LossEntry(article_id, stage, outcome, reason, span.start, span.end, span.label, detail, asked))

    def add_link(
        self, article_id: str, stage: str, outcome: Outcome, reason: str, role: str, event: Span | None, participant: Span | None, *,
        detail: str = "", asked: bool = False,
    ) -> None:  # fmt: skip
        """Record what became of one link; an end of a relation that is not a span is None."""
        first, second = (None if end is None else (end.start, end.end) for end in (event, participant))
        self._add_link(LinkEntry(article_id, stage, outcome, reason, role, first, second, detail, asked))

    def _add_link(self, entry: LinkEntry) -> None:
        self._links[entry.stage, entry.outcome, entry.reason, entry.asked] += 1
        self._keep(entry, self.links)

    def note(self, article_id: str, stage: str, part: Part, reason: str, *, detail: str = "") -> None:
        """Record a change of an article apart from its spans."""
        self._articles[stage, part, reason] += 1
        self._keep(ArticleNote(article_id, stage, part, reason, detail), self.notes)

    def remark(self, text: str) -> None:
        """Record what a reader recognised in one file."""
        self.remarks[text] = self.remarks.get(text, 0) + 1

    def absorb(self, other: LossLedger, *, prefix: str) -> None:
        """Add all that another ledger holds, its article ids behind `prefix`."""
        for line in other.json_lines():
            record = json.loads(line)
            record["article_id"] = prefix + record["article_id"]
            if "role" in record:
                ends = {end: record[end] and tuple(record[end]) for end in ("event", "participant")}
                self._add_link(LinkEntry(**record | ends))
            elif "outcome" in record:
                self.add(LossEntry(**record))
            else:
                self.note(**record)
        for text, files in other.remarks.items():
            self.remarks[text] = self.remarks.get(text, 0) + files
        self.seen += other.seen

    def require_at_most(self, allowed: float, advice: str) -> None:
        """Raise DataError when more than `allowed` spans were dropped unasked, naming the first; `advice` says what to do."""
        if self.first_drop is None or self.dropped <= allowed:
            return
        first = self.first_drop
        reason = f"{first.reason}; {first.detail}" if first.detail else first.reason
        raise DataError(
            f"{self.dropped} of {self.seen} spans would be dropped, the first at {first.stage} in article {first.article_id!r} "
            f"({first.label} {first.start}-{first.end}: {reason})\n{advice}"
        )

    def _keep(self, record: Record, kept: list[Record]) -> None:
        if len(kept) < KEPT:
            kept.append(record)
            return
        if self._overflow is None:
            self._overflow = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - it lives with the ledger
        self._overflow.write(_json_line(record) + "\n")

    def dropped_at(self, stage: str) -> int:
        """How many spans were dropped at a stage, asked or not."""
        return sum(count for (at, outcome, _, _), count in self._spans.items() if at == stage and outcome == "dropped")

    @property
    def dropped(self) -> int:
        """How many spans were dropped without being asked to."""
        return sum(count for (_, outcome, _, asked), count in self._spans.items() if outcome == "dropped" and not asked)

    def summary(self) -> list[str]:
        """One line per stage, outcome and reason, most frequent first, spans before links before articles; empty when nothing was lost."""
        lines = [
            f"{count} {what}{'s' if count > 1 else ''} {outcome} at {stage}: {reason}{' (as configured)' if asked else ''}"
            for what, counted in (("span", self._spans), ("link", self._links))
            for (stage, outcome, reason, asked), count in counted.most_common()
        ] + [
            f"{count} article{'s' if count > 1 else ''} changed at {stage} ({part}): {reason}"
            for (stage, part, reason), count in self._articles.most_common()
        ]
        return [printable(line, one_line=True) for line in lines]

    def json_lines(self) -> Iterator[str]:
        """Every entry, of spans, then of links, then every note, as a JSON object on one line, safe for a terminal; those beyond `KEPT`
        of any come last.
        """
        for entry in self.entries:
            yield _json_line(entry)
        for link in self.links:
            yield _json_line(link)
        for note in self.notes:
            yield _json_line(note)
        if self._overflow is not None:
            self._overflow.seek(0)
            yield from (line.removesuffix("\n") for line in self._overflow)
            self._overflow.seek(0, os.SEEK_END)


def _json_line(record: LossEntry | LinkEntry | ArticleNote) -> str:
    return printable(json.dumps({name: getattr(record, name) for name in record.__slots__}, ensure_ascii=False))
