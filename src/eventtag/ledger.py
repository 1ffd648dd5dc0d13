"""The loss ledger: what became of gold spans that did not go through a stage unchanged.

A stage is reading, mapping labels, resolving overlaps, aligning to tokens, windowing, scoring or writing. What is kept as it was
needs no entry; everything else has one, so that nothing disappears unnamed. What a stage changed in an article apart from its
spans (its white space, its annotated regions, its metadata) has a note.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

from eventtag.spans import Span

Outcome = Literal["moved", "merged", "dropped"]
Part = Literal["id", "text", "tags", "spans", "annotated", "labels", "meta", "article"]


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


@dataclass
class LossLedger:
    """Collects entries and notes over all stages; `seen` counts every gold span that a reader met, lost or not."""

    entries: list[LossEntry] = field(default_factory=list)
    notes: list[ArticleNote] = field(default_factory=list)
    remarks: dict[str, int] = field(default_factory=dict)
    """What readers recognised and took for granted (a tag scheme, a unit of offsets), and in how many files."""
    seen: int = 0

    def add(self, entry: LossEntry) -> None:
        """Record one entry."""
        self.entries.append(entry)

    def add_span(
        self, article_id: str, stage: str, outcome: Outcome, reason: str, span: Span, *, detail: str = "", asked: bool = False
    ) -> None:
        """Record what became of one span."""
        self.entries.append(LossEntry(article_id, stage, outcome, reason, span.start, span.end, span.label, detail, asked))

    def note(self, article_id: str, stage: str, part: Part, reason: str, *, detail: str = "") -> None:
        """Record a change of an article apart from its spans."""
        self.notes.append(ArticleNote(article_id, stage, part, reason, detail))

    def remark(self, text: str) -> None:
        """Record what a reader recognised in one file."""
        self.remarks[text] = self.remarks.get(text, 0) + 1

    @property
    def dropped(self) -> int:
        """How many spans were dropped without being asked to."""
        return sum(entry.outcome == "dropped" and not entry.asked for entry in self.entries)

    def summary(self) -> list[str]:
        """One line per stage, outcome and reason, most frequent first, spans before articles; empty when nothing was lost."""
        spans = Counter((e.stage, e.outcome, e.reason, e.asked) for e in self.entries)
        articles = Counter((n.stage, n.part, n.reason) for n in self.notes)
        return [
            f"{count} span{'s' if count > 1 else ''} {outcome} at {stage}: {reason}{' (as configured)' if asked else ''}"
            for (stage, outcome, reason, asked), count in spans.most_common()
        ] + [
            f"{count} article{'s' if count > 1 else ''} changed at {stage} ({part}): {reason}"
            for (stage, part, reason), count in articles.most_common()
        ]

    def json_lines(self) -> Iterator[str]:
        """Every entry, then every note, as a JSON object on one line, in the order in which they were recorded."""
        for entry in self.entries:
            yield json.dumps(asdict(entry), ensure_ascii=False)
        for note in self.notes:
            yield json.dumps(asdict(note), ensure_ascii=False)
