"""Running the model over the windows of many articles, and collecting the emissions of each article.

Windows of one length run together, so nothing is padded. Each word takes its scores from the window that owns it. A span head scores the
spans that begin with the word, and finds those that this window holds whole; windows share `stride` tokens so that most do.

Letters for shapes: W words and N tokens of an article, B windows, T tokens, K words of the longest window, D width of the link states;
"..." as in `eventtag.heads.protocol`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from eventtag.encoding.tokens import SpecialTokens, TokenisedText
from eventtag.encoding.windows import Window, plan_windows
from eventtag.engines.backend import Backend, LinkBackend
from eventtag.errors import DataError
from eventtag.settings import WindowSettings


class WindowAt(NamedTuple):
    """A window to run: its number of tokens, the article's place in the chunk, and the window."""

    size: int
    article: int
    window: Window


def plan_jobs(
    texts: Sequence[TokenisedText], wanted: Sequence[npt.NDArray[np.int64]], *, capacity: int, stride: int
) -> list[WindowAt]:
    """The windows of all texts that own one of the tokens `wanted` (rising, for each text), sorted by length.

    `capacity` and `stride` as in `plan_windows`.
    """
    jobs = []
    for article, tokens in enumerate(texts):
        for window in plan_windows(tokens, capacity=capacity, stride=stride):
            low, high = np.searchsorted(wanted[article], (window.own_start, window.own_end))
            if low < high:
                jobs.append(WindowAt(window.end - window.start, article, window))
    jobs.sort(key=lambda job: job.size)
    return jobs


def article_emissions(
    texts: Sequence[TokenisedText],
    wanted: Sequence[npt.NDArray[np.int64]],
    backend: Backend,
    *,
    special: SpecialTokens,
    window: WindowSettings,
    shape: tuple[int, ...],
    batch_tokens: int,
    states: Sequence[npt.NDArray[np.float32]] | None = None,
) -> list[npt.NDArray[np.float32]]:
    """[W, ...] scores for each text, `shape` being that of one word's; NaN for words that were not run because their window owns none of
    the tokens `wanted`.

    `states`: an array [N, D] for each text, into which a `LinkBackend` puts the link states of the tokens that windows which are run own.
    Raises DataError if the model itself gives NaN.
    """
    before, behind = len(special.prefix), len(special.suffix)
    emissions = [np.full((len(tokens.words), *shape), np.nan, dtype=np.float32) for tokens in texts]
    jobs = plan_jobs(texts, wanted, capacity=window.max_length - before - behind, stride=window.stride)
    for batch in batches(jobs, batch_tokens, special=before + behind):
        places = [
            np.searchsorted(texts[article].first_token, [part.start, part.own_start, part.own_end, part.end])
            for _, article, part in batch
        ]
        word_positions = np.full((len(batch), max(1, *(high - low for low, _, _, high in places))), -1, dtype=np.int64)
        for row, ((_, article, part), (low, _, _, high)) in enumerate(zip(batch, places, strict=True)):
            word_positions[row, : high - low] = texts[article].first_token[low:high] - part.start + before
        given = (*input_arrays(texts, batch, special=special), word_positions)
        if states is None:
            found = backend.emissions(*given)
        else:
            found, of_tokens = cast(LinkBackend, backend).emissions_and_states(*given)
            for row, (_, article, part) in enumerate(batch):
                own = of_tokens[row, before + part.own_start - part.start : before + part.own_end - part.start]
                states[article][part.own_start : part.own_end] = require_numbers(own)
        for row, ((_, article, _), (low, own_low, own_high, _)) in enumerate(zip(batch, places, strict=True)):
            emissions[article][own_low:own_high] = require_numbers(found[row, own_low - low : own_high - low])
    return emissions


def require_numbers(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The model's output unchanged; raises DataError if some of it is NaN, which would look like words that were not run."""
    if np.isnan(scores).any():
        raise DataError("the model's scores are not numbers (NaN) here; the checkpoint, the precision or the memory is at fault")
    return scores


def input_arrays(
    texts: Sequence[TokenisedText], batch: Sequence[WindowAt], *, special: SpecialTokens
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """`input_ids`, `casing_ids` [B, T] of windows of one length, with the special tokens around them."""
    before, behind = len(special.prefix), len(special.suffix)
    shape = (len(batch), batch[0].size + before + behind)
    input_ids, casing_ids = np.empty(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    input_ids[:, :before] = special.prefix
    input_ids[:, shape[1] - behind :] = special.suffix
    for row, (size, article, part) in enumerate(batch):
        input_ids[row, before : before + size] = texts[article].input_ids[part.start : part.end]
        casing_ids[row, before : before + size] = texts[article].casing[part.start : part.end]
    return input_ids, casing_ids


def batches(jobs: Sequence[WindowAt], batch_tokens: int, *, special: int) -> Iterator[Sequence[WindowAt]]:
    """Batches of jobs (sorted by length) of one length and at most `batch_tokens` tokens; a longer job is alone."""
    start = 0
    while start < len(jobs):
        size = jobs[start].size
        end = start + 1
        while end < len(jobs) and jobs[end].size == size and (end + 1 - start) * (size + special) <= batch_tokens:
            end += 1
        yield jobs[start:end]
        start = end
