"""Counts of matched and unmatched spans, and precision, recall and F1 from them.

The five outcomes are those of SemEval-2013 task 9.1 (Segura-Bedmar et al. 2013, https://aclanthology.org/S13-2056/): correct,
incorrect, partial, missed, spurious.

Zero division: precision is 0.0 if nothing was predicted, recall is 0.0 if there is no gold, F1 is 0.0 if both are 0.0.
`support` is the number of gold spans behind a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Counts:
    """The outcomes of some gold spans and of some predicted spans; additive.

    Gold and predicted sides are counted separately because the spans of a pair may have different labels: for one label, `gold_*`
    counts gold spans of that label and `predicted_*` counts predicted spans of that label. Over all labels both sides are equal
    except for `missed` and `spurious`.
    """

    gold_correct: int = 0
    gold_incorrect: int = 0
    gold_partial: int = 0
    missed: int = 0
    predicted_correct: int = 0
    predicted_incorrect: int = 0
    predicted_partial: int = 0
    spurious: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in STATISTICS))

    @classmethod
    def from_vector(cls, vector: Sequence[int] | npt.NDArray[np.integer]) -> Counts:
        """Counts from eight numbers in the order of STATISTICS."""
        return cls(*(int(value) for value in vector))

    @property
    def support(self) -> int:
        """Number of gold spans."""
        return self.gold_correct + self.gold_incorrect + self.gold_partial + self.missed

    @property
    def predicted(self) -> int:
        """Number of predicted spans."""
        return self.predicted_correct + self.predicted_incorrect + self.predicted_partial + self.spurious

    @property
    def precision(self) -> float:
        """(correct + partial / 2) / predicted; 0.0 if nothing was predicted."""
        return _ratio(self.predicted_correct + 0.5 * self.predicted_partial, self.predicted)

    @property
    def recall(self) -> float:
        """(correct + partial / 2) / gold; 0.0 if there is no gold."""
        return _ratio(self.gold_correct + 0.5 * self.gold_partial, self.support)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; 0.0 if both are 0.0."""
        return harmonic_mean(self.precision, self.recall)


STATISTICS = tuple(field.name for field in fields(Counts))
"""What one cell of a tally holds, in this order: four outcomes of gold spans, four of predicted spans."""


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def harmonic_mean(precision: float, recall: float) -> float:
    """F1; 0.0 if both are 0.0."""
    return _ratio(2 * precision * recall, precision + recall)
