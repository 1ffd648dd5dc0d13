"""Inference in a chain of tags in which only IOB2-legal transitions are possible.

Emissions are the model's log-probabilities of each tag at each word; the transition scores are those that the model has learnt (a
linear-chain CRF, Lafferty et al. 2001; all 0 without one) where IOB2 allows the transition, and minus infinity where it does not. The
first word of a sequence has no transition score and may have any tag but an `I-`. `best_tags` is the Viterbi algorithm (Viterbi
1967, https://doi.org/10.1109/TIT.1967.1054010) in log space, `marginals` the forward-backward algorithm with the sums of each word
scaled to 1 (Rabiner 1989, section V.A, https://doi.org/10.1109/5.18626). Both step through the words of many sequences at once. The
result of a sequence is the same to the last bit with any other sequences in the batch.

Letters for shapes: A sequences, W words of the longest, C tags, N spans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eventtag.labels import LabelSet

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

LEAST = -600.0
"""Lower log-probabilities count as this, so that their sums stay above the smallest float."""


@dataclass(frozen=True, slots=True)
class Chain:
    """`emissions` [W, C, A + 1] and `lengths` [A] of A sequences, the longest first; `order` [A] is each one's place before sorting.

    `active` [W] is the number of sequences that have each word; they are the first columns. There is always one column more, because numpy
    sums a single column in another order than several, which would round differently.
    """

    emissions: FloatArray
    lengths: IntArray
    order: IntArray
    active: IntArray


def build_chain(emissions: Sequence[npt.NDArray[np.floating]]) -> Chain:
    """Put emissions [W_a, C] of several sequences (each with at least one word) into one chain batch."""
    given = np.array([len(item) for item in emissions], dtype=np.int64)
    order = np.argsort(-given, kind="stable")
    columns = np.zeros((int(given.max()), emissions[0].shape[1], len(emissions) + 1))
    for column, sequence in enumerate(order.tolist()):
        columns[: given[sequence], :, column] = emissions[sequence]
    active = len(given) - np.cumsum(np.bincount(given, minlength=len(columns) + 1))[:-1]
    return Chain(columns, given[order], order, active)


def best_tags(chain: Chain, labels: LabelSet, transitions: FloatArray | None = None) -> list[IntArray]:
    """The most probable legal tag ids of each sequence, [W_a] each; `transitions` [C, C] are learnt scores of tag j after tag i."""
    width, count, columns = chain.emissions.shape
    moves = _moves(labels, transitions)
    scores = np.empty((width, count, columns))
    scores[0] = chain.emissions[0] + _log(labels.legal_starts)[:, None]
    candidates = np.empty((count, count, columns))
    for word in range(1, width):
        n = chain.active[word] + 1
        np.add(scores[word - 1, :, None, :n], moves[:, :, None], out=candidates[:, :, :n])
        np.max(candidates[:, :, :n], axis=0, out=scores[word, :, :n])
        scores[word, :, :n] += chain.emissions[word, :, :n]
    tags = np.zeros((width, columns), dtype=np.int64)
    ends = chain.lengths - 1
    tags[ends, np.arange(columns - 1)] = scores[ends, :, np.arange(columns - 1)].argmax(axis=1)
    for word in range(width - 1, 0, -1):
        n = chain.active[word]
        tags[word - 1, :n] = (scores[word - 1, :, :n] + moves[:, tags[word, :n]]).argmax(axis=0)
    found: list[IntArray] = [tags[:0, 0]] * len(chain.order)
    for column, sequence in enumerate(chain.order.tolist()):
        found[sequence] = tags[: chain.lengths[column], column]
    return found


@dataclass(frozen=True, slots=True)
class Marginals:
    """Forward and backward sums for span probabilities, for a batch of sequences in the columns of `chain`.

    `before` [W, C, A + 1]: the sum over all legal beginnings that end with tag c at word w, its emission included, over
    exp(`begun` [W, A + 1]), which is the log-sum over all of them. `after` [W, C, A + 1]: the sum over all legal continuations behind
    tag c at word w over exp(`left` [W, A + 1]). `moves` [C, C]: score of tag j after tag i, minus infinity where IOB2 forbids it.
    """

    chain: Chain
    before: FloatArray
    begun: FloatArray
    after: FloatArray
    left: FloatArray
    moves: FloatArray

    def span_probabilities(self, sequence: IntArray, first: IntArray, last: IntArray, begin_id: IntArray) -> FloatArray:
        """[N]: the probability that exactly the words [first, last] of a sequence are one mention with the label whose `B-` tag is
        `begin_id`; all arguments are [N].

        It is the sum over all legal sequences with this mention divided by the sum over all legal sequences.
        """
        emissions, lengths = self.chain.emissions, self.chain.lengths
        column = np.argsort(self.chain.order)[sequence]
        inside = begin_id + 1
        with np.errstate(divide="ignore"):  # a probability of 0 has the logarithm minus infinity
            found = np.log(self.before[first, begin_id, column]) + self.begun[first, column]
            for step in range(1, int((last - first).max(initial=0)) + 1):
                n = np.flatnonzero(last - first >= step)
                found[n] += emissions[first[n] + step, inside[n], column[n]]
                found[n] += self.moves[begin_id[n] if step == 1 else inside[n], inside[n]]
            n = np.flatnonzero(last + 1 < lengths[column])
            word, ending = last[n] + 1, np.where(last[n] == first[n], begin_id[n], inside[n])
            behind = (
                np.exp(np.maximum(emissions[word, :, column[n]], LEAST) + self.moves[ending]) * self.after[word, :, column[n]]
            )
            behind[:, 2::2] = 0  # an I- tag would be of another label (illegal) or of the same (a longer mention)
            found[n] += np.log(behind.sum(axis=1)) + self.left[word, column[n]]
        return np.minimum(1.0, np.exp(found - self.begun[lengths[column] - 1, column]))

    def tag_probabilities(self) -> list[FloatArray]:
        """[W_a, C] of each sequence: the probability of each tag at each word, over all legal sequences."""
        together = self.before * self.after
        together /= together.sum(axis=1, keepdims=True)
        found: list[FloatArray] = [together[:0, :, 0]] * len(self.chain.order)
        for column, sequence in enumerate(self.chain.order.tolist()):
            found[sequence] = together[: self.chain.lengths[column], :, column]
        return found


def marginals(chain: Chain, labels: LabelSet, transitions: FloatArray | None = None) -> Marginals:
    """Forward and backward sums of every sequence, for `Marginals.span_probabilities`; `transitions` as in `best_tags`."""
    width, count, columns = chain.emissions.shape
    moves = _moves(labels, transitions)
    into, out_of = np.exp(moves)[:, :, None], np.exp(moves.T)[:, :, None]
    factors = np.exp(np.maximum(chain.emissions, LEAST))
    products = np.empty((count, count, columns))
    before, begun = factors.copy(), np.ones((width, columns))
    before[0] *= labels.legal_starts[:, None]
    for word in range(width):
        n = chain.active[word] + 1
        now = before[word, :, :n]
        if word:
            np.multiply(before[word - 1, :, None, :n], into, out=products[:, :, :n])
            now *= products[:, :, :n].sum(axis=0)
        now.sum(axis=0, out=begun[word, :n])
        now /= begun[word, :n]
    after, left = np.ones((width, count, columns)), np.ones((width, columns))
    for word in range(width - 2, -1, -1):
        n = chain.active[word + 1] + 1
        np.multiply((factors[word + 1, :, :n] * after[word + 1, :, :n])[:, None], out_of, out=products[:, :, :n])
        now = products[:, :, :n].sum(axis=0)
        total = now.sum(axis=0)
        left[word, : n - 1] = total[:-1]
        after[word, :, : n - 1] = (now / total)[:, :-1]
    return Marginals(chain, before, np.cumsum(np.log(begun), axis=0), after, np.cumsum(np.log(left)[::-1], axis=0)[::-1], moves)


def _moves(labels: LabelSet, transitions: FloatArray | None) -> FloatArray:
    """[C, C]: score of tag j after tag i."""
    legal = _log(labels.legal_transitions)
    return legal if transitions is None else np.where(labels.legal_transitions, transitions, legal)


def _log(allowed: npt.NDArray[np.bool_]) -> FloatArray:
    return np.where(allowed, 0.0, -np.inf)
