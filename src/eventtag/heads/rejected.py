"""The loss of rejected spans: exactly these words are not a mention with this label. They say nothing about the rest of the text.

The loss of a rejected span is -log(1 - p), where p is its probability. Under a chain of tags p is the sum over all legal sequences with
this mention divided by the sum over all (as `eventtag.heads.chain` has it for decoding), in the window that decides the span's first word.

Letters for shapes: B windows, T tokens, C tags, N most rejected spans of a window, R rejected spans, W words of the longest window.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from eventtag.article import Article
from eventtag.encoding.tokens import TokenisedText
from eventtag.encoding.windows import Window
from eventtag.heads.partition import IMPOSSIBLE, find_runs, log_partition
from eventtag.heads.protocol import IntArray
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger

KEY = "rejected"
"""Entry of a batch, there only if it has a rejected span: [B, N, 3], first word (-1 beyond a window's last span), words - 1, label."""
SURE = 1e-4
"""Least 1 - p in the loss, so that rounding leaves it finite."""


def rejected_in_windows(
    article: Article, tokens: TokenisedText, windows: Sequence[Window], labels: LabelSet, *, ledger: LossLedger
) -> list[IntArray]:
    """[N, 3] for each window: first word, words - 1, and label (its place among the labels) of the rejected spans that it learns; words
    are numbered in the window.

    Spans whose words were all annotated for their label are left out, because gold already says that they are none. The ledger
    notes spans that no tagger can find, because they do not begin and end with words, or the window of their first word does not
    hold all of them.
    """
    found: list[list[tuple[int, int, int]]] = [[] for _ in windows]
    first_of = {int(start): number for number, start in enumerate(tokens.words[:, 0])}
    last_of = {int(end): number for number, end in enumerate(tokens.words[:, 1])}
    own_starts = [window.own_start for window in windows]
    for span in article.rejected:
        if span.label not in labels.labels:
            continue
        if article.all_annotated(span.start, span.end) and span.label in article.annotated_labels(labels.labels):
            continue
        first, last = first_of.get(span.start), last_of.get(span.end)
        reason = "begins or ends inside a word" if first is None or last is None else ""
        if first is not None and last is not None:
            number = bisect_right(own_starts, tokens.first_token[first]) - 1
            window = windows[number]
            if tokens.first_token[last] < window.end:
                before = int(np.searchsorted(tokens.first_token, window.start))
                found[number].append((first - before, last - first, labels.labels.index(span.label)))
            else:
                reason = "the window of its first word does not hold it whole"
        if reason:
            detail = f"{span.label} {span.start}-{span.end}"
            ledger.note(article.id, "aligning", "rejected", f"a rejected span is not learnt: {reason}", detail=detail)
    return [np.array(spans, dtype=np.int64).reshape(-1, 3) for spans in found]


def collate_rejected(spans: Sequence[IntArray]) -> dict[str, torch.Tensor]:
    """The entry KEY for windows with these rejected spans; empty if none has one."""
    most = max(map(len, spans), default=0)
    if not most:
        return {}
    together = torch.full((len(spans), most, 3), -1, dtype=torch.long)
    for row, own in enumerate(spans):
        together[row, : len(own)] = torch.from_numpy(own)
    return {KEY: together}


def less_than_one(log_p: torch.Tensor) -> torch.Tensor:
    """-log(1 - p) of log-probabilities, finite, and with p's own gradient, also for those that are 1 by rounding."""
    bounded = log_p - torch.relu(log_p + SURE).detach()
    return -torch.log(-torch.expm1(bounded))


def rejection_loss(
    emissions: torch.Tensor, moves: torch.Tensor, batch: Mapping[str, Any], *, positions: torch.Tensor | None
) -> torch.Tensor:
    """The summed loss of a batch's rejected spans under a chain of tags, divided by `positions` (the number of gold positions by default),
    so that a rejected span weighs as much as a word with gold; a scalar.

    `emissions` [B, T, C] are unnormalised, `moves` [C, C] scores of tag j after tag i, IMPOSSIBLE where j may not follow. The
    entries KEY, `words`, `labels` and `weights` of the `batch` are read.
    """
    rejected: torch.Tensor = batch[KEY]
    words: torch.Tensor = batch["words"]
    tag_ids: torch.Tensor = batch["labels"]
    weights: torch.Tensor = batch["weights"]
    places, inside = find_runs(words, words)  # a window that has words is one run
    run_of = torch.zeros(len(words), dtype=torch.long, device=words.device)
    run_of[places[:, 0] // words.shape[1]] = torch.arange(len(places), device=words.device)
    rows, numbers = (rejected[..., 0] >= 0).nonzero(as_tuple=True)
    runs = run_of[rows]
    dtype = torch.promote_types(emissions.dtype, torch.float32)
    scores = torch.log_softmax(emissions.to(dtype), dim=-1).flatten(0, 1)[places[runs]]
    first, more, label = rejected[rows, numbers, :, None].unbind(1)  # [R, 1] each
    word = torch.arange(scores.shape[1], device=scores.device)
    tag = torch.arange(scores.shape[2], device=scores.device)
    begins, goes_on = (tag == 1 + 2 * label)[:, None], (tag == 2 + 2 * label)[:, None]  # [R, 1, C]
    at_first, at_others, behind = word == first, (word > first) & (word <= first + more), word == first + more + 1
    allowed = torch.where(at_first[..., None], begins, True)
    allowed = torch.where(at_others[..., None], goes_on, allowed)
    allowed = torch.where(behind[..., None], ~goes_on, allowed)
    both = torch.cat([scores, scores.masked_fill(~allowed, IMPOSSIBLE)])
    totals = log_partition(both, inside[runs].repeat(2, 1), moves.to(dtype))
    losses = less_than_one(totals[len(runs) :] - totals[: len(runs)]) * weights[rows]
    count: torch.Tensor = (tag_ids >= 0).sum() if positions is None else positions
    return losses.sum() / count.clamp(min=1)
