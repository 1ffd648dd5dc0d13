"""Splitting a step's batch into parts that fit in memory.

Letters for shapes: B windows, T tokens of the longest window.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

PER_TOKEN = frozenset(("input_ids", "attention_mask", "casing_ids", "labels", "words", "soft_targets", "soft_share"))
"""Entries of a batch with a dimension for tokens; the others have one row a window."""


def split_batch(batch: Mapping[str, Any], budget: int | None) -> list[dict[str, Any]]:
    """Parts of a batch, each of at most `budget` tokens with its padding, longest windows first; a longer window is a part of its own.

    Entries are [B, T, ...] where named in PER_TOKEN, else [B, ...] or lists of B; padding is on the right, and each part is cut to its
    longest window. Every window is in one part. Without a budget the batch is the only part.
    """
    if budget is None:
        return [dict(batch)]
    lengths = batch["attention_mask"].sum(dim=1).tolist()
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    parts = []
    while order:
        width = max(int(lengths[order[0]]), 1)
        count = max(budget // width, 1)
        parts.append({key: _rows(value, order[:count], width if key in PER_TOKEN else None) for key, value in batch.items()})
        order = order[count:]
    return parts


def _rows(value: Any, rows: list[int], width: int | None) -> Any:
    if isinstance(value, list):
        return [value[row] for row in rows]
    chosen = value[torch.tensor(rows, device=value.device)]
    return chosen if width is None else chosen[:, :width]
