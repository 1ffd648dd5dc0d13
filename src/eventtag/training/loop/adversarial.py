"""Adversarial training: each batch is read again with its word embeddings moved to where the loss is higher.

The gradient of a batch gives the direction in which its word embeddings raise the loss most. They are moved a small step in that direction,
the gradient there is added to the first one, and the embeddings are restored (the fast gradient method for text: Miyato et al. 2017,
https://arxiv.org/abs/1605.07725, with one step for all rows of the table that the batch reads, so that a word moves in the same way
wherever it occurs).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel

from eventtag.training.loop.processes import process_count, sum_of_all


@contextmanager
def movable_words(
    model: PreTrainedModel, input_ids: torch.Tensor, *, accumulating: bool = False
) -> Iterator[Callable[[float], None]]:
    """Within the block, the embeddings of the words `input_ids` can be moved. The block gets a function of a length; called after a
    backward pass, it moves them by this length along the gradient of that pass.

    At the end they are restored exactly. Earlier gradients do not count in the direction. An embedding table that is not trained is moved
    too, and keeps no gradient. Several processes all move along the gradient of all; `accumulating` says that they exchange gradients only
    after several batches.
    """
    table: Any = model.get_input_embeddings().weight
    rows = torch.unique(input_ids)
    trained = table.requires_grad
    before = None if table.grad is None else table.grad.clone()
    kept = table.detach()[rows].clone()
    table.requires_grad_(True)
    own: list[torch.Tensor] = []  # what this process added, as `table.grad` then holds sums of several batches and processes
    watch = table.register_hook(own.append) if accumulating and process_count() > 1 else None

    def move(length: float) -> None:
        if watch is not None:
            watch.remove()
            gradient = sum_of_all(torch.stack(own).sum(0))
        else:
            gradient = table.grad if before is None else table.grad - before
            gradient = gradient if trained else sum_of_all(gradient)
        size = gradient.norm()
        if size > 0:
            with torch.no_grad():
                table[rows] = kept + length * gradient[rows] / size

    try:
        yield move
    finally:
        if watch is not None:
            watch.remove()
        with torch.no_grad():
            table[rows] = kept
        if not trained:
            table.requires_grad_(False)
            table.grad = before
