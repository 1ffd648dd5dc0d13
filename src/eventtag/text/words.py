"""Words and sentences of a text, as character offsets.

Words are what tags stand on and what scores are cross-checked on. They are fine-grained, so that a span's edge nearly always falls
between two words: a run of letters, digits and combining marks, one ideograph (or letter of a script written without spaces), or one
other visible character. "Iran-backed" is three words. Sentences only say where a window may end well.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import regex

Offsets = npt.NDArray[np.int64]

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[[\p{{L}}\p{{N}}]--[{_UNSPACED}]]"
_WORD = regex.compile(
    # Zero-width joiners stand inside Persian and Indic words. No group is repeated: `regex` keeps a state of each repetition in memory.
    rf"{_LETTER}(?:[{_LETTER}\p{{M}}\u200c\u200d]*{_LETTER})?+\p{{M}}*+"
    rf"|[{_UNSPACED}]\p{{M}}*+|[^\s\p{{Cc}}\p{{Cf}}\p{{Cs}}]",
    regex.VERSION1,
)
_SENTENCE_END = regex.compile(
    r"(?<=[.!?…][\"'”’»)\]]{0,2})\s++(?=[\p{Lu}\p{Lt}\p{N}\"'“‘«(\[\-–—•*])|(?<!\s)[^\S\n]*+\n\s*+(?!\p{Ll})", regex.VERSION1
)
"""A run of white space is looked at once, from its beginning, and nothing of it is given back: time grows with the text's length alone."""
_ABBREVIATION = regex.compile(
    r"(?:^|[\s(\"“])(?:\p{Lu}|Mr|Mrs|Ms|Dr|Prof|Gen|Col|Lt|Capt|Sgt|Sen|Rep|Gov|St|Jr|Sr|vs|No|Nos|Inc|Co|Corp|Ltd|Jan|Feb|Mar|Apr|Aug|Sept?|Oct"
    r"|Nov|Dec|\p{Lu}\.(?:\p{Lu}\.)*\p{Lu})\.$",
    regex.VERSION1,
)


def find_words(text: str) -> Offsets:
    """[W, 2]: start and end of every word, in order."""
    return np.array([match.span() for match in _WORD.finditer(text)], dtype=np.int64).reshape(-1, 2)


def find_sentences(text: str) -> Offsets:
    """[S, 2]: start and end of every sentence, in order, without the white space between them.

    A sentence ends at `.`, `!`, `?` or `…` before white space and a capital, digit, quote or bullet (not after a title, an initial or
    a month's short form), and at a line end unless a lower-case letter follows (a line wrapped by an e-mail program).
    """
    sentences = []
    start = len(text) - len(text.lstrip())
    for match in _SENTENCE_END.finditer(text, start):
        if "\n" not in match[0] and _ABBREVIATION.search(text[max(start, match.start() - 12) : match.start()]):
            continue
        if match.start() > start:
            sentences.append((start, match.start()))
        start = match.end()
    end = len(text.rstrip())
    if end > start:
        sentences.append((start, end))
    return np.array(sentences, dtype=np.int64).reshape(-1, 2)
