"""Learning from a share of the words outside any span."""

from functools import partial

import numpy as np
import pytest

from eventtag.encoding.align import IGNORED
from eventtag.training.drawn import DrawnWindows
from eventtag.training.features import Feature
from eventtag.training.outside import sample_outside

TAGS = np.array([IGNORED, *[0] * 400, 1, 2, *[0] * 400, 3, IGNORED])


def window() -> Feature:
    return Feature(
        "a",
        np.zeros(len(TAGS), dtype=np.int64),
        np.zeros(len(TAGS), dtype=np.int64),
        TAGS,
        np.zeros(5, dtype=np.bool_),
        TAGS != IGNORED,
    )


@pytest.mark.parametrize("share", [0.25, 0.8])
def test_only_outside_positions_are_left_out_and_about_the_share_stays(share):
    found = sample_outside(window(), share=share, key=(1, 2, 3)).tag_ids
    inside = TAGS > 0
    assert (found[inside] == TAGS[inside]).all()
    assert set(found[~inside].tolist()) == {0, IGNORED}
    assert (found == 0).sum() / (TAGS == 0).sum() == pytest.approx(share, abs=0.06)


def test_the_choice_is_a_pure_function_of_seed_epoch_and_window():
    def chosen(seed: int, epoch: int, index: int) -> list[int]:
        windows = DrawnWindows([window()] * 3, partial(sample_outside, share=0.5), seed=seed)
        windows.set_epoch(epoch)
        return windows[index].tag_ids.tolist()

    assert chosen(1, 4, 2) == chosen(1, 4, 2)
    different = [chosen(1, 4, 2), chosen(2, 4, 2), chosen(1, 5, 2), chosen(1, 4, 1)]
    assert len({tuple(tags) for tags in different}) == 4


def test_the_gold_itself_is_not_changed():
    feature = window()
    sample_outside(feature, share=0.1, key=(0, 0, 0))
    assert (feature.tag_ids == TAGS).all()
