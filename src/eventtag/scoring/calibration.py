"""Whether a span's score is the probability that it is right, and thresholds for a wanted precision or recall.

Scores are calibrated if 80 % of the predicted spans with score 0.8 are right (strict: offsets and label), and so on for every score.
Calibration is measured on spans, not on tokens, because most tokens are outside any span and nearly always right (Jagannatha and Yu
2020, https://aclanthology.org/2020.acl-main.188/).

Temperature scaling (Guo et al. 2017, https://arxiv.org/abs/1706.04599): the log-odds of a score are divided by one number per
label, fitted on validation articles. It keeps the order of scores, so no precision-recall curve changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from eventtag.errors import DataError, SettingsError
from eventtag.labels import LabelSet
from eventtag.scoring.reliability import Reliability, reliability
from eventtag.scoring.tally import Pair, scored_spans
from eventtag.scoring.temperature import apply_temperature
from eventtag.span import Span

Floats = npt.NDArray[np.float64]
T = TypeVar("T")

TEMPERATURES = (0.05, 20.0)
"""The range in which a temperature is sought; beyond it all scores are 0, 0.5 or 1."""
PRIOR = 0.5
"""Standard deviation of the normal prior on a temperature's logarithm. Without the prior, a few spans would get temperature 0 if all right
ones happen to score above the wrong ones. A hundred spans outweigh the prior."""

SLACK = 1e-4
"""A saved threshold lies this far below the score that it stands for, or half-way to the next lower one if that is nearer: a model
that reads the same article in another batch gives scores that differ in the last digits."""


@dataclass(frozen=True, slots=True)
class ScoredPredictions:
    """The predicted spans of one label: `scores` [N] in [0, 1], `correct` [N] whether each is right, and `support`, the number of gold
    spans.
    """

    scores: Floats
    correct: npt.NDArray[np.bool_]
    support: int


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Precision, recall and F1 if only spans with at least this score are kept."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class LabelCalibration:
    """One label's calibration: reliability (None without a prediction), the precision-recall curve and the area under it."""

    reliability: Reliability | None
    curve: tuple[CurvePoint, ...]
    average_precision: float


@dataclass(frozen=True)
class CalibrationReport:
    """Calibration of the span scores, for all labels together and for each label.

    `raw` is the calibration of the same spans' scores before the checkpoint's `temperatures` are applied; None if no temperature is used.
    `fitted_here` says that the temperatures were fitted on these articles, so the error of `overall` is too low. `cross_fitted_ece` is
    then the error with temperatures fitted on other folds of the articles, and `cross_fitted_expected` the error that chance alone would
    give. Spans below `thresholds` were left out, and so were spans that overlap a more probable one below `overlapping`.
    """

    overall: Reliability | None
    labels: dict[str, LabelCalibration]
    raw: CalibrationReport | None = None
    temperatures: dict[str, float] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)
    overlapping: dict[str, float] = field(default_factory=dict)
    fitted_here: bool = False
    cross_fitted_ece: float | None = None
    cross_fitted_expected: float | None = None

    @property
    def note(self) -> str:
        """One sentence per line: the calibration error before and after the temperatures, and the thresholds that are used."""
        lines = []
        if self.overall is not None:
            line = f"calibration error of the span scores (ECE): {self.overall.beside_chance}"
            if self.raw is not None and self.raw.overall is not None:
                line += f"; {self.raw.overall.ece:.4f} before temperature scaling"
            if self.fitted_here:
                line += "; these articles fitted the temperatures, so the first figure is too low"
                if self.cross_fitted_ece is not None:
                    line += f" ({self.cross_fitted_ece:.4f} with temperatures fitted on other folds of them"
                    line += ")" if self.cross_fitted_expected is None else f", {self.cross_fitted_expected:.4f} by chance alone)"
            lines.append(line)
        if self.thresholds:
            listed = ", ".join(f"{label} {threshold:.4f}" for label, threshold in self.thresholds.items())
            lines.append(f"thresholds used: {listed}; spans with lower scores are left out")
        if self.overlapping:
            listed = ", ".join(f"{label} {threshold:.1f}" for label, threshold in self.overlapping.items())
            lines.append(f"thresholds of spans that overlap a more probable one: {listed}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """JSON-like values; curves thinned by `thin_curve`."""
        return {
            "overall": None if self.overall is None else asdict(self.overall),
            "labels": {
                label: {
                    "reliability": None if found.reliability is None else asdict(found.reliability),
                    "average_precision": found.average_precision,
                    "curve": [asdict(point) for point in thin_curve(found.curve)],
                }
                for label, found in self.labels.items()
            },
            "raw": None if self.raw is None else self.raw._errors_json(),
            "temperatures": self.temperatures,
            "thresholds": self.thresholds,
            "overlapping": self.overlapping,
            "fitted_here": self.fitted_here,
            "cross_fitted_ece": self.cross_fitted_ece,
            "cross_fitted_expected": self.cross_fitted_expected,
        }

    def _errors_json(self) -> dict[str, Any]:
        def errors(found: Reliability | None) -> dict[str, float] | None:
            return (
                None if found is None else {name: getattr(found, name) for name in ("ece", "expected_ece", "usual_ece", "brier")}
            )

        return {
            "overall": errors(self.overall),
            "labels": {label: errors(found.reliability) for label, found in self.labels.items()},
        }


def calibration_report(predictions: Mapping[str, ScoredPredictions]) -> CalibrationReport:
    """Calibration of the scores of collected predictions."""
    together = [np.concatenate([getattr(found, name) for found in predictions.values()]) for name in ("scores", "correct")]
    labels = {}
    for label, found in predictions.items():
        curve = precision_recall_curve(found)
        labels[label] = LabelCalibration(reliability(found.scores, found.correct), curve, average_precision(curve))
    return CalibrationReport(reliability(together[0], together[1].astype(np.bool_)), labels)


def thin_curve(curve: Sequence[CurvePoint], *, points: int = 200) -> list[CurvePoint]:
    """At most `points` points of a curve, evenly chosen, first and last included."""
    if len(curve) <= points:
        return list(curve)
    return [curve[place] for place in np.linspace(0, len(curve) - 1, points).round().astype(int).tolist()]


def collect_predictions(pairs: Iterable[Pair], labels: LabelSet) -> dict[str, ScoredPredictions]:
    """The scored predictions of every label.

    If a span is predicted twice, its higher score counts. Raises DataError for a predicted span without a score, and as
    `score_articles` does.
    """
    scores: dict[str, list[float]] = {label: [] for label in labels.labels}
    correct: dict[str, list[bool]] = {label: [] for label in labels.labels}
    support = dict.fromkeys(labels.labels, 0)
    for article, predicted in pairs:
        gold, tagged = scored_spans(article, predicted, labels)
        best: dict[Span, float] = {}
        for span in predicted:
            if span.score is None:
                raise DataError(
                    f"article {article.id!r}: predicted span {span.label} {span.start}-{span.end} has no score; "
                    "calibration and thresholds need predictions with scores"
                )
            best[span] = max(best.get(span, 0.0), span.score)
        answers = set(gold)
        for span in gold:
            support[span.label] += 1
        for span in tagged:
            scores[span.label].append(best[span])
            correct[span.label].append(span in answers)
    return {
        label: ScoredPredictions(
            np.array(scores[label], dtype=np.float64), np.array(correct[label], dtype=np.bool_), support[label]
        )
        for label in labels.labels
    }


def fit_temperature(scores: Floats, correct: npt.NDArray[np.bool_]) -> float:
    """The temperature that [N] outcomes and the prior make most likely.

    It is 1.0 if all spans are right, all are wrong, or there is none, because then only the prior would decide.
    """
    if not len(scores) or correct.all() or not correct.any():
        return 1.0
    from scipy.optimize import minimize_scalar  # slow to import, and tagging only applies temperatures

    def surprise(log_temperature: float) -> float:
        share = apply_temperature(scores, float(np.exp(log_temperature)))
        likelihood = np.log(np.clip(np.where(correct, share, 1 - share), 1e-300, None)).sum()
        return float((log_temperature / PRIOR) ** 2 / 2 - likelihood) / len(scores)

    low, high = (float(np.log(end)) for end in TEMPERATURES)
    found = minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def fit_temperatures(predictions: Mapping[str, ScoredPredictions]) -> dict[str, float]:
    """One temperature per label, from predictions on validation articles."""
    return {label: fit_temperature(found.scores, found.correct) for label, found in predictions.items()}


def precision_recall_curve(predictions: ScoredPredictions) -> tuple[CurvePoint, ...]:
    """A point for every distinct score as threshold, highest first. Recall is 0 if there is no gold span."""
    if not len(predictions.scores):
        return ()
    order = np.argsort(-predictions.scores, kind="stable")
    ordered = predictions.scores[order]
    right = np.cumsum(predictions.correct[order])
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    points = []
    for place in last.tolist():
        precision = float(right[place] / (place + 1))
        recall = float(right[place] / predictions.support) if predictions.support else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        points.append(CurvePoint(float(ordered[place]), precision, recall, f1))
    return tuple(points)


def average_precision(curve: Iterable[CurvePoint]) -> float:
    """Area under the precision-recall curve as steps: precision weighted by the recall that each threshold adds."""
    area, before = 0.0, 0.0
    for point in curve:
        area += point.precision * (point.recall - before)
        before = point.recall
    return area


def threshold_for_precision(predictions: ScoredPredictions, target: float, *, label: str) -> CurvePoint:
    """The lowest threshold whose precision reaches `target`, which has the most recall.

    Raises SettingsError with the label and the best precision if no threshold reaches it.
    """
    _require_share(target, f"target_precision.{label}")
    curve = precision_recall_curve(predictions)
    reached = [point for point in curve if point.precision >= target]
    if not reached:
        best = f"the best is {max(point.precision for point in curve):.3f}" if curve else "nothing was predicted"
        raise SettingsError(
            f"target_precision.{label}={target}: no threshold reaches it on these articles ({best}); ask for less, or for recall"
        )
    return reached[-1]


def threshold_for_recall(predictions: ScoredPredictions, target: float, *, label: str) -> CurvePoint:
    """The highest threshold whose recall reaches `target`.

    Raises SettingsError with the label and the recall of all predictions if that is lower.
    """
    _require_share(target, f"target_recall.{label}")
    curve = precision_recall_curve(predictions)
    for point in curve:
        if point.recall >= target:
            return point
    best = curve[-1].recall if curve else 0.0
    raise SettingsError(
        f"target_recall.{label}={target}: all predictions together reach {best:.3f} on these articles; ask for at most that"
    )


def threshold_for_f1(predictions: Iterable[ScoredPredictions]) -> CurvePoint | None:
    """The common threshold with the best F1 over all these labels together; None without a predicted span.

    If scores are calibrated, it is half of the best F1 (Lipton et al. 2014, https://arxiv.org/abs/1402.1892).
    """
    labels = list(predictions)
    scores = np.concatenate([label.scores for label in labels]) if labels else np.zeros(0)
    correct = np.concatenate([label.correct for label in labels]) if labels else np.zeros(0, dtype=np.bool_)
    curve = precision_recall_curve(ScoredPredictions(scores, correct, sum(label.support for label in labels)))
    return max(curve, key=lambda point: point.f1, default=None)


def choose_thresholds(
    predictions: Mapping[str, ScoredPredictions],
    *,
    target_precision: Mapping[str, float] | None = None,
    target_recall: Mapping[str, float] | None = None,
) -> dict[str, CurvePoint]:
    """The threshold of every label for which a precision or a recall is wanted, with what it gives on these predictions.

    Raises SettingsError for a label that the predictions do not have, one with both targets, or a target that no threshold reaches.
    """
    chosen: dict[str, CurvePoint] = {}
    searches = (
        ("target_precision", target_precision or {}, threshold_for_precision),
        ("target_recall", target_recall or {}, threshold_for_recall),
    )
    for key, targets, search in searches:
        for label, target in targets.items():
            if label not in predictions:
                raise SettingsError(f"{key}.{label}: no such label; the labels are {', '.join(predictions)}")
            if label in chosen:
                raise SettingsError(
                    f"target_precision.{label} and target_recall.{label} are both set; one threshold cannot serve both"
                )
            chosen[label] = search(predictions[label], target, label=label)
    return chosen


def lowered(threshold: float, scores: Floats) -> float:
    """The threshold as it is saved: a little lower, but reached by the same ones of [N] `scores`."""
    below = scores[scores < threshold]
    gap = threshold - (float(below.max()) if len(below) else 0.0)
    return threshold - min(SLACK, gap / 2)


def split_folds(items: Sequence[T], *, folds: int = 5) -> Iterator[tuple[list[T], list[T]]]:
    """Yield (the other folds, the fold) for each fold; nothing if there are fewer items than folds.

    Neighbouring items are in one fold, because corpora keep articles of one topic or source side by side.
    """
    if len(items) < folds:
        return
    for start, end in pairwise(len(items) * fold // folds for fold in range(folds + 1)):
        yield [*items[:start], *items[end:]], list(items[start:end])


def cross_fitted_reliability(
    pairs: Sequence[Pair], labels: LabelSet, *, measured: Sequence[Pair] | None = None, folds: int = 5
) -> Reliability | None:
    """The calibration of scores whose temperatures were fitted on the other folds of articles.

    It estimates how well temperatures fitted on all of `pairs` calibrate new articles of the same kind. `measured` are the same articles
    with the predicted spans whose scores are measured, such as those that thresholds keep (None: those of `pairs`). None if there are
    fewer articles than folds, or no predicted span. Raises DataError as `collect_predictions` does.
    """
    scores, correct = [np.zeros(0)], [np.zeros(0, dtype=np.bool_)]
    for (others, _), (_, fold) in zip(split_folds(pairs, folds=folds), split_folds(measured or pairs, folds=folds), strict=True):
        fitted = fit_temperatures(collect_predictions(others, labels))
        for label, found in collect_predictions(fold, labels).items():
            scores.append(apply_temperature(found.scores, fitted[label]))
            correct.append(found.correct)
    return reliability(np.concatenate(scores), np.concatenate(correct))


def _require_share(target: float, key: str) -> None:
    if not 0.0 < target <= 1.0:
        raise SettingsError(f"{key}={target}: must be above 0 and at most 1")
