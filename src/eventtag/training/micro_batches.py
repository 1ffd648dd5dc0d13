"""A step's batch in parts that fit in memory.

Letters for shapes: B windows, T tokens of the longest window.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

PER_WINDOW = ("unmarked", "weights")
"""Entries of a batch without a dimension for tokens."""


def split_batch(batch: Mapping[str, torch.Tensor], budget: int | None) -> list[dict[str, torch.Tensor]]:
    """Parts of a batch, each of at most `budget` tokens with its padding, longest windows first; a longer window is a part of its own.

    Entries are [B, T, ...], or [B, ...] where named in PER_WINDOW; padding is on the right, and each part is cut to its longest window.
    Every window is in one part. Without a budget the batch is the only part.
    """
    if budget is None:
        return [dict(batch)]
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    parts = []
    while order:
        width = max(int(lengths[order[0]]), 1)
        count = max(budget // width, 1)
        rows = torch.tensor(order[:count], device=batch["attention_mask"].device)
        parts.append({key: value[rows] if key in PER_WINDOW else value[rows][:, :width] for key, value in batch.items()})
        order = order[count:]
    return parts
