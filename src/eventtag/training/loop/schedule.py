"""Learning rates over the steps of a run."""

from __future__ import annotations


def rise_and_fall(step: int, *, steps: int, warmup: int, start: int = 0) -> float:
    """The share of the peak rate that step `step` (from 0) of `steps` has: 0 before `start`, then a linear rise in `warmup` steps, the
    last of them at the peak, and a linear fall that would reach 0 at step `steps`.

    transformers' own schedule begins to rise at 0, so its first update changes nothing.
    """
    rising = (step - start + 1) / max(1, warmup)
    falling = (steps - step) / max(1, steps - start - warmup)
    return max(0.0, min(1.0, rising, falling))
