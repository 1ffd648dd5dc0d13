from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.encoding.tokens import TokenisedText
from eventtag.encoding.windows import plan_windows


def tokens_of(word_lengths: list[int], sentence_ends: set[int]) -> TokenisedText:
    """Words of these many tokens each; a new sentence begins after each word numbered in `sentence_ends`."""
    first = np.cumsum([0, *word_lengths[:-1]]) if word_lengths else np.array([], dtype=np.int64)
    sentence = np.array([sum(end < word for end in sentence_ends) for word in range(len(word_lengths))], dtype=np.int64)
    size = sum(word_lengths)
    return TokenisedText(
        np.arange(size),
        np.repeat(np.arange(len(word_lengths)), word_lengths),
        np.zeros((len(word_lengths), 2)),
        first,
        sentence,
        np.zeros(len(word_lengths), np.bool_),
        np.zeros(size, np.int64),
    )


layouts = st.tuples(
    st.lists(st.integers(1, 4), max_size=120), st.sets(st.integers(0, 119), max_size=20), st.integers(8, 40), st.floats(0, 0.45)
)


@settings(max_examples=300)
@given(layouts)
def test_windows_cover_an_article_and_own_each_token_once(layout):
    lengths, ends, capacity, share = layout
    tokens = tokens_of(lengths, ends)
    stride = int(share * capacity)
    windows = plan_windows(tokens, capacity=capacity, stride=stride)
    size = len(tokens.input_ids)
    assert [w.own_start for w in windows] == [0, *(w.own_end for w in windows[:-1])][: len(windows)]
    assert (windows[-1].own_end if windows else 0) == size
    for window in windows:
        assert 0 < window.end - window.start <= capacity
        assert window.start <= window.own_start <= window.own_end <= window.end
    for one, other in pairwise(windows):
        assert one.start < other.start <= one.end < other.end
        assert one.end - other.start <= stride
    starts = set(tokens.first_token.tolist()) | {size}
    assert all(window.start in starts and window.end in starts and window.own_start in starts for window in windows)


def test_an_article_that_fits_is_one_window():
    assert len(plan_windows(tokens_of([1] * 10, {3}), capacity=10, stride=2)) == 1


def test_windows_end_with_a_sentence_where_one_ends_in_their_second_half():
    windows = plan_windows(tokens_of([1] * 30, {7, 15, 23}), capacity=10, stride=2)
    assert windows[0].end == 8


def test_a_token_is_owned_by_the_window_with_more_context_around_it():
    first, second = plan_windows(tokens_of([1] * 16, set()), capacity=10, stride=4)
    for token in range(second.start, first.end):
        left_of_second, right_of_first = token - second.start, first.end - 1 - token
        owner = first if token < first.own_end else second
        assert owner is (first if right_of_first > left_of_second else second) or right_of_first == left_of_second


def test_only_a_word_longer_than_a_window_is_cut():
    windows = plan_windows(tokens_of([2, 25, 2], set()), capacity=10, stride=0)
    assert sum(w.own_end - w.own_start for w in windows) == 29
