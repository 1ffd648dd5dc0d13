"""Thresholds that keep a precision or recall on new articles with a stated confidence.

No article is used twice: half of the validation articles choose epoch, temperatures and all other thresholds; the other half, which
chose nothing, is held apart for the promised thresholds.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from eventtag.article import Article
from eventtag.corpus.clusters import clusters_of
from eventtag.corpus.near_duplicates import find_near_duplicates
from eventtag.corpus.splits import fold_articles
from eventtag.errors import DataError
from eventtag.labels import LabelSet
from eventtag.scoring.calibration import lowered
from eventtag.scoring.guarantee import POWER, Guarantee, Kind, guarantee_threshold, predictions_by_unit
from eventtag.scoring.temperature import calibrate_spans
from eventtag.settings import EvaluationSettings
from eventtag.tagging.tagged import TaggedArticle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldApart:
    """Tagged articles that chose nothing about the tagger, and the clusters of these and of those that did (None: articles)."""

    tagged: Sequence[TaggedArticle]
    clusters: Mapping[str, Hashable] | None


def divide_validation(
    articles: Sequence[Article], settings: EvaluationSettings, cluster_field: str | None
) -> tuple[tuple[Article, ...], tuple[Article, ...]]:
    """The validation articles that choose, and those that are held apart: none unless a target has a confidence.

    Values of `cluster_field` and near-duplicates stay together; each half has its share of every label's spans. Raises DataError for
    fewer than two articles that may be parted.
    """
    if settings.confidence is None:
        return tuple(articles), ()
    try:
        halves = fold_articles(articles, 2, duplicates=find_near_duplicates(articles), group_field=cluster_field)
    except DataError as error:
        raise DataError(
            f"evaluation.confidence holds half of the validation articles apart: {error}; give more of them, or leave it out"
        ) from error
    return halves[0], halves[1]


def held_apart(tagged: Sequence[TaggedArticle], choosing: Sequence[TaggedArticle], cluster_field: str | None) -> HeldApart | None:
    """What is held apart, with the units by which it is judged; None if nothing is."""
    if not tagged:
        return None
    return HeldApart(tagged, clusters_of([item.article for item in (*choosing, *tagged)], cluster_field)[0])


def promise_thresholds(
    choosing: Sequence[TaggedArticle],
    held: HeldApart,
    labels: LabelSet,
    settings: EvaluationSettings,
    temperatures: Mapping[str, float],
) -> dict[str, Guarantee]:
    """By label with a target, the threshold that keeps it on the articles held apart, and remarks."""
    assert settings.confidence is not None
    sides = [
        predictions_by_unit([(item.article, calibrate_spans(item.spans, temperatures)) for item in tagged], labels, held.clusters)
        for tagged in (choosing, held.tagged)
    ]
    found = {}
    wanted: tuple[tuple[Kind, Mapping[str, float]], ...] = (
        ("precision", settings.target_precision),
        ("recall", settings.target_recall),
    )
    for kind, targets in wanted:
        for label, target in targets.items():
            chose, apart = sides[0][label], sides[1][label]
            promise = guarantee_threshold(kind, chose, apart, target=target, confidence=settings.confidence)
            if promise.threshold is not None:
                promise = replace(promise, threshold=lowered(promise.threshold, apart.scores))
            _tell(label, kind, target, settings.confidence, promise, "articles" if held.clusters is None else "clusters")
            found[label] = promise
    return found


def _tell(label: str, kind: str, target: float, confidence: float, found: Guarantee, unit: str) -> None:
    if found.threshold is not None:
        log.info(
            "threshold of %s: %.4f keeps a %s of %g or more on new articles of this kind with %g %% confidence; on the %d %s that were "
            "held apart for it precision is %.3f and recall %.3f",
            label, found.threshold, kind, target, 100 * confidence, found.units, unit, found.precision, found.recall,
        )  # fmt: skip
        return
    # Half of the validation articles are held apart for the promise.
    more = (
        f"about {2 * found.needed} validation {unit} would do, with a chance of {POWER:.0%}, if they were like these"
        if found.needed is not None
        else "no number of such articles would do"
    )
    log.warning(
        "evaluation.target_%s.%s=%g cannot be promised with %g %% confidence: the best %s on the %d %s held apart for it is %.3f; %s. A "
        "threshold that reaches the target on the other validation articles is saved, if there is one, and promises nothing",
        kind, label, target, 100 * confidence, kind, found.units, unit, found.best, more,
    )  # fmt: skip
