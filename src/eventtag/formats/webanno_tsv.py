r"""WebAnno TSV 3.x, the format of WebAnno and INCEpTION: one file an article, one row a token, columns for each layer's features.

    #FORMAT=WebAnno TSV 3.3
    #T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value

    #Text=Kyiv fell
    1-1	0-4	Kyiv	*[1]	LOC[1]
    1-2	5-9	fell	_	_

`_` is not an annotation, `*` one without a value; `|` separates stacked annotations, `[n]` joins the rows of one; rows such as
`1-3.1` are parts of a token. A relation stands in the first row of its target, with the row and the number of its source and its own:

    #T_RL=webanno.custom.EventLink|role|BT_de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity
    1-1	0-4	Kyiv	*[1]	LOC[1]	TARGET	1-2[2_1]

Slot features (`ROLE_...`) are links as well, where what takes the role is an annotation of the same layer.

Several `#Text` lines before the rows are one sentence with line ends. `\` escapes. Offsets count
UTF-16 units; the text is put together from the sentences, and what stands between two of them is taken to be line ends.

Source: https://inception-project.github.io/releases/36.0/docs/user-guide.html#sect_formats_webannotsv3
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from eventtag.article import Article, Region
from eventtag.errors import FormatError
from eventtag.formats.file_names import write_files
from eventtag.formats.layers import LINK_LAYER, NAMED_ENTITY, Choice, Layers, choose, exported_files, is_tools
from eventtag.formats.links import Relation, links_between
from eventtag.formats.mentions import Discontinuous, Mentions
from eventtag.formats.offsets import OffsetMap
from eventtag.formats.text_file import at_line, read_lines
from eventtag.formats.tokenised import WordSpan, note_parts, spans_over_words, words_by_line
from eventtag.formats.webanno_columns import STACKED, Columns, columns_of, unescape, value_of
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.respan import respan
from eventtag.span import Span

MAX_GAP = 10_000
"""More line ends than this between two sentences are damage, not text."""

_ROW = re.compile(r"(\d+-\d+)(\.\d+)?\t(\d{1,9})-(\d{1,9})\t(.*)", re.DOTALL)
_OLD = re.compile(r"#(?:id|text)=")
"""Lines that only WebAnno TSV 1 and 2 have."""
_STAGE = "writing webanno_tsv"


def read_webanno_tsv(
    path: Path,
    *,
    ledger: LossLedger,
    layer: str | None = None,
    feature: str | None = None,
    annotator: str | None = None,
    discontinuous: Discontinuous = "cover",
) -> Iterator[Article]:
    """Stream the articles of one file, or of all `*.tsv` under a folder; the id is the file's path relative to the folder.

    `layer`: the span layer to read, by its full name or the end of it. `feature`: the feature with the label, which is never a role
    of an event. Both are chosen for all files together (`formats.layers`), by default as their annotations show; an annotation
    without a value gets the layer's name. `annotator`: of an INCEpTION export only this person's files. Raises FormatError with file
    and line; it names the layers where the choice is open.
    """
    files = exported_files(path, ".tsv", annotator=annotator, ledger=ledger)
    layers = Layers()
    for file, _ in files:
        _survey(file, layers)
    choice = choose(layers, layer=layer, feature=feature, path=path, ledger=ledger)
    for file, name in files:
        yield _read_article(file, choice, Mentions(name, ledger, discontinuous))


def sniff_webanno_tsv(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None. Versions 1 and 2 are recognised to be refused with the remedy."""
    if match := re.match(r"#FORMAT=WebAnno TSV (\d[.\d]*)", head):
        return f"begins with #FORMAT=WebAnno TSV {match[1]}"
    if is_old_webanno(head):
        return "has lines such as #id= and #text=, as WebAnno TSV 1 and 2"
    return None


def is_old_webanno(head: str) -> bool:
    """Whether the beginning of a file is WebAnno TSV 1 or 2."""
    lines = [line for line in head.split("\n")[:200] if line.strip()]
    rows = [line for line in lines[: 200 if head.endswith("\n") else -1] if not line.lstrip().startswith("#")]
    return any(map(_OLD.match, lines)) and all(re.match(r"(?:\d+-)?\d+\t", row) for row in rows)


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """The file's lines; raises FormatError for another version or another format."""
    for number, line in read_lines(file):
        if number == 1 and not line.startswith("#FORMAT=WebAnno TSV 3"):
            raise FormatError(
                f"begins with {line[:40]!r}, not with #FORMAT=WebAnno TSV 3; versions 1 and 2 are not read: export it as WebAnno TSV 3 "
                "or XMI",
                path=file,
                line=1,
            )
        yield number, line


def _survey(file: Path, layers: Layers) -> None:
    """Add to `layers` what the document's header and rows show."""
    header: list[Columns] = []
    for _, line in _lines(file):
        position = header[-1].columns.stop if header else 0
        if line.startswith("#T_"):
            header.append(columns_of(line, position))
            if header[-1].spans:
                layers.declare(header[-1].layer, header[-1].features)
        elif (match := _ROW.fullmatch(line)) is not None and (cells := match[5].split("\t")[1:]) and position <= len(cells):
            for columns in header:
                if all(cells[column] == "_" for column in columns.columns):
                    continue
                if not columns.spans:
                    layers.unusable.setdefault(columns.layer, set()).add(columns.base)
                    continue
                found = (
                    (feature, value_of(item)[0])
                    for feature, column in columns.features.items()
                    for item in STACKED.findall(cells[column])
                )
                layers.add(columns.layer, ((feature, unescape(text)) for feature, text in found if text != "_"))


def _read_article(file: Path, choice: Choice, mentions: Mentions) -> Article:
    document = _Document(file, choice)
    position = 0
    texts: list[str] = []
    rows: list[tuple[int, re.Match[str]]] = []
    for number, line in _lines(file):
        if line.startswith("#T_"):
            columns = columns_of(line, position)
            position = columns.columns.stop
            if columns.spans and columns.layer == choice.layer:
                document.columns = columns
            elif line.startswith("#T_RL") and columns.base == choice.layer and not is_tools(columns.layer):
                document.relation_layers.append(columns)
        elif line.startswith("#Text="):
            if rows:
                document.sentence("\n".join(texts), rows)
                texts, rows = [], []
            texts.append(unescape(line.removeprefix("#Text=")))
        elif line and not line.startswith("#"):
            match = _ROW.fullmatch(line)
            if match is None:
                raise FormatError(f"{line[:60]!r} is not a row (1-1<TAB>0-4<TAB>word<TAB>...)", path=file, line=number)
            rows.append((number, match))
    if rows or texts:
        document.sentence("\n".join(texts), rows)
    text = "".join(document.pieces)
    for span in document.empty:
        mentions.drop(span, "is empty")
    spans = {
        key: mentions.add_fragments(fragments, label, text, status=status)
        for key, (label, status, fragments) in document.fragments.items()
    }
    units = {unit: spans.get(key) for unit, key in document.units.items()}
    links = links_between(mentions.article_id, document.relations, units, ledger=mentions.ledger)
    return Article(id=mentions.article_id, text=text, spans=mentions.spans, links=links)


class _Document:
    """The text so far, and the fragments of each annotation in the order in which they begin."""

    def __init__(self, file: Path, choice: Choice) -> None:
        self.file = file
        self.choice = choice
        self.columns: Columns | None = None
        """Those of the chosen layer, where the document has it."""
        self.pieces: list[str] = []
        self.length = 0
        self.end = 0
        """The file's own offset of the end of `pieces`."""
        self.fragments: dict[tuple[object, object], tuple[str, str | None, list[Region]]] = {}
        self.units: dict[tuple[str, str], tuple[object, object]] = {}
        """By row and number of the stack, the annotation that stands there."""
        self.relation_layers: list[Columns] = []
        self.relations: dict[Relation, None] = {}
        self.empty: list[Span] = []

    def _append(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)
        self.end += _utf16_length(text)

    def sentence(self, text: str, rows: Sequence[tuple[int, re.Match[str]]]) -> None:
        """Append a sentence with its rows (line, match); raises FormatError."""
        places: list[Region] = []
        parent = (0, 0, 0)
        for line, match in rows:
            _, part, start, end, rest = match.groups()
            word = unescape(rest.split("\t", 1)[0])
            if part is None:
                at = text.find(word, parent[1])
                parent = (at, at + len(word), int(start))
            else:
                at = _within(text, word, parent, int(start))
            no_length = part is not None and not word and start == end  # an annotation in a word or at its edge
            if at < 0 or not (word or no_length):
                raise FormatError(f"the word {word!r} is not in the sentence's text from there on", path=self.file, line=line)
            if int(end) <= int(start) and not no_length:
                raise FormatError(f"the offsets {start}-{end} are empty", path=self.file, line=line)
            places.append((at, at + len(word)))
        if rows:
            line, begin = rows[0][0], int(rows[0][1][3])
            gap = begin - _utf16_length(text[: places[0][0]]) - self.end
            if not 0 <= gap <= MAX_GAP:
                raise FormatError(f"the sentence begins at {begin}, after one that ends at {self.end}", path=self.file, line=line)
            self._append("\n" * gap)
        base = self.length
        self._append(text)
        for (line, match), (start, end) in zip(rows, places, strict=True):
            with at_line(self.file, line):
                unit, cells = match[1] + (match[2] or ""), match[5].split("\t")[1:]
                found = [] if self.columns is None else [*self.columns.annotations(cells, self.choice)]
                for layer in self.relation_layers:
                    self.relations.update(dict.fromkeys(layer.relations(cells, unit)))
                slots = (
                    [] if self.columns is None else [*self.columns.slot_relations(cells, unit, [stack for _, stack, _ in found])]
                )
            begun = set()
            for position, (label, stack, status) in enumerate(found):
                if start == end:
                    self.empty.append(Span(base + start, base + end, label))
                else:
                    key = (stack, label) if stack else (line, position)
                    if key not in self.fragments:
                        begun.add(position)
                    self.fragments.setdefault(key, (label, status, []))[2].append((base + start, base + end))
                    self.units.setdefault((unit, stack or "0"), key)
            self.relations.update((relation, None) for position, relation in slots if position in begun)


def _utf16_length(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _within(text: str, word: str, parent: tuple[int, int, int], start: int) -> int:
    """Where a part of a word begins: at its own offset from the word's (UTF-16 units), or where it is found; -1 where it is not."""
    begin, end, own = parent
    at, units = begin, start - own
    while units > 0 and at < end:
        units -= 1 + (text[at] > "\uffff")
        at += 1
    return at if units == 0 and text.startswith(word, at) and at + len(word) <= end else text.find(word, begin, end)


def write_webanno_tsv(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one TSV 3.3 file an article, spans in the NamedEntity layer; words are cut where a span begins or ends.

    Links are the relation layer EventLink, status is the feature `status`, where an article has them. White space at a span's edges,
    `annotated`, `labels` and `meta` go to the ledger. Raises OutputError for an id that cannot be a file name.
    """
    write_files(articles, path, ".tsv", lambda article: _format_tsv(article, ledger))


def _format_tsv(article: Article, ledger: LossLedger) -> str:
    sentences = words_by_line(article)
    words = [word for sentence in sentences for word in sentence]
    spans = spans_over_words(article, article.spans, sentences, stage=_STAGE, ledger=ledger, places=words)
    if not sentences and article.text:
        ledger.note(article.id, _STAGE, "text", "a text without words is not kept")
    article = respan(article, [item.span for item in spans], stage=_STAGE, ledger=ledger)
    note_parts(article, _STAGE, ledger=ledger, kept=("status", *(("links",) if article.links else ())))
    with_status = any(item.span.status for item in spans)
    features = "identifier|status|value" if with_status else "identifier|value"
    lines = ["#FORMAT=WebAnno TSV 3.3", f"#T_SP={NAMED_ENTITY}|{features}"]
    lines += [f"#T_RL={LINK_LAYER}|role|BT_{NAMED_ENTITY}", ""] if article.links else [""]
    cells = _cells(spans, len(words), with_status=with_status)
    if article.links:
        rows = [f"{number}-{at}" for number, sentence in enumerate(sentences, start=1) for at in range(1, len(sentence) + 1)]
        cells = [f"{cell}\t{more}" for cell, more in zip(cells, _relation_cells(article.links, spans, rows), strict=True)]
    starts = [0, *(sentence[0][0] for sentence in sentences[1:]), len(article.text)]
    utf16 = OffsetMap(article.text, "utf16")
    word = 0
    for number, sentence in enumerate(sentences, start=1):
        text = article.text[starts[number - 1] : starts[number]]
        if number < len(sentences):
            text = text.rstrip("\n")
        lines += ["", *(f"#Text={_escape_text(line)}" for line in text.split("\n"))]
        for position, (start, end) in enumerate(sentence, start=1):
            offsets = f"{utf16.foreign(start)}-{utf16.foreign(end)}"
            lines.append(f"{number}-{position}\t{offsets}\t{_escape_text(article.text[start:end])}\t{cells[word]}")
            word += 1
    return "\n".join(lines) + "\n"


def _cells(spans: Sequence[WordSpan], words: int, *, with_status: bool) -> list[str]:
    """The identifier, status and value columns of every word."""
    stacked: list[list[tuple[int, tuple[str, ...]]]] = [[] for _ in range(words)]
    for number, item in enumerate(spans, start=1):
        status = (item.span.status or "*",) if with_status else ()
        for word in range(item.first, item.last + 1):
            stacked[word].append((number, ("*", *status, _escape_value(item.span.label))))
    columns = 3 if with_status else 2
    return [
        "\t".join("|".join(f"{values[column]}[{number}]" for number, values in items) or "_" for column in range(columns))
        for items in stacked
    ]


def _relation_cells(links: Iterable[Link], spans: Sequence[WordSpan], rows: Sequence[str]) -> list[str]:
    """The columns of the relation layer for every word, which `rows` names: of each link, in the first row of its participant."""
    numbered = {item.span: (number, item.first) for number, item in enumerate(spans, start=1)}
    found: dict[int, list[tuple[str, str]]] = {}
    for link in links:
        (source, at), (target, first) = numbered[link.event], numbered[link.participant]
        found.setdefault(first, []).append((_escape_value(link.role), f"{rows[at]}[{source}_{target}]"))
    return [
        "\t".join("|".join(part) for part in zip(*found[at], strict=True)) if at in found else "_\t_" for at in range(len(rows))
    ]


def _escape_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\t", "\\t").replace("\n", "\\n")


def _escape_value(text: str) -> str:
    escaped = re.sub(r"[\\\[\]|_;*]|->", lambda match: "\\" + match[0], text)
    return escaped.replace("\r", "\\r").replace("\t", "\\t").replace("\n", "\\n")
