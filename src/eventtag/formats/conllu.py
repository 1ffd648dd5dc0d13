"""CoNLL-U with mentions in the MISC column, as in GUM and CorefUD (`Entity=`), or as IOB tags (`NE=B-PER`).

    # newdoc id = a1
    # global.Entity = eid-etype-head
    # text = Kyiv fell.
    1	Kyiv	Kyiv	PROPN	_	_	2	nsubj	_	Entity=(e1-place-1)
    2	fell	fall	VERB	_	_	0	root	_	SpaceAfter=No

`Entity=(e1-place` opens a mention, `e1)` closes it, `(e1-place)` does both; mentions nest and cross. `e1[1/2]` is the first of
two fragments of a discontinuous one. `# global.Entity` names the fields; the one called `etype` is the label. Text: words
joined as `SpaceAfter=No` says (a row such as `1-2 don't` stands for its words), sentences by a newline. An article begins at `#
newdoc`. Empty nodes (`1.1`) have no text: of a mention that begins or ends at one, the part in the text is read.

Other numbers of columns are read where `# global.columns` names them (CoNLL-U Plus). Where MISC has no mention in the whole file, a
column of IOB tags, if there is one, holds them.

Sources: https://universaldependencies.org/format.html, https://ufal.mff.cuni.cz/corefud (file format),
https://gucorpling.org/gum/
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError
from eventtag.formats.conllu_layout import ROW, Layout, recognise_conllu
from eventtag.formats.fragments import Discontinuous, check_policy, span_of_fragments
from eventtag.formats.tag_schemes import split_tag
from eventtag.formats.text_file import read_lines
from eventtag.formats.tokenised import note_parts, spans_over_words, words_by_line
from eventtag.formats.webanno_tsv import is_old_webanno
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.staging import staged_file

DEFAULT_FIELDS = ("eid", "etype", "head", "other")
TAG_KEYS = ("NE", "NER", "ne", "ner")
_STAGE = "writing conllu"
_BRACKET = re.compile(r"\(([^()]+)(\)?)|([^()]+)\)")
_PART = re.compile(r"(.*)\[(\d+)/(\d+)\]")
_NEWDOC = re.compile(r"#\s*newdoc(?:\s+id\s*=\s*(.*))?")
_COMMENT = re.compile(r"#\s*([\w.:]+)\s*=\s*(.*)")


@dataclass
class _Document:
    """One article while it is read."""

    name: str
    pieces: list[str] = field(default_factory=list)
    length: int = 0
    glue: str = ""
    fields: tuple[str, ...] = DEFAULT_FIELDS
    meta: dict[str, str] = field(default_factory=dict)
    opened: dict[str, list[tuple[int | None, str, int]]] = field(default_factory=dict)
    """Of each group: the (beginning, label, line) of its open mentions, the innermost last; no beginning before their first word."""
    fragments: list[tuple[str, list[tuple[int, int]]]] = field(default_factory=list)
    parts: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    tag: tuple[int, int, str] | None = None
    """The mention that IOB tags have open."""
    words: int = 0
    last: tuple[int, int] = (0, 0)
    """The place of the last word of the text."""
    waiting: set[str] = field(default_factory=set)
    """Groups with an open mention that has had no word yet."""
    unheard: list[tuple[str, int]] = field(default_factory=list)
    """Label and line of mentions that stand at empty nodes only."""

    def add(self, form: str) -> tuple[int, int]:
        text = (self.glue if self.length else "") + form
        self.pieces.append(text)
        self.length += len(text)
        return self.length - len(form), self.length

    def close_tag(self) -> None:
        if self.tag is not None:
            self.fragments.append((self.tag[2], [self.tag[:2]]))
            self.tag = None


def read_conllu(path: Path, *, ledger: LossLedger, discontinuous: Discontinuous = "cover") -> Iterator[Article]:
    """Stream the articles of a file; without `# newdoc` the file is one article, called after it. `# meta::` comments become `meta`.

    The file is read twice, first to recognise its columns. Mentions at empty nodes only are noted in the ledger. Raises FormatError with
    file and line for a row with another number of columns, or a mention that is closed but not open or never closed.
    """
    check_policy(discontinuous)
    document: _Document | None = None
    layout = recognise_conllu(path)
    if layout.said:
        ledger.remark(layout.said)
    reader = _Reader(path, layout)
    count = 0
    for number, line in read_lines(path):
        if newdoc := _NEWDOC.fullmatch(line):
            if document is not None and (document.words or count):
                reader.end_sentence(document)
                yield _finish(document, path, discontinuous, ledger)
            count += 1
            fields = document.fields if document is not None else DEFAULT_FIELDS
            document = _Document((newdoc[1] or "").strip() or f"{path.stem}-{count}", fields=fields)
            continue
        document = document or _Document(path.stem)
        if not line.strip():
            reader.end_sentence(document)
        elif line.startswith("#"):
            reader.comment(line, document)
        else:
            reader.row(line, number, document)
    if document is not None and (document.words or count):
        reader.end_sentence(document)
        yield _finish(document, path, discontinuous, ledger)


def sniff_conllu(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    rows = [line for line in head.split("\n")[:-1] or [head] if line.strip() and not line.startswith("#")]
    if (
        rows
        and not is_old_webanno(head)
        and all(re.match(r"\d+(?:[-.]\d+)?\t", row) and row.count("\t") >= 9 for row in rows[:50])
    ):
        return "has rows of ten or more columns that begin with a number"
    return None


class _Reader:
    """Rows and comments of one file."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self.layout = layout
        self.multiword_end = 0
        self.multiword = (0, 0)
        self.multiword_text = ""
        self.parts: list[tuple[str | None, dict[str, str], int]] = []
        """The words of the multiword token that is being read: form (none of an empty node), MISC and line."""

    def end_sentence(self, document: _Document) -> None:
        """What follows begins on a new line."""
        self.flush(document)
        document.glue = "\n"
        document.close_tag()

    def comment(self, line: str, document: _Document) -> None:
        """Take metadata and the names of the mention fields."""
        match = _COMMENT.fullmatch(line)
        if match and match[1] == "global.Entity":
            document.fields = tuple(match[2].strip().split("-"))
        elif match and match[1].startswith("meta::"):
            document.meta[match[1].removeprefix("meta::")] = match[2].strip()

    def row(self, line: str, number: int, document: _Document) -> None:
        """Take one word."""
        cells = line.split("\t")
        match = ROW.fullmatch(cells[0])
        if len(cells) != self.layout.columns or match is None or not cells[self.layout.form]:
            raise FormatError(
                f"{line[:60]!r} is not a row of {self.layout.columns} columns (number, word, lemma, ...)",
                path=self.path,
                line=number,
            )
        form = cells[self.layout.form]
        misc = {} if self.layout.misc is None else dict(item.partition("=")[::2] for item in cells[self.layout.misc].split("|"))
        if self.layout.tag is not None:
            misc = {key: value for key, value in misc.items() if key not in TAG_KEYS} | {TAG_KEYS[0]: cells[self.layout.tag]}
        word = int(match[1])
        if match[2] == "." and word < self.multiword_end:
            self.parts.append((None, misc, number))
            return
        if match[2] == ".":
            self.flush(document)
            self.mentions(None, misc, number, document)
            return
        if match[2] == "-":
            self.flush(document)
            self.multiword = document.add(form)
            self.multiword_text, self.multiword_end = form, int(match[3])
        elif word <= self.multiword_end:
            self.parts.append((form, misc, number))
            return
        else:
            self.flush(document)
            self.mentions(document.add(form), misc, number, document)
        document.glue = _space_after(misc)
        document.words += 1

    def flush(self, document: _Document) -> None:
        """Place the words of a multiword token: each at its own letters where they make up the token (it + 's), else at all of it."""
        parts, self.parts = self.parts, []
        start, end = self.multiword
        apart = "".join(form for form, _, _ in parts if form is not None) == self.multiword_text
        for form, misc, number in parts:
            if form is None:
                self.mentions(None, misc, number, document)
                continue
            self.mentions((start, start + len(form)) if apart else (start, end), misc, number, document)
            start += len(form) if apart else 0
        self.multiword_end = 0

    def mentions(self, place: tuple[int, int] | None, misc: dict[str, str], number: int, document: _Document) -> None:
        """Open, close and continue the mentions that a word's MISC column names; an empty node has no place."""
        if place is not None:
            document.last = place
            for group in document.waiting:
                opened = document.opened[group]
                opened[:] = [(place[0] if start is None else start, label, line) for start, label, line in opened]
            document.waiting.clear()
        if misc.get("Entity", "_") != "_":
            self.brackets(misc["Entity"], place, number, document)
        tag = next((misc[key] for key in TAG_KEYS if key in misc), None)
        if place is not None and (tag is not None or document.tag is not None):
            self.iob(tag or "O", place, document)

    def brackets(self, value: str, place: tuple[int, int] | None, number: int, document: _Document) -> None:
        """Open and close mentions."""
        for match in _BRACKET.finditer(value):
            if match[1] is not None:
                parts = match[1].split("-")
                group, label = self.group(parts, document)
                if match[2]:
                    self.mention(group, label, place, number, document)
                else:
                    document.opened.setdefault(group, []).append((None if place is None else place[0], label, number))
                    if place is None:
                        document.waiting.add(group)
                continue
            group = match[3].split("-")[0]
            if not document.opened.get(group):
                raise FormatError(f"Entity closes {group!r}, which is not open", path=self.path, line=number)
            start, label, line = document.opened[group].pop()
            end = document.last[1]
            self.mention(group, label, None if start is None or end <= start else (start, end), line, document)

    def group(self, parts: Sequence[str], document: _Document) -> tuple[str, str]:
        """The group and the label that an opening bracket names."""
        names = document.fields
        at = names.index("etype") if "etype" in names else 1
        group = next((index for index, name in enumerate(names) if name in ("GRP", "eid")), 0)
        label = parts[at] if at < len(parts) else ""
        return parts[group] if group < len(parts) else parts[0], label or "entity"

    def mention(self, group: str, label: str, place: tuple[int, int] | None, number: int, document: _Document) -> None:
        """Record a mention, or one fragment of it; without a place it stands at empty nodes only."""
        part = _PART.fullmatch(group)
        if part is None:
            if place is None:
                document.unheard.append((label, number))
            else:
                document.fragments.append((label, [place]))
            return
        key = f"{part[1]}/{part[3]}"
        if part[2] == "1" or key not in document.parts:
            document.parts[key] = []
            document.fragments.append((label, document.parts[key]))
        if place is not None:
            document.parts[key].append(place)
        elif part[2] == part[3] and not document.parts[key]:
            document.unheard.append((label, number))

    def iob(self, tag: str, place: tuple[int, int], document: _Document) -> None:
        """Continue, close or open the mention of the IOB tags."""
        prefix, label = split_tag(tag)
        if document.tag is not None and prefix in ("I", "E", "L", "M") and label == document.tag[2]:
            document.tag = (document.tag[0], place[1], label)
        else:
            document.close_tag()
            if prefix != "O" and tag not in ("_", "-"):
                document.tag = (place[0], place[1], label)


def _space_after(misc: dict[str, str]) -> str:
    return "" if misc.get("SpaceAfter") == "No" else " "


def _finish(document: _Document, path: Path, discontinuous: Discontinuous, ledger: LossLedger) -> Article:
    document.close_tag()
    for group, opened in document.opened.items():
        if opened:
            raise FormatError(f"Entity opens {group!r}, which is never closed", path=path, line=opened[-1][2])
    spans: dict[Span, None] = {}
    for label, number in document.unheard:
        ledger.note(document.name, "reading", "spans", "a mention at an empty node has no text", detail=f"line {number}: {label}")
    for label, fragments in document.fragments:
        if not fragments:
            continue
        ledger.seen += 1
        span = span_of_fragments(fragments, label, article_id=document.name, policy=discontinuous, ledger=ledger)
        if span in spans:
            ledger.add_span(document.name, "reading", "merged", "is marked twice", span)
        spans[span] = None
    return Article(id=document.name, text="".join(document.pieces), spans=tuple(spans), meta=document.meta)


def write_conllu(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write words, `SpaceAfter=No` and mentions (`Entity=`, with eid-etype fields); the other columns stay empty.

    Metadata of one line of text each is kept as `# meta::`. White space other than one space between words and one line end
    between sentences, `annotated` and `labels` go to the ledger. Raises OutputError for an id with a line break.
    """
    with staged_file(path) as file:
        file.write("# global.Entity = eid-etype\n")
        for article in articles:
            if "\n" in article.id or article.id != article.id.strip() or not article.id:
                raise OutputError(f"article {article.id!r}: its id has white space at its edges or a line break; give it another")
            file.writelines(f"{line}\n" for line in _rows(article, ledger))


def _rows(article: Article, ledger: LossLedger) -> Iterator[str]:
    meta = {key: value for key, value in article.meta.items() if _is_line(key, value)}
    note_parts(article, _STAGE, ledger=ledger, meta=tuple(meta))
    yield f"# newdoc id = {article.id}"
    yield from (f"# meta::{key} = {value}" for key, value in meta.items())
    sentences = words_by_line(article)
    glue = _glue(sentences)
    marked = _marks(article, sentences, glue, ledger)
    position = 0
    for sentence in sentences:
        yield f"# text = {article.text[sentence[0][0] : sentence[-1][1]]}".replace("\r", " ").replace("\n", " ")
        for number, (start, end) in enumerate(sentence, start=1):
            misc = [f"Entity={''.join(marked[position])}"] if marked[position] else []
            misc += ["SpaceAfter=No"] if not glue[position] else []
            yield f"{number}\t{article.text[start:end]}" + "\t_" * 7 + f"\t{'|'.join(misc) or '_'}"
            position += 1
        yield ""


def _glue(sentences: Sequence[Sequence[tuple[int, int]]]) -> list[str]:
    """What the rows put after each word: nothing, a space, or a line end after a sentence."""
    glue = []
    for sentence in sentences:
        glue += [" " if end < following else "" for (_, end), (following, _) in itertools.pairwise(sentence)]
        glue.append("\n")
    return glue


def _marks(
    article: Article, sentences: Sequence[Sequence[tuple[int, int]]], glue: Sequence[str], ledger: LossLedger
) -> list[list[str]]:
    """The brackets at each word."""
    places: list[tuple[int, int]] = []
    pieces: list[str] = []
    length = 0
    words = [word for sentence in sentences for word in sentence]
    for (start, end), after in zip(words, glue, strict=True):
        places.append((length, length + end - start))
        pieces += (article.text[start:end], after)
        length += end - start + len(after)
    if "".join(pieces[:-1]) != article.text:
        ledger.note(article.id, _STAGE, "text", "holds words only: white space between them is not kept")
    marked: list[list[str]] = [[] for _ in words]
    usable = [span for span in article.spans if _usable(article, span, ledger)]
    found = spans_over_words(article, usable, sentences, stage=_STAGE, ledger=ledger, places=places)
    for number, item in enumerate(found, start=1):
        opening = f"(e{number}-{item.span.label}"
        if item.first == item.last:
            marked[item.first].append(f"{opening})")
        else:
            marked[item.first].append(opening)
            marked[item.last].append(f"e{number})")
    return marked


def _is_line(key: object, value: object) -> bool:
    return (
        isinstance(key, str)
        and isinstance(value, str)
        and bool(re.fullmatch(r"[\w.]+", key))
        and value == value.strip()
        and value.isprintable()
    )


def _usable(article: Article, span: Span, ledger: LossLedger) -> bool:
    if re.fullmatch(r"[^\s()|=\-\[\]]+", span.label):
        return True
    ledger.add_span(
        article.id, _STAGE, "dropped", "its label has white space, a bracket, a hyphen or another sign of the format", span
    )
    return False
