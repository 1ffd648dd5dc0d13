"""Settings of evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field

from eventtag.settings.data import require_names as _require_names
from eventtag.settings.data import require_setting as _require


@dataclass
class EvaluationSettings:
    """Intervals of scores, slices and thresholds."""

    resamples: int = 10_000
    """Bootstrap resamples of articles behind every interval."""
    level: float = 0.95
    """Level of the intervals."""
    seed: int = 12345
    """Seed of the resampling."""
    slices: list[str] | None = None
    """Metadata fields to report by; null: those with 2 to 20 values."""
    f1_threshold: bool = True
    """`train` saves a threshold for the labels without a target: the one with the best F1 over all of them on the validation articles. A
    label gets a lower one if its own F1 rises and the F1 over all of them falls by at most half a point. If spans may overlap, the
    less probable of two overlapping spans gets a threshold of its own, chosen by the same F1."""
    target_precision: dict[str, float] = field(default_factory=dict)
    """By label, the wanted precision: `train` saves the lowest threshold that reaches it on the validation articles. With a link head also
    by role (AGENT, TARGET, PLACE) and by status (asserted, negated, future, possible): of links, precision is that of links between
    predicted mentions; of a status, that among the events that are right."""
    target_recall: dict[str, float] = field(default_factory=dict)
    """By label (or role, or status), the wanted recall: `train` saves the highest threshold that reaches it on the validation articles."""
    confidence: float | None = None
    """`train` keeps the targets on new articles of the same kind with this confidence, such as 0.9. Half of the validation articles then
    only choose the thresholds; if they are too few for a target, the log says how many are enough. null: the targets are met on the
    validation articles, and on new articles about half the time."""

    def __post_init__(self) -> None:
        _require(self.resamples >= 100, "evaluation.resamples", self.resamples, "at least 100")
        _require(0.5 <= self.level < 1, "evaluation.level", self.level, "0.5 <= level < 1")
        _require(0 <= self.seed < 2**32, "evaluation.seed", self.seed, "0 <= seed < 2**32")
        if self.slices:
            _require_names("evaluation.slices", self.slices)
        confident = self.confidence is None or 0.5 <= self.confidence < 1
        _require(confident, "evaluation.confidence", self.confidence, "0.5 <= confidence < 1, or null")
        _require(
            self.confidence is None or bool(self.target_precision or self.target_recall), "evaluation.confidence", self.confidence,
            "needs what is to be kept with it: evaluation.target_precision.LABEL or evaluation.target_recall.LABEL",
        )  # fmt: skip
        for key in ("target_precision", "target_recall"):
            for label, target in getattr(self, key).items():
                _require(0 < target <= 1, f"evaluation.{key}.{label}", target, "above 0 and at most 1")
        for label in self.target_precision:
            _require(
                label not in self.target_recall, f"evaluation.target_recall.{label}", self.target_recall.get(label),
                f"evaluation.target_precision.{label} is set too, and one threshold cannot serve both",
            )  # fmt: skip
