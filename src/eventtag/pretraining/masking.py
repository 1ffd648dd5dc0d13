"""Which tokens pre-training hides, and what replaces them.

A share of each window's tokens is hidden, whole words at a time if wanted, because the hidden end of a word is too easy to guess. 80 %
of the hidden tokens become the mask token, 10 % a random token, and 10 % stay the same (Devlin et al. 2019, section 3.1,
https://aclanthology.org/N19-1423/).

Letters for shapes: B windows, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Masking:
    """How to hide: the share of tokens, whether by whole words, the mask token's id, and the ids that a random token is drawn from."""

    share: float
    whole_words: bool
    mask_id: int
    ordinary_ids: IntArray


def build_masking(tokenizer: PreTrainedTokenizerBase, *, share: float, whole_words: bool) -> Masking:
    """The masking of a tokenizer that has a mask token."""
    ordinary = np.setdiff1d(np.arange(len(tokenizer)), np.array(tokenizer.all_special_ids))
    return Masking(share, whole_words, int(tokenizer.mask_token_id), ordinary)


def mask_windows(
    input_ids: IntArray, words: IntArray, masking: Masking, random: np.random.Generator
) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """[B, T], [B, T]: the token ids with some hidden, and where they were hidden.

    `words` [B, T] is the number of the word that each token belongs to, negative where nothing may be hidden (special tokens, padding).
    Every window with a word has at least one hidden word. More are hidden only as long as they have at most the share of its tokens.
    """
    chosen = np.zeros(input_ids.shape, dtype=np.bool_)
    for row, numbers in enumerate(words):
        places = np.flatnonzero(numbers >= 0)
        if not len(places):
            continue
        units = np.unique(numbers[places], return_inverse=True)[1] if masking.whole_words else np.arange(len(places))
        sizes = np.bincount(units)
        order = random.permutation(len(sizes))
        count = int(np.searchsorted(np.cumsum(sizes[order]), masking.share * len(places), side="right"))
        chosen[row, places[np.isin(units, order[: max(count, 1)])]] = True
    draw = random.random(input_ids.shape)
    hidden = np.where(chosen & (draw < 0.8), masking.mask_id, input_ids)
    other = random.choice(masking.ordinary_ids, input_ids.shape)
    return np.where(chosen & (draw >= 0.8) & (draw < 0.9), other, hidden), chosen
