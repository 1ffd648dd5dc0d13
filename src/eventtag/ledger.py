"""The loss ledger: what became of gold spans that did not go through a stage unchanged.

A stage is reading, mapping labels, resolving overlaps, aligning to tokens, windowing or scoring. What is kept as it was needs no
entry; everything else has one, so that nothing disappears unnamed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

Outcome = Literal["moved", "merged", "dropped"]


@dataclass(frozen=True, slots=True)
class LossEntry:
    """One span of one article that a stage changed.

    `start` and `end` are its character offsets before the stage (half-open). `reason` is a short fixed phrase, so that entries can
    be counted by it; `detail` says more. `asked` is true where the user's own settings dropped it (a label mapped to nothing).
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


@dataclass
class LossLedger:
    """Collects entries over all stages; `seen` counts every gold span that a reader met, lost or not."""

    entries: list[LossEntry] = field(default_factory=list)
    seen: int = 0

    def add(self, entry: LossEntry) -> None:
        """Record one entry."""
        self.entries.append(entry)

    @property
    def dropped(self) -> int:
        """How many spans were dropped without being asked to."""
        return sum(entry.outcome == "dropped" and not entry.asked for entry in self.entries)

    def summary(self) -> list[str]:
        """One line per stage, outcome and reason, most frequent first; empty when nothing was lost."""
        counts = Counter((e.stage, e.outcome, e.reason, e.asked) for e in self.entries)
        return [
            f"{count} span{'s' if count > 1 else ''} {outcome} at {stage}: {reason}{' (as configured)' if asked else ''}"
            for (stage, outcome, reason, asked), count in counts.most_common()
        ]

    def json_lines(self) -> Iterator[str]:
        """Every entry as a JSON object on one line, in the order in which they were recorded."""
        for entry in self.entries:
            yield json.dumps(asdict(entry), ensure_ascii=False)
