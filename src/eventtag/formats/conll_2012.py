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
from eventtag.errors import FormatError
from eventtag.formats.text_file import read_lines
from eventtag.formats.tokenised import TextBuilder
from eventtag.ledger import LossLedger
from eventtag.span import Span

WORD, ENTITY = 3, 10
_BRACKETS = re.compile(r"((?:\([^\s()*]+)*)\*?(\)*)")


def is_conll_2012(head: str) -> bool:
    """Whether the beginning of a file, without blank lines, is CoNLL-2012."""
    return head.startswith("#begin document")


def read_conll_2012(path: Path, *, ledger: LossLedger) -> Iterator[Article]:
    """Stream the documents; the id is the document's name and its part. Raises FormatError with file and line."""
    document: _Document | None = None
    for number, line in read_lines(path):
        if line.startswith("#begin document"):
            if document is not None:
                yield document.article(path, ledger)
            name, _, part = line.removeprefix("#begin document").partition(";")
            name, part = name.strip().removeprefix("(").removesuffix(")"), part.strip().removeprefix("part").strip()
            document = _Document(f"{name}-{part}" if part else name)
        elif line.startswith("#end document") and document is not None:
            yield document.article(path, ledger)
            document = None
        elif not line.strip():
            if document is not None:
                document.sentence += 1
        elif document is None:
            raise FormatError(
                f"{line[:40]!r} stands outside a document (#begin document ... #end document)", path=path, line=number
            )
        else:
            document.row(line.split(), path, number)
    if document is not None:
        yield document.article(path, ledger)


class _Document:
    def __init__(self, name: str) -> None:
        self.name = name
        self.text = TextBuilder()
        self.sentence = 0
        self.opened: list[tuple[int, str, int]] = []
        """Of each open entity, the innermost last: its first word, its label and its line."""
        self.found: list[tuple[int, int, str]] = []

    def row(self, cells: list[str], path: Path, number: int) -> None:
        """Take one word."""
        if len(cells) <= ENTITY:
            raise FormatError(f"{len(cells)} columns where CoNLL-2012 has at least 11 before coreference", path=path, line=number)
        word = len(self.text.offsets)
        self.text.add(cells[WORD], self.sentence)
        match = _BRACKETS.fullmatch(cells[ENTITY])
        if match is None:
            if cells[ENTITY] == "-":
                return
            raise FormatError(f"{cells[ENTITY]!r} is no named entity, such as (GPE), (ORG* or *)", path=path, line=number)
        self.opened += [(word, label, number) for label in match[1].split("(")[1:]]
        for _ in match[2]:
            if not self.opened:
                raise FormatError("closes a named entity that is not open", path=path, line=number)
            first, label, _line = self.opened.pop()
            self.found.append((first, word, label))

    def article(self, path: Path, ledger: LossLedger) -> Article:
        """The article; raises FormatError for an entity that is never closed."""
        if self.opened:
            raise FormatError(
                f"opens a named entity {self.opened[-1][1]!r} that is never closed", path=path, line=self.opened[-1][2]
            )
        spans: dict[Span, None] = {}
        for first, last, label in self.found:
            ledger.seen += 1
            span = Span(self.text.offsets[first][0], self.text.offsets[last][1], label)
            if span in spans:
                ledger.add_span(self.name, "reading", "merged", "is marked twice", span)
            spans[span] = None
        return Article(self.name, self.text.text, tuple(spans))
