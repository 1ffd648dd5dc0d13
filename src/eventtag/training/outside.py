"""Learning from a share of the words outside any span: most words are outside, and most of those are easy.

Which words are left out is a pure function of seed, epoch and window, so that a resumed run leaves out the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eventtag.encoding.align import IGNORED
from eventtag.training.features import Feature


def sample_outside(feature: Feature, *, share: float, key: Sequence[int]) -> Feature:
    """The window without gold on some of its positions outside any span: each stays with probability `share`, drawn with `key`."""
    left_out = np.random.default_rng(key).random(len(feature.tag_ids)) >= share
    return replace(feature, tag_ids=np.where((feature.tag_ids == 0) & left_out, IGNORED, feature.tag_ids))
