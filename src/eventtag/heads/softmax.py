"""The loss of a token classifier over positions that have gold: cross-entropy.

Where a window's annotators were not marking some labels and its gold says `O`, any tag of those labels may be right. The loss treats
`O` and these tags as one class there, whose probability is the sum of theirs (marginal likelihood over a partial annotation: Tsuboi
et al. 2008, https://aclanthology.org/C08-1113/).

Letters for shapes: B windows, T tokens, C tags.
"""

from __future__ import annotations

import torch


def tag_loss(
    emissions: torch.Tensor,
    tag_ids: torch.Tensor,
    unannotated: torch.Tensor,
    *,
    positions: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    soft_targets: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Mean loss of the gold positions; a scalar.

    `emissions` [B, T, C] are unnormalised; `tag_ids` [B, T] are gold, negative where there is none (ignored); `unannotated` [B, C] is true
    for the tags of labels that the window's annotators were not marking. `positions` is the number to divide by, the number of gold
    positions by default (whatever their weights). `weights` [B] multiply what the positions of a window add. `soft_targets` are teachers'
    probabilities [B, T, C] and the share [B, T] of a position's loss that is the cross-entropy to them instead.
    """
    gold = tag_ids >= 0
    dtype = torch.promote_types(emissions.dtype, torch.float32)
    log_probabilities = torch.log_softmax(emissions.to(dtype), dim=-1)[gold]
    targets, rows = tag_ids[gold], gold.nonzero()[:, 0]
    outside = log_probabilities[:, 0]
    if bool(unannotated.any()):
        possible = unannotated[rows]
        possible[:, 0] = True
        outside = log_probabilities.masked_fill(~possible, float("-inf")).logsumexp(dim=-1)
    losses = -torch.where(targets == 0, outside, log_probabilities.gather(1, targets[:, None])[:, 0])
    if soft_targets is not None:
        probabilities, share = (item[gold] for item in soft_targets)
        losses = (1 - share) * losses - share * (probabilities * log_probabilities).sum(dim=-1)
    if weights is not None:
        losses = losses * weights[rows]
    return losses.sum() / (gold.sum() if positions is None else positions).clamp(min=1)
