"""The quality gate: an exported model must score nearly as well as the checkpoint and be faster on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eventtag.errors import ExportError
from eventtag.evaluation import Evaluation
from eventtag.scoring.compare import compare_systems
from eventtag.tagging.tagged import TaggedArticle

MAX_FALL = 0.002
"""Strict micro F1 that an export may lose on the validation articles."""
MAX_LINK_FALL = 0.005
"""Strict F1 of links that it may lose; there are fewer links than spans."""
LEAST_LINK_AGREEMENT = 0.95
"""Share of links and status that must stay the same."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An export beside its checkpoint in float32 with torch, on the same validation articles.

    `f1` and `exported_f1`: strict micro F1; `low` and `high`: 95 % interval of the second minus the first over articles, None if there is
    none (for instance, because both gave the same on every article).
    `agreement`: spans that both found (same offsets and label) over the mean number of both; `spans`: how many the checkpoint found.
    `speed` and `exported_speed`: tokens per second of CPU time. `link_f1` and `exported_link_f1`: strict F1 of links, on spans that each
    found, if the gold has links and the checkpoint a link head; `link_agreement`: as `agreement`, of links and of the status of events
    together.
    """

    articles: int
    f1: float
    exported_f1: float
    low: float | None
    high: float | None
    agreement: float
    speed: float
    exported_speed: float
    link_f1: float | None = None
    exported_link_f1: float | None = None
    link_agreement: float | None = None
    spans: int = 0

    @property
    def interval(self) -> str:
        """The interval of the change in points, in words."""
        if self.low is None or self.high is None:
            return "interval of the change: none, because it does not vary"
        return f"interval of the change: {100 * self.low:+.2f} to {100 * self.high:+.2f} points"

    def require_accepted(self, precision: str) -> None:
        """Raise ExportError if F1 falls by more than MAX_FALL, F1 of links by more than MAX_LINK_FALL, if links and status stay the
        same less often than LEAST_LINK_AGREEMENT, or if the export is not faster.
        """
        fall = self.f1 - self.exported_f1
        if fall > MAX_FALL:
            raise ExportError(
                f"{precision}: strict micro F1 falls by {100 * fall:.2f} points, from {self.f1:.4f} to {self.exported_f1:.4f} "
                f"({self.interval}), on {self.articles} validation articles; "
                f"at most {100 * MAX_FALL:.1f} are allowed\nnothing is written; choose another precision"
            )
        link_fall = (self.link_f1 or 0.0) - (self.exported_link_f1 or 0.0)
        if link_fall > MAX_LINK_FALL:
            raise ExportError(
                f"{precision}: strict F1 of links falls by {100 * link_fall:.2f} points, from {self.link_f1:.4f} to "
                f"{self.exported_link_f1:.4f}, on {self.articles} validation articles; at most {100 * MAX_LINK_FALL:.1f} are allowed\n"
                "nothing is written; choose another precision"
            )
        if self.link_agreement is not None and self.link_agreement < LEAST_LINK_AGREEMENT:
            raise ExportError(
                f"{precision}: only {100 * self.link_agreement:.1f} % of links and status stay the same on {self.articles} validation "
                f"articles; at least {100 * LEAST_LINK_AGREEMENT:.0f} % must\nnothing is written; choose another precision"
            )
        if self.exported_speed <= self.speed:
            raise ExportError(
                f"{precision}: is not faster here: {self.exported_speed:,.0f} tokens a second of CPU time, {self.speed:,.0f} with torch "
                "in float32\nnothing is written; choose another precision"
            )


def judge(before: Evaluation, after: Evaluation, *, speed: float, exported_speed: float) -> Verdict:
    """Compare two evaluations on the same gold articles: the checkpoint's, and its export's."""
    tallies = {name: item.report.tally for name, item in (("checkpoint", before), ("export", after))}
    change = compare_systems({name: tally for name, tally in tallies.items() if tally}).pairs[0].difference("strict", "micro")
    same = agreement(before.tagged, after.tagged)
    linked = [item for item in before.tagged if item.links is not None]
    return Verdict(
        len(before.tagged), change.first, change.second, change.low, change.high, same, speed, exported_speed,
        _link_f1(before), _link_f1(after),
        _overlap(_link_items(before.tagged), _link_items(after.tagged)) if linked else None,
        len(_spans(before.tagged)),
    )  # fmt: skip


def _link_f1(evaluation: Evaluation) -> float | None:
    """Strict F1 of links; None where gold or predictions have none."""
    both = [
        (set(item.article.links), set(item.links))
        for item in evaluation.tagged
        if item.article.links is not None and item.links is not None
    ]
    size = sum(len(gold) + len(found) for gold, found in both)
    return 2 * sum(len(gold & found) for gold, found in both) / size if size else None


def _link_items(tagged: Sequence[TaggedArticle]) -> set[tuple[object, ...]]:
    links = {(number, link) for number, item in enumerate(tagged) for link in item.links or ()}
    status = {(number, span, span.status) for number, item in enumerate(tagged) for span in item.spans if span.status is not None}
    return links | status


def agreement(before: Sequence[TaggedArticle], after: Sequence[TaggedArticle]) -> float:
    """Spans that both sides found (same article, offsets and label) over the mean number of spans; 1 where there is none."""
    return _overlap(_spans(before), _spans(after))


def _overlap(first: set[tuple[object, ...]], second: set[tuple[object, ...]]) -> float:
    return 2 * len(first & second) / (len(first) + len(second)) if first or second else 1.0


def _spans(tagged: Sequence[TaggedArticle]) -> set[tuple[object, ...]]:
    return {(number, span.start, span.end, span.label) for number, item in enumerate(tagged) for span in item.spans}
