"""Decoding of span scores, the flat one against every set of spans."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.heads.span_decoding import LEAST, decode_spans, most_probable_disjoint, overshadowed
from eventtag.labels import LabelSet

LABELS = LabelSet(("A", "B"))
WORDS = np.stack([np.arange(6) * 3, np.arange(6) * 3 + 2], axis=1)


def scores(*spans: tuple[int, int, int, float]) -> np.ndarray:
    found = np.full((6, 3, 2), -4.0, dtype=np.float32)
    for first, more, label, odds in spans:
        found[first, more, label] = odds
    return found


def test_nested_and_overlapping_spans_come_out_and_a_span_may_have_two_labels():
    found = decode_spans(scores((0, 2, 0, 3.0), (1, 0, 1, 1.0), (2, 1, 0, 0.5), (1, 0, 0, 2.0)), WORDS, LABELS, overlap=True)
    assert [(s.start, s.end, s.label) for s in found] == [(0, 8, "A"), (3, 5, "A"), (3, 5, "B"), (6, 11, "A")]
    assert found[0].score == pytest.approx(1 / (1 + np.exp(-3.0)))


def test_flat_decoding_takes_the_most_probable_first():
    found = decode_spans(scores((0, 2, 0, 3.0), (0, 0, 1, 2.0), (2, 0, 1, 1.5), (4, 1, 0, -1.0)), WORDS, LABELS, overlap=False)
    assert [(s.start, s.end, s.label) for s in found] == [(0, 8, "A"), (12, 17, "A")]
    found = decode_spans(scores((0, 2, 0, 1.0), (0, 0, 1, 2.0), (2, 0, 1, 1.5)), WORDS, LABELS, overlap=False)
    assert [(s.start, s.end, s.label) for s in found] == [(0, 2, "B"), (6, 8, "B")]


def test_spans_are_found_down_to_the_least_probability():
    odds = np.log(LEAST / (1 - LEAST))
    found = decode_spans(scores((0, 0, 0, odds + 1e-3), (2, 0, 0, odds - 1e-3)), WORDS, LABELS, overlap=True)
    assert [(s.start, round(s.score, 2)) for s in found] == [(0, LEAST)]


def test_words_that_no_model_looked_at_begin_no_span():
    unseen = scores((0, 0, 0, 2.0), (3, 0, 0, 2.0))
    unseen[3:] = np.nan
    for overlap in (False, True):
        assert [(s.start, s.end) for s in decode_spans(unseen, WORDS, LABELS, overlap=overlap)] == [(0, 2)]
        assert decode_spans(unseen[:0], WORDS[:0], LABELS, overlap=overlap) == ()


SPANS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 3), st.integers(-20, 50)).map(lambda s: (s[0], s[0] + s[1], s[2] / 10)),
    max_size=12,
)


@given(SPANS, st.integers(-20, 50))
def test_a_threshold_leaves_what_would_be_found_with_it(spans, limit):
    def found(chosen):
        first, last, odds = (np.array([span[part] for span in chosen]) for part in range(3))
        kept = most_probable_disjoint(first.astype(np.int64), last.astype(np.int64), odds.astype(np.float64))
        return [chosen[index] for index in kept]

    kept = found(spans)
    assert disjoint(kept)
    for span in spans:  # whatever is left out overlaps a span that is as probable at least
        assert span in kept or any(other[2] >= span[2] and other[0] <= span[1] and span[0] <= other[1] for other in kept)
    above = limit / 10
    assert [span for span in kept if span[2] >= above] == found([span for span in spans if span[2] >= above])


def disjoint(spans) -> bool:
    ordered = sorted(spans)
    return all(one[1] < other[0] for one, other in pairwise(ordered))


@given(st.lists(st.integers(-60, 60), min_size=36, max_size=36, unique=True))
def test_spans_in_no_shadow_are_those_of_the_flat_decoding(odds):
    found = np.array(odds, dtype=np.float32).reshape(6, 3, 2) / 10
    for width in (1, 2):
        found[6 - width :, width] = -9.0  # beyond the last word
    nested = decode_spans(found, WORDS, LABELS, overlap=True)
    shaded = overshadowed(nested)
    alone = [span for span, under in zip(nested, shaded, strict=True) if not under]
    assert alone == list(decode_spans(found, WORDS, LABELS, overlap=False))


def test_no_spans_have_no_shadow():
    assert overshadowed(()) == []
