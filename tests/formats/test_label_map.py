import pytest

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.formats.label_map import map_labels
from eventtag.ledger import LossLedger
from eventtag.span import Span

ARTICLE = Article(
    "a",
    "Kyiv fell again",
    (Span(0, 4, "LOC_GEO"), Span(0, 4, "LOC_OTHER"), Span(5, 9, "TIME_DATE")),
    labels=("LOC_GEO", "LOC_OTHER", "TIME_DATE", "WAR"),
)


def mapped(article, label_map, **options):
    ledger = LossLedger()
    (result,) = map_labels([article], label_map, ledger=ledger, **options)
    return result, ledger


def test_patterns_rename_and_drop_and_equal_spans_merge():
    article, ledger = mapped(ARTICLE, {"LOC_*": "LOCATION", "TIME_*": None})
    assert article.spans == (Span(0, 4, "LOCATION"),)
    assert article.labels == ("LOCATION",)
    assert [(e.outcome, e.label, e.asked) for e in ledger.entries] == [
        ("merged", "LOC_OTHER", False),
        ("dropped", "TIME_DATE", True),
    ]


def test_a_name_comes_before_every_pattern():
    article, _ = mapped(ARTICLE, {"*": "X", "TIME_DATE": "TIME"})
    assert [span.label for span in article.spans] == ["X", "TIME"]


def test_a_label_that_nothing_fits_is_an_error_or_keeps_its_name():
    with pytest.raises(
        DataError, match=r"article 'a': label 'TIME_DATE' has no entry in the label map \(LOC_\*\); add `TIME_DATE: NEW_LABEL`"
    ):
        mapped(ARTICLE, {"LOC_*": "LOCATION"})
    article, _ = mapped(ARTICLE, {"LOC_*": "LOCATION"}, keep_others=True)
    assert article.labels == ("LOCATION", "TIME_DATE", "WAR")


def test_scores_are_kept():
    article, _ = mapped(Article("a", "x", (Span(0, 1, "A", 0.5),)), {"A": "B"})
    assert article.spans == (Span(0, 1, "B", 0.5),)


def test_a_rejected_span_stays_only_where_its_label_alone_becomes_the_new_one():
    article = Article("a", "Kyiv fell", rejected=(Span(0, 4, "PERSON"), Span(5, 9, "WAR"), Span(0, 9, "DATE")))
    found, ledger = mapped(article, {"PERSON": "ACTOR", "ORG": "ACTOR", "WAR": "EVENT", "DATE": None})
    assert found.rejected == (Span(5, 9, "EVENT"),)
    assert [note.reason.partition(": ")[2] for note in ledger.notes] == [
        "PERSON becomes ACTOR, as other labels do",
        "DATE maps to nothing",
    ]
    found, _ = mapped(article, {"PERSON": "WAR"}, keep_others=True)
    assert found.rejected == (Span(0, 9, "DATE"),)
    found, _ = mapped(article, {"P*": "ACTOR", "*": None})  # what else the pattern stands for is not known
    assert found.rejected == ()
