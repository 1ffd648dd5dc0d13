"""The losses of a token classifier over positions that have gold.

Where a window's annotators were not marking some labels and its gold says `O`, any tag of those labels may be right. All losses treat
`O` and these tags as one class there, whose probability is the sum of theirs (marginal likelihood over a partial annotation: Tsuboi
et al. 2008, https://aclanthology.org/C08-1113/). So the classes of a window are this merged one and the tags of the marked labels.

With p the probability of the gold class of a position, what the position adds is

* cross-entropy: -log p
* focal (Lin et al. 2017, https://arxiv.org/abs/1708.02002): -(1 - p)^gamma log p; positions that are easy already weigh less
* dice (Li et al. 2020, https://aclanthology.org/2020.acl-main.45/, with squares in the denominator after Milletari et al. 2016,
  https://arxiv.org/abs/1606.04797): the sum over the marked tags k of 1 - (2 p_k y_k + 1) / (p_k^2 + y_k + 1), y_k being 1 for the
  gold tag and 0 for the others. `O` is no class of its own in it, so that many easy `O` add little. Their variant with a factor
  (1 - p) in front of p is not offered: for the gold tag it is smallest at p = 1/2.

Letters for shapes: B windows, T tokens, C tags, N positions with gold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from eventtag.labels import LabelSet
from eventtag.settings import Loss, TrainerSettings

TINY = 1e-12
"""Least value of 1 - p in the focal loss; its power below 1 has no gradient at 0."""


@dataclass(frozen=True, slots=True)
class LossOptions:
    """How positions are turned into a loss. `class_weights` (C of them) multiply what positions with that gold tag add; None: all 1.

    `smoothing` e mixes (1 - e) of the loss with e times the mean cross-entropy to each class of the window (label smoothing: Szegedy
    et al. 2016, https://arxiv.org/abs/1512.00567); it has no meaning for dice.
    """

    kind: Loss = Loss.cross_entropy
    class_weights: tuple[float, ...] | None = None
    smoothing: float = 0.0
    gamma: float = 2.0


PLAIN = LossOptions()


def build_loss_options(settings: TrainerSettings, labels: LabelSet, counts: Sequence[int]) -> LossOptions:
    """The options that the settings ask for; `counts` [C] are the gold positions of each tag in the training windows.

    Balanced weights are N / (K n_k) for the K labels and `O` with n_k positions each (King and Zeng 2001,
    https://doi.org/10.1093/oxfordjournals.pan.a004868), so their mean over positions is 1; B- and I- tags of a label share a weight.
    """
    weights: Mapping[str, float] | None = None
    if settings.class_weights == "balanced":
        by_label = {"O": counts[0]}
        by_label |= {label: counts[labels.begin_id(label)] + counts[labels.begin_id(label) + 1] for label in labels.labels}
        weights = {name: sum(counts) / (len(by_label) * count) for name, count in by_label.items() if count}
    elif settings.class_weights is not None:
        weights = dict(settings.class_weights)
    return LossOptions(
        settings.loss,
        None if weights is None else tuple(weights.get(labels.label_of(n) or "O", 1.0) for n in range(len(labels.tags))),
        settings.label_smoothing,
        settings.focal_gamma,
    )


def tag_loss(
    emissions: torch.Tensor,
    tag_ids: torch.Tensor,
    unmarked: torch.Tensor,
    *,
    positions: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    options: LossOptions = PLAIN,
    taught: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Mean loss of the gold positions; a scalar.

    `emissions` [B, T, C] are unnormalised; `tag_ids` [B, T] are gold, negative where there is none (ignored); `unmarked` [B, C] is true
    for the tags of labels that the window's annotators were not marking. `positions` is the number to divide by, the number of gold
    positions by default (whatever their weights). `weights` [B] multiply what the positions of a window add. `taught` are teachers'
    probabilities [B, T, C] and the share [B, T] of a position's loss that is the cross-entropy to them instead.
    """
    gold = tag_ids >= 0
    dtype = torch.promote_types(emissions.dtype, torch.float32)
    log_probabilities = torch.log_softmax(emissions.to(dtype), dim=-1)[gold]
    targets, rows = tag_ids[gold], gold.nonzero()[:, 0]
    open_tags = unmarked[rows]
    outside = log_probabilities[:, 0]
    if bool(unmarked.any()):
        possible = open_tags.clone()
        possible[:, 0] = True
        outside = log_probabilities.masked_fill(~possible, float("-inf")).logsumexp(dim=-1)
    chosen = torch.where(targets == 0, outside, log_probabilities.gather(1, targets[:, None])[:, 0])
    match options.kind:
        case Loss.cross_entropy:
            losses = -chosen
        case Loss.focal:
            losses = -((-torch.expm1(chosen)).clamp(min=TINY) ** options.gamma) * chosen
        case Loss.dice:
            losses = _dice(log_probabilities, targets, open_tags)
    if options.smoothing:
        marked = ~open_tags[:, 1:]
        others = log_probabilities[:, 1:].masked_fill(~marked, 0.0).sum(dim=-1)
        uniform = -(outside + others) / (1 + marked.sum(dim=-1))
        losses = (1 - options.smoothing) * losses + options.smoothing * uniform
    if options.class_weights is not None:
        losses = losses * losses.new_tensor(options.class_weights)[targets]
    if taught is not None:
        probabilities, share = (item[gold] for item in taught)
        losses = (1 - share) * losses - share * (probabilities * log_probabilities).sum(dim=-1)
    if weights is not None:
        losses = losses * weights[rows]
    return losses.sum() / (gold.sum() if positions is None else positions).clamp(min=1)


def pass_divergence(
    first: torch.Tensor,
    second: torch.Tensor,
    tag_ids: torch.Tensor,
    *,
    positions: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean over the gold positions of (KL(P || Q) + KL(Q || P)) / 2, a scalar; P and Q are the tag probabilities of two passes with
    different dropout, from their emissions [B, T, C] (R-Drop: Liang et al. 2021, https://arxiv.org/abs/2106.14448).

    Gradients go through both. `tag_ids` [B, T], `positions` and `weights` [B] are those of `tag_loss`.
    """
    gold = tag_ids >= 0
    dtype = torch.promote_types(first.dtype, torch.float32)
    log_p, log_q = (torch.log_softmax(emissions.to(dtype), dim=-1)[gold] for emissions in (first, second))
    divergences = ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum(dim=-1) / 2
    if weights is not None:
        divergences = divergences * weights[gold.nonzero()[:, 0]]
    return divergences.sum() / (gold.sum() if positions is None else positions).clamp(min=1)


def _dice(log_probabilities: torch.Tensor, targets: torch.Tensor, open_tags: torch.Tensor) -> torch.Tensor:
    """[N]: the dice loss of positions with log-probabilities [N, C], gold tags [N], and the tags left open there [N, C]."""
    p = log_probabilities[:, 1:].exp()
    is_gold = torch.nn.functional.one_hot(targets, log_probabilities.shape[1])[:, 1:].to(p.dtype)
    terms = 1 - (2 * p * is_gold + 1) / (p**2 + is_gold + 1)
    return terms.masked_fill(open_tags[:, 1:], 0.0).sum(dim=-1)
