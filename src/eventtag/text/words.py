"""Words of a text, as character offsets (half-open).

`find_words` gives the words that tags stand on, that scores are counted on, and that statistics, agreement and lint count. They are
fine-grained, so that a span's edge nearly always falls between two words: a run of letters, digits and combining marks, one ideograph (or
letter of a script written without spaces), or one other visible character. "Iran-backed" is three words.

Two other patterns serve other needs. `TOKEN` finds words as annotation tools and CoNLL files have them ("Iran-backed", "U.S." and an
address are one each), for files that hold words in place of a text. `NAME_PART` finds the parts of names ("al-Shabaab" is one), so that a
name is not found inside a longer one. Near-duplicates compare `find_words`-like words of normalised texts (`corpus/word_runs.py`).
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import regex

Offsets = npt.NDArray[np.int64]

IDEOGRAPHIC = r"\p{Han}\p{Hiragana}\p{Katakana}"
UNPARTED = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts without blanks between words: ideographic ones, whose characters stand for about half a word each, and the others."""
_UNSPACED = IDEOGRAPHIC + UNPARTED
UNSPACED = regex.compile(f"[{_UNSPACED}]")
"""A character of a script without blanks between words."""
_LETTER = rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]"
_WORD = regex.compile(
    # Zero-width joiners occur inside Persian and Indic words. No group is repeated: `regex` keeps a state of each repetition in memory.
    rf"{_LETTER}(?:[{_LETTER}\p{{M}}\u200c\u200d]*{_LETTER})?+\p{{M}}*+"
    rf"|[{_UNSPACED}]\p{{M}}*+|[^\s\p{{Cc}}\p{{Cf}}\p{{Cs}}]",
    regex.VERSION1,
)
TOKEN = regex.compile(
    r"""(?:https?://|www\.)[^\s<>"]*[^\s<>".,;:!?)\]\x1c-\x1f]       # addresses
    | \p{L}(?:\.\p{L})+\.                                          # abbreviations such as U.S.
    | \d+(?:[.,:]\d+)*                                             # numbers, clock times
    | [\w\p{M}\p{Cf}]+(?:['’\-][\w\p{M}\p{Cf}]+)*                 # words, with apostrophes and hyphens inside
    | [^\w\s\x1c-\x1f][\p{M}\p{Cf}\p{Sk}]*                        # each other sign for itself, with what combines with it
    """,
    regex.VERBOSE,
)
"""`\\x1c` to `\\x1f` are white space to Python's `str`, not to `regex`."""
NAME_PART = re.compile(r"\w+(?:[’'.\-]\w+)*")


def find_words(text: str) -> Offsets:
    """[W, 2]: start and end of every word, in order."""
    return np.array([match.span() for match in _WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)
