"""The gradient of a large embedding table, whose memory is kept from step to step.

A batch reads a few hundred of tens of thousands of rows, but autograd makes a gradient of the whole table. On a CPU, filling and adding
those zeros takes a tenth of a training step. Here the memory stays, and only the rows that the last step used are set to zero again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

MANY = 64
"""Most batches of a step whose rows are kept separately."""


class KeptGradient:
    """The gradient of one table, and which of its rows are not zero. No other code may write into other rows. AdamW does not; an optimizer
    that keeps its momentum there would.
    """

    def __init__(self) -> None:
        self.memory: torch.Tensor | None = None
        self.touched: list[torch.Tensor] = []

    def add(self, table: nn.Parameter, ids: torch.Tensor, gradient: torch.Tensor, padding_idx: int | None) -> None:
        """Add `gradient` [..., H] to the rows `ids` [...] of `table.grad`, except to the padding row."""
        if table.grad is None:
            if self.memory is None:
                self.memory = torch.zeros_like(table)
            for rows in self.touched:
                self.memory[rows] = 0
            self.touched.clear()
            table.grad = self.memory
        rows, place = torch.unique(ids, return_inverse=True)
        padding = -1 if padding_idx is None else int(torch.searchsorted(rows, padding_idx))
        present = 0 <= padding < len(rows) and rows[padding] == padding_idx
        summed = torch.ops.aten.embedding_dense_backward(gradient, place, len(rows), padding if present else -1, False)
        with torch.no_grad():
            table.grad[rows] += summed.to(table.dtype)
        if table.grad is self.memory:
            self.touched.append(rows)
            if len(self.touched) > MANY:
                self.touched = [torch.cat(self.touched).unique()]


class _Lookup(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: nn.Parameter, ids: torch.Tensor, kept: KeptGradient, padding_idx: int | None) -> torch.Tensor:
        ctx.table, ctx.kept, ctx.padding_idx = table, kept, padding_idx
        ctx.save_for_backward(ids)
        return functional.embedding(ids, table)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[None, None, None, None]:
        (ids,) = ctx.saved_tensors
        ctx.kept.add(ctx.table, ids, gradients[0], ctx.padding_idx)
        return None, None, None, None


class WordTable(nn.Embedding):
    """`nn.Embedding` that adds its gradient to `weight.grad` itself while it is trained on a CPU. Hooks on the gradient are not called."""

    kept_gradient: KeptGradient

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that nn.Embedding gives it
        """The rows of the table [..., H] for `input` [...]."""
        table = self.weight
        trained = self.training and torch.is_grad_enabled() and table.is_leaf and table.requires_grad
        if not trained or table.device.type != "cpu":
            return super().forward(input)
        return _Lookup.apply(table, input, self.kept_gradient, self.padding_idx)  # type: ignore[no-any-return,no-untyped-call]


def keep_gradient(table: nn.Module) -> None:
    """Turn an `nn.Embedding` into a WordTable; leaves other classes and subclasses as they are."""
    if type(table) is nn.Embedding and table.max_norm is None and not table.sparse and not table.scale_grad_by_freq:
        table.__class__ = WordTable
        vars(table)["kept_gradient"] = KeptGradient()
