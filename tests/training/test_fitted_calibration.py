import logging
import re
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.evaluation import score_tagged
from eventtag.heads.span_decoding import USUAL
from eventtag.heads.tag_decoding import TagDecoder
from eventtag.labels import LabelSet
from eventtag.models.checkpoint import Calibration
from eventtag.reporting.console import render_table
from eventtag.reporting.html import render_page
from eventtag.reporting.markdown import render_scores_table
from eventtag.reporting.model_card import _scores, render_model_card
from eventtag.scoring.calibration import collect_predictions, cross_fitted_reliability, precision_recall_curve
from eventtag.scoring.temperature import apply_temperature, calibrate_spans
from eventtag.settings import EvaluationSettings
from eventtag.span import Span
from eventtag.tagging.tagged import TaggedArticle, calibrated
from eventtag.training.fitted_calibration import fit_calibration, of_labels, require_known_targets
from eventtag.training.promises import HeldApart, divide_validation

LABELS = LabelSet()
WORDS = np.array([[2 * n, 2 * n + 1] for n in range(10)])


@pytest.fixture
def tagged():
    """Tagged articles whose EVENT scores are far too sure of themselves."""
    rng = np.random.default_rng(3)
    items = []
    for number in range(60):
        chance = rng.beta(4, 2, 10)
        spans = [Span(int(start), int(end), "EVENT") for start, end in WORDS]
        gold = tuple(s for s, draw in zip(spans, rng.random(10) < chance, strict=True) if draw)
        scores = apply_temperature(chance, 0.4)
        found = tuple(Span(s.start, s.end, s.label, float(score)) for s, score in zip(spans, scores, strict=True))
        items.append(TaggedArticle(Article(str(number), "x" * 20, gold), found, WORDS, tuple(s.score for s in found)))
    return items


def test_the_saved_threshold_reaches_its_target_on_the_calibrated_validation_spans(tagged):
    settings = EvaluationSettings(target_precision={"EVENT": 0.8})
    fitted = fit_calibration(tagged, LABELS, settings, fitted_on={"sha256": "x"})
    assert fitted.temperatures["EVENT"] == pytest.approx(2.5, rel=0.2)
    pairs = [(item.article, calibrate_spans(item.spans, fitted.temperatures)) for item in tagged]
    kept = [(a, [s for s in spans if s.score >= fitted.thresholds["EVENT"]]) for a, spans in pairs]
    precision = precision_recall_curve(collect_predictions(kept, LABELS)["EVENT"])[-1].precision
    assert precision >= 0.8
    assert fitted.targets["EVENT"]["precision"] == pytest.approx(precision)
    assert fitted.fitted_on == {"sha256": "x"}
    assert 0 < fitted.cross_fitted_ece < 0.1


def test_a_target_out_of_reach_warns_with_what_can_be_reached_and_keeps_the_rest(tagged, caplog):
    settings = EvaluationSettings(target_precision={"ACTOR": 0.9}, target_recall={"EVENT": 0.5})
    with caplog.at_level(logging.WARNING):
        fitted = fit_calibration(tagged, LABELS, settings, fitted_on={})
    assert set(fitted.thresholds) == {"EVENT"}
    assert "no threshold is saved for ACTOR: evaluation.target_precision.ACTOR=0.9" in caplog.text
    assert "nothing was predicted" in caplog.text


def test_labels_without_a_target_share_the_threshold_of_the_best_f1(tagged):
    fitted = fit_calibration(tagged, LABELS, EvaluationSettings(), fitted_on={})
    assert len(set(fitted.thresholds.values())) == 1
    assert set(fitted.thresholds) == set(LABELS.labels)
    pairs = [(item.article, calibrate_spans(item.spans, fitted.temperatures)) for item in tagged]

    def f1(threshold):
        kept = [(a, [s for s in spans if s.score >= threshold]) for a, spans in pairs]
        return precision_recall_curve(collect_predictions(kept, LABELS)["EVENT"])[-1].f1

    scores = sorted({span.score for _, spans in pairs for span in spans})
    assert f1(fitted.thresholds["EVENT"]) == max(map(f1, [*scores[::7], fitted.thresholds["EVENT"]]))
    assert f1(fitted.thresholds["EVENT"]) > f1(0.0)


def test_a_label_that_the_common_threshold_would_cost_f1_keeps_a_lower_one(tagged):
    rare = []
    for number, item in enumerate(tagged[:20]):
        right = Span(21, 22, "ACTOR")
        unsure = Span(21, 22, "ACTOR", 0.15 + 0.001 * number)
        article = replace(item.article, text="x" * 30, spans=(*item.article.spans, *([right] if number % 10 < 3 else [])))
        rare.append(replace(item, article=article, spans=(*item.spans, unsure), raw_scores=(*item.raw_scores, unsure.score)))
    rare += tagged[20:]
    found = fit_calibration(rare, LABELS, EvaluationSettings(), fitted_on={})
    kept = [
        (item.article, [s for s in calibrate_spans(item.spans, found.temperatures) if s.score >= found.thresholds[s.label]])
        for item in rare
    ]
    everything = [(item.article, item.spans) for item in rare]
    best = max(point.f1 for point in precision_recall_curve(collect_predictions(everything, LABELS)["ACTOR"]))
    assert precision_recall_curve(collect_predictions(kept, LABELS)["ACTOR"])[-1].f1 == pytest.approx(best)
    common = found.thresholds["LOCATION"]  # of which there is no span
    assert found.thresholds["ACTOR"] < found.thresholds["EVENT"] <= common


def test_a_lower_threshold_that_would_cost_much_of_the_f1_over_all_labels_is_not_taken(tagged):
    """One right span below many wrong ones: the label's own F1 is best with all of them."""
    weak = []
    for number, item in enumerate(tagged):
        unsure = [Span(20 + n, 21 + n, "ACTOR", 0.05 + 0.001 * number + 0.01 * n) for n in range(6)]
        right = [Span(20, 21, "ACTOR")] if number == 0 else []
        article = replace(item.article, text="x" * 30, spans=(*item.article.spans, *right))
        weak.append(
            replace(
                item,
                article=article,
                spans=(*item.spans, *unsure),
                raw_scores=(*item.raw_scores, *(span.score for span in unsure)),
            )
        )
    found = fit_calibration(weak, LABELS, EvaluationSettings(), fitted_on={})
    assert found.thresholds["ACTOR"] == found.thresholds["LOCATION"]
    everything = collect_predictions([(item.article, item.spans) for item in weak], LABELS)["ACTOR"]
    best = max(precision_recall_curve(everything), key=lambda point: point.f1)
    assert best.f1 > 0 == (everything.scores >= found.thresholds["ACTOR"]).sum()


def test_a_label_whose_target_is_out_of_reach_keeps_all_its_spans(tagged):
    wrong = Span(20, 21, "EVENT", 1.0)
    first = replace(tagged[0], article=replace(tagged[0].article, text="x" * 30), spans=(*tagged[0].spans, wrong))
    items = [replace(first, raw_scores=(*first.raw_scores, wrong.score)), *tagged[1:]]
    settings = EvaluationSettings(target_precision={"EVENT": 1.0})
    assert "EVENT" not in fit_calibration(items, LABELS, settings, fitted_on={}).thresholds
    assert "EVENT" in fit_calibration(items, LABELS, EvaluationSettings(), fitted_on={}).thresholds


def test_no_threshold_is_saved_where_every_span_is_worth_keeping(tagged):
    right = [replace(item, article=replace(item.article, spans=tuple(map(plain, item.spans)))) for item in tagged]
    assert fit_calibration(right, LABELS, EvaluationSettings(), fitted_on={}).thresholds == {}
    assert fit_calibration(tagged, LABELS, EvaluationSettings(f1_threshold=False), fitted_on={}).thresholds == {}


def test_a_head_that_finds_improbable_spans_too_has_a_threshold_for_every_label(tagged):
    usual = dict.fromkeys(LABELS.labels, USUAL)
    assert fit_calibration(tagged, LABELS, EvaluationSettings(f1_threshold=False), usual=USUAL, fitted_on={}).thresholds == usual
    chosen = fit_calibration(tagged, LABELS, EvaluationSettings(), usual=USUAL, fitted_on={}).thresholds
    assert chosen == usual | fit_calibration(tagged, LABELS, EvaluationSettings(), fitted_on={}).thresholds
    right = [replace(item, article=replace(item.article, spans=tuple(map(plain, item.spans)))) for item in tagged]
    kept = fit_calibration(right, LABELS, EvaluationSettings(), usual=USUAL, fitted_on={})
    lowest = min(span.score for item in right for span in calibrate_spans(item.spans, kept.temperatures))
    assert kept.thresholds == dict.fromkeys(usual, pytest.approx(lowest / 2))
    nothing = [replace(item, spans=(), raw_scores=()) for item in tagged]
    assert fit_calibration(nothing, LABELS, EvaluationSettings(), usual=USUAL, fitted_on={}).thresholds == usual


def test_a_recall_out_of_reach_keeps_all_that_was_found_and_a_precision_out_of_reach_the_usual(tagged):
    recall = EvaluationSettings(target_recall={"ACTOR": 0.9}, f1_threshold=False)
    assert fit_calibration(tagged, LABELS, recall, usual=USUAL, fitted_on={}).thresholds["ACTOR"] == 0.0
    precision = EvaluationSettings(target_precision={"ACTOR": 0.9}, f1_threshold=False)
    assert fit_calibration(tagged, LABELS, precision, usual=USUAL, fitted_on={}).thresholds["ACTOR"] == USUAL


def plain(span):
    return Span(span.start, span.end, span.label)


@pytest.fixture
def doubled(tagged):
    """`tagged` with four spans more, all right, and a shorter, less probable one within each: two of these are right, or none."""

    def make(right: bool) -> list[TaggedArticle]:
        items = []
        for item in tagged:
            inner = [Span(21 + 5 * n, 23 + 5 * n, "ACTOR") for n in range(4)]
            outer = [Span(20 + 5 * n, 24 + 5 * n, "ACTOR") for n in range(4)]
            gold = (*item.article.spans, *outer, *(inner[:2] if right else ()))
            article = Article(item.article.id, "x" * 40, gold)
            scored = [Span(s.start, s.end, s.label, 0.9) for s in outer]
            scored += [Span(s.start, s.end, s.label, 0.75 if n < 2 else 0.25) for n, s in enumerate(inner)]
            spans = tuple(sorted((*item.spans, *scored)))
            items.append(TaggedArticle(article, spans, WORDS, tuple(s.score for s in spans)))
        return items

    return make


def inner_spans(tagged, calibration):
    return {span.start for item in calibrated(tagged, calibration) for span in item.spans if span.end - span.start == 2}


def test_second_readings_of_a_mention_are_left_out_where_they_are_never_right(doubled):
    wrong = doubled(right=False)
    fitted = fit_calibration(wrong, LABELS, EvaluationSettings(), usual=USUAL, fitted_on={})
    assert fitted.overlapping == dict.fromkeys(LABELS.labels, 1.0)
    assert inner_spans(wrong, fitted) == set()


def test_second_readings_are_kept_from_the_score_on_that_serves_best(doubled):
    nested = doubled(right=True)
    fitted = fit_calibration(nested, LABELS, EvaluationSettings(), usual=USUAL, fitted_on={})
    assert 0.3 <= fitted.overlapping["ACTOR"] < 1.0
    assert inner_spans(nested, fitted) == {21, 26}
    everything = replace(fitted, overlapping={}, thresholds={})
    assert inner_spans(nested, everything) == {21, 26, 31, 36}


def test_without_overlaps_or_a_wish_for_the_best_f1_nothing_is_chosen_for_them(tagged, doubled):
    assert fit_calibration(tagged, LABELS, EvaluationSettings(), usual=USUAL, fitted_on={}).overlapping == {}
    unasked = fit_calibration(doubled(right=False), LABELS, EvaluationSettings(f1_threshold=False), usual=USUAL, fitted_on={})
    assert unasked.overlapping == {}


def test_a_wanted_recall_may_take_second_readings(doubled):
    nested = doubled(right=True)
    settings = EvaluationSettings(target_recall={"ACTOR": 0.95})
    fitted = fit_calibration(nested, LABELS, settings, usual=USUAL, fitted_on={})
    assert "ACTOR" not in fitted.overlapping
    assert fitted.targets["ACTOR"]["recall"] >= 0.95
    assert inner_spans(nested, fitted) >= {21, 26}


def test_a_span_that_its_threshold_leaves_out_puts_no_other_in_its_shadow():
    spans = (Span(0, 5, "EVENT", 0.6), Span(0, 3, "LOCATION", 0.55))
    item = TaggedArticle(Article("a", "x" * 20, ()), spans, WORDS, (0.6, 0.55))
    limits = dict.fromkeys(LABELS.labels, 0.8)

    def kept(**thresholds):
        (found,) = calibrated([item], Calibration(thresholds=thresholds, overlapping=limits))
        return [span.label for span in found.spans]

    assert kept(EVENT=0.5, LOCATION=0.4) == ["EVENT"]
    assert kept(EVENT=0.9, LOCATION=0.4) == ["LOCATION"]


def test_which_of_two_spans_is_more_probable_is_said_by_their_calibrated_scores():
    spans = (Span(0, 5, "EVENT", 0.95), Span(0, 3, "LOCATION", 0.9))
    item = TaggedArticle(Article("a", "x" * 20, ()), spans, WORDS, (0.95, 0.9))
    (found,) = calibrated([item], Calibration({"EVENT": 3.0}, overlapping=dict.fromkeys(LABELS.labels, 1.0)))
    assert [span.label for span in found.spans] == ["LOCATION"]


def test_the_cross_fitted_error_is_that_of_the_spans_that_are_kept(tagged):
    fitted = fit_calibration(tagged, LABELS, EvaluationSettings(target_precision={"EVENT": 0.85}), fitted_on={})
    kept = [
        (item.article, [replace(span, score=raw) for span, raw in zip(item.spans, item.raw_scores, strict=True)])
        for item in calibrated(tagged, fitted)
    ]
    pairs = [(item.article, item.spans) for item in tagged]
    assert fitted.cross_fitted_ece == cross_fitted_reliability(pairs, LABELS, measured=kept).ece
    assert fitted.cross_fitted_ece != cross_fitted_reliability(pairs, LABELS).ece


def test_a_target_for_an_unknown_label_is_refused():
    with pytest.raises(SettingsError, match=r"evaluation.target_recall.CITY: no such label; data.labels are ACTOR"):
        require_known_targets(EvaluationSettings(target_recall={"CITY": 0.5}), LABELS, links=True)


def test_a_target_of_a_role_or_status_needs_a_link_head_and_has_no_confidence():
    for name in ("AGENT", "future"):
        settings = EvaluationSettings(target_precision={name: 0.9})
        require_known_targets(settings, LABELS, links=True)
        with pytest.raises(SettingsError, match=rf"target_precision.{name}: a role or status needs a link head"):
            require_known_targets(settings, LABELS, links=False)
        with pytest.raises(SettingsError, match=rf"confidence=0.9 is not allowed with evaluation.target_precision.{name}"):
            require_known_targets(replace(settings, confidence=0.9), LABELS, links=True)
    mixed = EvaluationSettings(target_precision={"AGENT": 0.9, "ACTOR": 0.8}, target_recall={"possible": 0.5, "EVENT": 0.7})
    assert of_labels(mixed, LABELS) == EvaluationSettings(target_precision={"ACTOR": 0.8}, target_recall={"EVENT": 0.7})


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"target_precision": {"EVENT": 1.5}}, r"evaluation.target_precision.EVENT=1.5 is not allowed"),
        ({"target_precision": {"EVENT": 0.5}, "target_recall": {"EVENT": 0.5}}, "one threshold cannot serve both"),
        (
            {"target_precision": {"EVENT": 0.5}, "confidence": 90},
            r"evaluation.confidence=90 is not allowed: 0.5 <= confidence < 1",
        ),
        ({"confidence": 0.9}, "needs what is to be kept with it: evaluation.target_precision.LABEL"),
    ],
)
def test_impossible_targets_are_refused_before_training(targets, message):
    with pytest.raises(SettingsError, match=message):
        EvaluationSettings(**targets)


def drawn(rng, count):
    """Articles with ten spans each whose scores say little about whether they are right."""
    items = []
    for number in range(count):
        right = rng.random(10) < 0.4
        scores = np.clip(rng.normal(0.5 + 0.05 * right, 0.2), 0.01, 0.99)
        spans = [Span(int(start), int(end), "EVENT") for start, end in WORDS]
        gold = tuple(span for span, true in zip(spans, right, strict=True) if true)
        found = tuple(Span(s.start, s.end, s.label, float(score)) for s, score in zip(spans, scores, strict=True))
        items.append(TaggedArticle(Article(str(number), "x" * 20, gold), found, WORDS, tuple(s.score for s in found)))
    return items


def f1_with(calibration, tagged):
    """The strict micro F1, counted here: every span is of one label, and none is there twice."""
    pairs = [(set(item.spans), set(item.article.spans)) for item in calibrated(tagged, calibration)]
    return 2 * sum(len(found & gold) for found, gold in pairs) / sum(len(found) + len(gold) for found, gold in pairs)


def test_cross_fitted_scores_are_those_of_articles_that_did_not_choose_the_thresholds():
    rng, settings = np.random.default_rng(0), EvaluationSettings()
    others = drawn(rng, 300)
    chosen, crossed, true = [], [], []
    for _ in range(25):
        tagged = drawn(rng, 10)
        fitted = fit_calibration(tagged, LABELS, settings, fitted_on={})
        chosen.append(f1_with(fitted, tagged))
        crossed.append(fitted.cross_fitted["micro"]["f1"])
        true.append(f1_with(fitted, others))
    assert np.mean(chosen) > np.mean(true) + 0.01
    assert abs(np.mean(crossed) - np.mean(true)) < np.mean(chosen) - np.mean(true)


def test_too_few_articles_are_not_cross_fitted(tagged):
    assert fit_calibration(tagged[:4], LABELS, EvaluationSettings(), fitted_on={}).cross_fitted == {}


def test_scores_on_the_articles_that_chose_say_so_wherever_they_stand(tagged):
    fitted = fit_calibration(tagged, LABELS, EvaluationSettings(), fitted_on={"sha256": "x"})
    tagger = SimpleNamespace(labels=LABELS, about={}, calibration=fitted, decoder=TagDecoder())
    kept = tuple(calibrated(tagged, fitted))
    report = score_tagged(kept, tagger, data={"sha256": "x"}).report
    assert report.selection.chose == ("the epoch", "the temperatures of the scores", "the thresholds")
    crossed = f"micro F1 is {fitted.cross_fitted['micro']['f1']:.4f}"
    pairs = [(item.article, item.spans) for item in kept]
    training = {
        "encoder": "e",
        "seed": 1,
        "epoch": 1.0,
        "versions": {},
        "data": {"name": "n", "articles": 1, "sha256": "y", "spans": {}},
    }
    card = render_model_card(
        report.described(data={"name": "n", "split": "validation", "split_rule": "r", "sha256": "x"}),
        name="n", training=training, licence=None, calibration=asdict(fitted),
    )  # fmt: skip
    for text in (render_table(report), render_scores_table(report), render_page(report, pairs), card):
        assert "hese articles also chose the epoch, the temperatures of the scores and the thresholds" in text
        assert crossed in text
    assert crossed in report.to_json()["selection"]["note"]
    assert score_tagged(kept, tagger, data={"sha256": "other"}).report.selection is None


def test_articles_held_apart_choose_the_promised_threshold_and_nothing_else(tagged, caplog):
    settings = EvaluationSettings(target_precision={"EVENT": 0.6}, confidence=0.9)
    choosing, held = tagged[:30], HeldApart(tagged[30:], None)
    with caplog.at_level(logging.INFO):
        fitted = fit_calibration(choosing, LABELS, settings, held=held, fitted_on={})
    assert "keeps a precision of 0.6 or more on new articles of this kind with 90 % confidence; on the 30 articles" in caplog.text
    assert fitted.temperatures == fit_calibration(choosing, LABELS, settings, fitted_on={}).temperatures
    assert fitted.targets["EVENT"]["confidence"] == 0.9
    assert "of EVENT keeps a precision of 0.6 or more on articles of this kind, with 90 % confidence." in _scores(asdict(fitted))
    plain = fit_calibration(choosing, LABELS, replace(settings, confidence=None), fitted_on={})
    assert fitted.thresholds["EVENT"] != plain.thresholds["EVENT"]
    assert {k: v for k, v in fitted.thresholds.items() if k != "EVENT"} == {
        k: v for k, v in plain.thresholds.items() if k != "EVENT"
    }


def test_a_promise_that_too_few_articles_would_have_to_keep_says_how_many_would_do(tagged, caplog):
    settings = EvaluationSettings(target_precision={"EVENT": 0.9}, confidence=0.9)
    with caplog.at_level(logging.WARNING):
        fitted = fit_calibration(tagged[:6], LABELS, settings, held=HeldApart(tagged[6:12], None), fitted_on={})
    assert re.search(
        r"EVENT=0.9 cannot be promised with 90 % confidence: .* the 6 articles held apart .* about \d+ validation", caplog.text
    )
    assert "confidence" not in fitted.targets.get("EVENT", {})


def test_half_of_the_validation_articles_are_held_apart_clusters_together(articles):
    assert divide_validation(articles, EvaluationSettings(), None) == (tuple(articles), ())
    settings = EvaluationSettings(target_precision={"EVENT": 0.6}, confidence=0.9)
    grouped = [replace(a, meta={"topic": number // 4}) for number, a in enumerate(articles)]
    choosing, held = divide_validation(grouped, settings, "topic")
    assert len(choosing) == len(held) == 12
    assert not {a.meta["topic"] for a in choosing} & {a.meta["topic"] for a in held}
    with pytest.raises(
        DataError, match=r"evaluation.confidence holds half of the validation articles apart: .* too few for 2 folds"
    ):
        divide_validation(grouped[:4], settings, "topic")
