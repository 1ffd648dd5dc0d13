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

Sources: https://universaldependencies.org/format.html, https://universaldependencies.org/ext-format.html,
https://ufal.mff.cuni.cz/corefud (file format), https://gucorpling.org/gum/
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eventtag.article import Article, Region
from eventtag.errors import DataError, FormatError, OutputError
from eventtag.formats.mentions import Discontinuous, Mentions
from eventtag.formats.tag_schemes import spans_of_tags
from eventtag.formats.text_file import at_line, read_lines
from eventtag.formats.tokenised import note_parts, spans_over_words, words_by_line, writable_spans
from eventtag.formats.webanno_tsv import is_old_webanno
from eventtag.ledger import LossLedger
from eventtag.staging import staged_file

_ROW = re.compile(r"(\d{1,6})(?:([-.])(\d{1,6}))?")
"""The first column: a word, a token of several words (`1-2`), or an empty node (`1.1`)."""
MISC = 9
_COLUMNS = re.compile(r"#\s*global\.columns\s*=\s*")
_MENTIONS = re.compile(r"(?:^|\|)(?:Entity=(?!_(?:\||$))|(?:NE|NER|ne|ner)=)")
_IOB = re.compile(r"[O_]|[BIESLUMW]-\S+")
_NER = re.compile(r"(?:^|[:_])(?:NE|NER)(?:$|[:_])")
DEFAULT_FIELDS = ("eid", "etype", "head", "other")
TAG_KEYS = ("NE", "NER", "ne", "ner")
_STAGE = "writing conllu"
_BRACKET = re.compile(r"\(([^()]+)(\)?)|([^()]+)\)")
_PART = re.compile(r"(.*)\[(\d+)/(\d+)\]")
_NEWDOC = re.compile(r"#\s*newdoc(?:\s+id\s*=\s*(.*))?")
_COMMENT = re.compile(r"#\s*([\w.:]+)\s*=\s*(.*)")


def read_conllu(path: Path, *, ledger: LossLedger, discontinuous: Discontinuous = "cover") -> Iterator[Article]:
    """Stream the articles of a file; without `# newdoc` the file is one article, called after it. `# meta::` comments become `meta`.

    The file is read twice, first to recognise its columns. Mentions at empty nodes only are noted in the ledger. Raises FormatError with
    file and line for a row with another number of columns, or a mention that is closed but not open or never closed.
    """
    layout = _recognise(path)
    if layout.said:
        ledger.remark(layout.said)
    document = _Document(path.stem, layout)
    count = 0
    for number, line in read_lines(path):
        if newdoc := _NEWDOC.fullmatch(line):
            if document.pieces or count:
                yield document.article(path, Mentions(document.name, ledger, discontinuous))
            count += 1
            document = _Document((newdoc[1] or "").strip() or f"{path.stem}-{count}", layout, document.fields)
        elif not line.strip():
            document.end_sentence()
        elif line.startswith("#"):
            document.comment(line)
        else:
            with at_line(path, number):
                document.row(line, number)
    if document.pieces or count:
        yield document.article(path, Mentions(document.name, ledger, discontinuous))


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


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the form, MISC and a column of tags stand; `said` is what a reader states of it."""

    columns: int = 10
    form: int = 1
    misc: int | None = MISC
    tag: int | None = None
    said: str = ""


def _recognise(path: Path) -> _Layout:
    """The layout of a file: where MISC has no mention at all, a column of IOB tags holds them, if there is one.

    Raises FormatError with file and line for columns that nothing explains.
    """
    declared: list[str] = []
    columns = first = 0
    mentions = False
    tags: dict[int, bool] = {}  # of each column that holds nothing but tags, whether any has a prefix
    for number, line in read_lines(path):
        if match := _COLUMNS.match(line):
            declared = line[match.end() :].split()
        cells = line.split("\t")
        if len(cells) < 3 or not _ROW.fullmatch(cells[0]):
            continue
        if not columns:
            columns, first = len(cells), number
            tags = dict.fromkeys(range(2, columns), False)
        misc = declared.index("MISC") if "MISC" in declared else MISC
        mentions = mentions or (misc < len(cells) and bool(_MENTIONS.search(cells[misc])))
        for column in list(tags):
            cell = cells[column] if column < len(cells) else ""
            if not _IOB.fullmatch(cell):
                del tags[column]
            elif cell not in ("O", "_"):
                tags[column] = True
    found = [column for column, prefixed in tags.items() if prefixed]
    if declared:
        named = [column for column, name in enumerate(declared) if _NER.search(name.upper())]
        layout = _Layout(
            len(declared),
            declared.index("FORM") if "FORM" in declared else 1,
            declared.index("MISC") if "MISC" in declared else None,
        )
        found = named or found
    else:
        layout = _Layout(columns or 10, misc=MISC if columns >= 10 or not columns else None)
    if mentions or not columns:
        return layout
    if found:
        name = declared[found[-1]] if declared else str(found[-1] + 1)
        return replace(layout, tag=found[-1], said=f"mentions are the tags in column {name}")
    if columns != 10:
        raise FormatError(
            f"has rows of {columns} columns, none of which holds mentions; name them (`# global.columns = ID FORM ... NER`), or read "
            "the file as conll",
            path=path,
            line=first,
        )
    return replace(layout, said="there is neither Entity= nor NE= in MISC, so that there is no mention")


class _Document:
    """One article while it is read. Mentions are ranges of its words, half-open: an empty node stands between two words."""

    def __init__(self, name: str, layout: _Layout, fields: tuple[str, ...] = DEFAULT_FIELDS) -> None:
        self.name = name
        self.layout = layout
        self.fields = fields
        self.meta: dict[str, str] = {}
        self.pieces: list[str] = []
        self.length = 0
        self.glue = ""
        self.words: list[Region] = []
        """The place of each word."""
        self.token, self.token_end = "", 0
        """The token of several words that is being read, and the number of its last word."""
        self.forms: list[str] = []
        """Its words so far."""
        self.tags: list[str] = []
        """The IOB tags of the sentence's words."""
        self.opened: dict[str, list[tuple[int, str, int]]] = {}
        """Of each group: (first word, label, line) of its open mentions, the innermost last."""
        self.found: list[tuple[str, list[range], int]] = []
        """Of each mention: its label, the words of its fragments, its line."""
        self.parts: dict[str, list[range]] = {}

    def end_sentence(self) -> None:
        self._end_token()
        self.glue = "\n" if self.length else ""
        first = len(self.words) - len(self.tags)
        self.found += [(c.label, [range(first + c.first, first + c.last + 1)], 0) for c in spans_of_tags(self.tags)]
        self.tags = []

    def comment(self, line: str) -> None:
        match = _COMMENT.fullmatch(line)
        if match and match[1] == "global.Entity":
            self.fields = tuple(match[2].strip().split("-"))
        elif match and match[1].startswith("meta::"):
            self.meta[match[1].removeprefix("meta::")] = match[2].strip()

    def row(self, line: str, number: int) -> None:
        """Take one word, token of several words or empty node; raises DataError."""
        layout, cells = self.layout, line.split("\t")
        match = _ROW.fullmatch(cells[0])
        if len(cells) != layout.columns or match is None or not cells[layout.form]:
            raise DataError(f"{line[:60]!r} is not a row of {layout.columns} columns (number, word, lemma, ...)")
        form, word, kind = cells[layout.form], int(match[1]), match[2]
        misc = {} if layout.misc is None else dict(item.partition("=")[::2] for item in cells[layout.misc].split("|"))
        first = len(self.words)
        inside = kind != "-" and (word < self.token_end or (word == self.token_end and not kind))
        if not inside:
            self._end_token()
        if kind != "." and not inside:
            text = self.glue + form
            self.pieces.append(text)
            self.length += len(text)
            self.glue = "" if misc.get("SpaceAfter") == "No" else " "
        if kind == "-":
            self.token, self.token_end = form, int(match[3])
            return
        if not kind:
            self.words.append((self.length - len(self.token if inside else form), self.length))
            self.forms += [form] if inside else []
            tag = cells[layout.tag] if layout.tag is not None else next((misc[key] for key in TAG_KEYS if key in misc), "O")
            self.tags.append("O" if tag in ("_", "-") else tag)
        if misc.get("Entity", "_") != "_":
            self._brackets(misc["Entity"], range(first, len(self.words)), number)

    def _end_token(self) -> None:
        """Place the words of a token of several: each at its own letters where they make up the token (it + 's), else at all of it."""
        if self.forms and "".join(self.forms) == self.token:
            start, first = self.length - len(self.token), len(self.words) - len(self.forms)
            for at, form in enumerate(self.forms, start=first):
                self.words[at] = (start, start + len(form))
                start += len(form)
        self.forms, self.token_end = [], 0

    def _brackets(self, value: str, words: range, number: int) -> None:
        """Open and close mentions at a word, or at an empty node, which is not a word."""
        names = self.fields
        label_at = names.index("etype") if "etype" in names else 1
        group_at = next((index for index, name in enumerate(names) if name in ("GRP", "eid")), 0)
        for match in _BRACKET.finditer(value):
            if match[1] is not None:
                parts = match[1].split("-")
                group = parts[group_at] if group_at < len(parts) else parts[0]
                label = (parts[label_at] if label_at < len(parts) else "") or "entity"
                if match[2]:
                    self._mention(group, label, words, number)
                else:
                    self.opened.setdefault(group, []).append((words.start, label, number))
            else:
                group = match[3].split("-")[0]
                if not self.opened.get(group):
                    raise DataError(f"Entity closes {group!r}, which is not open")
                first, label, line = self.opened[group].pop()
                self._mention(group, label, range(first, words.stop), line)

    def _mention(self, group: str, label: str, words: range, number: int) -> None:
        """Record a mention, or one fragment of it."""
        part = _PART.fullmatch(group)
        key = f"{part[1]}/{part[3]}" if part else ""
        if part is None or part[2] == "1" or key not in self.parts:
            self.parts[key] = []
            self.found.append((label, self.parts[key], number))
        self.parts[key].append(words)

    def article(self, path: Path, mentions: Mentions) -> Article:
        """The article; raises FormatError for a mention that is never closed."""
        self.end_sentence()
        for group, opened in self.opened.items():
            if opened:
                raise FormatError(f"Entity opens {group!r}, which is never closed", path=path, line=opened[-1][2])
        text = "".join(self.pieces)
        for label, fragments, number in self.found:
            places = [(self.words[words[0]][0], self.words[words[-1]][1]) for words in fragments if words]
            if places:
                mentions.add_fragments(places, label, text)
            else:
                detail = f"line {number}: {label}"
                mentions.ledger.note(self.name, "reading", "spans", "a mention at an empty node has no text", detail=detail)
        return Article(id=self.name, text=text, spans=mentions.spans, meta=self.meta)


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
    words: list[tuple[str, str]] = []  # each with what the rows put after it
    for sentence in sentences:
        for (start, end), (following, _) in itertools.pairwise([*sentence, (-1, -1)]):
            words.append((article.text[start:end], "\n" if following < 0 else " " if end < following else ""))
    marked = iter(_marks(article, sentences, words, ledger))
    rows = iter(words)
    for sentence in sentences:
        yield f"# text = {article.text[sentence[0][0] : sentence[-1][1]]}".replace("\r", " ").replace("\n", " ")
        for number in range(1, len(sentence) + 1):
            (word, glue), brackets = next(rows), next(marked)
            misc = ([f"Entity={''.join(brackets)}"] if brackets else []) + ([] if glue else ["SpaceAfter=No"])
            yield f"{number}\t{word}" + "\t_" * 7 + f"\t{'|'.join(misc) or '_'}"
        yield ""


def _marks(
    article: Article, sentences: Sequence[Sequence[Region]], words: Sequence[tuple[str, str]], ledger: LossLedger
) -> list[list[str]]:
    """The brackets at each word."""
    starts = [0, *itertools.accumulate(len(word) + len(glue) for word, glue in words)]
    places = [(start, start + len(word)) for start, (word, _) in zip(starts, words, strict=False)]
    if "".join(word + glue for word, glue in words).removesuffix("\n") != article.text:
        ledger.note(article.id, _STAGE, "text", "holds words only: white space between them is not kept")
    marked: list[list[str]] = [[] for _ in words]
    problem = "its label has white space, a bracket, a hyphen or another sign of the format"
    usable = writable_spans(article, _STAGE, ledger=ledger, labels=r"[^\s()|=\-\[\]]+", problem=problem)
    found = spans_over_words(article, usable, sentences, stage=_STAGE, ledger=ledger, places=places)
    for number, item in enumerate(found, start=1):
        marked[item.first].append(f"(e{number}-{item.span.label}" + (")" if item.first == item.last else ""))
        if item.first < item.last:
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
