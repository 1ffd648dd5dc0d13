"""CoNLL columns: one word a line with its tag, an empty line after each sentence.

    -DOCSTART- (a1)

    Moscow	B-ACTOR
    accused	B-EVENT
    Kyiv	B-ACTOR

Columns are separated by tabs or spaces; the word stands in the first, the tag in the last (options `word_column`, `tag_column`).
Text: the words joined by one space, the sentences by a newline. The tag scheme (IOB1, IOB2, BIOES, BILOU, IOE, IO) is recognised
over the whole file, and `recognise_conll` states it. Lines that begin with `# ` and are no rows are comments.

An article begins at `-DOCSTART-` (its id may follow in brackets, as in AIDA) or at `# newdoc`; in the dialect of the CASE shared
tasks at `SAMPLE_START`, its sentences separated by `[SEP]`. In a file without any of these every block between empty lines is an
article of its own, unless the option `article=file` makes the file one.

Sources: Tjong Kim Sang and De Meulder 2003 (https://aclanthology.org/W03-0419/), Hürriyetoğlu et al. 2021
(https://aclanthology.org/2021.case-1.11/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from eventtag.articles import Article
from eventtag.errors import FormatError, OutputError, SettingsError
from eventtag.formats.tag_schemes import OUTSIDE, Scheme, SchemeEvidence, TagSpan, illegal_tags, spans_of_tags, tags_of_spans
from eventtag.formats.text_file import read_lines
from eventtag.formats.tokenised import TextBuilder, note_parts, spans_over_words, split_sentences
from eventtag.ledger import LossLedger
from eventtag.spans import Span, flatten
from eventtag.staging import staged_file

Marker = Literal["-DOCSTART-", "SAMPLE_START", "# newdoc", "empty lines", "the file"]

_TAG = re.compile(r"O|[BIESLUMW]-\S.*")
_BARE_TAG = re.compile(r"[^\W\d_][\w.:/&+\-]*")
_NEWDOC = re.compile(r"#\s*newdoc\b(?:\s+id\s*=(.+)|\s*)")
_COMMENT_ID = re.compile(r"#\s*+id\s*+[=:]?\s*+(\S+).*")
_DOCSTART_ID = re.compile(r"-DOCSTART-\s+\((.*)\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ConllLayout:
    """What is recognised about a file; `str` states it."""

    separator: Literal["tabs", "spaces"]
    columns: int
    scheme: Scheme
    marker: Marker

    def __str__(self) -> str:
        return f"{self.columns} columns separated by {self.separator}, {self.scheme} tags, articles by {self.marker}"


@dataclass(slots=True)
class _Block:
    """The rows up to an empty line or `[SEP]`, and what stands before them."""

    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    begins: bool = False
    """Whether an article marker stands before it."""
    name: str | None = None
    """An id that a marker or comment gives."""


def read_conll(
    path: Path,
    *,
    ledger: LossLedger,
    tag_column: int = -1,
    word_column: int = 0,
    article: Literal["auto", "file"] = "auto",
) -> Iterator[Article]:
    """Stream the articles of a file, which is read twice: first to recognise its layout.

    Columns count from 0, or from -1 backwards. Tags that break the file's scheme are read as conlleval reads them, with a note
    in the ledger. Raises FormatError with file and line for a row with another number of columns or something that cannot be a
    tag.
    """
    layout = recognise_conll(path, tag_column=tag_column, word_column=word_column, article=article)
    ledger.remark(str(layout))
    rows = _Rows(path, tag_column=tag_column, word_column=word_column)
    rows.marker = layout.marker
    builder: _ArticleBuilder | None = None
    count = 0
    for block in rows.blocks():
        starts = (block.begins and layout.marker != "the file") or (layout.marker == "empty lines" and bool(block.words))
        if starts or (builder is None and block.words):
            if builder is not None:
                yield builder.finish()
            count += 1
            whole = layout.marker == "the file"
            builder = _ArticleBuilder(block.name or (path.stem if whole else f"{path.stem}-{count}"), layout.scheme)
        if builder is not None:
            builder.add(block, ledger)
    if builder is not None:
        yield builder.finish()


def recognise_conll(
    path: Path, *, tag_column: int = -1, word_column: int = 0, article: Literal["auto", "file"] = "auto"
) -> ConllLayout:
    """Separator, number of columns, tag scheme and article marker of a file; raises FormatError as `read_conll` does."""
    if article not in ("auto", "file"):
        raise SettingsError(f"article: {article!r} is unknown; allowed: auto, file")
    rows = _Rows(path, tag_column=tag_column, word_column=word_column)
    if article == "file":
        rows.marker = "the file"
    evidence = SchemeEvidence()
    for block in rows.blocks():
        evidence.add(block.tags)
    return ConllLayout(rows.separator, rows.columns, evidence.scheme, rows.marker)


def sniff_conll(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    lines = [line for line in head.split("\n")[:-1] or [head] if line.strip() and not _is_comment(line)]
    rows = [_cells(line) for line in lines[:200] if not line.startswith("-DOCSTART-")]
    counts = {len(row) for row in rows}
    if rows and len(counts) == 1 and counts.pop() >= 2 and all(_TAG.fullmatch(row[-1]) for row in rows):
        example = next((row[-1] for row in rows if row[-1] != OUTSIDE), OUTSIDE)
        return f"has {len(rows[0])} columns of which the last holds tags such as {example}"
    return None


def _cells(line: str) -> list[str]:
    line = line.rstrip("\r")
    return line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))


def _is_comment(line: str) -> bool:
    return bool(line.startswith("# ") or _NEWDOC.fullmatch(line)) and not _TAG.fullmatch(_cells(line)[-1])


class _Rows:
    """A file's rows by blocks; its layout is recognised from the lines up to the first row."""

    def __init__(self, path: Path, *, tag_column: int, word_column: int) -> None:
        self.path = path
        self.tag_column = tag_column
        self.word_column = word_column
        self.separator: Literal["tabs", "spaces"] = "tabs"
        self.columns = 0
        self.marker: Marker = "empty lines"
        self.named = False
        """Whether `-DOCSTART-` is followed by an id; then one without is a word."""
        for number, line in read_lines(path):
            if line.startswith("-DOCSTART-"):
                self.marker = "-DOCSTART-"
                self.named = bool(_DOCSTART_ID.fullmatch(line))
            elif _is_comment(line):
                self.marker = "# newdoc" if _NEWDOC.fullmatch(line) and self.marker == "empty lines" else self.marker
            elif line.strip():
                self._first_row(line, number)
                return

    def _first_row(self, line: str, number: int) -> None:
        self.separator = "tabs" if "\t" in line else "spaces"
        cells = _cells(line)
        self.columns = len(cells)
        if self.columns < 2:
            raise self._fail(f"{line[:40]!r} is one column; a word and its tag are needed", number)
        for name, column in (("tag_column", self.tag_column), ("word_column", self.word_column)):
            if not -self.columns <= column < self.columns:
                raise SettingsError(f"{name}: {column} is not among the {self.columns} columns of {self.path}")
        if cells[self.word_column] == "SAMPLE_START" and self.marker == "empty lines":
            self.marker = "SAMPLE_START"

    def _fail(self, problem: str, line: int) -> FormatError:
        return FormatError(problem, path=self.path, line=line)

    def blocks(self) -> Iterator[_Block]:
        """Every block, streamed; one without words may stand for an article without text, or be of no meaning."""
        block = _Block()
        for number, line in read_lines(self.path):
            if not line or line.isspace():
                yield block
                block = _Block()
            elif line.startswith("-DOCSTART-") and self._is_docstart(line, number):
                yield block
                match = _DOCSTART_ID.fullmatch(line)
                block = _Block(begins=True, name=match[1] if match else None)
            elif line.startswith("#") and _is_comment(line):
                if (newdoc := _NEWDOC.fullmatch(line)) and self.marker == "# newdoc":
                    yield block
                    block = _Block(begins=True, name=(newdoc[1] or "").strip() or None)
                elif (match := _COMMENT_ID.fullmatch(line)) and self.marker == "empty lines":
                    block.name = match[1]
            else:
                word, tag = self._row(line, number)
                if self.marker == "SAMPLE_START" and word in ("SAMPLE_START", "[SEP]"):
                    yield block
                    block = _Block(begins=word == "SAMPLE_START")
                else:
                    block.words.append(word)
                    block.tags.append(tag)
                    block.lines.append(number)
        yield block

    def _is_docstart(self, line: str, number: int) -> bool:
        if self.named and not _DOCSTART_ID.fullmatch(line):
            return False
        if self.marker == "the file":
            return True
        if self.marker != "-DOCSTART-":
            raise self._fail("`-DOCSTART-` although the first article has none; put one before it as well", number)
        return True

    def _row(self, line: str, number: int) -> tuple[str, str]:
        cells = line.rstrip("\r").split("\t") if self.separator == "tabs" else _cells(line)
        if len(cells) != self.columns:
            raise self._fail(
                f"{len(cells)} columns where the first row has {self.columns} ({self.separator} separate them)", number
            )
        tag = cells[self.tag_column].strip()
        if not _TAG.fullmatch(tag) and not _BARE_TAG.fullmatch(tag):
            raise self._fail(f"{tag!r} cannot be a tag (O, B-LABEL, I-LABEL, ...); name the right column with tag_column", number)
        return cells[self.word_column], tag


class _ArticleBuilder:
    """Collects one article's sentences."""

    def __init__(self, name: str, scheme: Scheme) -> None:
        self.name = name
        self.scheme = scheme
        self.text = TextBuilder()
        self.sentences = 0
        self.spans: list[Span] = []

    def add(self, block: _Block, ledger: LossLedger) -> None:
        """Append the block as a sentence."""
        first = len(self.text.offsets)
        self.sentences += 1
        for word in block.words:
            self.text.add(word, self.sentences)
        for position in illegal_tags(block.tags, self.scheme):
            detail = f"line {block.lines[position]}: {block.tags[position]}"
            ledger.note(
                self.name,
                "reading",
                "tags",
                f"a tag that {self.scheme} does not allow there, read as conlleval does",
                detail=detail,
            )
        for chunk in spans_of_tags(block.tags):
            ledger.seen += 1
            where = self.text.cover(range(first + chunk.first, first + chunk.last + 1))
            if where is None:
                at = self.text.offsets[first + chunk.first][0]
                detail = f"line {block.lines[chunk.first]}"
                ledger.add_span(
                    self.name, "reading", "dropped", "holds only white space", Span(at, at, chunk.label), detail=detail
                )
            else:
                self.spans.append(Span(*where, chunk.label))

    def finish(self) -> Article:
        """The article."""
        return Article(id=self.name, text=self.text.text, spans=tuple(self.spans))


def write_conll(articles: Iterable[Article], path: Path, *, ledger: LossLedger, scheme: Scheme = "IOB2") -> None:
    """Write two columns, word and tag, separated by a tab, with `-DOCSTART- (id)` before each article.

    Columns hold words with one flat layer of spans: overlapping spans (the longest stays), white space between words,
    `annotated`, `labels` and `meta` go to the ledger. Raises OutputError for an id with a line break.
    """
    if scheme not in ("IOB1", "IOB2", "BIOES", "BILOU", "IO"):
        raise SettingsError(f"scheme: {scheme!r} cannot be written; allowed: IOB1, IOB2, BIOES, BILOU, IO")
    with staged_file(path) as file:
        for article in articles:
            if "\n" in article.id:
                raise OutputError(
                    f"article {article.id!r}: its id has a line break; give it another, or use a format such as jsonl"
                )
            file.write(f"-DOCSTART- ({article.id})\n\n")
            for sentence in _tagged_sentences(article, scheme, ledger):
                file.writelines(f"{word}\t{tag}\n" for word, tag in sentence)
                file.write("\n")


def _tagged_sentences(article: Article, scheme: Scheme, ledger: LossLedger) -> Iterator[list[tuple[str, str]]]:
    stage = "writing conll"
    writable = []
    for span in article.spans:
        if any(character.isspace() for character in span.label) or not span.label:
            ledger.add_span(article.id, stage, "dropped", "its label has white space, which a tag cannot", span)
        else:
            writable.append(span)
    kept, dropped = flatten(writable, "longest")
    for span, _ in dropped:
        ledger.add_span(article.id, stage, "dropped", "overlaps a longer span", span)
    sentences = split_sentences(replace(article, spans=tuple(kept)), whole_spans=True)
    chunks = spans_over_words(article, kept, sentences, stage=stage, ledger=ledger)
    note_parts(article, stage, ledger=ledger)
    first = 0
    for sentence in sentences:
        size = len(sentence)
        inside = [TagSpan(c.first - first, c.last - first, c.span.label) for c in chunks if first <= c.first < first + size]
        yield list(zip((article.text[s:e] for s, e in sentence), tags_of_spans(inside, size, scheme), strict=True))
        first += size
