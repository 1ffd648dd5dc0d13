"""Calibration of a trained tagger on the validation articles: a temperature per label, and thresholds for the best F1 or wanted targets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.evaluation import Evaluation, score_tagged, tag_annotated
from eventtag.heads.span_decoding import overshadowed
from eventtag.labels import LabelSet
from eventtag.link import ROLES
from eventtag.models.checkpoint import Calibration
from eventtag.scoring.calibration import (
    ScoredPredictions,
    choose_thresholds,
    collect_predictions,
    cross_fitted_reliability,
    fit_temperatures,
    lowered,
    split_folds,
    threshold_for_f1,
)
from eventtag.scoring.counts import Counts
from eventtag.scoring.report import Average, score_articles
from eventtag.scoring.temperature import calibrate_spans
from eventtag.settings import EvaluationSettings
from eventtag.span import STATUSES, Span, score_of
from eventtag.tagging.tagged import TaggedArticle, calibrated
from eventtag.tagging.tagger import Tagger
from eventtag.training.promises import HeldApart, held_apart, promise_thresholds

log = logging.getLogger(__name__)

OVERLAPPING = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Thresholds of overlapping spans that are tried, from keeping all to keeping none."""

PRICE = 0.005
"""The most that the lower thresholds of single labels together may cost of the F1 over all labels."""


def require_known_targets(settings: EvaluationSettings, labels: LabelSet, *, links: bool) -> None:
    """Raise SettingsError if a target is set for a label that is not learnt, or for a role or status where no `links` are; and if one of
    these is to be kept with a confidence, which only targets of labels can be.
    """
    for key in ("target_precision", "target_recall"):
        for label in getattr(settings, key):
            if label in labels.labels:
                continue
            if label not in (*ROLES, *STATUSES):
                raise SettingsError(f"evaluation.{key}.{label}: no such label; data.labels are {', '.join(labels.labels)}")
            if not links:
                raise SettingsError(f"evaluation.{key}.{label}: a role or status needs a link head (model.links=true)")
            if settings.confidence is not None:
                raise SettingsError(
                    f"evaluation.confidence={settings.confidence:g} is not allowed with evaluation.{key}.{label}: only targets of labels "
                    "can be kept with a confidence; leave one of the two out"
                )


def of_labels(settings: EvaluationSettings, labels: LabelSet) -> EvaluationSettings:
    """The settings without the targets of roles and statuses, which `eventtag.training.fitted_links` reaches."""
    precision, recall = (
        {label: target for label, target in aims.items() if label in labels.labels}
        for aims in (settings.target_precision, settings.target_recall)
    )
    return replace(settings, target_precision=precision, target_recall=recall)


def evaluate_calibrated(
    tagger: Tagger,
    articles: Sequence[Article],
    settings: EvaluationSettings,
    *,
    held: Sequence[Article] = (),
    cluster_field: str | None = None,
    fitted_on: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> tuple[Evaluation, Calibration]:
    """Fit temperatures and thresholds of an uncalibrated tagger on validation articles, and evaluate it on them with these.

    So every epoch is scored as its checkpoint would tag. The articles are tagged once. Those `held` apart are scored as well, but fit only
    promised thresholds. Without `fitted_on` it is one epoch of several: nothing is logged, and the calibration is not kept. `data`
    describes the articles in the report.
    """
    settings = of_labels(settings, tagger.labels)
    tagged, tagged_apart = tag_annotated(tagger, articles), tag_annotated(tagger, held)
    calibration = fit_calibration(
        tagged, tagger.labels, settings,
        held=held_apart(tagged_apart, tagged, cluster_field),
        usual=tagger.decoder.usual_threshold, fitted_on=fitted_on or {}, quiet=fitted_on is None,
    )  # fmt: skip
    used = replace(tagger, calibration=calibration)
    everything = (*tagged, *tagged_apart)
    left_out = len(articles) + len(held) - len(everything)
    found = tuple(calibrated(everything, calibration))
    return score_tagged(found, used, data=data, left_out=left_out, spans_alone=fitted_on is None), calibration


def fit_calibration(
    tagged: Sequence[TaggedArticle],
    labels: LabelSet,
    settings: EvaluationSettings,
    *,
    held: HeldApart | None = None,
    usual: float | None = None,
    fitted_on: Mapping[str, Any],
    quiet: bool = False,
) -> Calibration:
    """Temperatures, and thresholds, from validation articles that were tagged without either.

    Articles `held` apart choose the thresholds of labels with a target, which they promise (`eventtag.training.promises`).

    Labels with a target get a threshold that reaches it, the others those with the best F1, if that is wanted. A label without a threshold
    of its own has the `usual` one (None: all spans are kept). If no threshold reaches a target, a warning gives the best that can be
    reached, and the target is ignored. If the best F1 is wanted, spans that overlap a more probable one get a threshold too, except for
    labels with a target recall. `quiet` logs nothing and leaves out the cross-fitted scores.
    """
    say, warn = (log.debug, log.debug) if quiet else (log.info, log.warning)
    pairs = [(item.article, item.spans) for item in tagged]
    temperatures = fit_temperatures(collect_predictions(pairs, labels))
    scored = [(article, calibrate_spans(spans, temperatures)) for article, spans in pairs]
    # A promise is about spans that scores alone leave, so it leaves overlapping ones alone.
    unlimited = {*settings.target_recall, *(settings.target_precision if settings.confidence is not None else ())}
    limited = [label for label in labels.labels if label not in unlimited] if settings.f1_threshold else []
    overlapping, predictions = _limit_overlaps(scored, labels, limited)
    if overlapping:
        listed = ", ".join(f"{label} {threshold:.1f}" for label, threshold in overlapping.items())
        say("thresholds of spans that overlap a more probable one, with the best F1 on the validation articles: %s", listed)
    thresholds = {} if usual is None else dict.fromkeys(labels.labels, usual)
    targets: dict[str, Any] = {}
    promised = {} if held is None else promise_thresholds(tagged, held, labels, settings, temperatures)
    for key in ("target_precision", "target_recall"):
        for label, target in getattr(settings, key).items():
            promise = promised.get(label)
            if promise is not None and promise.threshold is not None:
                thresholds[label] = promise.threshold
                targets[label] = {key: target, "confidence": settings.confidence, **asdict(promise)}
                continue
            try:
                point = choose_thresholds(predictions, **{key: {label: target}})[label]
            except SettingsError as error:
                warn("no threshold is saved for %s: evaluation.%s", label, error)
                if usual is not None and key == "target_recall":
                    thresholds[label] = 0.0  # keeping all spans comes nearest to it
                continue
            point = replace(point, threshold=lowered(point.threshold, predictions[label].scores))
            thresholds[label] = point.threshold
            targets[label] = {key: target, **asdict(point)}
            say(
                "threshold of %s: %.4f, with precision %.3f and recall %.3f on the validation articles that chose it",
                label, point.threshold, point.precision, point.recall,
            )  # fmt: skip
    if settings.f1_threshold:
        wanted = {*settings.target_precision, *settings.target_recall}
        others = {label: found for label, found in predictions.items() if label not in wanted}
        best = _f1_thresholds(others)
        scores = np.concatenate([found.scores for found in others.values()]) if others else np.empty(0)
        if usual is not None and not best and len(scores):
            best = dict.fromkeys(others, float(scores.min()) / 2)  # every span is worth keeping, also below the usual threshold
        if best:
            thresholds |= best
            listed = ", ".join(f"{label} {threshold:.4f}" for label, threshold in best.items())
            say("thresholds with the best F1 on the validation articles: %s", listed)
    found = Calibration(temperatures, thresholds, dict(fitted_on), None, targets, overlapping)
    if quiet:
        return found
    kept = [
        (item.article, [replace(span, score=raw) for span, raw in zip(item.spans, item.raw_scores, strict=True)])
        for item in calibrated(tagged, found)
    ]
    crossed = cross_fitted_reliability(pairs, labels, measured=kept)
    return replace(
        found,
        cross_fitted_ece=None if crossed is None else crossed.ece,
        cross_fitted_expected=None if crossed is None else crossed.expected_ece,
        cross_fitted=cross_fitted_scores([*tagged, *(held.tagged if held else ())], labels, settings, usual=usual),
    )


def cross_fitted_scores(
    tagged: Sequence[TaggedArticle], labels: LabelSet, settings: EvaluationSettings, *, usual: float | None = None
) -> dict[str, dict[str, float]]:
    """By label, micro and macro, the strict precision, recall and F1 with every article's temperatures and thresholds fitted on the other
    folds of articles. They estimate what thresholds chosen on these articles reach on other articles of their kind.

    Arguments as for `fit_calibration`. Empty if there are fewer articles than folds.
    """
    kept: list[TaggedArticle] = []
    for others, fold in split_folds(tagged):
        fitted = fit_calibration(others, labels, settings, usual=usual, fitted_on={}, quiet=True)
        kept += calibrated(fold, fitted)
    if not kept:
        return {}
    scores = score_articles([(item.article, item.spans) for item in kept], labels, words=None).strict
    rows: dict[str, Counts | Average] = {
        label: counts for label, counts in scores.labels.items() if label not in scores.unannotated
    }
    rows |= {"micro": scores.micro, "macro": scores.macro}
    return {name: {"precision": row.precision, "recall": row.recall, "f1": row.f1} for name, row in rows.items()}


def _limit_overlaps(
    scored: Sequence[tuple[Article, Sequence[Span]]], labels: LabelSet, limited: Sequence[str]
) -> tuple[dict[str, float], dict[str, ScoredPredictions]]:
    """The threshold of OVERLAPPING with the best F1 over the `limited` labels, the higher of equal ones, and the predictions that it
    leaves. No threshold, and all predictions, if none of their spans overlaps a more probable one.

    A span head judges each span for itself and may find two readings of one mention probable. Whether both may be right, as with a name
    within a name, depends on the corpus. With one threshold of scores for all labels, a span overlaps the same more probable ones before
    and after that threshold is applied.
    """
    shaded = [
        [under and span.label in limited for span, under in zip(spans, overshadowed(spans), strict=True)] for _, spans in scored
    ]
    if not any(map(any, shaded)):
        return {}, collect_predictions(scored, labels)
    found = {}
    for threshold in OVERLAPPING:
        kept = [
            (article, [span for span, under in zip(spans, below, strict=True) if not under or score_of(span) >= threshold])
            for (article, spans), below in zip(scored, shaded, strict=True)
        ]
        found[threshold] = collect_predictions(kept, labels)

    def reached(threshold: float) -> float:
        best = threshold_for_f1(found[threshold][label] for label in limited)
        return 0.0 if best is None else best.f1

    chosen = max(OVERLAPPING, key=lambda threshold: (reached(threshold), threshold))
    return dict.fromkeys(limited, chosen), found[chosen]


def _f1_thresholds(predictions: Mapping[str, ScoredPredictions]) -> dict[str, float]:
    """The threshold with the best F1 over all labels together. A label with a better F1 at a lower threshold gets that, if the F1 over all
    falls by at most PRICE.

    One threshold for all is best for micro F1, but it can remove nearly all spans of a rare label. Empty if every span is worth keeping.
    """
    best = threshold_for_f1(predictions.values())
    if best is None or not any((found.scores < best.threshold).any() for found in predictions.values()):
        return {}
    common = _between(best.threshold, predictions.values())
    chosen = dict.fromkeys(predictions, common)
    for label, found in predictions.items():
        own = threshold_for_f1([found])
        if own is None or own.threshold >= common or own.f1 <= _f1({label: found}, {label: common}):
            continue
        lower = {**chosen, label: _between(own.threshold, [found])}
        if _f1(predictions, lower) >= best.f1 - PRICE:
            chosen = lower
    return chosen


def _f1(predictions: Mapping[str, ScoredPredictions], thresholds: Mapping[str, float]) -> float:
    """F1 over the labels together if spans below their thresholds are left out."""
    kept = {label: found.scores >= thresholds[label] for label, found in predictions.items()}
    size = sum(int(kept[label].sum()) + found.support for label, found in predictions.items())
    return 2 * sum(int(found.correct[kept[label]].sum()) for label, found in predictions.items()) / size if size else 0.0


def _between(lowest_kept: float, predictions: Iterable[ScoredPredictions]) -> float:
    """Half-way between the lowest score that is kept and the highest that is not (0 if there is none)."""
    dropped = np.concatenate([found.scores[found.scores < lowest_kept] for found in predictions])
    return (lowest_kept + float(dropped.max(initial=0.0))) / 2
