"""Windows: model-sized slices of an article.

Sentences are packed up to the capacity. A longer article gets several windows, and neighbours share about `stride` tokens. The window in
which a token has the most context owns it; only the owner learns from the token and decides its tag. So no token is cut off, and none
counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eventtag.encoding.tokens import TokenisedText


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens [start, end) of an article (special tokens not counted); it owns tokens [own_start, own_end)."""

    start: int
    end: int
    own_start: int
    own_end: int


def plan_windows(tokens: TokenisedText, *, capacity: int, stride: int) -> list[Window]:
    """The windows that cover an article of N tokens; an article that fits has one, an empty article none.

    A window holds at most `capacity` tokens and ends at a sentence's end where the second half of it has one, else at a word's end
    (a word with more tokens than `capacity` is the only thing ever cut). `stride` is the number of tokens that neighbours share at
    most, as in Hugging Face tokenizers; 0 <= stride <= capacity / 2.
    """
    size = len(tokens.input_ids)
    if not size:
        return []
    new_sentence = np.diff(tokens.sentence_of, prepend=-1) > 0
    word_cuts = tokens.first_token
    sentence_cuts = word_cuts[new_sentence]
    slices: list[tuple[int, int]] = []
    start = 0
    while size - start > capacity:
        least = start + max(stride, capacity // 2)
        end = (
            _last_within(sentence_cuts, least, start + capacity)
            or _last_within(word_cuts, least, start + capacity)
            or start + capacity
        )
        slices.append((start, end))
        shared = _first_within(sentence_cuts, end - stride, end)
        if shared is None:
            shared = _first_within(word_cuts, end - stride, end)
        start = end if shared is None or shared <= start else shared
    slices.append((start, size))

    owned = [0]
    for (_, end), (next_start, _) in pairwise(slices):
        middle = (next_start + end + 1) // 2
        nearest = _first_within(word_cuts, middle, end)
        owned.append(end if nearest is None else nearest)
    owned.append(size)
    return [Window(start, end, own, next_own) for (start, end), own, next_own in zip(slices, owned[:-1], owned[1:], strict=True)]


def _last_within(cuts: np.ndarray[tuple[int], np.dtype[np.int64]], low: int, high: int) -> int | None:
    """The largest cut in (low, high], None if there is none."""
    index = int(np.searchsorted(cuts, high, side="right")) - 1
    return int(cuts[index]) if index >= 0 and cuts[index] > low else None


def _first_within(cuts: np.ndarray[tuple[int], np.dtype[np.int64]], low: int, high: int) -> int | None:
    """The smallest cut in [low, high), None if there is none."""
    index = int(np.searchsorted(cuts, low, side="left"))
    return int(cuts[index]) if index < len(cuts) and cuts[index] < high else None
