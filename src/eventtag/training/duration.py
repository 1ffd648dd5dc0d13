"""The number of epochs of a run without `trainer.epochs`.

An encoder needs some hundreds of updates to learn new tags, however few the articles are. The usual number of epochs is too small for few
articles (Mosbach et al. 2021, https://arxiv.org/abs/2006.04884; Zhang et al. 2021, https://arxiv.org/abs/2006.05987).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from eventtag.settings import TrainerSettings
from eventtag.training.loop.sampler import TokenBatchSampler

log = logging.getLogger(__name__)

USUAL, MOST = 5, 40
"""Epochs with enough windows, and the most epochs with few: each epoch is scored, and more of them teach nothing further."""


def with_epochs(settings: TrainerSettings, lengths: Sequence[int], *, processes: int) -> TrainerSettings:
    """The settings with `epochs`: those given, else as many as `min_updates` needs on training windows of these lengths (tokens), with
    `patience` for them. If `extra.max_steps` limits the run, few windows make no difference.
    """
    if settings.epochs is not None:
        return settings
    updates = updates_per_epoch(settings, lengths, processes=processes)
    epochs = min(max(USUAL, ceil(settings.min_updates / updates)), MOST)
    if epochs == USUAL or settings.extra.get("max_steps", -1) > 0:
        return replace(settings, epochs=USUAL)
    log.info("few windows: %d epochs, which are %d updates", epochs, updates * epochs)
    patience = None if settings.patience is None else ceil(settings.patience * epochs / USUAL)
    return replace(settings, epochs=epochs, patience=patience)


def updates_per_epoch(settings: TrainerSettings, lengths: Sequence[int], *, processes: int) -> int:
    """Updates in one pass over training windows of these lengths (tokens)."""
    if settings.batch_tokens is None:
        batches = ceil(len(lengths) / (settings.batch_size * processes))
    else:
        batches = len(TokenBatchSampler(lengths, batch_tokens=settings.batch_tokens, seed=0, processes=processes)) // processes
    return ceil(batches / int(settings.extra.get("gradient_accumulation_steps", 1)))
