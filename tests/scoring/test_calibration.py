import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.labels import LabelSet
from eventtag.scoring.calibration import (
    ScoredPredictions,
    average_precision,
    calibration_report,
    choose_thresholds,
    collect_predictions,
    cross_fitted_reliability,
    fit_temperature,
    fit_temperatures,
    precision_recall_curve,
    reliability,
    threshold_for_precision,
    threshold_for_recall,
)
from eventtag.scoring.temperature import apply_temperature, calibrate_spans
from eventtag.span import Span


def simulated(count=20_000, temperature=1.0, seed=0):
    """Scores whose true chance is known, made over- or underconfident by a temperature."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(4, 2, count)
    return apply_temperature(chance, 1 / temperature), rng.random(count) < chance


def test_true_chances_have_next_to_no_calibration_error():
    scores, correct = simulated()
    result = reliability(scores, correct)
    assert result.ece < 0.012
    assert result.brier == pytest.approx(brier_score_loss(correct, scores))
    assert sum(part.count for part in result.bins) == len(scores)
    assert len(result.bins) == 15


def test_bins_keep_equal_scores_together():
    result = reliability(np.array([0.5] * 10 + [0.9] * 3), np.array([True] * 5 + [False] * 5 + [True] * 3), bins=4)
    assert [(part.count, part.precision) for part in result.bins] == [(10, 0.5), (3, 1.0)]
    assert result.ece == pytest.approx(3 / 13 * 0.1)


def test_no_span_has_no_reliability():
    assert reliability(np.array([]), np.array([], dtype=bool)) is None


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_spoiled_the_scores_is_found(temperature):
    scores, correct = simulated(temperature=temperature)
    fitted = fit_temperature(scores, correct)
    assert fitted == pytest.approx(temperature, rel=0.05)
    assert reliability(apply_temperature(scores, fitted), correct).ece < 0.015


def test_scaling_keeps_the_order_and_one_changes_nothing():
    scores = np.array([0.0, 0.2, 0.5, 0.9, 1.0])
    assert (np.diff(apply_temperature(scores, 3.0)) > 0).all()
    np.testing.assert_allclose(apply_temperature(scores, 1.0), scores, atol=1e-5)


def test_without_errors_or_without_spans_the_temperature_stays_one():
    assert fit_temperature(np.array([0.7, 0.8]), np.array([True, True])) == 1.0
    assert fit_temperature(np.array([0.7, 0.8]), np.array([False, False])) == 1.0
    assert fit_temperature(np.array([]), np.array([], dtype=bool)) == 1.0


def test_curve_agrees_with_scikit_learn():
    scores, correct = simulated(500)
    curve = precision_recall_curve(ScoredPredictions(np.round(scores, 2), correct, int(correct.sum())))
    assert average_precision(curve) == pytest.approx(average_precision_score(correct, np.round(scores, 2)))


PREDICTIONS = ScoredPredictions(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([True, True, False, True, False]), 4)


def test_threshold_for_precision_gives_the_most_recall():
    point = threshold_for_precision(PREDICTIONS, 0.75, label="EVENT")
    assert (point.threshold, point.precision, point.recall) == (0.6, 0.75, 0.75)


def test_threshold_for_recall_gives_the_most_precision():
    point = threshold_for_recall(PREDICTIONS, 0.5, label="EVENT")
    assert (point.threshold, point.precision) == (0.8, 1.0)


def test_targets_out_of_reach_say_what_is_possible():
    poor = ScoredPredictions(np.array([0.9, 0.8]), np.array([False, True]), 4)
    with pytest.raises(SettingsError, match=r"target_precision.EVENT=0.9: no threshold reaches it .*the best is 0.500"):
        threshold_for_precision(poor, 0.9, label="EVENT")
    with pytest.raises(SettingsError, match=r"target_recall.EVENT=0.9: all predictions together reach 0.250"):
        threshold_for_recall(poor, 0.9, label="EVENT")
    with pytest.raises(SettingsError, match="above 0 and at most 1"):
        threshold_for_recall(poor, 1.5, label="EVENT")


def test_predictions_are_collected_strictly_per_label():
    article = Article("a", "x" * 20, (Span(0, 5, "ACTOR"), Span(8, 10, "EVENT")), annotated=((0, 12),))
    predicted = [
        Span(0, 5, "ACTOR", 0.6),
        Span(0, 5, "ACTOR", 0.9),
        Span(8, 9, "EVENT", 0.4),
        Span(15, 18, "EVENT", 0.99),
    ]
    found = collect_predictions([(article, predicted)], LabelSet())
    assert found["ACTOR"].scores.tolist() == [0.9]
    assert found["ACTOR"].correct.tolist() == [True]
    assert (found["EVENT"].scores.tolist(), found["EVENT"].correct.tolist(), found["EVENT"].support) == ([0.4], [False], 1)
    assert fit_temperatures(found) == {"ACTOR": 1.0, "EVENT": 1.0, "LOCATION": 1.0}


def test_a_prediction_without_score_is_an_error():
    with pytest.raises(DataError, match="article 'a': predicted span ACTOR 0-5 has no score"):
        collect_predictions([(Article("a", "x" * 9), [Span(0, 5, "ACTOR")])], LabelSet())


def test_thresholds_are_chosen_per_label_and_scores_calibrated_by_their_label():
    chosen = choose_thresholds(
        {"EVENT": PREDICTIONS, "ACTOR": PREDICTIONS}, target_precision={"EVENT": 0.75}, target_recall={"ACTOR": 0.5}
    )
    assert {label: point.threshold for label, point in chosen.items()} == {"EVENT": 0.6, "ACTOR": 0.8}
    spans = [Span(0, 1, "EVENT", 0.9), Span(2, 3, "EVENT", 0.65), Span(4, 5, "ACTOR", 0.1)]
    calibrated = calibrate_spans(spans, {"EVENT": 2.0})
    assert [(span.start, round(span.score, 4)) for span in calibrated] == [(0, 0.75), (2, 0.5768), (4, 0.1)]
    assert calibrate_spans(spans, {}) == spans


def test_a_few_separable_spans_do_not_make_the_scores_extreme():
    scores = np.array([0.55, 0.6, 0.65, 0.4, 0.45])
    fitted = fit_temperature(scores, scores > 0.5)
    assert 0.2 < fitted < 1
    assert apply_temperature(scores, fitted).max() < 0.95


def test_cross_fitting_measures_on_articles_that_did_not_fit():
    rng = np.random.default_rng(0)
    pairs = []
    for number in range(200):
        spans = [Span(2 * place, 2 * place + 1, "EVENT") for place in range(10)]
        chance = rng.beta(4, 2, 10)
        gold = tuple(span for span, draw in zip(spans, rng.random(10) < chance, strict=True) if draw)
        sure = apply_temperature(chance, 0.4)
        predicted = [Span(s.start, s.end, s.label, float(score)) for s, score in zip(spans, sure, strict=True)]
        pairs.append((Article(str(number), "x" * 20, gold), predicted))
    found = collect_predictions(pairs, LabelSet())
    before = reliability(found["EVENT"].scores, found["EVENT"].correct).ece
    found = cross_fitted_reliability(pairs, LabelSet())
    assert found.ece < 0.05 < before
    assert cross_fitted_reliability(pairs[:4], LabelSet()) is None


def test_thresholds_for_unknown_labels_or_two_targets_are_refused():
    with pytest.raises(SettingsError, match=r"target_recall\.PLACE: no such label; the labels are EVENT"):
        choose_thresholds({"EVENT": PREDICTIONS}, target_recall={"PLACE": 0.5})
    with pytest.raises(SettingsError, match="both set"):
        choose_thresholds({"EVENT": PREDICTIONS}, target_precision={"EVENT": 0.5}, target_recall={"EVENT": 0.5})


def test_perfect_scores_show_the_error_of_chance_and_no_more():
    """100 spans with perfectly calibrated scores: the error is about 0.1, and is called more than chance in one case of 20."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        scores = rng.beta(4, 2, 100)
        found.append(reliability(scores, rng.random(100) < scores))
    assert np.mean([one.ece for one in found]) == pytest.approx(np.mean([one.expected_ece for one in found]), rel=0.03)
    assert 0.08 < np.mean([one.expected_ece for one in found]) < 0.15
    assert np.mean([one.ece > one.usual_ece for one in found]) <= 0.085


def test_scores_that_are_off_show_more_than_chance():
    rng = np.random.default_rng(0)
    chance = rng.beta(4, 2, 400)
    found = reliability(apply_temperature(chance, 0.4), rng.random(400) < chance)
    assert found.ece > found.usual_ece
    assert "more than chance" in found.beside_chance
    assert "no more" not in found.beside_chance


def test_every_printed_error_stands_beside_that_of_chance():
    rng = np.random.default_rng(0)
    scores = rng.beta(4, 2, 100)
    report = calibration_report({"EVENT": ScoredPredictions(scores, rng.random(100) < scores, 80)})
    assert f"{report.overall.expected_ece:.4f} on average" in report.note
    assert report.to_json()["overall"]["usual_ece"] == report.overall.usual_ece


def test_one_span_and_sure_scores_have_an_error_of_chance():
    one = reliability(np.array([0.5]), np.array([True]))
    assert (one.ece, one.expected_ece, one.usual_ece) == (0.5, 0.5, 0.5)
    assert reliability(np.ones(3), np.ones(3, dtype=bool)).expected_ece == 0.0
