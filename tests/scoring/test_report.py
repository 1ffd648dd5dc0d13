import json

import pytest

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.labels import LabelSet
from eventtag.reporting.console import render_table
from eventtag.reporting.html import render_page
from eventtag.reporting.markdown import render_scores_table
from eventtag.scoring.compare import compare_systems
from eventtag.scoring.report import analyse_articles, score_articles
from eventtag.span import Span

LABELS = LabelSet()
TEXT = "Police arrested two men in Cairo on Friday."
POLICE, ARREST, MEN, CAIRO = Span(0, 6, "ACTOR"), Span(7, 15, "EVENT"), Span(16, 23, "ACTOR"), Span(27, 32, "LOCATION")


def article(name="a", **changes):
    return Article(**{"id": name, "text": TEXT, "spans": (POLICE, ARREST, MEN, CAIRO), **changes})


def test_report_counts_exact_offsets_and_label_only():
    report = score_articles([(article(), [POLICE, Span(7, 14, "EVENT"), Span(27, 32, "ACTOR")])], LABELS)
    actor, event, location = report.strict.labels.values()
    assert (actor.precision, actor.recall, actor.f1, actor.support) == (0.5, 0.5, 0.5, 2)
    assert (event.f1, event.support, location.f1, location.support) == (0.0, 1, 0.0, 1)
    assert report.strict.micro.precision == pytest.approx(1 / 3)
    assert report.strict.micro.recall == 0.25
    assert report.strict.macro.f1 == pytest.approx(0.5 / 3)
    assert report.strict.weighted.f1 == pytest.approx(0.25)


def test_macro_is_over_all_configured_labels_even_without_gold_or_prediction():
    report = score_articles([(article(spans=(POLICE,)), [POLICE])], LABELS)
    assert report.strict.macro.f1 == pytest.approx(1 / 3)
    assert list(report.strict.labels) == ["ACTOR", "EVENT", "LOCATION"]
    assert report.strict.labels["EVENT"].support == 0


def test_perfect_and_empty_predictions_have_the_stated_scores():
    assert score_articles([(article(), article().spans)], LABELS).strict.micro.f1 == 1.0
    nothing = score_articles([(article(), [])], LABELS).strict.micro
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.missed) == (0.0, 0.0, 0.0, 4)


def test_spans_outside_annotated_regions_or_labels_change_no_score():
    partly = article(annotated=((0, 24),), labels=("ACTOR", "LOCATION"), spans=(POLICE, MEN, CAIRO))
    clean = score_articles([(partly, [POLICE])], LABELS)
    noisy = score_articles([(partly, [POLICE, Span(27, 32, "ACTOR"), ARREST])], LABELS)
    assert noisy == clean
    assert clean.strict.micro.support == 2


def test_a_span_that_touches_an_annotated_region_counts():
    partly = article(annotated=((0, 30),))
    assert score_articles([(partly, [CAIRO])], LABELS).strict.labels["LOCATION"].f1 == 1.0


def test_duplicates_count_once_and_overlapping_gold_counts():
    nested = article(spans=(POLICE, Span(0, 15, "EVENT"), ARREST))
    report = score_articles([(nested, [POLICE, POLICE, Span(0, 6, "ACTOR", 0.3)])], LABELS)
    assert (report.strict.micro.predicted, report.strict.micro.support) == (1, 3)


def test_unknown_gold_label_names_article_and_label():
    with pytest.raises(DataError, match=r"article 'a'.*\n.*gold span 0-6 has the label 'PERSON'"):
        score_articles([(article(spans=(Span(0, 6, "PERSON"),)), [])], LABELS)


def test_predicted_span_outside_the_text_is_an_error():
    with pytest.raises(DataError, match="outside its text"):
        score_articles([(article(), [Span(40, 60, "ACTOR")])], LABELS)


def test_an_article_scored_twice_and_no_article_are_errors():
    with pytest.raises(DataError, match="'a' is scored twice"):
        score_articles([(article(), []), (article(), [])], LABELS)
    with pytest.raises(DataError, match="no article to score"):
        score_articles([], LABELS)


def test_json_has_the_documented_keys_in_full_precision():
    report = score_articles([(article(), [POLICE, ARREST, Span(1, 2, "EVENT")])], LABELS)
    data = json.loads(json.dumps(report.described(checkpoint={"path": "x"}, data={"name": "y"}).to_json()))
    assert data["micro"]["precision"] == 2 / 3
    assert {"labels", "micro", "macro", "weighted", "articles", "checkpoint", "data", "schemes", "cross_check"} <= set(data)
    assert set(data["labels"]) == {"ACTOR", "EVENT", "LOCATION"}
    assert (data["articles"], data["checkpoint"], data["data"]) == (1, {"path": "x"}, {"name": "y"})


def test_table_shows_every_label_and_the_averages():
    lines = render_table(score_articles([(article(), [POLICE])], LABELS)).splitlines()
    assert [line.split()[0] for line in lines if "-----" not in line][:7] == [
        "label", "ACTOR", "EVENT", "LOCATION", "micro", "macro", "weighted"
    ]  # fmt: skip
    assert len({len(line) for line in lines[2:5]}) == 1


def test_markdown_escapes_labels():
    report = score_articles([(Article("a", "x", (Span(0, 1, "A|B"),)), [])], LabelSet(("A|B",)))
    assert r"| A\|B | 0.0000 |" in render_scores_table(report)


def test_word_level_counts_words_that_share_a_character_with_a_span():
    report = score_articles([(article(), [Span(16, 19, "ACTOR"), Span(0, 3, "ACTOR"), Span(25, 32, "LOCATION")])], LABELS)
    word = report.schemes["word"].labels
    assert (word["ACTOR"].gold_correct, word["ACTOR"].missed, word["ACTOR"].spurious) == (2, 1, 0)
    assert (word["LOCATION"].gold_correct, word["LOCATION"].spurious) == (1, 1)
    assert word["EVENT"].recall == 0.0


def test_word_level_leaves_out_words_of_unannotated_text():
    report = score_articles([(article(annotated=((0, 15),), spans=(POLICE,)), [Span(0, 23, "ACTOR")])], LABELS)
    assert report.schemes["word"].labels["ACTOR"].predicted == 2


def test_a_label_that_nobody_was_marking_is_in_no_average():
    """As when articles annotated for two labels of three are scored with a tagger of all three."""
    gold, marked = (Span(0, 6, "ACTOR"), Span(7, 11, "EVENT")), ("ACTOR", "EVENT")
    pairs = [(Article(str(n), "Police came.", gold, labels=marked), gold[: 1 + (n > 0)]) for n in range(10)]
    report = analyse_articles(pairs, LabelSet(), resamples=200)
    two = analyse_articles(pairs, LabelSet(marked), resamples=200)
    assert report.strict.macro == two.strict.macro
    assert report.strict.macro.f1 == pytest.approx((1 + 18 / 19) / 2)
    assert score_articles(pairs, LabelSet(), words=None).strict.macro == two.strict.macro
    for scheme in ("strict", "word"):
        assert report.intervals.interval(scheme, "macro") == two.intervals.interval(scheme, "macro")
    assert report.to_json()["unannotated"] == ["LOCATION"]
    for text in (render_table(report), render_scores_table(report), render_page(report, pairs)):
        assert "o score for LOCATION: no scored article was annotated for it" in text


def test_a_label_that_was_marked_and_not_found_counts_in_macro():
    """Somebody looked for LOCATION in one article, and there was none."""
    gold = (Span(0, 6, "ACTOR"),)
    pairs = [(Article("a", "Police came.", gold, labels=("ACTOR",)), gold), (Article("b", "It rained."), [])]
    assert score_articles(pairs, LabelSet()).strict.macro.f1 == pytest.approx(1 / 3)
    unseen = [(pairs[0]), (Article("b", "It rained.", annotated=()), [])]
    assert score_articles(unseen, LabelSet()).strict.macro.f1 == 1.0


def test_systems_are_not_compared_by_labels_that_nobody_was_marking():
    gold = (Span(0, 6, "ACTOR"),)
    articles = [Article(str(n), "Police came.", gold, labels=("ACTOR", "EVENT")) for n in range(6)]
    tallies = {name: score_articles([(a, gold[:k]) for a in articles], LabelSet()).tally for name, k in (("a", 0), ("b", 1))}
    [pair] = compare_systems(tallies, trials=100).pairs
    assert pair.difference("strict", "macro").difference == pytest.approx(0.5)
    assert {d.row for d in pair.differences} == {"ACTOR", "EVENT", "micro", "macro", "weighted"}


def test_scores_of_spans_alone_are_those_of_the_whole_report():
    pairs = [(article(), [POLICE, Span(7, 14, "EVENT"), Span(27, 32, "ACTOR")]), (article("b"), [ARREST, CAIRO])]
    whole, alone = score_articles(pairs, LABELS), score_articles(pairs, LABELS, words=None, others=False)
    assert whole.conventional
    assert (alone.conventional, alone.cross_check) == ((), None)
    assert alone.schemes == {name: scores for name, scores in whole.schemes.items() if name in alone.schemes}
