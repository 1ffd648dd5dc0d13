import json
import random

import pytest

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.scoring.mentions import count_mentions
from eventtag.scoring.report import analyse_articles, score_articles
from eventtag.span import Span

LABELS = LabelSet()


def corpus(articles=30, *, scores=True):
    rng = random.Random(2)
    pairs = []
    for number in range(articles):
        gold = tuple(Span(12 * k, 12 * k + 7, rng.choice(LABELS.labels)) for k in range(5))
        predicted = [Span(s.start, s.end, rng.choice((s.label, "EVENT")), round(rng.random(), 3)) for s in gold[:4]]
        text = "Minister of Foreign Affairs arrives; the talks with protest leaders fail"
        plain = [Span(s.start, s.end, s.label) for s in predicted]
        pairs.append((Article(f"n{number}", text, gold, meta={"source": "ab"[number % 2]}), predicted if scores else plain))
    return pairs


def test_analysis_keeps_the_scores_and_adds_everything_else():
    pairs = corpus()
    report = analyse_articles(pairs, LABELS, training=count_mentions([a for a, _ in pairs[:3]]), resamples=300)
    assert report.schemes == score_articles(pairs, LABELS).schemes
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    micro = data["intervals"]["schemes"]["strict"]["micro"]["f1"]
    assert micro["low"] < data["micro"]["f1"] < micro["high"]
    assert data["intervals"]["detectable_difference"]["micro"]["unrelated"] > 2 * micro["standard_error"]
    assert {"label", "meta.source", "seen in training"} <= {part["dimension"] for part in data["slices"]}
    wrong = data["micro"]["support"] - data["micro"]["gold_correct"]
    assert sum(sum(kind["gold"].values()) for kind in data["errors"]["kinds"].values()) == wrong
    assert data["calibration"]["labels"]["EVENT"]["curve"][-1]["recall"] == pytest.approx(data["labels"]["EVENT"]["recall"])
    lines = [json.loads(line) for line in report.errors.json_lines()]
    assert len(lines) == sum(kind["cases"] for kind in data["errors"]["kinds"].values())


def test_without_scores_there_is_no_calibration():
    report = analyse_articles(corpus(5, scores=False), LABELS, resamples=50)
    assert report.calibration is None
    assert report.to_json()["calibration"] is None


def test_an_article_without_any_span_can_be_analysed():
    report = analyse_articles([(Article("a", "Nothing happened."), [])], LABELS, resamples=50)
    assert report.slices == ()
    json.dumps(report.to_json(), allow_nan=False)
