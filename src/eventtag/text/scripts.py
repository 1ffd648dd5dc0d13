"""The script that texts are written in, as Unicode names its letters (https://www.unicode.org/charts/)."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import islice

TEXTS, LETTERS = 200, 500
"""How many texts are looked at, and how many characters of each: a script shows at once."""

KANA = ("HIRAGANA", "KATAKANA")


def main_script(texts: Iterable[str]) -> str | None:
    """The script of most letters, such as `LATIN`, `CYRILLIC`, `ARABIC`, `HEBREW`, `THAI` or `CJK` (Chinese and Japanese); None without
    letters.
    """
    counts = Counter(
        "CJK" if (name := unicodedata.name(letter, "").partition(" ")[0]) in KANA else name
        for text in islice(texts, TEXTS)
        for letter in text[:LETTERS]
        if letter.isalpha()
    )
    return counts.most_common(1)[0][0] if counts else None
