import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.pretraining.masking import Masking, build_masking, mask_windows

MASK = 4


def masking(*, share: float = 0.15, whole_words: bool = True) -> Masking:
    return Masking(share, whole_words, MASK, np.arange(5, 50))


@st.composite
def windows(draw) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and word numbers [B, T]: words of 1 to 4 tokens between special tokens, padded."""
    rows = []
    for _ in range(draw(st.integers(1, 4))):
        sizes = draw(st.lists(st.integers(1, 4), max_size=12))
        rows.append([-1, *(number for number, size in enumerate(sizes) for _ in range(size)), -1])
    width = max(map(len, rows)) + draw(st.integers(0, 3))
    words = np.array([row + [-1] * (width - len(row)) for row in rows])
    return np.where(words < 0, 0, 10 + words), words


@settings(max_examples=80)
@given(windows(), st.floats(0.05, 0.6), st.booleans(), st.integers(0, 1000))
def test_whole_words_are_hidden_up_to_the_share_and_nothing_else_is_touched(batch, share, whole_words, seed):
    ids, words = batch
    hidden, where = mask_windows(ids, words, masking(share=share, whole_words=whole_words), np.random.default_rng(seed))
    assert not where[words < 0].any()
    assert (hidden[~where] == ids[~where]).all()
    for row in range(len(ids)):
        numbers = words[row]
        size = int((numbers >= 0).sum())
        chosen = set(numbers[where[row]].tolist())
        if size:
            assert where[row].sum() >= 1
            assert where[row].sum() <= share * size or len(chosen) == 1
        if whole_words:
            assert all(where[row][numbers == number].all() for number in chosen)


def test_of_hidden_tokens_a_tenth_stays_and_a_tenth_becomes_another():
    ids = np.full((200, 100), 7)
    words = np.tile(np.arange(100), (200, 1))
    hidden, where = mask_windows(ids, words, masking(share=0.5), np.random.default_rng(1))
    assert where.sum() == 200 * 50
    shares = [(hidden[where] == MASK).mean(), (hidden[where] == 7).mean()]
    assert shares == pytest.approx([0.8, 0.1], abs=0.02)
    assert set(np.unique(hidden)) <= {MASK, *range(5, 50)}


def test_a_random_token_is_never_a_special_one():
    tokenizer = build_tiny_tokenizer(["Police met men"])
    built = build_masking(tokenizer, share=0.2, whole_words=False)
    assert built.mask_id == tokenizer.mask_token_id
    assert not set(built.ordinary_ids.tolist()) & set(tokenizer.all_special_ids)
