"""CoNLL-2012 (OntoNotes): documents between `#begin document` and `#end document`, named entities as brackets in column 10.

    #begin document (bc/cctv/00/cctv_0000); part 000
    bc/cctv/00/cctv_0000   0   0   Kyiv   NNP   (TOP(S(NP*)   -   -   -   Speaker#1   (GPE)   *   (12)
    bc/cctv/00/cctv_0000   0   1   fell   VBD   (VP*)))       fall 01 1   Speaker#1   *       (V*)   -

The number of columns differs from sentence to sentence, by the number of predicates. The words are joined by one space, the
sentences by a newline. Coreference (the last column) is not read.

Source: https://conll.cemantix.org/2012/data.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from eventtag.article import Article
from eventtag.errors import DataError, FormatError
from eventtag.formats.mentions import Mentions
from eventtag.formats.text_file import at_line, read_lines
from eventtag.formats.tokenised import TextBuilder
from eventtag.ledger import LossLedger

WORD, ENTITY = 3, 10
_BRACKETS = re.compile(r"((?:\([^\s()*]+)*)\*?(\)*)")


def is_conll_2012(head: str) -> bool:
    """Whether the beginning of a file, without blank lines, is CoNLL-2012."""
    return head.startswith("#begin document")


def read_conll_2012(path: Path, *, ledger: LossLedger) -> Iterator[Article]:
    """Stream the documents; the id is the document's name and its part. Raises FormatError with file and line."""
    document: _Document | None = None
    for number, line in read_lines(path):
        with at_line(path, number):
            if line.startswith(("#begin document", "#end document")):
                if document is not None:
                    yield document.article(path)
                document = None
                if line.startswith("#begin document"):
                    name, _, part = line.removeprefix("#begin document").partition(";")
                    name, part = name.strip().removeprefix("(").removesuffix(")"), part.strip().removeprefix("part").strip()
                    document = _Document(Mentions(f"{name}-{part}" if part else name, ledger))
            elif line.strip():
                if document is None:
                    raise DataError(f"{line[:40]!r} stands outside a document (#begin document ... #end document)")
                document.row(line.split(), number)
            elif document is not None:
                document.sentence += 1
    if document is not None:
        yield document.article(path)


class _Document:
    def __init__(self, mentions: Mentions) -> None:
        self.mentions = mentions
        self.text = TextBuilder()
        self.sentence = 0
        self.opened: list[tuple[int, str, int]] = []
        """Of each open entity, the innermost last: its first word, its label and its line."""

    def row(self, cells: list[str], number: int) -> None:
        """Take one word; raises DataError."""
        if len(cells) <= ENTITY:
            raise DataError(f"{len(cells)} columns where CoNLL-2012 has at least 11 before coreference")
        word = len(self.text.offsets)
        self.text.add(cells[WORD], self.sentence)
        match = _BRACKETS.fullmatch("*" if cells[ENTITY] == "-" else cells[ENTITY])
        if match is None:
            raise DataError(f"{cells[ENTITY]!r} is no named entity, such as (GPE), (ORG* or *)")
        self.opened += [(word, label, number) for label in match[1].split("(")[1:]]
        for _ in match[2]:
            if not self.opened:
                raise DataError("closes a named entity that is not open")
            first, label, _ = self.opened.pop()
            self.mentions.add_words(self.text.offsets[first:], label)

    def article(self, path: Path) -> Article:
        """The article; raises FormatError for an entity that is never closed."""
        if self.opened:
            _, label, line = self.opened[-1]
            raise FormatError(f"opens a named entity {label!r} that is never closed", path=path, line=line)
        return Article(self.mentions.article_id, self.text.text, self.mentions.spans)
