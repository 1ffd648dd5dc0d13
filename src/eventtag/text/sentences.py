"""Sentences of a text: where a window may begin, what is shown with a span, and what a span should not cross.

A sentence ends behind `.`, `!`, `?` or `…` when something follows that can begin one, not behind titles, initials and abbreviations;
and at a line end, unless the next line begins in lower case. These rules are for English news. In other languages, a sentence also ends
behind `؟`, `۔`, `।`, `॥` or `։` before a blank, and behind `。`, `！`, `？` or `｡`, which no blank follows. Thai, Lao, Khmer and Burmese
have no sign for it, so there only line ends count.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator, Mapping

import regex

from eventtag.article import Article
from eventtag.ledger import LossLedger
from eventtag.span import Span

_END = regex.compile(
    r"""(?<![.!?…؟۔।॥։])(?P<sign>[.!?…؟۔।॥։]++)["'”’»)\]]*+(?=\s++["'“‘«(\[]*+[\w--[_\p{Ll}]])   # what follows does not begin in lower case
    | (?<![。！？｡])[。！？｡]++["'”’»)\]」』）】》]*+               # no blank follows it
    | \n(?=[^\S\n]*+\n) | \n(?![^\S\n]*+\p{Ll})""",
    regex.VERBOSE | regex.VERSION1,
)
"""Possessive quantifiers: each run of signs or white space is read once, so time is linear in the text's length."""
MOST_SHOWN = 2000
"""Characters of a sentence that stand with each of its spans: a text without an end of a sentence is not repeated for every span."""
_WORD_BEFORE = re.compile(r"\S*$")
_ABBREVIATION = re.compile(
    r"""adm|al|apr|atty|aug|ave|brig|bros|ca|capt|cf|cmdr|co|col|corp|cpl|cpt|dec|dept|det|dr|eds?|ens|esp|est|etc|feb|fig|fr|ft|gen|gov
    |hon|inc|insp|jan|jr|jul|jun|lieut|lt|ltd|maj|mar|messrs|mrs?|msgt|mss?|mts?|nos?|nov|oct|op|pfc|pp|pres|prof|pvt|reps?|rev|sens?
    |sept?|sfc|sgt|spc|sr|ssgt|st|supt|tsgt|vol|vs|viz
    |(?:\w\.)+\w                                                    # U.S, a.m, e.g""",
    re.VERBOSE | re.IGNORECASE,
)
_MAY_END = re.compile(r"co|corp|etc|inc|jr|ltd|sr|(?:\w\.)+\w", re.IGNORECASE)
"""Abbreviations with which a sentence may end ..."""
_STARTER = re.compile(
    r"""\W*+(?:A|After|An|And|As|At|Before|But|By|For|From|He|Her|His|If|In|It|Its|On|She|So|That|The|Their|There|They|This|We|When
    |While)\b""",
    re.VERBOSE,
)
"""... where one of these words follows."""


def find_sentences(text: str) -> list[tuple[int, int]]:
    """The sentences' offsets (half-open, without white space at their edges), in order."""
    edges = [0, *_ends(text), len(text)]
    found = []
    for start, end in itertools.pairwise(edges):
        piece = text[start:end]
        left = start + len(piece) - len(piece.lstrip())
        right = end - (len(piece) - len(piece.rstrip()))
        if left < right:
            found.append((left, right))
    return found


def _ends(text: str) -> Iterator[int]:
    for match in _END.finditer(text):
        if match["sign"] == "." and _is_abbreviation(text, match.start(), match.end()):
            continue
        yield match.end()


def _is_abbreviation(text: str, stop: int, after: int) -> bool:
    """Whether the full stop at `stop` belongs to the word before it."""
    before = _WORD_BEFORE.search(text, max(stop - 20, 0), stop)
    word = before[0].lstrip("\"'“‘«([") if before else ""
    if len(word) == 1 and word.isalpha() and word.isupper():
        return True
    if not _ABBREVIATION.fullmatch(word):
        return False
    return not (_MAY_END.fullmatch(word) and _STARTER.match(text, after))


def sentences_of_spans(article: Article) -> Mapping[Span, tuple[int, int]]:
    """For every span the offsets of its sentence; of several, where it crosses their edges, from the first to the last."""
    if not article.spans:
        return {}
    sentences = find_sentences(article.text)
    starts = [start for start, _ in sentences]
    found = {}
    for span in article.spans:
        first = max(bisect.bisect_right(starts, span.start) - 1, 0)
        last = max(bisect.bisect_left(starts, span.end) - 1, first)
        start, end = (sentences[first][0], sentences[last][1]) if sentences else (span.start, span.end)
        found[span] = (min(start, span.start), max(end, span.end))
    return found


def shown_with(span: Span, sentence: tuple[int, int]) -> tuple[int, int]:
    """What is shown of a span's sentence: all of it, or `MOST_SHOWN` characters with the span in their middle."""
    start, end = sentence
    if end - start <= MOST_SHOWN:
        return sentence
    before = max(MOST_SHOWN - (span.end - span.start), 0) // 2
    first = max(start, min(span.start - before, end - MOST_SHOWN))
    return first, first + MOST_SHOWN


def shown_sentences(article: Article, stage: str, ledger: LossLedger) -> Mapping[Span, tuple[int, int]]:
    """For every span the offsets of what is shown of its sentence; the ledger says where that is not all of it."""
    whole = sentences_of_spans(article)
    shown = {span: shown_with(span, sentence) for span, sentence in whole.items()}
    if shown != whole:
        reason = f"stand with {MOST_SHOWN:,} characters of their sentence, which is longer"
        ledger.note(article.id, stage, "spans", reason)
    return shown
