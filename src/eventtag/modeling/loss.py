"""The loss of a token classifier over positions that have gold.

Letters for shapes: B windows, T tokens, C tags.
"""

from __future__ import annotations

import torch


def tag_loss(
    emissions: torch.Tensor, tag_ids: torch.Tensor, unmarked: torch.Tensor, *, positions: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean negative log-likelihood of the gold tags; a scalar.

    `emissions` [B, T, C] are unnormalised; `tag_ids` [B, T] are gold, negative where there is none (ignored); `unmarked` [B, C] is true
    for the tags of labels that the window's annotators were not marking. Where such a window says `O` (tag id 0), any of those tags
    may be right, so their probabilities are summed with that of `O` (marginal likelihood over a partial annotation: Tsuboi et al.
    2008, https://aclanthology.org/C08-1113/). `positions` is the number to divide by, the number of gold positions by default.
    """
    gold = tag_ids >= 0
    log_probabilities = torch.log_softmax(emissions.float(), dim=-1)[gold]
    targets = tag_ids[gold]
    chosen = log_probabilities.gather(1, targets[:, None])[:, 0]
    if bool(unmarked.any()):
        rows = gold.nonzero()[:, 0]
        possible = unmarked[rows].clone()
        possible[:, 0] = True
        summed = log_probabilities.masked_fill(~possible, float("-inf")).logsumexp(dim=-1)
        chosen = torch.where(targets == 0, summed, chosen)
    return -chosen.sum() / (gold.sum() if positions is None else positions).clamp(min=1)
