"""Sums of quantities by cell: articles, articles with at least one, and the total, added batch by batch.

A cell is a combination of values of the fields by which is counted. G cells, Q quantities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from eventtag.estimates.batches import Floats, Ints, TaggedBatch

Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """What was counted in a cell: `articles` of which the quantity is known, how many of these have a value other than 0, and the sum.

    `share` and `mean` are None where there is no such article.
    """

    key: Key
    articles: int
    articles_with: int
    total: float

    @property
    def share(self) -> float | None:
        """The share of articles that have a value other than 0."""
        return self.articles_with / self.articles if self.articles else None

    @property
    def mean(self) -> float | None:
        """The total per article."""
        return self.total / self.articles if self.articles else None


@dataclass(slots=True)
class Tally:
    """Adds values up by cell. There may be more quantities in later batches; in earlier ones they are 0 for every article that was looked
    at for them.
    """

    _cells: dict[Key, int] = field(default_factory=dict)
    _articles: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    _known: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    _with: Ints = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    _total: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    _unseen: Counter[tuple[int, tuple[str, ...]]] = field(default_factory=Counter)

    def add(self, keys: Iterable[Key], values: Floats, *, batch: TaggedBatch | None = None) -> None:
        """Add `values` [N, Q] of articles with these keys [N]; NaN is unknown. Where the quantities are the labels of a `batch`, labels
        that come later are unknown for its articles that nobody looked at as a whole.
        """
        places = self._cells
        rows = np.fromiter((places.setdefault(key, len(places)) for key in keys), dtype=np.int64, count=len(values))
        size, width = len(places), values.shape[1]
        self._grow(size, width, batch.labels if batch is not None else ())
        self._articles += np.bincount(rows, minlength=size)
        for at in range(width):
            column = values[:, at]
            known = ~np.isnan(column)
            filled = np.where(known, column, 0.0)
            self._known[:, at] += np.bincount(rows[known], minlength=size)
            self._with[:, at] += np.bincount(rows[filled != 0], minlength=size)
            self._total[:, at] += np.bincount(rows, weights=filled, minlength=size)
        if batch is not None:
            self._unseen.update((int(rows[row]), labels) for row, labels in batch.unseen.items())

    def cells(self, quantity: int) -> list[Cell]:
        """The cells of a quantity, in the order of their keys; those without a value come last."""
        order = sorted(self._cells, key=lambda key: [(part is None, part or "") for part in key])
        return [
            Cell(key, int(self._known[at, quantity]), int(self._with[at, quantity]), float(self._total[at, quantity]))
            for key in order
            for at in [self._cells[key]]
        ]

    def _grow(self, size: int, width: int, labels: Sequence[str]) -> None:
        cells, before = self._known.shape
        more = ((0, size - cells), (0, width - before))
        known = np.pad(self._known, more)
        known[:cells, before:] = self._articles[:, None]
        for (row, seen), count in self._unseen.items():
            for at in range(before, width):
                known[row, at] -= 0 if labels[at] in seen else count
        self._known, self._with, self._total = known, np.pad(self._with, more), np.pad(self._total, more)
        self._articles = np.pad(self._articles, (0, size - cells))
