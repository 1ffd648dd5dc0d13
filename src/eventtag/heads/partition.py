"""Sums over all sequences of tags in a chain of words, with gradients: what the losses of chains are made of.

Letters for shapes: B windows, T tokens, C tags, R runs of words, W words of the longest run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

IMPOSSIBLE = -1e4
"""Log-score of an illegal transition: its exponential is 0, and unlike minus infinity it has a gradient."""

SMALLEST = 1e-300
"""Least sum over a word's tags, reached if no legal sequence passes through the word."""


class _LogPartition(torch.autograd.Function):
    """Forward and backward sums in float64 on the CPU, because a graph of hundreds of tiny operations would take longer than the encoder's
    largest product. The gradient by a score is its tag's share of all sequences; that by a move is how often they make it.
    """

    @staticmethod
    def forward(ctx: Any, scores: torch.Tensor, inside: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
        here = np.moveaxis(scores.detach().double().cpu().numpy(), 1, 0)  # [W, R, C]
        known = np.moveaxis(inside.cpu().numpy(), 1, 0)[..., None]
        steps = np.exp(moves.detach().double().cpu().numpy())
        highest = here.max(axis=2, keepdims=True)
        weights = np.exp(here - highest)
        shares, sizes = np.empty_like(weights), np.ones((*weights.shape[:2], 1))
        current = np.ones_like(weights[0])
        for word in range(len(weights)):
            following = (current @ steps if word else current) * weights[word]
            size = np.maximum(following.sum(axis=1, keepdims=True), SMALLEST)
            current = np.where(known[word], following / size, current)
            sizes[word] = np.where(known[word], size, 1.0)
            shares[word] = current
        ctx.parts = (weights, known, steps, shares, sizes)
        totals = ((np.log(sizes) + highest) * known).sum(axis=(0, 2))
        return torch.from_numpy(totals).to(scores)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, torch.Tensor]:
        weights, known, steps, shares, sizes = ctx.parts
        given = gradients[0].double().cpu().numpy()[:, None]  # [R, 1]
        behind = np.ones_like(weights[0])
        by_score, by_move = np.zeros_like(weights), np.zeros_like(steps)
        for word in range(len(weights) - 1, -1, -1):
            by_score[word] = np.where(known[word], shares[word] * behind * given, 0.0)
            arriving = np.where(known[word], weights[word] * behind / sizes[word], 0.0)
            if word:
                by_move += shares[word - 1].T @ (arriving * given)
                behind = np.where(known[word], arriving @ steps.T, behind)
        scores, moves = (torch.from_numpy(found).to(gradients[0]) for found in (np.moveaxis(by_score, 0, 1), by_move * steps))
        return scores, None, moves


def log_partition(scores: torch.Tensor, inside: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """[R]: log of the summed exponentials of all sequences' scores (the forward algorithm), in runs padded to W words.

    `scores` [R, W, C] are those of tags at words, `inside` [R, W] which words are not padding, `moves` [C, C] scores of tag j behind i.
    First derivatives only.
    """
    return _LogPartition.apply(scores, inside, moves)  # type: ignore[no-any-return,no-untyped-call]


def log_marginals(scores: torch.Tensor, inside: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
    """[R, W, C]: log of each tag's share of all sequences (forward-backward); arguments as for `log_partition`. Values at padding are
    undefined.
    """
    before = _forward(scores, inside, moves)
    behind = [torch.zeros_like(before[0])]
    for word in range(scores.shape[1] - 1, 0, -1):
        following = torch.logsumexp(moves + (scores[:, word] + behind[-1])[:, None, :], dim=2)
        behind.append(torch.where(inside[:, word, None], following, 0.0))
    both = torch.stack(before, dim=1) + torch.stack(behind[::-1], dim=1)
    return both - torch.logsumexp(before[-1], dim=-1)[:, None, None]


def _forward(scores: torch.Tensor, inside: torch.Tensor, moves: torch.Tensor) -> list[torch.Tensor]:
    """For each of W words [R, C]: log of the summed exponentials of all sequences that end there with a tag; padding repeats the last."""
    sums = [scores[:, 0]]
    for word in range(1, scores.shape[1]):
        following = torch.logsumexp(sums[-1][:, :, None] + moves, dim=1) + scores[:, word]
        sums.append(torch.where(inside[:, word, None], following, sums[-1]))
    return sums


def find_runs(gold: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The runs of words with gold: places [R, W] (row x T + token; padding repeats the run's first) and which of them are not padding.

    `gold`, `words` [B, T]: positions with gold, and first tokens of words.
    """
    width = gold.shape[1]
    tokens = words.flatten().nonzero()[:, 0]
    has_gold = gold.flatten()[tokens]
    row = tokens // width
    opens = has_gold.clone()
    opens[1:] &= ~(has_gold[:-1] & (row[1:] == row[:-1]))
    run = (opens.long().cumsum(0) - 1)[has_gold]
    tokens = tokens[has_gold]
    lengths = torch.bincount(run)
    if not len(lengths):
        return tokens.new_zeros((0, 0)), gold.new_zeros((0, 0))
    starts = lengths.cumsum(0) - lengths
    places = tokens[starts][:, None].repeat(1, int(lengths.max()))
    inside = torch.zeros_like(places, dtype=torch.bool)
    place = torch.arange(len(tokens), device=tokens.device) - starts[run]
    places[run, place] = tokens
    inside[run, place] = True
    return places, inside
