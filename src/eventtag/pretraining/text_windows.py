"""Windows of articles that nobody annotated, for pre-training.

Letters for shapes: B windows, T tokens of a window (special tokens included), V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from transformers import PreTrainedTokenizerBase

from eventtag.article import Article
from eventtag.encoding.tokens import special_tokens, tokenise
from eventtag.encoding.windows import plan_windows

SPECIAL = -1
"""Word number of a token that no word owns."""


@dataclass(frozen=True, slots=True)
class TextWindow:
    """`input_ids` [T], and `words` [T]: number of each token's word in its article, SPECIAL for tokens without one."""

    input_ids: npt.NDArray[np.int32]
    words: npt.NDArray[np.int32]


def build_text_windows(
    articles: Iterable[Article], tokenizer: PreTrainedTokenizerBase, *, max_length: int
) -> list[list[TextWindow]]:
    """For each article the windows that cover it, without overlap; none for an article without a word."""
    prefix, suffix = special_tokens(tokenizer)
    windows = []
    for article in articles:
        tokens = tokenise(article.text, tokenizer)
        plans = plan_windows(tokens, capacity=max_length - len(prefix) - len(suffix), stride=0) if len(tokens.words) else []
        windows.append(
            [
                TextWindow(
                    np.concatenate([prefix, tokens.input_ids[plan.start : plan.end], suffix]).astype(np.int32),
                    np.pad(tokens.word_of[plan.start : plan.end], (len(prefix), len(suffix)), constant_values=SPECIAL).astype(
                        np.int32
                    ),
                )
                for plan in plans
            ]
        )
    return windows


def collate_text(windows: Sequence[TextWindow], *, pad_token_id: int) -> dict[str, torch.Tensor]:
    """A padded batch: `input_ids`, `attention_mask` and `words` (SPECIAL where padded) [B, T]."""
    width = max(len(window.input_ids) for window in windows)
    input_ids = np.full((len(windows), width), pad_token_id, dtype=np.int64)
    words = np.full((len(windows), width), SPECIAL, dtype=np.int64)
    mask = np.zeros((len(windows), width), dtype=np.int64)
    for row, window in enumerate(windows):
        length = len(window.input_ids)
        input_ids[row, :length], words[row, :length], mask[row, :length] = window.input_ids, window.words, 1
    return {
        "input_ids": torch.from_numpy(input_ids),
        "attention_mask": torch.from_numpy(mask),
        "words": torch.from_numpy(words),
    }


def count_tokens(windows: Iterable[TextWindow], size: int) -> torch.Tensor:
    """[V]: how often each of `size` token ids occurs in a word."""
    counts = np.zeros(size, dtype=np.int64)
    for window in windows:
        counts += np.bincount(window.input_ids[window.words != SPECIAL], minlength=size)
    return torch.from_numpy(counts)
