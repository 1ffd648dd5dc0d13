"""A head that scores spans rather than tags: each span of up to M words, for each label, by its first and its last word.

The score is biaffine in what the encoder says of the two words (Yu et al. 2020, https://aclanthology.org/2020.acl-main.577/) plus one
that depends on the number of words. Where they let the labels of a span compete, a sigmoid for each span and label is used here: spans
may then nest and overlap, and a label that nobody was marking is simply left out of the loss.

Letters for shapes: B windows, T tokens, K words of the longest window, M widths (words of a span), L labels, C tags, H width of the
encoder, D width of the head, S most gold spans of a window. A span with its first word k and m + 1 words stands at [k, m].
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

IMPOSSIBLE = -1e4
"""Score of a span that runs beyond the window's last word."""
RARE = -5.0
"""Scores at first: almost no span is a mention."""


class SpanScorer(nn.Module):
    """`size` is D, `max_width` M."""

    def __init__(self, width: int, labels: int, *, max_width: int, size: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(width, size), nn.GELU(), nn.Dropout(dropout))
        self.last = nn.Sequential(nn.Linear(width, size), nn.GELU(), nn.Dropout(dropout))
        self.pairs = nn.Parameter(torch.empty(labels, size + 1, size + 1))
        self.widths = nn.Parameter(torch.empty(max_width, labels))
        self.reset()

    def reset(self) -> None:
        """New weights for what is no layer of its own."""
        nn.init.normal_(self.pairs, std=0.02)
        nn.init.constant_(self.widths, RARE)

    def forward(self, hidden: torch.Tensor, word_positions: torch.Tensor) -> torch.Tensor:
        """Log-odds [B, K, M, L] of spans, from what the encoder says of tokens [B, T, H] and the first token of each word [B, K]
        (negative where a window has fewer words).
        """
        words = hidden.gather(1, word_positions.clamp(min=0)[..., None].expand(-1, -1, hidden.shape[-1]))
        first, last = _with_one(self.first(words)), _with_one(self.last(words))
        projected = torch.einsum("bkd,lde->bkle", first, self.pairs)
        scores = torch.einsum("bkle,bkem->bkml", projected, self._ahead(last))
        beyond = ~self._ahead((word_positions >= 0)[..., None])[:, :, 0]
        return (scores + self.widths).masked_fill(beyond[..., None], IMPOSSIBLE)

    def _ahead(self, words: torch.Tensor) -> torch.Tensor:
        """[B, K, D, M]: of [B, K, D], the words k, k + 1, ... k + M - 1 for each k; zeros beyond the last."""
        count = len(self.widths)
        return functional.pad(words, (0, 0, 0, count - 1)).unfold(1, count, 1)


def span_loss(
    scores: torch.Tensor,
    spans: torch.Tensor,
    decided: torch.Tensor,
    inside: torch.Tensor,
    unannotated: torch.Tensor,
    *,
    positions: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Binary cross-entropy summed over spans and labels, divided by `positions` (the number of `decided` words by default); a scalar.

    `scores` [B, K, M, L] are log-odds, `spans` [B, S, 3] gold: first word (negative beyond a window's last span), words - 1, label. A
    span counts if the window decides its first word (`decided` [B, K]) and all of its words were annotated (`inside` [B, K]); a label
    counts if it was being marked (`unannotated` [B, C] is true for the tags of the others). `weights` [B] multiply what the spans of a
    window add.
    """
    dtype = torch.promote_types(scores.dtype, torch.float32)
    gold = torch.zeros(scores.shape, dtype=dtype, device=scores.device)
    rows, places = (spans[..., 0] >= 0).nonzero(as_tuple=True)
    gold[(rows, *spans[rows, places].unbind(1))] = 1.0
    count = scores.shape[2]
    annotated = functional.pad(inside, (0, count - 1)).unfold(1, count, 1).cumprod(2).bool() & decided[..., None]
    counted = annotated[..., None] & ~unannotated[:, None, None, 1::2]
    losses = functional.binary_cross_entropy_with_logits(scores.to(dtype), gold, reduction="none")
    if weights is not None:
        losses = losses * weights[:, None, None, None]
    return losses.masked_fill(~counted, 0.0).sum() / (decided.sum() if positions is None else positions).clamp(min=1)


def _with_one(words: torch.Tensor) -> torch.Tensor:
    return functional.pad(words, (0, 1), value=1.0)
