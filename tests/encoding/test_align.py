from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.encoding.align import IGNORED, align_overlapping, align_spans, record_unmatchable
from eventtag.encoding.tokens import TokenisedText
from eventtag.encoding.windows import Window
from eventtag.heads.tag_decoding import tagged_spans
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.text.words import find_words

LABELS = LabelSet()
TEXT = "Police in Paris arrested the Iran-backed men, Reuters said on Monday ."
WORDS = find_words(TEXT)


def aligned(article: Article) -> tuple[np.ndarray, LossLedger]:
    ledger = LossLedger()
    return align_spans(article, WORDS, LABELS, ledger=ledger), ledger


def spans_of(tags: np.ndarray) -> list[Span]:
    return [Span(int(WORDS[f, 0]), int(WORDS[t, 1]), LABELS.label_of(b) or "") for f, t, b in tagged_spans(tags)]


@st.composite
def flat_spans(draw) -> tuple[Span, ...]:
    cuts = sorted(draw(st.sets(st.integers(0, len(WORDS)), min_size=2, max_size=10)))
    chosen = []
    for first, after in pairwise(cuts):
        label = draw(st.sampled_from([*LABELS.labels, None]))
        if label:
            chosen.append(Span(int(WORDS[first, 0]), int(WORDS[after - 1, 1]), label))
    return tuple(chosen)


@settings(max_examples=200)
@given(flat_spans())
def test_spans_on_words_come_back_from_their_tags(spans):
    tags, ledger = aligned(Article("a", TEXT, spans))
    assert spans_of(tags) == sorted(spans)
    assert not ledger.entries


def test_a_span_that_ends_inside_a_word_is_moved_to_its_edge_and_recorded():
    tags, ledger = aligned(Article("a", TEXT, (Span(10, 13, "LOCATION"),)))
    assert spans_of(tags) == [Span(10, 15, "LOCATION")]
    assert [(e.outcome, e.start, e.end, e.detail) for e in ledger.entries] == [("moved", 10, 13, "'Par' now 10-15")]


def test_a_span_on_a_word_of_another_is_recorded_as_dropped():
    tags, ledger = aligned(Article("a", TEXT, (Span(10, 12, "LOCATION"), Span(12, 15, "ACTOR"))))
    assert spans_of(tags) == [Span(10, 15, "LOCATION")]
    assert [(e.outcome, e.start, e.label, e.asked) for e in ledger.entries] == [
        ("moved", 10, "LOCATION", False),
        ("dropped", 12, "ACTOR", False),
    ]


@pytest.mark.parametrize(("end", "outcome"), [(28, "cut"), (24, "dropped")])
def test_of_a_span_over_the_edge_of_a_region_the_words_outside_are_not_learnt(end, outcome):
    span = Span(25, 44, "ACTOR") if outcome == "cut" else Span(24, 33, "ACTOR")
    article = Article("a", TEXT, (span,), annotated=((0, end + (outcome == "dropped")),))
    tags, ledger = aligned(article)
    assert [(e.stage, e.outcome, e.reason) for e in ledger.entries] == [
        ("aligning", outcome, "runs over the edge of an annotated region")
    ]
    assert (tags > 0).any() == (outcome == "cut")


def unmatchable(article: Article) -> list[tuple[str, int, int, str]]:
    ledger = LossLedger()
    record_unmatchable(article, WORDS, ledger=ledger)
    return [(e.outcome, e.start, e.end, e.reason) for e in ledger.entries]


def test_gold_that_no_prediction_can_match_is_recorded():
    spans = (
        Span(0, 6, "ACTOR"),
        Span(6, 7, "EVENT"),
        Span(10, 13, "LOCATION"),
        Span(29, 44, "ACTOR"),
        Span(29, 33, "LOCATION"),
        Span(46, 53, "ACTOR"),
        Span(62, 68, "EVENT"),
    )
    assert unmatchable(Article("a", TEXT, spans, annotated=((0, 50),))) == [
        ("dropped", 62, 68, "nobody annotated there"),
        ("unmatchable", 6, 7, "covers no word"),
        ("unmatchable", 10, 13, "begins or ends inside a word"),
        ("unmatchable", 29, 33, "overlaps another span, and one of them can be found"),
        ("unmatchable", 46, 53, "runs over the edge of an annotated region"),
    ]


@settings(max_examples=50)
@given(flat_spans())
def test_flat_spans_on_words_can_be_matched(spans):
    assert unmatchable(Article("a", TEXT, spans)) == []


def test_a_span_on_white_space_alone_is_recorded_as_dropped():
    tags, ledger = aligned(Article("a", TEXT, (Span(6, 7, "EVENT"),)))
    assert not (tags > 0).any()
    assert ledger.dropped == 1


def test_words_outside_annotated_regions_are_ignored():
    tags, _ = aligned(Article("a", TEXT, annotated=((0, 24),)))
    inside = [int(start) for (start, end), tag in zip(WORDS, tags, strict=True) if tag != IGNORED]
    assert inside == [0, 7, 10, 16]


@pytest.mark.parametrize("annotated", [((0, 24),), ((0, 15), (46, 59)), ()])
def test_spans_outside_annotated_regions_change_no_tag(annotated):
    article = Article("a", TEXT, annotated=annotated)
    outside = tuple(Span(int(s), int(e), "EVENT") for s, e in WORDS if not any(a < e and s < b for a, b in annotated))
    assert outside
    assert aligned(article)[0].tolist() == aligned(replace(article, spans=outside))[0].tolist()


def overlapping(article: Article, *, max_width: int = 16, windows: Sequence[Window] = ()) -> tuple[list[list[int]], LossLedger]:
    """What a span head learns of an article whose words are its tokens."""
    ledger = LossLedger()
    count = len(WORDS)
    order = np.arange(count)
    tokens = TokenisedText(order, order, WORDS, order, np.zeros(count), np.zeros(count, np.bool_), order)
    windows = windows or [Window(0, count, 0, count)]
    return align_overlapping(article, tokens, windows, LABELS, max_width=max_width, ledger=ledger).tolist(), ledger


def test_a_span_head_learns_nested_spans_and_several_labels_of_one_span():
    spans = (Span(0, 15, "ACTOR"), Span(10, 15, "LOCATION"), Span(10, 15, "ACTOR"), Span(16, 24, "EVENT"))
    found, ledger = overlapping(Article("a", TEXT, spans))
    assert found == [[0, 2, 0], [2, 0, 0], [2, 0, 2], [3, 0, 1]]
    assert not ledger.entries


def test_what_a_span_head_cannot_learn_is_in_the_ledger():
    spans = (Span(0, 15, "ACTOR"), Span(6, 7, "EVENT"), Span(10, 14, "LOCATION"), Span(10, 15, "LOCATION"), Span(30, 45, "ACTOR"))
    article = Article("a", TEXT, spans, annotated=((0, 40),))
    found, ledger = overlapping(article, max_width=2)
    assert found == [[2, 0, 2]]
    assert Counter((entry.outcome, entry.reason, entry.asked) for entry in ledger.entries) == {
        ("dropped", "has more words than model.max_span_width", True): 1,
        ("dropped", "covers no word", False): 1,
        ("moved", "moved to the edges of words", False): 1,
        ("dropped", "is another span's once both end at words", False): 1,
        ("dropped", "runs over the edge of an annotated region", False): 1,
    }


def test_a_span_that_the_window_of_its_first_word_does_not_hold_is_in_the_ledger():
    spans = (Span(0, 15, "ACTOR"), Span(10, 24, "EVENT"))
    windows = [Window(0, 3, 0, 2), Window(1, len(WORDS), 2, len(WORDS))]
    assert overlapping(Article("a", TEXT, spans), windows=windows)[0] == [[0, 2, 0], [2, 1, 1]]
    windows = [Window(0, 2, 0, 1), Window(1, len(WORDS), 1, len(WORDS))]
    found, ledger = overlapping(Article("a", TEXT, spans), windows=windows)
    assert found == [[2, 1, 1]]
    (entry,) = ledger.entries
    assert (entry.stage, entry.start, entry.end) == ("windowing", 0, 15)


def test_overlapping_gold_can_be_matched_where_overlaps_are_found():
    spans = (Span(0, 15, "ACTOR"), Span(10, 15, "LOCATION"))
    for overlap, lost in ((False, 1), (True, 0)):
        ledger = LossLedger()
        record_unmatchable(Article("a", TEXT, spans), WORDS, ledger=ledger, overlap=overlap)
        assert len(ledger.entries) == lost
    ledger = LossLedger()
    record_unmatchable(Article("a", TEXT, spans), WORDS, ledger=ledger, overlap=True, max_width=2)
    assert [entry.reason for entry in ledger.entries] == ["has more words than model.max_span_width"]
