"""Whether a span's score means what it says, and thresholds for a wanted precision or recall.

A score is calibrated if, of the predicted spans with score 0.8, 80 % are right (strict: offsets and label). All of this is on
spans, not on tokens: most tokens are outside any span and nearly always right, which hides what matters (Jagannatha and Yu 2020,
https://aclanthology.org/2020.acl-main.188/).

Temperature scaling (Guo et al. 2017, https://arxiv.org/abs/1706.04599): the log-odds of a score are divided by one number per
label, fitted on validation articles by maximum likelihood. It keeps the order of scores and with it every precision-recall curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from eventtag.errors import DataError, SettingsError
from eventtag.labels import LabelSet
from eventtag.scoring.tally import Pair, scored_spans
from eventtag.spans import ScoredSpan

Floats = npt.NDArray[np.float64]

BINS = 15
SMALLEST = 1e-6
"""Scores are kept this far from 0 and 1 before log-odds are taken."""
TEMPERATURES = (0.05, 20.0)
"""The range in which a temperature is sought; beyond it all scores are 0, 0.5 or 1."""


@dataclass(frozen=True, slots=True)
class ScoredPredictions:
    """The predicted spans of one label: `scores` [N] in [0, 1], `correct` [N] whether each is right, and the number of gold
    spans.
    """

    scores: Floats
    correct: npt.NDArray[np.bool_]
    support: int


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Spans with scores in [low, high]: their number, mean score and precision."""

    low: float
    high: float
    count: int
    confidence: float
    precision: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Expected calibration error (mean distance of score and precision over equally filled bins), Brier score, and the bins."""

    ece: float
    brier: float
    bins: tuple[ReliabilityBin, ...]


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
    """Calibration of the span scores, all labels together and each for itself."""

    overall: Reliability | None
    labels: dict[str, LabelCalibration]

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

    Of a span that is predicted twice, the higher score counts. Raises DataError for a predicted span without a score, and as
    `score_articles` does.
    """
    scores: dict[str, list[float]] = {label: [] for label in labels.labels}
    correct: dict[str, list[bool]] = {label: [] for label in labels.labels}
    support = dict.fromkeys(labels.labels, 0)
    for article, predicted in pairs:
        gold, tagged = scored_spans(article, predicted, labels)
        best: dict[tuple[int, int, str], float] = {}
        for span in predicted:
            if not isinstance(span, ScoredSpan):
                raise DataError(
                    f"article {article.id!r}: predicted span {span.label} {span.start}-{span.end} has no score; "
                    "calibration and thresholds need predictions with scores"
                )
            key = (span.start, span.end, span.label)
            best[key] = max(best.get(key, 0.0), span.score)
        answers = set(gold)
        for span in gold:
            support[span.label] += 1
        for span in tagged:
            scores[span.label].append(best[span.start, span.end, span.label])
            correct[span.label].append(span in answers)
    return {
        label: ScoredPredictions(
            np.array(scores[label], dtype=np.float64), np.array(correct[label], dtype=np.bool_), support[label]
        )
        for label in labels.labels
    }


def reliability(scores: Floats, correct: npt.NDArray[np.bool_], *, bins: int = BINS) -> Reliability | None:
    """Calibration of [N] scores, in up to `bins` bins of equal number (equal scores stay together); None where there is no
    span.
    """
    if not len(scores):
        return None
    order = np.argsort(scores, kind="stable")
    ordered, right = scores[order], correct[order].astype(np.float64)
    wanted = (np.arange(1, bins) * len(ordered)) // bins
    before, after = np.searchsorted(ordered, ordered[wanted], "left"), np.searchsorted(ordered, ordered[wanted], "right")
    edges = np.unique(np.where(wanted - before <= after - wanted, before, after))
    parts = [part for part in np.split(np.arange(len(ordered)), edges) if len(part)]
    found = tuple(
        ReliabilityBin(
            low=float(ordered[part[0]]),
            high=float(ordered[part[-1]]),
            count=len(part),
            confidence=float(ordered[part].mean()),
            precision=float(right[part].mean()),
        )
        for part in parts
    )
    ece = sum(b.count * abs(b.confidence - b.precision) for b in found) / len(ordered)
    return Reliability(float(ece), float(((ordered - right) ** 2).mean()), found)


def apply_temperature(scores: Floats, temperature: float) -> Floats:
    """[N] scores with their log-odds divided by `temperature`; above 1 it makes a tagger less sure of itself, below 1 more."""
    inside = np.clip(scores, SMALLEST, 1 - SMALLEST)
    return np.asarray(1 / (1 + np.exp(-np.log(inside / (1 - inside)) / temperature)))


def fit_temperature(scores: Floats, correct: npt.NDArray[np.bool_]) -> float:
    """The temperature under which [N] outcomes are most likely; 1.0 where all spans are right, all are wrong, or there is none.

    (Where all outcomes are alike, no finite temperature is best.)
    """
    if not len(scores) or correct.all() or not correct.any():
        return 1.0

    def surprise(log_temperature: float) -> float:
        share = apply_temperature(scores, float(np.exp(log_temperature)))
        return float(-np.log(np.clip(np.where(correct, share, 1 - share), 1e-300, None)).mean())

    low, high = (float(np.log(end)) for end in TEMPERATURES)
    found = minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def fit_temperatures(predictions: Mapping[str, ScoredPredictions]) -> dict[str, float]:
    """One temperature per label, from predictions on validation articles."""
    return {label: fit_temperature(found.scores, found.correct) for label, found in predictions.items()}


def precision_recall_curve(predictions: ScoredPredictions) -> tuple[CurvePoint, ...]:
    """Points for every distinct score as threshold, highest first; zero recall where there is no gold."""
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
    """The lowest threshold whose precision reaches `target`: the most recall at that precision.

    Raises SettingsError, naming the label and the best precision there is, when none reaches it.
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
    """The highest threshold whose recall reaches `target`: the most precision at that recall.

    Raises SettingsError, naming the label and the recall that all predictions reach, when that is less.
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


def choose_thresholds(
    predictions: Mapping[str, ScoredPredictions],
    *,
    target_precision: Mapping[str, float] | None = None,
    target_recall: Mapping[str, float] | None = None,
) -> dict[str, CurvePoint]:
    """The threshold of every label for which a precision or a recall is wanted, with what it gives on these predictions.

    Raises SettingsError for a label that the predictions do not have, one with both targets, or a target that none reaches.
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


def calibrate_spans(
    spans: Iterable[ScoredSpan],
    *,
    temperatures: Mapping[str, float] | None = None,
    thresholds: Mapping[str, float] | None = None,
) -> list[ScoredSpan]:
    """Predicted spans with calibrated scores, without those below their label's threshold; in the order given.

    Thresholds apply to the calibrated scores; a label without an entry keeps its scores or its spans.
    """
    kept = []
    for span in spans:
        score = span.score
        if temperatures and span.label in temperatures:
            score = float(apply_temperature(np.array([score]), temperatures[span.label])[0])
        if score >= (thresholds or {}).get(span.label, 0.0):
            kept.append(replace(span, score=score))
    return kept


def _require_share(target: float, key: str) -> None:
    if not 0.0 < target <= 1.0:
        raise SettingsError(f"{key}={target}: must be above 0 and at most 1")
