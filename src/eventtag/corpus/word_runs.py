"""Texts as hashed runs of words, which copies of a text have in common, in any order and any script.

A run is five words, or about as much where words are not separated by blanks: eight characters of Chinese or Japanese, sixteen of
Thai, Lao, Khmer or Burmese. Letter case, punctuation, white space and invisible characters make no difference.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import regex

from eventtag.text.words import IDEOGRAPHIC, UNPARTED

Numbers: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]
Weights: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

RUN = 5
"""Words in a run. Sentences of different articles hardly share five words in a row; a copy with every tenth word changed still does."""
IDEOGRAPHS_IN_RUN = 8
LETTERS_IN_RUN = 16

_IDEOGRAPHIC, _UNPARTED = f"[{IDEOGRAPHIC}]", f"[{UNPARTED}]"
_TOKEN = regex.compile(rf"(?V1){_IDEOGRAPHIC}\p{{M}}*|{_UNPARTED}|[\w--{_IDEOGRAPHIC}--{_UNPARTED}]+")
_PLAIN_TOKEN = regex.compile(r"\w+")
_UNUSUAL = regex.compile(rf"{_IDEOGRAPHIC}|{_UNPARTED}")
_INVISIBLE = regex.compile(r"\p{Cf}")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Vocabulary:
    """Numbers the words of many texts, and knows of each its hash and how long a run is that begins with it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number_words(self, text: str) -> npt.NDArray[np.int32]:
        """The words of a text (characters, where blanks do not part words) as numbers."""
        if not text.isascii():
            text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
        pattern = _TOKEN if _UNUSUAL.search(text) else _PLAIN_TOKEN
        numbers = self._numbers
        return np.array([numbers.setdefault(word, len(numbers)) for word in pattern.findall(text.casefold())], dtype=np.int32)

    def hashes(self) -> Hashes:
        """A hash of each word, the same in every process and whatever texts there are."""
        digests = (blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest() for word in self._numbers)
        return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)

    def run_lengths(self) -> Numbers:
        """How many words a run has that begins with each word."""
        return np.fromiter(map(_run_length, self._numbers), dtype=np.int64, count=len(self._numbers))


def _run_length(word: str) -> int:
    if word.isascii() or not (found := _UNUSUAL.match(word)):
        return RUN
    return IDEOGRAPHS_IN_RUN if regex.match(_IDEOGRAPHIC, found[0]) else LETTERS_IN_RUN


@dataclass(frozen=True)
class Texts:
    """The runs of many texts, one after the other.

    Words and runs are numbered over all texts: those of text n are `first_word[n]` to `first_word[n + 1]` (half-open), and the
    same for runs. `weights`, of each word, add up to lengths in words: a character of a run of eight counts five eighths.
    """

    first_word: Numbers
    first_run: Numbers
    weights: Weights
    hashes: Hashes
    """Of each run."""
    starts: Numbers
    ends: Numbers
    """Of each run: its words (half-open)."""

    def __len__(self) -> int:
        return len(self.first_word) - 1

    def words_of(self, text: int) -> slice:
        """The words of one text."""
        return slice(int(self.first_word[text]), int(self.first_word[text + 1]))

    def runs_of(self, text: int) -> slice:
        """The runs of one text."""
        return slice(int(self.first_run[text]), int(self.first_run[text + 1]))

    def text_of_runs(self) -> Numbers:
        """The text of each run."""
        return np.repeat(np.arange(len(self)), np.diff(self.first_run))

    def sums(self, weights: Weights) -> Weights:
        """The sum of the words' weights over each text."""
        total: Weights = np.concatenate([[0.0], np.cumsum(weights)])
        return total[self.first_word[1:]] - total[self.first_word[:-1]]


def hash_runs(texts: list[npt.NDArray[np.int32]], vocabulary: Vocabulary) -> Texts:
    """The runs of texts whose words the vocabulary has numbered."""
    sizes = np.array([len(words) for words in texts], dtype=np.int64)
    first_word = np.concatenate([[0], np.cumsum(sizes)])
    words = np.concatenate([np.zeros(0, dtype=np.int32), *texts])
    of_words = vocabulary.hashes()[words]
    lengths = vocabulary.run_lengths()[words]
    count = len(words)
    rolled = of_words.copy()
    found = np.zeros(count, dtype=np.uint64)
    for size in range(2, int(lengths.max(initial=0)) + 1):
        kept = max(count - size + 1, 0)
        rolled[:kept] = rolled[:kept] * _FACTOR + of_words[count - kept :]
        np.copyto(found, rolled, where=lengths == size)
    ends = np.arange(count) + lengths
    starts = np.flatnonzero(ends <= np.repeat(first_word[1:], sizes))
    return Texts(
        first_word=first_word,
        first_run=np.searchsorted(starts, first_word),
        weights=RUN / lengths,
        hashes=found[starts],
        starts=starts,
        ends=ends[starts],
    )


def cover(starts: Numbers, ends: Numbers, words: int) -> Mask:
    """Which of so many words lie in one of these runs."""
    edges = np.bincount(starts, minlength=words + 1) - np.bincount(ends, minlength=words + 1)
    return np.cumsum(edges)[:words] > 0
