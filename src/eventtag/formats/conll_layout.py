"""The layout of a CoNLL file, recognised over the whole file, and its rows by blocks.

Recognised are: what separates columns, a header row, which column holds the words and which the tags, the tag scheme, and where
articles begin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

from eventtag.errors import DataError, SettingsError
from eventtag.formats.tag_schemes import OUTSIDE, Scheme, SchemeEvidence
from eventtag.formats.text_file import at_line, read_lines

Marker = Literal["-DOCSTART-", "SAMPLE_START", "# newdoc", "empty lines", "the file"]
Articles = Literal["auto", "file", "block"]

TAG = re.compile(r"O|[BIESLUMW]-\S.*")
BARE_TAG = re.compile(r"[^\W\d_][\w.:/&+\-]*")
MAX_BARE = 60
"""Different tags without a scheme that the beginning of a file may have to be recognised as columns of words and tags."""
_NEWDOC = re.compile(r"#\s*(?:newdoc\b(?:\s+id\s*=(.+)|\s*)|(?:\w+:)?document_id\s*=(.+))")
_COMMENT_ID = re.compile(r"#\s*+id\s*+[=:]?\s*+(\S+).*")
_DOCSTART: Final = "-DOCSTART-"
_DOCSTART_ID = re.compile(r"-DOCSTART-\s+\((.*)\)\s*", re.DOTALL)
_WORD_NAMES = {"word", "words", "token", "tokens", "form", "text"}
_TAG_NAMES = {"tag", "tags", "label", "labels", "ner", "ne", "entity", "entities", "bio", "iob", "iob2", "named_entity"}
_FIRST_TAG_NAME = "ne-coarse-lit"
"""HIPE's columns are those of several layers of tags; the one that its shared tasks score first."""


@dataclass(frozen=True, slots=True)
class ConllLayout:
    """What is recognised about a file; `str` states it."""

    separator: Literal["tabs", "spaces"]
    columns: int
    scheme: Scheme
    marker: Marker
    word_column: int = 0
    tag_columns: tuple[int, ...] = (-1,)
    header: tuple[str, ...] = ()
    """The cells of a first row that names the columns."""
    named: bool = False
    """Whether the first `-DOCSTART-` is followed by an id; then one without is a word."""
    blocks: int = 0
    """Blocks with words."""
    one_docstart: bool = False
    """Whether a single `-DOCSTART-` stands before all rows."""

    def __str__(self) -> str:
        said = f"{self.columns} columns separated by {self.separator}, {self.scheme} tags, articles by {self.marker}"
        if self.header or self.word_column or self.tag_columns != (-1,):
            tags = " and ".join(self._column(column) for column in self.tag_columns)
            said += f", words in column {self._column(self.word_column)}, tags in column {tags}"
        if self.header:
            said += ", the first row is a header"
            read = {column % self.columns for column in self.tag_columns}
            unread = [name for column, name in enumerate(self.header) if _names_tags(name) and column not in read]
            said += f"; columns of tags that are not read: {', '.join(unread)}" if unread else ""
        if self.marker == _DOCSTART and self.one_docstart and self.blocks > 1:
            said += f"; one {_DOCSTART} stands before {self.blocks} blocks, which are one article (article=block: each is one)"
        return said

    def _column(self, column: int) -> str:
        return self.header[column] if self.header else str(column % self.columns)


@dataclass(slots=True)
class Block:
    """The rows up to an empty line or `[SEP]`, and what stands before them."""

    words: list[str] = field(default_factory=list)
    tags: list[tuple[str, ...]] = field(default_factory=list)
    """Of each word, its tags in the columns of tags."""
    lines: list[int] = field(default_factory=list)
    begins: bool = False
    """Whether an article marker stands before it."""
    name: str | None = None
    """An id that a marker or comment gives."""


def recognise_conll(
    path: Path, *, tag_column: int | None = None, word_column: int | None = None, article: Articles = "auto"
) -> ConllLayout:
    """The layout of a file, which is read twice for it; `tag_column` and `word_column` as given, else recognised.

    Raises FormatError with file and line for a row with another number of columns or something that cannot be a tag, SettingsError
    for a column that is not there.
    """
    survey = _Survey()
    with at_line(path, None) as place:
        for place.line, line in read_lines(path):
            survey.add(line)
    layout = survey.layout(path, tag_column, word_column, article)
    evidence = SchemeEvidence()
    blocks = 0
    for block in blocks_of(path, layout):
        blocks += bool(block.words)
        for tags in zip(*block.tags, strict=True):
            evidence.add(tags)
    return replace(layout, scheme=evidence.scheme, blocks=blocks)


def cells_of(line: str, separator: str | None = None, columns: int = 0) -> list[str]:
    """The cells of a row; `separator` is that of the file where it is known, and `columns` their number.

    Where spaces separate, a row that begins with one and lacks a cell has an empty word.
    """
    line = line.rstrip("\r")
    if separator == "tabs" or (separator is None and "\t" in line):
        return line.split("\t")
    cells = re.split("[ \t]+", line.strip(" "))
    return ["", *cells] if len(cells) == columns - 1 and line.startswith(" ") else cells


def is_comment(line: str, columns: int = 0) -> bool:
    """Whether the line is not a row; `columns` is the number of columns, where it is known."""
    if not (line.startswith(("# ", "#\t")) or _NEWDOC.fullmatch(line)):
        return False
    cells = cells_of(line)
    row = len(cells) == columns and line.startswith("#\t") and BARE_TAG.fullmatch(cells[-1])
    return not TAG.fullmatch(cells[-1]) and not row


def is_header(cells: list[str]) -> bool:
    """Whether the cells name columns of words and tags."""
    return any(cell.strip().lower() in _WORD_NAMES for cell in cells) and any(map(_names_tags, cells))


def tag_column_of(header: Sequence[str]) -> int:
    """The column of tags that a header row names, the last one of several."""
    names = [name.strip().lower() for name in header]
    if _FIRST_TAG_NAME in names:
        return names.index(_FIRST_TAG_NAME)
    return max(at for at, name in enumerate(names) if _names_tags(name))


def _names_tags(cell: str) -> bool:
    name = cell.strip().lower()
    return name in _TAG_NAMES or bool(re.fullmatch(r"(?:ner|ne|bio|iob)[-_]\S*", name))


class _Survey:
    """What all lines of a file show; feed it every line, then ask for the layout."""

    def __init__(self) -> None:
        self.first: list[str] = []
        self.separator: Literal["tabs", "spaces"] = "tabs"
        self.docstarts = 0
        self.named = False
        self.newdocs = 0
        self.rows = 0
        self.numbered = True
        """Whether the first column counts words from 1."""
        self.expected = {"1"}
        self.leading = 0
        """How many `-DOCSTART-` stand before the first row."""
        self.tags: list[bool] = []
        """Of each column, whether all rows but the first have tags with a prefix, or O, there; and whether any has a prefix."""
        self.prefixes: list[bool] = []

    def add(self, line: str) -> None:
        if not line or line.isspace():
            self.expected = {"1"}
        elif line.startswith(_DOCSTART) and not (self.named and not _DOCSTART_ID.fullmatch(line)):
            self.named = self.named or (not self.docstarts and bool(_DOCSTART_ID.fullmatch(line)))
            self.docstarts += 1
        elif is_comment(line, len(self.first)):
            self.newdocs += bool(_NEWDOC.fullmatch(line))
        elif not self.first:
            self.separator = "tabs" if "\t" in line else "spaces"
            self.first = cells_of(line)
            if len(self.first) < 2:
                raise DataError(f"{line[:40]!r} is one column; a word and its tag are needed")
            self.tags, self.prefixes = [True] * len(self.first), [False] * len(self.first)
            self.leading = self.docstarts
            if self.first[0].isdecimal():
                self._count(self.first[0])
        else:
            cells = cells_of(line, self.separator, len(self.first))
            self.rows += 1
            self._count(cells[0])
            for column, cell in enumerate(cells[: len(self.first)]):
                tag = bool(TAG.fullmatch(cell.strip()))
                self.tags[column] &= tag
                self.prefixes[column] |= tag and cell.strip() != OUTSIDE

    def _count(self, cell: str) -> None:
        self.numbered = self.numbered and (cell in self.expected or cell == "1")
        self.expected = {str(int(cell) + 1)} if cell.isdecimal() and len(cell) < 7 else set()

    def layout(self, path: Path, tag_column: int | None, word_column: int | None, article: Articles) -> ConllLayout:
        """The layout, with columns as given."""
        size = len(self.first)
        for name, column in (("tag_column", tag_column), ("word_column", word_column)):
            if size and column is not None and not -size <= column < size:
                raise SettingsError(f"{name}: {column} is not among the {size} columns of {path}")
        header = self._header(tag_column)
        names = [name.strip().lower() for name in header]
        numbered = self.numbered and size > 2 and self.rows > 0 and bool(header or self.first[0] == "1")
        word = word_column
        if word is None:
            word = next((at for at, name in enumerate(names) if name in _WORD_NAMES), 1 if numbered else 0)
        tags: tuple[int, ...] = (-1,) if tag_column is None else (tag_column,)
        if tag_column is None and any(map(_names_tags, names)):
            at = tag_column_of(names)
            tags = (at if at < size - 1 else -1,)
        elif tag_column is None and numbered and size > 3 and all(self._is_tags(column) for column in range(2, size)):
            tags = tuple(range(2, size))
        marker: Marker = "empty lines"
        if article == "file":
            marker = "the file"
        elif article == "auto" and self.docstarts:
            marker = _DOCSTART
        elif article == "auto" and self.newdocs:
            marker = "# newdoc"
        elif article == "auto" and self.first[word : word + 1] == ["SAMPLE_START"]:
            marker = "SAMPLE_START"
        alone = self.docstarts == self.leading == 1
        return ConllLayout(self.separator, size, "IOB2", marker, word, tags, header, self.named, one_docstart=alone)

    def _is_tags(self, column: int) -> bool:
        return self.tags[column] and bool(TAG.fullmatch(self.first[column].strip()))

    def _header(self, tag_column: int | None) -> tuple[str, ...]:
        """The first row where it names the columns, or where it alone has no tag with a prefix."""
        if not self.first or not self.rows:
            return ()
        column = -1 if tag_column is None else tag_column
        cell = self.first[column].strip()
        odd = self.tags[column] and self.prefixes[column] and not TAG.fullmatch(cell) and bool(BARE_TAG.fullmatch(cell))
        return tuple(self.first) if odd or is_header(self.first) else ()


def blocks_of(path: Path, layout: ConllLayout) -> Iterator[Block]:
    """Every block, streamed; one without words may stand for an article without text, or be of no meaning."""
    block = Block()
    with at_line(path, None) as place:
        for place.line, line in read_lines(path):
            if not line or line.isspace():
                yield block
                block = Block()
            elif line.startswith(_DOCSTART) and not (layout.named and not _DOCSTART_ID.fullmatch(line)):
                yield block
                match = _DOCSTART_ID.fullmatch(line)
                block = Block(begins=layout.marker == _DOCSTART, name=match[1] if match else None)
            elif line.startswith("#") and is_comment(line, layout.columns):
                if (newdoc := _NEWDOC.fullmatch(line)) and layout.marker == "# newdoc":
                    yield block
                    block = Block(begins=True, name=(newdoc[1] or newdoc[2] or "").strip() or None)
                elif (match := _COMMENT_ID.fullmatch(line)) and layout.marker == "empty lines":
                    block.name = match[1]
            else:
                cells = cells_of(line, layout.separator, layout.columns)
                if layout.header and tuple(cells) == layout.header:
                    continue
                word, tags = _row(cells, layout)
                if layout.marker == "SAMPLE_START" and word in ("SAMPLE_START", "[SEP]"):
                    yield block
                    block = Block(begins=word == "SAMPLE_START")
                else:
                    block.words.append(word)
                    block.tags.append(tags)
                    block.lines.append(place.line)
    yield block


def _row(cells: list[str], layout: ConllLayout) -> tuple[str, tuple[str, ...]]:
    """The word and its tags; raises DataError."""
    if len(cells) != layout.columns:
        raise DataError(f"{len(cells)} columns where the first row has {layout.columns} ({layout.separator} separate them)")
    tags = tuple(cells[column].strip() for column in layout.tag_columns)
    for tag in tags:
        if not TAG.fullmatch(tag) and not BARE_TAG.fullmatch(tag):
            raise DataError(f"{tag!r} cannot be a tag ({OUTSIDE}, B-LABEL, I-LABEL, ...); name the right column with tag_column")
    return cells[layout.word_column], tags
