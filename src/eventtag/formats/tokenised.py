"""Shared code of formats that hold words instead of a text, such as CoNLL columns and CAT XML.

Reading: the words of a sentence are joined by one space, the sentences by a newline. White space at the edges of a word is not
part of it; a word that is only white space adds nothing to the text.

Writing: a line is a sentence. A text counts as tokenised if more punctuation marks stand alone than are attached to a word, and
no span begins or ends inside a run of characters between white space; its words are those runs. In any other text punctuation is
cut off, and words are cut where a span begins or ends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import regex

from eventtag.article import Article, Region
from eventtag.ledger import LossLedger
from eventtag.span import Span, flatten
from eventtag.text.words import TOKEN

_RUN = re.compile(r"\S+")
_SPACED_RUN = re.compile(r"[^ \n]+")
"""Runs in a text whose only ASCII white space is spaces and newlines: a word may hold a no-break space."""
_OTHER_WHITE_SPACE = re.compile(r"[\t\r\x0b\x0c\x1c-\x1f]")
_LINE = re.compile(r"[^\n]+")
_HANGING = re.compile(r"\w(?:[,;](?=\s|$)|[.!?](?=\n|$))")
_DETACHED = re.compile(r"(?<!\S)[,;.!?](?!\S)")


@dataclass
class TextBuilder:
    """Joins words to a text; `offsets` holds, for every word, its (start, end) in `text`, equal for a word of white space."""

    pieces: list[str] = field(default_factory=list)
    offsets: list[tuple[int, int]] = field(default_factory=list)
    length: int = 0
    sentence: object = None
    """What the last word's sentence was called."""

    def add(self, word: str, sentence: object) -> None:
        """Append a word; where `sentence` differs from the last word's, a new line begins."""
        word = word.strip()
        if not word:
            self.offsets.append((self.length, self.length))
            return
        if self.length:
            self.pieces.append(" " if sentence == self.sentence else "\n")
            self.length += 1
        self.sentence = sentence
        self.pieces.append(word)
        self.offsets.append((self.length, self.length + len(word)))
        self.length += len(word)

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.pieces)


def words_joined(words: Iterable[str]) -> tuple[str, list[Region]]:
    """(the words joined by one space, the place of each)."""
    builder = TextBuilder()
    for word in words:
        builder.add(word, None)
    return builder.text, builder.offsets


def _word_pattern(article: Article) -> re.Pattern[str] | regex.Pattern[str]:
    """What finds the words of the article's text: runs between white space where it is tokenised already."""
    if len(_HANGING.findall(article.text)) > len(_DETACHED.findall(article.text)):
        return TOKEN
    pattern = _RUN if _OTHER_WHITE_SPACE.search(article.text) else _SPACED_RUN
    starts = {match.start() for match in pattern.finditer(article.text)}
    ends = {match.end() for match in pattern.finditer(article.text)}
    return pattern if all(span.start in starts and span.end in ends for span in article.spans) else TOKEN


def words_by_line(article: Article, *, whole_spans: bool = False) -> list[list[tuple[int, int]]]:
    """The word offsets of each line that has words; no word crosses the edge of a span.

    `whole_spans`: lines that a span crosses are one sentence.
    """
    pattern = _word_pattern(article)
    cuts = sorted({edge for span in article.spans for edge in (span.start, span.end)})
    sentences: list[list[tuple[int, int]]] = []
    position = 0
    for line in _LINE.finditer(article.text):
        words: list[tuple[int, int]] = []
        for match in pattern.finditer(article.text, line.start(), line.end()):
            start, end = match.span()
            while position < len(cuts) and cuts[position] <= start:
                position += 1
            while position < len(cuts) and cuts[position] < end:
                _append_word(words, article.text, start, cuts[position])
                start = cuts[position]
                position += 1
            _append_word(words, article.text, start, end)
        if words and sentences and whole_spans and _is_crossed(article, sentences[-1][-1][1], words[0][0]):
            sentences[-1] += words
        elif words:
            sentences.append(words)
    return sentences


def _append_word(words: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    if not text[start:end].isspace():
        words.append((start, end))


def _is_crossed(article: Article, before: int, after: int) -> bool:
    return any(span.start < before and after < span.end for span in article.spans)


def note_parts(
    article: Article, stage: str, *, ledger: LossLedger, kept: Collection[str] = (), meta: Collection[str] = ()
) -> None:
    """Note in the ledger which of `annotated`, `labels`, `meta`, links, status and `rejected` an article has that are not among the
    `kept`.

    `meta` names the metadata that is kept.
    """
    if article.annotated is not None and "annotated" not in kept:
        ledger.note(article.id, stage, "annotated", "which regions were annotated is not kept")
    if article.labels is not None and "labels" not in kept:
        ledger.note(article.id, stage, "labels", "which labels were being marked is not kept")
    if article.links is not None and "links" not in kept:
        reason = "links are not kept" if article.links else "that there are no links is not kept"
        ledger.note(article.id, stage, "links", reason, detail=f"{len(article.links)} links")
    if "status" not in kept and any(span.status is not None for span in article.spans):
        ledger.note(article.id, stage, "status", "the status of spans is not kept")
    if "meta" not in kept and (lost := sorted(set(article.meta) - set(meta))):
        ledger.note(article.id, stage, "meta", "metadata is not kept", detail=", ".join(lost))
    if article.rejected:
        ledger.note(article.id, stage, "rejected", "rejected spans are not kept")


def writable_spans(
    article: Article, stage: str, *, ledger: LossLedger, labels: str = r"(?s:.+)", problem: str = "", flat: bool = False
) -> list[Span]:
    """The spans that a format can hold, sorted; the ledger names the others.

    `labels`: a pattern of the labels that it can write; `problem` says what others have. `flat`: of spans that overlap only the longest.
    """
    kept = []
    for span in article.spans:
        if re.fullmatch(labels, span.label):
            kept.append(span)
        else:
            ledger.add_span(article.id, stage, "dropped", problem, span)
    if not flat:
        return kept
    kept, dropped = flatten(kept, "longest")
    for span, _ in dropped:
        ledger.add_span(article.id, stage, "dropped", "overlaps a longer span", span)
    return kept


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A span over words: `first` to `last` (inclusive) of an article's words, counted over all sentences."""

    first: int
    last: int
    span: Span


def spans_over_words(
    article: Article,
    spans: Sequence[Span],
    sentences: Sequence[Sequence[tuple[int, int]]],
    *,
    stage: str,
    ledger: LossLedger,
    places: Sequence[tuple[int, int]] | None = None,
) -> list[WordSpan]:
    """The spans as runs of words, sorted. A span without a word (white space only) is dropped, which the ledger records.

    `places` are the offsets that the words will have when they are read again, by default those of words joined by `TextBuilder`
    (a changed text is then noted). The ledger records the spans that will be elsewhere.
    """
    words = [word for sentence in sentences for word in sentence]
    if places is None:
        builder = TextBuilder()
        for number, sentence in enumerate(sentences):
            for start, end in sentence:
                builder.add(article.text[start:end], number)
        places = builder.offsets
        if builder.text != article.text:
            ledger.note(article.id, stage, "text", "holds words only: white space between them is not kept")
    found = []
    first = 0
    for span in sorted(spans):
        while first < len(words) and words[first][0] < span.start:
            first += 1
        last = first
        while last < len(words) and words[last][1] <= span.end:
            last += 1
        if last == first:
            ledger.add_span(article.id, stage, "dropped", "holds no word", span)
            continue
        new = (places[first][0], places[last - 1][1])
        if new != (span.start, span.end):
            ledger.add_span(article.id, stage, "moved", "white space is not kept", span, detail=f"to {new[0]}-{new[1]}")
        found.append(WordSpan(first, last - 1, span))
    return found
