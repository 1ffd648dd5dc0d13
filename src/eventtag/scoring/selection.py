"""What the scored articles have chosen about the tagger, and how that changes its scores.

Scores on articles that chose the epoch or the thresholds are too high, because the candidate was kept that happened to suit these
articles best. An interval from resampling them does not take the other candidates into account, so it is too high as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Selection:
    """What the scored articles chose (`the epoch`, `the thresholds`), and `cross_fitted` scores, with each article's thresholds fitted on
    other folds: by row (labels, micro, macro) `precision`, `recall` and `f1`; empty if they were not measured.
    """

    chose: tuple[str, ...]
    cross_fitted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """One sentence, without a full stop."""
        *first, last = self.chose
        chose = f"{', '.join(first)} and {last}" if first else last
        note = f"these articles also chose {chose}, so the scores and their intervals are too high, above all with few articles"
        if self.cross_fitted:
            note += (
                f"; with thresholds fitted on other folds of them micro F1 is {self.cross_fitted['micro']['f1']:.4f} and macro F1 "
                f"{self.cross_fitted['macro']['f1']:.4f} (the epoch is still chosen on all)"
            )
        return f"{note}; report the score on articles that chose nothing"

    def to_json(self) -> dict[str, Any]:
        """JSON-like values."""
        return {
            "chose": list(self.chose),
            "cross_fitted": {row: dict(figures) for row, figures in self.cross_fitted.items()},
            "note": self.note,
        }
