"""Running a model with a span head over the windows of many articles: the scores of every span of up to M words.

A span is decided by the window that owns its first word, so it is found if that window holds it whole; windows share `stride` tokens so
that most do. Scores stand at [first word, number of words - 1, label], never in a [W, W] array.

Letters for shapes: W words of an article, M widths, L labels, B windows, T tokens, K words of the longest window.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from eventtag.encoding.tokens import SpecialTokens, TokenisedText
from eventtag.settings import WindowSettings
from eventtag.tagging.emissions import batches, input_arrays, plan_jobs, require_numbers

IntArray = npt.NDArray[np.int64]


class ScoresSpans(Protocol):
    """A backend with a span head."""

    def span_scores(self, input_ids: IntArray, casing_ids: IntArray, word_positions: IntArray) -> npt.NDArray[np.float32]:
        """[B, K, M, L] log-odds; inputs as those of `TorchBackend.span_scores`."""
        ...


def article_span_scores(
    texts: Sequence[TokenisedText],
    wanted: Sequence[IntArray],
    backend: ScoresSpans,
    *,
    special: SpecialTokens,
    window: WindowSettings,
    shape: tuple[int, int],
    batch_tokens: int,
) -> list[npt.NDArray[np.float32]]:
    """[W, M, L] log-odds for each text, (M, L) being the `shape`; NaN for first words that were not run because their window owns none
    of the tokens `wanted`. Raises DataError when the model itself gives NaN.
    """
    before, behind = len(special.prefix), len(special.suffix)
    scores = [np.full((len(tokens.words), *shape), np.nan, dtype=np.float32) for tokens in texts]
    jobs = plan_jobs(texts, wanted, capacity=window.max_length - before - behind, stride=window.stride)
    for batch in batches(jobs, batch_tokens, special=before + behind):
        places = [
            np.searchsorted(texts[article].first_token, [part.start, part.own_start, part.own_end, part.end])
            for _, article, part in batch
        ]
        word_positions = np.full((len(batch), max(1, *(high - low for low, _, _, high in places))), -1, dtype=np.int64)
        for row, ((_, article, part), (low, _, _, high)) in enumerate(zip(batch, places, strict=True)):
            word_positions[row, : high - low] = texts[article].first_token[low:high] - part.start + before
        found = backend.span_scores(*input_arrays(texts, batch, special=special), word_positions)
        for row, ((_, article, _), (low, own_low, own_high, _)) in enumerate(zip(batch, places, strict=True)):
            scores[article][own_low:own_high] = require_numbers(found[row, own_low - low : own_high - low])
    return scores
