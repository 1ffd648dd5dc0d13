"""A head that scores spans: each span of up to M words, for each label, by its first and its last word.

The score is biaffine in the encoder's output for the two words (Yu et al. 2020, https://aclanthology.org/2020.acl-main.577/), plus a term
for the number of words. The paper has a softmax over the labels of a span; here each span and label has a sigmoid, so spans may nest and
overlap, and the loss leaves out a label that nobody was annotating.

Letters for shapes: B windows, T tokens, K words of the longest window, M widths (words of a span), L labels, C tags, H width of the
encoder, D width of the head, S most gold spans of a window. A span with first word k and m + 1 words is at [k, m].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from eventtag.article import Article
from eventtag.encoding.align import IGNORED, align_overlapping, words_inside
from eventtag.encoding.tokens import TokenisedText
from eventtag.encoding.windows import Window
from eventtag.heads.protocol import ArticleTargets, FloatArray, IntArray
from eventtag.heads.rejected import KEY
from eventtag.heads.span_decoding import SpanDecoder
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger

IMPOSSIBLE = -1e4
"""Score of a span that runs beyond the window's last word."""
LABELS_AT_ONCE = 8
"""Labels that are scored together: the products of a word with all labels need more memory than the scores."""
RARE = -5.0
"""Initial score: almost no span is a mention."""


@dataclass(frozen=True)
class SpanHead:
    """`ModelHead` with the layer `spans`: spans of at most `max_width` words, which may overlap or not; `size` is D."""

    max_width: int = 16
    overlap: bool = False
    size: int = 128
    plain = False
    tags_words = False
    weights: ClassVar[tuple[str, ...]] = ("spans.",)
    reads_words = True
    pipeline_note = "Its head scores spans, which `transformers.pipeline` does not know: only eventtag reads it."

    @classmethod
    def from_options(cls, options: Any) -> Self:
        """From `max_span_width`, `overlap` and, in a checkpoint, `span_size`."""
        return cls(options.max_span_width, options.overlap, getattr(options, "span_size", cls.size))

    def options(self) -> dict[str, Any]:
        """As `ModelHead.options`."""
        return {"head": "span", "max_span_width": self.max_width, "overlap": self.overlap, "span_size": self.size}

    def layers(self, width: int, tags: int, *, dropout: float) -> dict[str, nn.Module | nn.Parameter]:
        """As `ModelHead.layers`."""
        return {"spans": SpanScorer(width, tags // 2, max_width=self.max_width, size=self.size, dropout=dropout)}

    def initialise(self, network: Any, module: nn.Module) -> bool:
        """As `ModelHead.initialise`; the linear layers are left to the encoder."""
        if module is not getattr(network, "spans", None):
            return False
        network.spans.reset()
        return True

    def scores(self, network: Any, hidden: torch.Tensor, word_positions: torch.Tensor | None) -> torch.Tensor:
        """[B, K, M, L]: log-odds of the spans that begin with each word."""
        if word_positions is None:
            raise ValueError("a span head reads word_positions, which a pipeline does not give; use eventtag.Tagger")
        scores: torch.Tensor = network.spans(hidden, word_positions)
        return scores

    def emissions(self, scores: torch.Tensor, word_positions: IntArray) -> FloatArray:  # noqa: ARG002
        """The scores as they are."""
        return np.asarray(scores.cpu().numpy(), dtype=np.float32)

    def targets(
        self, article: Article, tokens: TokenisedText, windows: Sequence[Window], labels: LabelSet, *, ledger: LossLedger
    ) -> ArticleTargets:
        """The spans of each window; the tags only say which words have gold (`O` everywhere)."""
        inside = words_inside(tokens.words, article)
        spans = align_overlapping(article, tokens, windows, labels, max_width=self.max_width, ledger=ledger)
        return ArticleTargets(np.where(inside, 0, IGNORED), [_of_window(tokens, window, inside, spans) for window in windows])

    def loss(
        self, network: Any, scores: torch.Tensor, batch: Mapping[str, Any], labels: LabelSet, *, positions: torch.Tensor | None
    ) -> torch.Tensor:
        """As `span_loss`; a rejected span counts as one that is not a mention, wherever it stands."""
        del network, labels
        places = batch["word_positions"]
        decided = (batch["labels"].gather(1, places.clamp(min=0)) >= 0) & (places >= 0)
        return span_loss(
            scores, batch["spans"], decided, batch["inside"], batch["unannotated"],
            positions=positions, weights=batch["weights"], rejected=batch.get(KEY),
        )  # fmt: skip

    def decoder(self, network: Any) -> SpanDecoder:  # noqa: ARG002
        """As `ModelHead.decoder`."""
        return SpanDecoder(self.max_width, self.overlap)


@dataclass(frozen=True, slots=True)
class SpanTargets:
    """Gold of a window. `inside` [K]: which of the window's words lie in annotated regions. `spans` [S, 3]: first word, number of
    words - 1, and label of the spans whose first word the window owns; words are numbered in the window.
    """

    inside: npt.NDArray[np.bool_]
    spans: npt.NDArray[np.int64]

    def collate(self, targets: Sequence[SpanTargets], words: torch.Tensor) -> dict[str, torch.Tensor]:
        """`word_positions` [B, K], the first token of each word of the window (-1 beyond its last), `inside` [B, K], and `spans`
        [B, S, 3]: first word (-1 beyond the last span), number of words - 1, label.
        """
        counts = words.sum(dim=1)
        word_positions = torch.full((len(targets), max(int(counts.max()), 1)), -1, dtype=torch.long)
        inside = torch.zeros(word_positions.shape, dtype=torch.bool)
        spans = torch.full((len(targets), max(1, *(len(gold.spans) for gold in targets)), 3), -1, dtype=torch.long)
        for row, gold in enumerate(targets):
            word_positions[row, : counts[row]] = words[row].nonzero()[:, 0]
            inside[row, : counts[row]] = torch.from_numpy(gold.inside)
            spans[row, : len(gold.spans)] = torch.from_numpy(gold.spans)
        return {"word_positions": word_positions, "inside": inside, "spans": spans}


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
        """New weights for the parameters outside the layers."""
        nn.init.normal_(self.pairs, std=0.02)
        nn.init.constant_(self.widths, RARE)

    def forward(self, hidden: torch.Tensor, word_positions: torch.Tensor) -> torch.Tensor:
        """Log-odds [B, K, M, L] of spans, from the encoder's output [B, T, H] and the first token of each word [B, K] (negative if
        a window has fewer words).
        """
        words = hidden.gather(1, word_positions.clamp(min=0)[..., None].expand(-1, -1, hidden.shape[-1]))
        first, last = _with_one(self.first(words)), _with_one(self.last(words))
        ahead = self._ahead(last)
        parts = (torch.einsum("bkd,lde->bkle", first, pairs) for pairs in self.pairs.split(LABELS_AT_ONCE))
        scores = torch.cat([torch.einsum("bkle,bkem->bkml", projected, ahead) for projected in parts], dim=-1)
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
    rejected: torch.Tensor | None = None,
) -> torch.Tensor:
    """Binary cross-entropy summed over spans and labels, divided by `positions` (the number of `decided` words by default); a scalar.

    `scores` [B, K, M, L] are log-odds, `spans` [B, S, 3] gold: first word (negative beyond a window's last span), words - 1, label. A
    span counts if the window decides its first word (`decided` [B, K]) and all of its words were annotated (`inside` [B, K]); a label
    counts if it was being annotated (`unannotated` [B, C] is true for the tags of the others). `weights` [B] multiply the loss of a
    window's spans. `rejected` [B, N, 3], in the form of `spans`, count as spans that are not mentions with their label.
    """
    dtype = torch.promote_types(scores.dtype, torch.float32)
    gold = torch.zeros(scores.shape, dtype=dtype, device=scores.device)
    rows, places = (spans[..., 0] >= 0).nonzero(as_tuple=True)
    gold[(rows, *spans[rows, places].unbind(1))] = 1.0
    count = scores.shape[2]
    annotated = functional.pad(inside, (0, count - 1)).unfold(1, count, 1).cumprod(2).bool() & decided[..., None]
    counted = annotated[..., None] & ~unannotated[:, None, None, 1::2]
    if rejected is not None:
        rows, places = ((rejected[..., 0] >= 0) & (rejected[..., 1] < count)).nonzero(as_tuple=True)
        counted[(rows, *rejected[rows, places].unbind(1))] = True
    losses = functional.binary_cross_entropy_with_logits(scores.to(dtype), gold, reduction="none")
    if weights is not None:
        losses = losses * weights[:, None, None, None]
    return losses.masked_fill(~counted, 0.0).sum() / (decided.sum() if positions is None else positions).clamp(min=1)


def _with_one(words: torch.Tensor) -> torch.Tensor:
    return functional.pad(words, (0, 1), value=1.0)


def _of_window(tokens: TokenisedText, window: Window, inside: npt.NDArray[np.bool_], spans: IntArray) -> SpanTargets:
    edges = [window.start, window.own_start, window.own_end, window.end]
    low, own_low, own_high, high = np.searchsorted(tokens.first_token, edges)
    owned = spans[(spans[:, 0] >= own_low) & (spans[:, 0] < own_high)]
    return SpanTargets(inside[low:high], owned - [low, 0, 0])
