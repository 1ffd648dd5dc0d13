"""Counts of the predicted status of events compared with their gold status.

A gold event is scored if it has a status and was predicted exactly (offsets and label). An event that was not found has no predicted
status, and an event whose gold status is None was not annotated.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eventtag.scoring.counts import STATISTICS
from eventtag.scoring.tally import GOLD_COLUMN, PREDICTED_COLUMN, Pair, Tally
from eventtag.span import STATUSES, Span

ASSERTED = STATUSES[0]
SCHEME = "status"


@dataclass(frozen=True)
class StatusCounts:
    """Counts of articles in which events have a gold status.

    `confusion` [A, 4, 5] counts the events that were found: gold statuses by predicted statuses, in the order of STATUSES, and a last
    column for no predicted status. `events` [A, 4] counts all gold events by status,
    `unmarked` those without a status in all scored articles.
    """

    article_ids: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]
    unmarked: int

    @property
    def tally(self) -> Tally:
        """Counts by status. Recall of all together is the accuracy."""
        return _tally(self, self.confusion)

    @property
    def always_asserted(self) -> Tally:
        """The counts of a rule that calls each event that was found "asserted"."""
        fixed = np.zeros_like(self.confusion)
        fixed[:, :, STATUSES.index(ASSERTED)] = self.confusion.sum(axis=2)
        return _tally(self, fixed)


def count_status(pairs: Sequence[Pair], *, events: Set[str]) -> StatusCounts | None:
    """The counts by article; None if no gold event has a status. `events` are the labels of events."""
    ids: list[str] = []
    tables: list[npt.NDArray[np.int64]] = []
    sizes: list[list[int]] = []
    unmarked = 0
    for article, predicted in pairs:
        gold: dict[Span, str] = {}
        for span in article.spans:
            if span.status is not None and article.counts(span):
                gold.setdefault(span, span.status)
        unmarked += len({s for s in article.spans if s.label in events and article.counts(s)} - gold.keys())
        if not gold:
            continue
        said: dict[Span, str | None] = {}
        for span in predicted:
            said[span] = said.get(span) or span.status
        table = np.zeros((len(STATUSES), len(STATUSES) + 1), dtype=np.int64)
        for span, status in gold.items():
            if span in said:
                answer = said[span]
                table[STATUSES.index(status), len(STATUSES) if answer is None else STATUSES.index(answer)] += 1
        ids.append(article.id)
        tables.append(table)
        sizes.append([sum(status == found for found in gold.values()) for status in STATUSES])
    if not ids:
        return None
    return StatusCounts(tuple(ids), np.stack(tables), np.array(sizes, dtype=np.int64), unmarked)


def _tally(counts: StatusCounts, confusion: npt.NDArray[np.int64]) -> Tally:
    size = len(STATUSES)
    right = np.diagonal(confusion[:, :, :size], axis1=1, axis2=2)
    values = np.zeros((len(confusion), 1, size, len(STATISTICS)), dtype=np.int64)
    values[:, 0, :, GOLD_COLUMN["correct"]] = values[:, 0, :, PREDICTED_COLUMN["correct"]] = right
    values[:, 0, :, GOLD_COLUMN["missed"]] = confusion.sum(axis=2) - right
    values[:, 0, :, PREDICTED_COLUMN["spurious"]] = confusion[:, :, :size].sum(axis=1) - right
    there = dict(zip(STATUSES, counts.events.sum(axis=0), strict=True))
    # "asserted" is always a row, because the comparison with `always_asserted` needs it.
    marked = tuple(status for status in STATUSES if there[status] or status == ASSERTED)
    return Tally(counts.article_ids, (SCHEME,), STATUSES, values, marked)
