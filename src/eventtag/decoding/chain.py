"""Inference in a chain of tags in which only IOB2-legal transitions are possible.

Emissions are the model's log-probabilities of each tag at each word; the transition scores are those that the model has learnt (a
linear-chain CRF, Lafferty et al. 2001; all 0 without one) where IOB2 allows the transition, and minus infinity where it does not. The
first word of a sequence has no transition score: any tag but an `I-` may stand there. `best_tags` is the Viterbi algorithm (Viterbi 1967, https://doi.org/10.1109/TIT.1967.1054010),
`marginals` the forward-backward algorithm (Rabiner 1989, https://doi.org/10.1109/5.18626), both in log space and over a padded batch.

Letters for shapes: A sequences, W words of the longest, C tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from eventtag.labels import LabelSet

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chain:
    """Padded `emissions` [A, W, C] of A sequences with their `lengths` [A]."""

    emissions: FloatArray
    lengths: IntArray


def build_chain(emissions: Sequence[npt.NDArray[np.floating]]) -> Chain:
    """Pad emissions [W_a, C] of several sequences (each with at least one word) into one chain batch."""
    lengths = np.array([len(item) for item in emissions], dtype=np.int64)
    padded = np.zeros((len(emissions), int(lengths.max()), emissions[0].shape[1]))
    for row, item in enumerate(emissions):
        padded[row, : len(item)] = item
    return Chain(padded, lengths)


def best_tags(chain: Chain, labels: LabelSet, transitions: FloatArray | None = None) -> list[IntArray]:
    """The most probable legal tag ids of each sequence, [W_a] each; `transitions` [C, C] are learnt scores of tag j behind tag i."""
    count, width, _ = chain.emissions.shape
    moves = _moves(labels, transitions)
    score = chain.emissions[:, 0] + _log(labels.legal_starts)
    back = np.zeros((count, width, len(labels.tags)), dtype=np.int8)
    final = score.copy()
    for word in range(1, width):
        candidates = score[:, :, None] + moves
        back[:, word] = candidates.argmax(axis=1)
        score = candidates.max(axis=1) + chain.emissions[:, word]
        ending = chain.lengths == word + 1
        final[ending] = score[ending]
    tags = np.zeros((count, width), dtype=np.int64)
    last = final.argmax(axis=1)
    tags[np.arange(count), chain.lengths - 1] = last
    for word in range(width - 1, 0, -1):
        inside = word < chain.lengths
        previous = back[np.arange(count), word, tags[:, word]]
        tags[inside, word - 1] = previous[inside]
    return [tags[row, :length] for row, length in enumerate(chain.lengths)]


@dataclass(frozen=True, slots=True)
class Marginals:
    """What span probabilities are made of, for a batch of sequences.

    `before` [A, W, C]: log-sum over all legal beginnings that end with tag c at word w, its emission included. `after` [A, W, C]:
    log-sum over all legal continuations behind tag c at word w. `total` [A]: log-sum over all legal sequences. `moves` [C, C]:
    score of tag j behind tag i, minus infinity where IOB2 forbids it.
    """

    emissions: FloatArray
    before: FloatArray
    after: FloatArray
    total: FloatArray
    lengths: IntArray
    moves: FloatArray

    def span_probability(self, sequence: int, first: int, last: int, begin_id: int) -> float:
        """The probability that exactly the words [first, last] are one mention with the label whose `B-` tag is `begin_id`.

        All legal sequences that hold this mention, whatever they hold elsewhere, over all legal sequences.
        """
        inside = begin_id + 1
        middle = self.emissions[sequence, first + 1 : last + 1, inside].sum()
        if last > first:
            middle += self.moves[begin_id, inside] + (last - first - 1) * self.moves[inside, inside]
        log_probability = self.before[sequence, first, begin_id] + middle - self.total[sequence]
        if last + 1 < self.lengths[sequence]:
            ending = begin_id if last == first else inside
            following = self.emissions[sequence, last + 1] + self.after[sequence, last + 1] + self.moves[ending]
            legal = np.ones(len(following), dtype=np.bool_)
            legal[2::2] = (
                False  # an I- tag behind the mention would be of another label (illegal) or of the same (a longer mention)
            )
            log_probability += np.logaddexp.reduce(following[legal])
        return float(min(1.0, np.exp(log_probability)))


def marginals(chain: Chain, labels: LabelSet, transitions: FloatArray | None = None) -> Marginals:
    """Forward and backward sums of every sequence, for `Marginals.span_probability`; `transitions` as in `best_tags`."""
    count, width, tags = chain.emissions.shape
    moves = _moves(labels, transitions)
    into_next = _into_next if transitions is None else partial(_into_next_by, moves)
    from_next = _from_next if transitions is None else partial(_from_next_by, moves)
    before = np.full((count, width, tags), -np.inf)
    before[:, 0] = chain.emissions[:, 0] + _log(labels.legal_starts)
    for word in range(1, width):
        before[:, word] = into_next(before[:, word - 1]) + chain.emissions[:, word]
    total = np.logaddexp.reduce(before[np.arange(count), chain.lengths - 1], axis=1)
    after = np.zeros((count, width, tags))
    for word in range(width - 2, -1, -1):
        sums = from_next(chain.emissions[:, word + 1] + after[:, word + 1])
        inside = word + 1 < chain.lengths
        after[inside, word] = sums[inside]
    return Marginals(chain.emissions, before, after, total, chain.lengths, moves)


def _into_next(scores: FloatArray) -> FloatArray:
    """[A, C]: for each tag of the next word, the log-sum of `scores` [A, C] over the tags that may stand before it.

    Written out for IOB2 rather than as a matrix product, whose rounding would depend on how many sequences are in the batch.
    """
    result = np.repeat(np.logaddexp.reduce(scores, axis=1)[:, None], scores.shape[1], axis=1)
    result[:, 2::2] = np.logaddexp(scores[:, 1::2], scores[:, 2::2])
    return result


def _from_next(scores: FloatArray) -> FloatArray:
    """[A, C]: for each tag, the log-sum of `scores` [A, C] of the next word over the tags that may stand behind it."""
    outside = np.logaddexp(scores[:, 0], np.logaddexp.reduce(scores[:, 1::2], axis=1))
    result = np.repeat(outside[:, None], scores.shape[1], axis=1)
    inside = np.logaddexp(outside[:, None], scores[:, 2::2])
    result[:, 1::2] = inside
    result[:, 2::2] = inside
    return result


def _into_next_by(moves: FloatArray, scores: FloatArray) -> FloatArray:
    """As `_into_next`, under any `moves` [C, C]."""
    return np.asarray(np.logaddexp.reduce(scores[:, :, None] + moves, axis=1))


def _from_next_by(moves: FloatArray, scores: FloatArray) -> FloatArray:
    """As `_from_next`, under any `moves` [C, C]."""
    return np.asarray(np.logaddexp.reduce(scores[:, None, :] + moves, axis=2))


def _moves(labels: LabelSet, transitions: FloatArray | None) -> FloatArray:
    """[C, C]: score of tag j behind tag i."""
    legal = _log(labels.legal_transitions)
    return legal if transitions is None else np.where(labels.legal_transitions, transitions, legal)


def _log(allowed: npt.NDArray[np.bool_]) -> FloatArray:
    return np.where(allowed, 0.0, -np.inf)
