"""Strings of a text: what stands between white space.

In a text that was divided into words before it was annotated ("Apple Inc. , said the U.S. ."), every sign that is not part of a word stands
apart, and a string is a word as the annotators saw it.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from eventtag.text.lines import ENDS

_SPACE = re.compile(r"\s+")
_SIGN = re.compile(rf"[,，、،](?=\s|\Z)|[.。](?=[^\S{ENDS}]*(?:[{ENDS}]|\Z))")
"""A comma before white space, and a full stop at the end of a line. Points inside a line may belong to an abbreviation, and French puts a
blank before its other signs.
"""
APART = 0.5
"""Share of a text's signs that stand apart from which its strings count as words. It is at least 0.83 in the articles of ECB+ and LitBank.
In those of GUM, re3d and the sample corpus, which are texts as they were published, it is at most 0.08.
"""


def words_stand_apart(text: str) -> bool:
    """Whether the strings of a text are words. False for a text that has neither a comma nor a full stop at the end of a line."""
    apart = [text[match.start() - 1 : match.start()].isspace() for match in _SIGN.finditer(text) if match.start()]
    return bool(apart) and sum(apart) >= APART * len(apart)


def inside_string(text: str, words: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """[W]: whether each of the words [W, 2], in order, begins inside a string, that is, no white space stands between it and the word
    before it. False for all words of a text whose strings are not words (`words_stand_apart`).
    """
    if not words_stand_apart(text):
        return np.zeros(len(words), dtype=np.bool_)
    ends = np.array([match.end() for match in _SPACE.finditer(text)], dtype=np.int64)
    before = np.searchsorted(ends, words[:, 0], side="right")
    inside: npt.NDArray[np.bool_] = np.diff(before, prepend=-1) == 0
    return inside
