from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.scoring.crosscheck import INSIDE_WORD, NO_WORD, OVERLAP, REGION_EDGE, SHARED_WORD, WHITE_SPACE
from eventtag.scoring.report import score_articles
from eventtag.span import Span

LABELS = LabelSet()
TEXT = "Police arrested two men in Cairo on Friday."


def check(gold, predicted=(), **changes):
    article = Article("a", TEXT, tuple(gold), **changes)
    return score_articles([(article, list(predicted))], LABELS).cross_check


def reasons(result):
    return {(reason.reason, reason.side, reason.spans) for reason in result.reasons}


def test_seqeval_agrees_where_spans_fall_on_words():
    result = check([Span(0, 6, "ACTOR"), Span(7, 15, "EVENT")], [Span(0, 6, "ACTOR"), Span(27, 32, "LOCATION")])
    assert result.agrees
    assert not result.reasons
    assert result.micro.f1 == 0.5


def test_no_span_at_all_agrees():
    assert check([]).agrees


def test_edge_inside_a_word_is_named_with_its_article():
    result = check([Span(0, 6, "ACTOR")], [Span(0, 5, "ACTOR")])
    assert not result.agrees
    assert reasons(result) == {(INSIDE_WORD, "predicted", 1)}
    assert "1 predicted span (an edge inside a word) in 1 article: a" in result.note


def test_overlapping_gold_is_named():
    result = check([Span(0, 6, "ACTOR"), Span(0, 15, "EVENT")])
    assert reasons(result) == {(OVERLAP, "gold", 1)}
    assert not result.agrees


def test_edge_on_white_space_and_span_without_word_are_named():
    assert reasons(check([Span(0, 7, "ACTOR")])) == {(WHITE_SPACE, "gold", 1)}
    assert (NO_WORD, "gold", 1) in reasons(check([Span(6, 7, "ACTOR")]))


def test_two_spans_in_one_word_are_named():
    assert (SHARED_WORD, "gold", 1) in reasons(check([Span(0, 3, "ACTOR"), Span(3, 6, "EVENT")]))


def test_span_across_a_region_edge_is_named_and_not_glued_over_unannotated_text():
    result = check([Span(0, 23, "ACTOR")], annotated=((0, 6), (16, 43)))
    assert (REGION_EDGE, "gold", 1) in reasons(result)
    assert result.micro.support == 2


def test_mentions_on_both_sides_of_unannotated_text_stay_apart():
    gold = [Span(0, 6, "ACTOR"), Span(16, 23, "ACTOR")]
    result = check(gold, gold, annotated=((0, 6), (16, 43)))
    assert result.agrees
    assert result.micro.support == 2


def test_a_label_with_hyphens_reaches_seqeval_unharmed():
    article = Article("a", TEXT, (Span(0, 6, "-A-"), Span(7, 15, "A")))
    result = score_articles([(article, article.spans)], LabelSet(("-A-", "A"))).cross_check
    assert result.agrees
    assert result.labels["-A-"].support == 1


def test_words_of_the_caller_are_used():
    article = Article("a", TEXT, (Span(0, 3, "ACTOR"),))
    result = score_articles([(article, article.spans)], LABELS, words=lambda _: [(0, 3), (3, 6), (7, 15)]).cross_check
    assert result.agrees
    assert not result.reasons


def test_cross_check_can_be_left_out():
    report = score_articles([(Article("a", TEXT), [])], LABELS, words=None)
    assert report.cross_check is None
    assert report.to_json()["cross_check"] is None
