"""CoNLL columns: one word a line with its tag, an empty line after each sentence.

    -DOCSTART- (a1)

    Moscow	B-ACTOR
    accused	B-EVENT
    Kyiv	B-ACTOR

Columns are separated by tabs or spaces; the word stands in the first (behind a number, in the second), the tag in the last (options
`word_column`, `tag_column`), unless a header row names them. GermEval's two columns of tags are both read. Text: the words joined by
one space, the sentences by a newline. The tag scheme (IOB1, IOB2, BIOES, BILOU, IOE, IO) is recognised over the whole file, and
`recognise_conll` states it. Lines that begin with `# ` and are not rows are comments.

An article begins at `-DOCSTART-` (its id may follow in brackets, as in AIDA), at `# newdoc` or HIPE's `# document_id = ID`; in the
dialect of the CASE shared tasks at `SAMPLE_START`, its sentences separated by `[SEP]`. In a file without any of these every block
between empty lines is an article of its own. The option `article=file` makes the file one, `article=block` each block (Label Studio's
export has one `-DOCSTART-` before all tasks).

CoNLL-2012 (OntoNotes) has documents between `#begin document` and `#end document`, and named entities as brackets in column 10. The number
of columns differs from sentence to sentence, by the number of predicates. Coreference (the last column) is not read.

    #begin document (bc/cctv/00/cctv_0000); part 000
    bc/cctv/00/cctv_0000   0   0   Kyiv   NNP   (TOP(S(NP*)   -   -   -   Speaker#1   (GPE)   *   (12)
    bc/cctv/00/cctv_0000   0   1   fell   VBD   (VP*)))       fall 01 1   Speaker#1   *       (V*)   -

Sources: Tjong Kim Sang and De Meulder 2003 (https://aclanthology.org/W03-0419/), Hürriyetoğlu et al. 2021
(https://aclanthology.org/2021.case-1.11/), Benikova et al. 2014 (GermEval), https://hipe-eval.github.io/HIPE-2022/,
https://conll.cemantix.org/2012/data.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from eventtag.article import Article
from eventtag.errors import DataError, FormatError, OutputError
from eventtag.formats.conll_layout import (
    BARE_TAG,
    MAX_BARE,
    TAG,
    Articles,
    Block,
    ConllLayout,
    blocks_of,
    cells_of,
    is_comment,
    is_header,
    recognise_conll,
    tag_column_of,
)
from eventtag.formats.conllu import sniff_conllu
from eventtag.formats.mentions import Mentions
from eventtag.formats.tag_schemes import OUTSIDE, TagSpan, WritableScheme, illegal_tags, spans_of_tags, tags_of_spans
from eventtag.formats.text_file import at_line, read_lines
from eventtag.formats.tokenised import TextBuilder, note_parts, spans_over_words, words_by_line, writable_spans
from eventtag.formats.webanno_tsv import is_old_webanno
from eventtag.ledger import LossLedger
from eventtag.staging import staged_file

_BEGIN = "#begin document"
WORD, ENTITY = 3, 10
_BRACKETS = re.compile(r"((?:\([^\s()*]+)*)\*?(\)*)")


def read_conll(
    path: Path, *, ledger: LossLedger, tag_column: int | None = None, word_column: int | None = None, article: Articles = "auto"
) -> Iterator[Article]:
    """Stream the articles of a file, which is read three times: first to recognise its layout.

    Columns count from 0, or from -1 backwards. Tags that break the file's scheme are read as conlleval reads them, with a note
    in the ledger. Raises FormatError with file and line for a row with another number of columns or something that cannot be a
    tag.
    """
    if next((line for _, line in read_lines(path) if line.strip()), "").startswith(_BEGIN):
        ledger.remark("columns of CoNLL-2012: words in column 3, named entities in column 10")
        yield from _read_2012(path, ledger)
        return
    layout = recognise_conll(path, tag_column=tag_column, word_column=word_column, article=article)
    if layout.columns:
        ledger.remark(str(layout))
    mentions: Mentions | None = None
    text = TextBuilder()
    count = 0
    for block in blocks_of(path, layout):
        if block.begins or (block.words and (mentions is None or layout.marker == "empty lines")):
            if mentions is not None:
                yield Article(id=mentions.article_id, text=text.text, spans=mentions.spans)
            count += 1
            name = path.stem if layout.marker == "the file" else f"{path.stem}-{count}"
            mentions, text = Mentions(block.name or name, ledger), TextBuilder()
        if mentions is not None:
            _add_sentence(text, block, layout, mentions)
    if mentions is not None:
        yield Article(id=mentions.article_id, text=text.text, spans=mentions.spans)


def _add_sentence(text: TextBuilder, block: Block, layout: ConllLayout, mentions: Mentions) -> None:
    first = len(text.offsets)
    for word in block.words:
        text.add(word, first)
    for tags in zip(*block.tags, strict=True):
        for position in illegal_tags(tags, layout.scheme):
            reason = f"a tag that {layout.scheme} does not allow there, read as conlleval does"
            detail = f"line {block.lines[position]}: {tags[position]}"
            mentions.ledger.note(mentions.article_id, "reading", "tags", reason, detail=detail)
        for chunk in spans_of_tags(tags):
            words = text.offsets[first + chunk.first : first + chunk.last + 1]
            mentions.add_words(words, chunk.label, f"line {block.lines[chunk.first]}")


def _read_2012(path: Path, ledger: LossLedger) -> Iterator[Article]:
    """Stream the documents; the id is the document's name and its part. Raises FormatError with file and line."""
    document: _Document2012 | None = None
    for number, line in read_lines(path):
        with at_line(path, number):
            if line.startswith(("#begin document", "#end document")):
                if document is not None:
                    yield document.article(path)
                document = None
                if line.startswith("#begin document"):
                    name, _, part = line.removeprefix("#begin document").partition(";")
                    name, part = name.strip().removeprefix("(").removesuffix(")"), part.strip().removeprefix("part").strip()
                    document = _Document2012(Mentions(f"{name}-{part}" if part else name, ledger))
            elif line.strip():
                if document is None:
                    raise DataError(f"{line[:40]!r} stands outside a document (#begin document ... #end document)")
                document.row(line.split(), number)
            elif document is not None:
                document.sentence += 1
    if document is not None:
        yield document.article(path)


class _Document2012:
    def __init__(self, mentions: Mentions) -> None:
        self.mentions = mentions
        self.text = TextBuilder()
        self.sentence = 0
        self.opened: list[tuple[int, str, int]] = []
        """Of each open entity, the innermost last: its first word, its label and its line."""

    def row(self, cells: list[str], number: int) -> None:
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


def sniff_conll(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    if head.lstrip().startswith(_BEGIN):
        return "begins with #begin document, as files of CoNLL-2012"
    if is_old_webanno(head) or sniff_conllu(head):
        return None
    lines = [line for line in head.split("\n")[:-1] or [head] if line.strip() and not is_comment(line)]
    lines = [line for line in lines[:200] if not line.startswith("-DOCSTART-")]
    columns = len(cells_of(lines[0])) if lines else 0
    rows = [cells_of(line, columns=columns) for line in lines]
    if len(rows) > 1 and is_header(rows[0]):
        at = tag_column_of(rows[0])
        tags = [row[at] for row in rows if row != rows[0] and len(row) == columns]
    else:
        tags = [row[-1] for row in rows]
        if len(tags) > 1 and not TAG.fullmatch(tags[0]) and all(map(TAG.fullmatch, tags[1:])) and set(tags[1:]) != {OUTSIDE}:
            tags = tags[1:]  # a row that names the columns
    bare = {tag for tag in tags if not TAG.fullmatch(tag)}
    known = not bare or (OUTSIDE in tags and len(bare) <= MAX_BARE and all(map(BARE_TAG.fullmatch, bare)))
    if columns >= 2 and tags and known and all(len(row) == columns for row in rows):
        example = next((tag for tag in tags if tag != OUTSIDE), OUTSIDE)
        return f"has {columns} columns and tags such as {example}"
    return None


def write_conll(articles: Iterable[Article], path: Path, *, ledger: LossLedger, scheme: WritableScheme = "IOB2") -> None:
    """Write two columns, word and tag, separated by a tab, with `-DOCSTART- (id)` before each article.

    Columns hold words with one flat layer of spans: overlapping spans (the longest stays), white space between words,
    `annotated`, `labels` and `meta` go to the ledger. Raises OutputError for an id with a line break.
    """
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


def _tagged_sentences(article: Article, scheme: WritableScheme, ledger: LossLedger) -> Iterator[list[tuple[str, str]]]:
    stage = "writing conll"
    problem = "its label has white space, which a tag cannot"
    kept = writable_spans(article, stage, ledger=ledger, labels=r"\S+", problem=problem, flat=True)
    sentences = words_by_line(replace(article, spans=tuple(kept), links=None), whole_spans=True)
    chunks = spans_over_words(article, kept, sentences, stage=stage, ledger=ledger)
    note_parts(article, stage, ledger=ledger)
    first = 0
    for sentence in sentences:
        size = len(sentence)
        inside = [TagSpan(c.first - first, c.last - first, c.span.label) for c in chunks if first <= c.first < first + size]
        yield list(zip((article.text[s:e] for s, e in sentence), tags_of_spans(inside, size, scheme), strict=True))
        first += size
