"""A head that scores whole sequences: a linear-chain conditional random field (Lafferty et al. 2001,
https://repository.upenn.edu/cis_papers/159/).

A sequence is a run of neighbouring words that all have gold in a window; a word without gold ends a run. Its score is the sum of the words'
emissions (log-softmax of the scores, which changes no posterior) and of the learnt transition scores between them. Only IOB2's transitions
are possible. The first word of a run has no transition score and may carry any tag: the run may begin inside a mention.

Letters for shapes: B windows, T tokens, C tags, R runs, W words of the longest run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from eventtag.heads.softmax import SoftmaxHead, soft_targets_of
from eventtag.heads.tag_decoding import TagDecoder
from eventtag.labels import LabelSet

IMPOSSIBLE = -1e4
"""Log-score of an illegal transition: its exponential is 0, and unlike minus infinity it has a gradient."""

SMALLEST = 1e-300
"""Least sum over a word's tags, reached if no legal sequence passes through the word."""


@dataclass(frozen=True)
class CrfHead(SoftmaxHead):
    """`ModelHead` with the layer `classifier` and `transitions` [C, C], the scores of tag j behind tag i."""

    plain = False
    weights: ClassVar[tuple[str, ...]] = ("classifier.", "transitions")
    pipeline_note = "The pipeline leaves out the learnt scores of neighbouring tags (CRF), too."

    def options(self) -> dict[str, Any]:
        """Its name alone."""
        return {"head": "crf"}

    def layers(self, width: int, tags: int, *, dropout: float) -> dict[str, nn.Module | nn.Parameter]:
        """As `ModelHead.layers`."""
        return {**super().layers(width, tags, dropout=dropout), "transitions": nn.Parameter(torch.zeros(tags, tags))}

    def initialise(self, network: Any, module: nn.Module) -> bool:
        """As `ModelHead.initialise`."""
        transitions = network.transitions
        if module is network:
            nn.init.zeros_(transitions)
        return super().initialise(network, module)

    def loss(
        self, network: Any, scores: torch.Tensor, batch: Mapping[str, Any], labels: LabelSet, *, positions: torch.Tensor | None
    ) -> torch.Tensor:
        """As `crf_loss`."""
        legal = torch.as_tensor(labels.legal_transitions, device=scores.device)
        return crf_loss(
            scores, network.transitions, batch["labels"], batch["words"], batch["unannotated"], legal,
            positions=positions, weights=batch["weights"], soft_targets=soft_targets_of(batch),
        )  # fmt: skip

    def decoder(self, network: Any) -> TagDecoder:
        """With the network's transition scores."""
        return TagDecoder(network.transitions.detach().double().cpu().numpy())


def crf_loss(
    emissions: torch.Tensor,
    transitions: torch.Tensor,
    tag_ids: torch.Tensor,
    words: torch.Tensor,
    unannotated: torch.Tensor,
    legal: torch.Tensor,
    *,
    positions: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    soft_targets: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Negative log-likelihood of the gold of all runs, divided by `positions` (the number of gold positions by default); a scalar.

    For a run it is logZ(all legal sequences) - logZ(the legal sequences that gold allows). Gold allows one tag for each word. In a window
    with `unannotated` [B, C] tags, whose labels nobody was marking, gold `O` (tag id 0) allows any of those too (marginal likelihood over a
    partial annotation: Tsuboi et al. 2008, https://aclanthology.org/C08-1113/).

    `emissions` [B, T, C] are unnormalised, `transitions` [C, C] the scores of tag j behind tag i, `legal` [C, C] whether it may follow;
    `tag_ids` [B, T] are gold on the first tokens of words, negative where there is none; `words` [B, T] is true on first tokens of words.
    `weights` [B] multiply the loss of a window's runs. `soft_targets` are teachers' probabilities [B, T, C] and the share [B, T] of a
    position that follows them; with a share of 1 gold does not count there, and all other shares of a run are equal. A run then adds (1 -
    share) of its loss, and share times the cross-entropy of each word's posterior to the teachers' probabilities.
    """
    gold = tag_ids >= 0
    count = gold.sum() if positions is None else positions
    dtype = torch.promote_types(emissions.dtype, torch.float32)
    log_probabilities = torch.log_softmax(emissions.to(dtype), dim=-1)
    places, inside = find_runs(gold, words)
    nothing = 0.0 * (log_probabilities.sum() + transitions.sum())  # processes that average gradients need one for every weight
    if not len(places):
        return nothing
    rows = places[:, 0] // tag_ids.shape[1]
    scores = log_probabilities.flatten(0, 1)[places]
    targets = tag_ids.flatten()[places].clamp(min=0)
    allowed = torch.nn.functional.one_hot(targets, emissions.shape[-1]).bool()
    allowed |= (targets == 0)[..., None] & unannotated[rows][:, None, :]
    moves = transitions.to(dtype).masked_fill(~legal, IMPOSSIBLE)
    if soft_targets is not None:
        probabilities, share = (item.flatten(0, 1)[places] for item in soft_targets)
        allowed = allowed | (share == 1)[..., None]
    both = torch.cat([scores, scores.masked_fill(~allowed, IMPOSSIBLE)])
    totals = log_partition(both, torch.cat([inside, inside]), moves)
    losses = totals[: len(places)] - totals[len(places) :]
    if soft_targets is not None:
        posteriors = log_marginals(scores, inside, moves)
        distances = -(probabilities * posteriors).sum(dim=-1) * share * inside
        by_gold = ((1 - share) * inside).amax(dim=-1)
        losses = by_gold * losses + distances.sum(dim=-1)
    if weights is not None:
        losses = losses * weights[rows]
    return losses.sum() / count.clamp(min=1) + nothing


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

    `scores` [R, W, C] are those of tags at words, `inside` [R, W] which words are no padding, `moves` [C, C] scores of tag j behind i.
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
    """The runs of words with gold: places [R, W] (row x T + token; padding repeats the run's first) and which of them are no padding.

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
