"""Settings of learning from other taggers (`eventtag.training.data.teachers`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from eventtag.settings.data import require_given, require_names, require_setting


@dataclass
class TeacherSettings:
    """Which taggers teach, and what."""

    checkpoints: list[str] = field(default_factory=list)
    """Checkpoints with a softmax or CRF head whose mean probabilities of every word's tags (soft targets) the student learns too: trained
    with several seeds, their average is better than each, and one model learns it (distillation). Empty: none."""
    share: float = 0.5
    """Share of the loss of an annotated word that follows the teachers; the rest follows the gold."""
    unannotated: bool = False
    """Learn also from words of the training articles that nobody annotated, as the teachers see them (self-training)."""
    articles: str | None = None
    """Further articles without annotation to learn from in this way: anything that `predict` reads. Needs `unannotated=true`."""
    confidence: float = 0.0
    """Least probability of a word's best tag for learning from a word that nobody annotated."""

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
