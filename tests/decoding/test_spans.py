"""Decoding of span scores, the flat one against every set of spans."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.decoding.spans import best_disjoint, decode_spans
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


def test_flat_decoding_weighs_one_long_span_against_several_short_ones():
    several = scores((0, 2, 0, 3.0), (0, 0, 1, 2.0), (2, 0, 1, 1.5))
    assert [(s.start, s.end, s.label) for s in decode_spans(several, WORDS, LABELS, overlap=False)] == [(0, 2, "B"), (6, 8, "B")]
    one = scores((0, 2, 0, 4.0), (0, 0, 1, 2.0), (2, 0, 1, 1.5))
    assert [(s.start, s.end, s.label) for s in decode_spans(one, WORDS, LABELS, overlap=False)] == [(0, 8, "A")]


def test_words_that_no_model_looked_at_begin_no_span():
    unseen = scores((0, 0, 0, 2.0), (3, 0, 0, 2.0))
    unseen[3:] = np.nan
    for overlap in (False, True):
        assert [(s.start, s.end) for s in decode_spans(unseen, WORDS, LABELS, overlap=overlap)] == [(0, 2)]
        assert decode_spans(unseen[:0], WORDS[:0], LABELS, overlap=overlap) == ()


SPANS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 3), st.integers(1, 50)).map(lambda s: (s[0], s[0] + s[1], s[2] / 7)), max_size=9
)


@given(SPANS)
def test_no_set_of_disjoint_spans_is_better(spans):
    first, last, gains = (np.array([span[part] for span in spans]) for part in range(3))
    kept = best_disjoint(first.astype(np.int64), last.astype(np.int64), gains.astype(np.float64))
    assert disjoint([spans[index] for index in kept])
    best = max(
        sum(span[2] for span in chosen)
        for size in range(len(spans) + 1)
        for chosen in combinations(spans, size)
        if disjoint(chosen)
    )
    assert sum(spans[index][2] for index in kept) == pytest.approx(best)


def disjoint(spans) -> bool:
    ordered = sorted(spans)
    return all(one[1] < other[0] for one, other in pairwise(ordered))
