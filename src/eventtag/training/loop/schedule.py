"""Learning rates over the steps of a run."""

from __future__ import annotations


def rise_and_fall(step: int, *, steps: int, warmup: int, start: int = 0) -> float:
    """The share of the peak rate at step `step` (from 0) of `steps`: 0 before `start`, then a linear rise over `warmup` steps, the last at
    the peak, then a linear fall that would reach 0 at step `steps`.

    transformers' own schedule starts from 0, so its first update changes nothing.
    """
    rising = (step - start + 1) / max(1, warmup)
    falling = (steps - step) / max(1, steps - start - warmup)
    return max(0.0, min(1.0, rising, falling))
