"""Strings between blanks: where they are words, what is moved to their ends, and which gold spans cannot be found then."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.corpus.loading import Corpus
from eventtag.encoding.align import record_unmatchable
from eventtag.heads.whole_strings import whole_strings
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.span import Span, score_of
from eventtag.text.strings import inside_string, words_stand_apart
from eventtag.text.words import find_words
from eventtag.training.learnt import ENOUGH_SPANS, learns_cut_strings

APPLE = "Apple Inc. , said the U.S. court .\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (APPLE, True),
        (APPLE.replace(" ,", ",").replace(" .", "."), False),
        ("Apple Inc. bought Beats", False),  # neither sign tells
        ("He paid 1,000 dollars , he said", True),  # a comma inside a number is no sign of the sentence
        ("Mr. Lee met Gen. Ali .", True),  # nor is a point inside a line
        ("Paris brûle ! Où ? À Paris, dit-on.", False),  # French puts blanks before some signs
        ("Mr. Lee , 40, met Ali.\nHe left.", False),
        ("Mr. Lee , 40, met Ali.\u2028He left.", False),
        ("警察 逮捕 了 他 。", True),
        ("警察逮捕了他。", False),
        (", and", False),
        ("", False),
    ],
)
def test_strings_are_words_where_most_signs_stand_apart(text, expected):
    assert words_stand_apart(text) is expected


def test_words_behind_the_first_of_a_string_are_inside_it():
    words = find_words(APPLE)
    found = [APPLE[start:end] for start, end in words[inside_string(APPLE, words)]]
    assert found == [".", ".", "S", "."]
    raw = "Apple Inc., said the U.S. court."
    assert not inside_string(raw, find_words(raw)).any()
    assert inside_string("", find_words("")).shape == (0,)


def test_spans_grow_to_whole_strings_and_keep_their_scores():
    words = find_words(APPLE)
    inside = inside_string(APPLE, words)
    spans = (Span(0, 9, "ACTOR", 0.7), Span(22, 23, "LOCATION", 0.4), Span(24, 25, "ACTOR", 0.6))
    moved = whole_strings(spans, words, inside, overlap=False)
    assert [(APPLE[span.start : span.end], span.label, span.score) for span in moved] == [
        ("Apple Inc.", "ACTOR", 0.7),
        ("U.S.", "ACTOR", 0.6),
    ]
    both = whole_strings((*spans, Span(22, 25, "ACTOR", 0.5)), words, inside, overlap=True)
    assert [(span.label, span.score) for span in both] == [("ACTOR", 0.7), ("ACTOR", 0.6), ("LOCATION", 0.4)]


@given(st.lists(st.sampled_from(["a", "b-c", "d.e.", "'f", ",", "."]), min_size=1, max_size=8), st.booleans(), st.data())
def test_no_edge_stays_inside_a_string_and_spans_of_whole_strings_stay(strings, overlap, data):
    text = " ".join([*strings, ","])
    words = find_words(text)
    inside = inside_string(text, words)
    place = st.integers(0, len(words) - 1)
    drawn = data.draw(st.lists(st.tuples(place, place, st.sampled_from("AB")), max_size=4))
    spans = []
    for number, (one, other, label) in enumerate(drawn):
        start, end = int(words[min(one, other), 0]), int(words[max(one, other), 1])
        if overlap or all(end <= span.start or span.end <= start for span in spans):
            spans.append(Span(start, end, label, 0.5 + number / 100))
    moved = whole_strings(sorted(spans), words, inside, overlap=overlap)
    blanks = [place for place, letter in enumerate(text) if letter == " "]
    edges = {0, len(text), *blanks, *(place + 1 for place in blanks)}
    assert all({span.start, span.end} <= edges for span in moved)
    assert list(moved) == sorted(moved)
    assert {score_of(span) for span in moved} <= {score_of(span) for span in spans}
    for span in spans:
        assert any(score_of(other) >= score_of(span) for other in moved if other.start < span.end and span.start < other.end)
    if not overlap:
        assert all(one.end <= other.start for one, other in pairwise(moved))
    if all({span.start, span.end} <= edges for span in spans) and len({(s.start, s.end, s.label) for s in spans}) == len(spans):
        assert moved == tuple(sorted(spans))


def test_gold_that_cuts_strings_is_recorded_as_not_to_be_found():
    article = Article("a", APPLE, (Span(0, 9, "ACTOR"), Span(0, 10, "ACTOR"), Span(22, 26, "LOCATION"), Span(24, 26, "LOCATION")))
    recorded = []
    for cuts_strings in (True, False):
        ledger = LossLedger()
        record_unmatchable(article, find_words(APPLE), ledger=ledger, overlap=True, cuts_strings=cuts_strings)
        recorded.append([(entry.start, entry.end, entry.reason) for entry in ledger.entries])
    reason = "begins or ends inside a string between blanks, as no span of the training articles does"
    assert recorded == [[], [(0, 9, reason), (24, 26, reason)]]


def corpus_of(articles: list[Article]) -> Corpus:
    return Corpus("a", LabelSet(), {"train": tuple(articles)}, "all")


def test_a_run_learns_that_no_span_cuts_strings_from_enough_spans_without_exception():
    whole = [Article(str(number), APPLE, (Span(0, 10, "ACTOR"),)) for number in range(ENOUGH_SPANS)]
    assert not learns_cut_strings(corpus_of(whole))
    assert learns_cut_strings(corpus_of(whole[:-1]))
    for cutting in (Span(22, 25, "ACTOR"), Span(24, 26, "ACTOR")):
        assert learns_cut_strings(corpus_of([*whole, Article("cut", APPLE, (cutting,))]))
    unlooked = Article("cut", APPLE, (Span(22, 25, "ACTOR"),), annotated=((0, 10),))
    assert not learns_cut_strings(corpus_of([*whole, unlooked]))
    plain = [Article(str(number), APPLE, (Span(27, 32, "ACTOR"),)) for number in range(ENOUGH_SPANS)]
    assert learns_cut_strings(corpus_of(plain))  # "court" holds no place where an edge could be
    published = [Article(item.id, "Apple Inc., said the U.S. court.", item.spans) for item in whole]
    assert learns_cut_strings(corpus_of(published))
