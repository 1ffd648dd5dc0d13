"""Lines of a text, and the line ends that no mention should cross."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

ENDS = r"\n\v\f\r\x85\u2028\u2029"
"""The characters that end a line, for a class of a regular expression; `\\r\\n` ends one line."""
_BREAK = re.compile(rf"(?:\r\n|[{ENDS}])[^\S{ENDS}]*")
"""A line end with the white space after it; the search takes linear time in any text."""
WRAPPED = 0.3
"""If at least this share of a text's single line ends comes before a small letter, its lines count as broken at a fixed width, as in a wire
report or an e-mail. There a line end means nothing."""


def begins_line(text: str, words: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """[W]: whether a line ends between each word and the one before it, for words [W, 2] in order; False for the first.

    In a text whose lines are broken at a width, only blank lines count.
    """
    found = [(match.start(), match.end()) for match in _BREAK.finditer(text)]
    starts = {start for start, _ in found}
    blank = [end in starts for _, end in found]  # what follows is an empty line
    single = [end for (_, end), *empty in zip(found, blank, [False, *blank], strict=False) if not any(empty)]
    wrapped = sum(text[end : end + 1].islower() for end in single) >= WRAPPED * max(1, len(single))
    ends = np.array([start for (start, _), empty in zip(found, blank, strict=True) if empty or not wrapped], dtype=np.int64)
    before = np.searchsorted(ends, words[:, 0])
    return np.diff(before, prepend=before[:1]) > 0
