"""Emissions of whole articles to scored spans.

A span's score is the probability, under the model's tag probabilities restricted to legal IOB2 sequences, that exactly these words
are one mention with this label (`chain.Marginals.span_probabilities`). The tagger calibrates it by the checkpoint's temperature for the
label (`eventtag.scoring.calibration`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eventtag.heads.chain import best_tags, build_chain, marginals
from eventtag.labels import LabelSet
from eventtag.span import Span

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

BATCH_BYTES = 64_000_000
"""About how much memory a batch is decoded in, whatever the number of tags. An article that needs more by itself is decoded alone."""
WORD_ARRAYS, MOVE_ARRAYS = 7, 3
"""The most arrays by word and tag, and by pair of tags, that decoding holds for each sequence at once."""


@dataclass(frozen=True)
class TagDecoder:
    """`Decoder` of emissions [W, C], log-probabilities of the tags of each word; `transitions` as there."""

    transitions: npt.NDArray[np.float64] | None = None
    overlap = False
    max_width = None
    usual_threshold = None
    tags_words = True

    def shape(self, labels: LabelSet) -> tuple[int, ...]:
        """(C,)."""
        return (len(labels.tags),)

    def keep_within_lines(self, emissions: FloatArray, begins_line: npt.NDArray[np.bool_]) -> None:
        """As `Decoder.keep_within_lines`: the first word of a line has no I- tag."""
        emissions[begins_line, 2::2] = -np.inf

    def decode(self, emissions: Sequence[FloatArray], words: Sequence[IntArray], labels: LabelSet) -> list[tuple[Span, ...]]:
        """As `Decoder.decode`. No span is found on a word that no model read, and none crosses it."""
        runs = [(article, start, end) for article, item in enumerate(emissions) for start, end in _covered_runs(item)]
        found: list[list[Span]] = [[] for _ in emissions]
        for batch in _batches(runs, len(labels.tags)):
            chain = build_chain([emissions[article][start:end] for article, start, end in batch])
            tags = best_tags(chain, labels, self.transitions)
            sizes = np.array([len(item) for item in tags], dtype=np.int64)
            run_start = np.cumsum(sizes) - sizes
            first, last, begin_id = tagged_spans(
                np.concatenate(tags)
            ).T  # no run starts with an I- tag, so no mention crosses two
            run = np.searchsorted(run_start, first, side="right") - 1
            scores = marginals(chain, labels, self.transitions).span_probabilities(
                run, first - run_start[run], last - run_start[run], begin_id
            )
            characters = np.concatenate([words[article][start:end] for article, start, end in batch])
            for row, start, end, tag_id, score in zip(
                run.tolist(),
                characters[first, 0].tolist(),
                characters[last, 1].tolist(),
                begin_id.tolist(),
                scores.tolist(),
                strict=True,
            ):
                found[batch[row][0]].append(Span(start, end, labels.labels[tag_id // 2], score))
        return [tuple(sorted(spans)) for spans in found]

    def tag_probabilities(self, emissions: Sequence[FloatArray], labels: LabelSet) -> list[npt.NDArray[np.float64]]:
        """As `Decoder.tag_probabilities`."""
        found = [np.full(item.shape, np.nan) for item in emissions]
        runs = [(article, start, end) for article, item in enumerate(emissions) for start, end in _covered_runs(item)]
        for batch in _batches(runs, len(labels.tags)):
            chain = build_chain([emissions[article][start:end] for article, start, end in batch])
            for (article, start, end), one in zip(
                batch, marginals(chain, labels, self.transitions).tag_probabilities(), strict=True
            ):
                found[article][start:end] = one
        return found

    def expected_errors(self, emissions: Sequence[FloatArray], labels: LabelSet) -> list[npt.NDArray[np.float64]]:
        """As `Decoder.expected_errors`, with the most probable tags of words as decisions."""
        return [np.nan_to_num(1 - found.max(axis=1)) for found in self.tag_probabilities(emissions, labels)]

    def soft_targets(self, emissions: FloatArray, labels: LabelSet) -> npt.NDArray[np.floating[Any]]:
        """As `Decoder.soft_targets`: of each word alone, or over all legal sequences if there are transition scores."""
        if self.transitions is None:
            return np.exp(emissions)
        (probabilities,) = self.tag_probabilities([emissions], labels)
        return probabilities


def at_words(emissions: FloatArray, word_positions: IntArray) -> FloatArray:
    """[B, K, C]: the emissions of words' first tokens, of emissions [B, T, C] of tokens; undefined beyond a window's last word."""
    return np.take_along_axis(emissions, np.maximum(word_positions, 0)[..., None], axis=1)


def tagged_spans(tags: IntArray) -> IntArray:
    """[S, 3]: first word, last word and tag id of the `B-` of every mention in a legal IOB2 sequence of tag ids; negative ids are
    outside.
    """
    first = np.flatnonzero((tags > 0) & (tags % 2 == 1))
    edges = np.append(np.flatnonzero((tags <= 0) | (tags % 2 == 1)), len(tags))
    return np.stack([first, edges[np.searchsorted(edges, first, side="right")] - 1, tags[first]], axis=1)


def _covered_runs(emissions: FloatArray) -> Iterator[tuple[int, int]]:
    covered = np.concatenate([[False], ~np.isnan(emissions[:, 0]), [False]])
    edges = np.flatnonzero(covered[1:] != covered[:-1])
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _batches(runs: Sequence[tuple[int, int, int]], tags: int) -> Iterator[list[tuple[int, int, int]]]:
    """Runs of like length together, as many as BATCH_BYTES holds with `tags` tags (a longer run is alone)."""
    batch: list[tuple[int, int, int]] = []
    for run in sorted(runs, key=lambda item: item[2] - item[1]):
        padded = (run[2] - run[1]) * WORD_ARRAYS + tags * MOVE_ARRAYS
        if batch and (len(batch) + 2) * padded * tags * 8 > BATCH_BYTES:  # a column more than sequences (`Chain`)
            yield batch
            batch = []
        batch.append(run)
    if batch:
        yield batch
