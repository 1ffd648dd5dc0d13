"""The casing of each word, for models whose tokenizer lower-cases.

The kinds are those of Collobert et al. 2011 (https://www.jmlr.org/papers/v12/collobert11a.html), with kinds of their own for mixed case,
digits and the rest.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

CASINGS = ("none", "lower", "title", "upper", "mixed", "digits", "other")
"""Names of the casing ids. `none` is for special tokens, padding and tokens of no word."""

CACHED_LENGTH = 40
"""Characters of the longest word whose casing is remembered: a text may be a single word of a megabyte."""


def casing_of(word: str) -> int:
    """The casing id of one word. A lone capital is `title`; words of a script without case are `other`."""
    if word.islower():
        kind = "lower"
    elif word.isupper():
        kind = "upper" if len(word) > 1 else "title"
    elif word[0].isupper() and not any(letter.isupper() for letter in word[1:]):
        kind = "title"
    elif any(letter.isupper() for letter in word):
        kind = "mixed"
    else:
        kind = "digits" if word.isdecimal() else "other"
    return CASINGS.index(kind)


_remembered = lru_cache(maxsize=1 << 16)(casing_of)


def word_casings(text: str, words: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """[W]: the casing ids of words [W, 2], which are character offsets into `text`."""
    found = ((_remembered if end - start <= CACHED_LENGTH else casing_of)(text[start:end]) for start, end in words.tolist())
    return np.fromiter(found, dtype=np.int64, count=len(words))
