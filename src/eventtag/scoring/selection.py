"""What the scored articles have chosen about the tagger, and what that does to its scores.

Articles that chose the epoch, or the thresholds, flatter: of several candidates the one is kept that happens to suit them best. An
interval from resampling these articles knows nothing of the other candidates, so it lies too high as a whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Selection:
    """What the scored articles chose (`the epoch`, `the thresholds`), and what is left of the scores where the thresholds of each article
    were fitted on other folds of them: by row (labels, micro, macro) `precision`, `recall` and `f1`; empty where that was not measured.
    """

    chose: tuple[str, ...]
    cross_fitted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """One sentence, without a full stop."""
        *first, last = self.chose
        chose = f"{', '.join(first)} and {last}" if first else last
        note = f"these articles also chose {chose}, so the scores flatter and their intervals lie too high, more so with fewer articles"
        if self.cross_fitted:
            note += (
                f"; with thresholds fitted on other folds of them micro F1 is {self.cross_fitted['micro']['f1']:.4f} and macro F1 "
                f"{self.cross_fitted['macro']['f1']:.4f}, the epoch still chosen on all"
            )
        return f"{note}; articles that chose nothing give the score to report"

    def to_json(self) -> dict[str, Any]:
        """JSON-like values."""
        return {
            "chose": list(self.chose),
            "cross_fitted": {row: dict(figures) for row, figures in self.cross_fitted.items()},
            "note": self.note,
        }
