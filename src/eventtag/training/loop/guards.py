"""Numbers that stop a run before they are used: a loss, a gradient or a weight that is not finite."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from eventtag.errors import TrainingError

SHOWN = 20
"""How many articles a message names."""
REMEDY = "Lower trainer.learning_rate, or turn mixed precision off"


def require_finite_loss(loss: torch.Tensor, *, step: int, articles: Sequence[str] = ()) -> None:
    """Raise TrainingError, which names the articles of the batch, if its loss is infinite or not a number."""
    if not torch.isfinite(loss):
        raise TrainingError(
            f"the loss is {loss.item()} at step {step}; training stopped before the update, and saved states are sound.\n"
            f"{_named('batch', articles)}{REMEDY}"
        )


def require_finite_gradients(norm: torch.Tensor | float | None, *, step: int, articles: Sequence[str]) -> None:
    """Raise TrainingError, which names the articles of the update's batches, if the norm of its gradients is not finite."""
    if norm is not None and not torch.isfinite(torch.as_tensor(norm)):
        raise TrainingError(
            f"the gradients of step {step} are not finite (norm {float(norm)}), though the loss is; training stopped before the "
            f"update, and saved states are sound.\n{_named('update', articles)}{REMEDY}"
        )


def require_finite_weights(model: nn.Module, *, step: int) -> None:
    """Raise TrainingError, which names the first of them, if weights are not finite; such a state is never saved."""
    for name, parameter in model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise TrainingError(
                f"the weights {name} are not finite after step {step}; they were not saved, and the states before are sound. "
                f"{REMEDY}"
            )


def _named(what: str, articles: Sequence[str]) -> str:
    names = list(dict.fromkeys(articles))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"Articles of the {what}, to be looked at: {', '.join(names[:SHOWN])}{more}. " if names else ""
