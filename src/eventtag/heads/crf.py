"""A head that scores whole sequences: a linear-chain conditional random field (Lafferty et al. 2001,
https://repository.upenn.edu/cis_papers/159/).

A sequence is a run of neighbouring words that all have gold in a window; a word without gold ends a run. Its score is the sum of
the words' emissions (log-softmax of the scores, which does not change probabilities) and of the learnt transition scores between
them. Only IOB2's transitions are possible. The first word of a run has no transition score and may have any tag, because the run
may begin inside a mention.

Letters for shapes: B windows, T tokens, C tags, R runs, W words of the longest run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from eventtag.heads.partition import IMPOSSIBLE, find_runs, log_marginals, log_partition
from eventtag.heads.rejected import KEY, rejection_loss
from eventtag.heads.softmax import SoftmaxHead, soft_targets_of
from eventtag.heads.tag_decoding import TagDecoder
from eventtag.labels import LabelSet


@dataclass(frozen=True)
class CrfHead(SoftmaxHead):
    """`ModelHead` with the layer `classifier` and `transitions` [C, C], the scores of tag j after tag i."""

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
        """As `crf_loss`, and of rejected spans as `rejection_loss`."""
        legal = torch.as_tensor(labels.legal_transitions, device=scores.device)
        loss = crf_loss(
            scores, network.transitions, batch["labels"], batch["words"], batch["unannotated"], legal,
            positions=positions, weights=batch["weights"], soft_targets=soft_targets_of(batch),
        )  # fmt: skip
        if KEY not in batch:
            return loss
        return loss + rejection_loss(scores, network.transitions.masked_fill(~legal, IMPOSSIBLE), batch, positions=positions)

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
    with `unannotated` [B, C] tags, whose labels nobody was annotating, gold `O` (tag id 0) allows any of those too (marginal
    likelihood over a partial annotation: Tsuboi et al. 2008, https://aclanthology.org/C08-1113/).

    `emissions` [B, T, C] are unnormalised, `transitions` [C, C] the scores of tag j after tag i, `legal` [C, C] whether it may follow;
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
