"""Settings of learning from other taggers (`eventtag.training.data.teachers`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from eventtag.settings.data import require_given, require_names, require_setting


@dataclass
class TeacherSettings:
    """Which taggers teach, and on which words."""

    checkpoints: list[str] = field(default_factory=list)
    """Checkpoints with a softmax or CRF head. The student also learns their mean probabilities of every word's tags (soft targets;
    distillation). Empty: none."""
    share: float = 0.5
    """Weight of the teachers in the loss of an annotated word; the rest is the weight of the gold label."""
    unannotated: bool = False
    """Also learn from words of the training articles that nobody annotated, with the teachers' tags (self-training)."""
    articles: str | None = None
    """Further articles without annotation to learn from in this way, in any format that `predict` reads. Needs
    `unannotated=true`."""
    confidence: float = 0.0
    """A word that nobody annotated is learnt if the teachers give its best tag at least this probability."""

    def __post_init__(self) -> None:
        if self.checkpoints:
            require_names("teacher.checkpoints", self.checkpoints)
        require_given("teacher.articles", self.articles)
        require_setting(0 <= self.share <= 1, "teacher.share", self.share, "0 to 1")
        require_setting(0 <= self.confidence <= 1, "teacher.confidence", self.confidence, "0 to 1")
        require_setting(
            self.articles is None or self.unannotated, "teacher.articles", self.articles, "needs teacher.unannotated=true"
        )
        require_setting(
            not self.unannotated or bool(self.checkpoints), "teacher.unannotated", self.unannotated, "needs teacher.checkpoints"
        )
