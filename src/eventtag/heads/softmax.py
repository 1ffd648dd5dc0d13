"""A head that tags each word independently: a linear classifier and the cross-entropy over positions that have gold.

If a window's annotators were not annotating some labels, any tag of those may be right where gold says `O`. There the loss treats `O` and
these tags as one class, whose probability is the sum of theirs (marginal likelihood over a partial annotation: Tsuboi et al. 2008,
https://aclanthology.org/C08-1113/).

Letters for shapes: B windows, T tokens, C tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import nn

from eventtag.article import Article
from eventtag.encoding.align import align_spans, record_cuts
from eventtag.encoding.tokens import TokenisedText
from eventtag.encoding.windows import Window
from eventtag.heads.partition import IMPOSSIBLE
from eventtag.heads.protocol import ArticleTargets, FloatArray, IntArray
from eventtag.heads.rejected import KEY, rejection_loss
from eventtag.heads.tag_decoding import TagDecoder, at_words
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger


@dataclass(frozen=True)
class SoftmaxHead:
    """`ModelHead` with the layer `classifier`."""

    plain = True
    overlap = False
    tags_words = True
    weights: ClassVar[tuple[str, ...]] = ("classifier.",)
    reads_words = False
    pipeline_note = ""

    @classmethod
    def from_options(cls, options: Any) -> Self:  # noqa: ARG003
        """The head; it has no options."""
        return cls()

    def options(self) -> dict[str, Any]:
        """Its name alone."""
        return {"head": "softmax"}

    def layers(self, width: int, tags: int, *, dropout: float) -> dict[str, nn.Module | nn.Parameter]:  # noqa: ARG002
        """As `ModelHead.layers`."""
        return {"classifier": nn.Linear(width, tags)}

    def initialise(self, network: Any, module: nn.Module) -> bool:
        """As `ModelHead.initialise`."""
        if module is not getattr(network, "classifier", None):
            return False
        nn.init.normal_(network.classifier.weight, std=getattr(network.config.encoder, "initializer_range", 0.02))
        nn.init.zeros_(network.classifier.bias)
        return True

    def scores(self, network: Any, hidden: torch.Tensor, word_positions: torch.Tensor | None) -> torch.Tensor:  # noqa: ARG002
        """[B, T, C]: of the tags of each token."""
        scores: torch.Tensor = network.classifier(hidden)
        return scores

    def emissions(self, scores: torch.Tensor, word_positions: IntArray) -> FloatArray:
        """[B, K, C]: log-probabilities of the tags of each word."""
        return at_words(torch.log_softmax(scores, dim=-1).cpu().numpy(), word_positions)

    def targets(
        self, article: Article, tokens: TokenisedText, windows: Sequence[Window], labels: LabelSet, *, ledger: LossLedger
    ) -> ArticleTargets:
        """The tags of the words."""
        tag_ids = align_spans(article, tokens.words, labels, ledger=ledger)
        record_cuts(article, tokens, windows, ledger=ledger)
        return ArticleTargets(tag_ids, [None] * len(windows))

    def loss(
        self, network: Any, scores: torch.Tensor, batch: Mapping[str, Any], labels: LabelSet, *, positions: torch.Tensor | None
    ) -> torch.Tensor:
        """As `tag_loss`, and of rejected spans as `rejection_loss` over legal sequences."""
        del network
        loss = tag_loss(
            scores, batch["labels"], batch["unannotated"],
            positions=positions, weights=batch["weights"], soft_targets=soft_targets_of(batch),
        )  # fmt: skip
        if KEY not in batch:
            return loss
        legal = torch.as_tensor(labels.legal_transitions, device=scores.device)
        moves = torch.zeros(legal.shape, device=scores.device).masked_fill(~legal, IMPOSSIBLE)
        return loss + rejection_loss(scores, moves, batch, positions=positions)

    def decoder(self, network: Any) -> TagDecoder:  # noqa: ARG002
        """Without transition scores."""
        return TagDecoder()


def soft_targets_of(batch: Mapping[str, Any]) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The teachers' probabilities [B, T, C] and shares [B, T] of a batch; None without teachers."""
    return (batch["soft_targets"], batch["soft_share"]) if "soft_targets" in batch else None


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

    `emissions` [B, T, C] are unnormalised; `tag_ids` [B, T] are gold, negative where there is none (ignored); `unannotated` [B, C] is
    true for the tags of labels that the window's annotators were not annotating. `positions` is the number to divide by, the number of gold
    positions by default (whatever their weights). `weights` [B] multiply the loss of a window's positions. `soft_targets` are teachers'
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
