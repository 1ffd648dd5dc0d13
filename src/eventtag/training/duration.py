"""How long a run trains where its windows are few.

An encoder needs some hundreds of updates to learn new tags, however few the articles are; a usual number of epochs over few articles is
over before it has begun (Mosbach et al. 2021, https://arxiv.org/abs/2006.04884; Zhang et al. 2021, https://arxiv.org/abs/2006.05987).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from eventtag.settings import TrainerSettings
from eventtag.training.sampler import TokenBatchSampler

log = logging.getLogger(__name__)

LONGEST = 8
"""So many times `trainer.epochs` at most: every epoch is scored, and articles too few for this many teach no more."""


def long_enough(settings: TrainerSettings, lengths: Sequence[int], *, processes: int) -> TrainerSettings:
    """The settings with as many epochs as `min_updates` needs on training windows of these lengths (tokens), and with `patience` for
    them. A limit by `extra.max_steps` stays.
    """
    if settings.extra.get("max_steps", -1) > 0:
        return settings
    updates = updates_per_epoch(settings, lengths, processes=processes)
    stretch = min(settings.min_updates / (updates * settings.epochs), LONGEST)
    if stretch <= 1:
        return settings
    epochs = ceil(settings.epochs * stretch)
    log.info("few windows: %d epochs instead of %g, which are %d updates", epochs, settings.epochs, updates * epochs)
    patience = None if settings.patience is None else ceil(settings.patience * stretch)
    return replace(settings, epochs=epochs, patience=patience)


def updates_per_epoch(settings: TrainerSettings, lengths: Sequence[int], *, processes: int) -> int:
    """Updates in one pass over training windows of these lengths (tokens)."""
    if settings.batch_tokens is None:
        batches = ceil(len(lengths) / (settings.batch_size * processes))
    else:
        batches = len(TokenBatchSampler(lengths, batch_tokens=settings.batch_tokens, seed=0, processes=processes)) // processes
    return ceil(batches / int(settings.extra.get("gradient_accumulation_steps", 1)))
