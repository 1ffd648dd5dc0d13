r"""WebAnno TSV 3.x, the format of WebAnno and INCEpTION: one file an article, one row a token, columns for each layer's features.

    #FORMAT=WebAnno TSV 3.3
    #T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value

    #Text=Kyiv fell
    1-1	0-4	Kyiv	*[1]	LOC[1]
    1-2	5-9	fell	_	_

`_` is no annotation, `*` one without a value; `|` separates stacked annotations, `[n]` joins the rows of one; rows such as
`1-3.1` are parts of a token. Several `#Text` lines before the rows are one sentence with line ends. `\` escapes. Offsets count
UTF-16 units; the text is put together from the sentences, and what stands between two of them is taken to be line ends.

Source: https://inception-project.github.io/releases/36.0/docs/user-guide.html#sect_formats_webannotsv3
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from eventtag.article import Article
from eventtag.errors import DataError, FormatError
from eventtag.formats.file_names import file_for
from eventtag.formats.fragments import Discontinuous, check_policy, span_of_fragments
from eventtag.formats.inception import exported_files
from eventtag.formats.json_file import at_line
from eventtag.formats.layers import NAMED_ENTITY, Choice, Layers, choose
from eventtag.formats.offsets import OffsetMap
from eventtag.formats.text_file import read_lines
from eventtag.formats.tokenised import WordSpan, note_parts, spans_over_words, words_by_line
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.staging import staged_folder

MAX_GAP = 10_000
"""More line ends than this between two sentences are damage, not text."""

_ROW = re.compile(r"(\d+-\d+)(\.\d+)?\t(\d{1,9})-(\d{1,9})\t(.*)", re.DOTALL)
_STACKED = re.compile(r"(?:[^\\|]|\\.)+", re.DOTALL)
_STACK_ID = re.compile(r"((?:[^\\]|\\.)*?)(?:\[(\d+)\])?", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_OLD = re.compile(r"#(?:id|text)=")
"""Lines that only WebAnno TSV 1 and 2 have."""
_STAGE = "writing webanno_tsv"


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a layer of one document stands: all its columns, and those of the features that may hold labels."""

    layer: str
    columns: tuple[int, ...]
    features: Mapping[str, int]
    spans: bool
    """Whether it is a layer of spans, and not of relations or chains."""


@dataclass(frozen=True, slots=True)
class _Label:
    """Where the labels of one document stand; `column` is None where it has no such feature, `columns` empty where no such layer."""

    columns: tuple[int, ...]
    column: int | None
    default: str


@dataclass
class _Document:
    """The text so far and the fragments of each annotation, in the order in which they begin."""

    name: str
    pieces: list[str] = field(default_factory=list)
    length: int = 0
    end: int = 0
    """The file's own offset of the end of `pieces`."""
    fragments: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def append(self, text: str) -> None:
        self.pieces.append(text)
        self.length += len(text)
        self.end += len(text) + sum(character > "\uffff" for character in text)


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
    check_policy(discontinuous)
    files = exported_files(path, ".tsv", annotator=annotator, ledger=ledger)
    layers = Layers()
    for file, _ in files:
        _survey(file, layers)
    choice = choose(layers, layer=layer, feature=feature, path=path, ledger=ledger)
    for file, name in files:
        yield _read_article(file, name, choice, discontinuous, ledger)


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
    header: list[_Columns] = []
    position = 0
    for _, line in _lines(file):
        if line.startswith("#T_"):
            header.append(_columns(line, position))
            position = header[-1].columns[-1] + 1
            if header[-1].spans:
                layers.layer(header[-1].layer).declare(header[-1].features)
        elif (match := _ROW.fullmatch(line)) is not None and (cells := match[5].split("\t")[1:]) and position <= len(cells):
            for columns in header:
                if all(cells[column] == "_" for column in columns.columns):
                    continue
                if not columns.spans:
                    layers.unusable.add(columns.layer)
                    continue
                seen = layers.layer(columns.layer)
                seen.annotations += 1
                for feature, column in columns.features.items():
                    for value in _STACKED.findall(cells[column]):
                        if (text := _value(value)[0]) != "_":
                            seen.add(feature, _unescape(text))


def _columns(line: str, position: int) -> _Columns:
    """The columns that a header line names: a role of an event has two, the role and the type of what it points to."""
    kind, _, rest = line.partition("=")
    name, *names = (part.strip() for part in rest.split("|"))
    features = {
        feature: position + number
        for number, feature in enumerate(names)
        if feature and not feature.startswith("ROLE_") and not (number and names[number - 1].startswith("ROLE_"))
    }
    return _Columns(name, tuple(range(position, position + max(len(names), 1))), features, kind == "#T_SP")


def _read_article(file: Path, name: str, choice: Choice, discontinuous: Discontinuous, ledger: LossLedger) -> Article:
    document = _Document(name)
    label = _Label((), None, choice.default_label)
    position = 0
    texts: list[str] = []
    rows: list[tuple[int, re.Match[str]]] = []
    for number, line in _lines(file):
        if line.startswith("#T_"):
            columns = _columns(line, position)
            position = columns.columns[-1] + 1
            if columns.spans and columns.layer == choice.layer:
                label = _Label(columns.columns, columns.features.get(choice.feature or ""), choice.default_label)
        elif line.startswith("#Text="):
            if rows:
                _add_sentence(document, texts, rows, label, file, ledger)
                texts, rows = [], []
            texts.append(_unescape(line.removeprefix("#Text=")))
        elif line and not line.startswith("#"):
            match = _ROW.fullmatch(line)
            if match is None:
                raise FormatError(f"{line[:60]!r} is not a row (1-1<TAB>0-4<TAB>word<TAB>...)", path=file, line=number)
            rows.append((number, match))
    if rows or texts:
        _add_sentence(document, texts, rows, label, file, ledger)
    return _article(document, discontinuous, ledger)


def _add_sentence(
    document: _Document,
    texts: Sequence[str],
    rows: Sequence[tuple[int, re.Match[str]]],
    label: _Label,
    file: Path,
    ledger: LossLedger,
) -> None:
    text = "\n".join(texts)
    places: list[tuple[int, int]] = []
    cursor = 0
    parent = (0, 0, 0)
    for number, match in rows:
        _, part, start, end, rest = match.groups()
        word = _unescape(rest.split("\t", 1)[0])
        if part is None:
            at = text.find(word, cursor)
            parent = (at, at + len(word), int(start))
            cursor = at + len(word)
        else:
            at = _within(text, word, parent, int(start))
            if at >= 0 and not word and start == end:  # an annotation of no length, in a word or at its edge
                places.append((at, at))
                continue
        if at < 0 or not word:
            raise FormatError(f"the word {word!r} is not in the sentence's text from there on", path=file, line=number)
        if int(end) <= int(start):
            raise FormatError(f"the offsets {start}-{end} are empty", path=file, line=number)
        places.append((at, at + len(word)))
    if rows:
        first, begin = rows[0][0], int(rows[0][1][3])
        head = text[: places[0][0]]
        gap = begin - len(head) - sum(character > "\uffff" for character in head) - document.end
        if not 0 <= gap <= MAX_GAP:
            raise FormatError(f"the sentence begins at {begin}, after one that ends at {document.end}", path=file, line=first)
        document.append("\n" * gap)
    base = document.length
    document.append(text)
    for row, ((number, match), (start, end)) in enumerate(zip(rows, places, strict=True)):
        cells = match[5].split("\t")[1:]
        if start == end:
            where = (base + start, base + start)
            _record_empty(cells, label, where, document.name, ledger)
            continue
        with at_line(file, number):
            _annotations(document, cells, label, (base + start, base + end), f"{number}.{row}")


def _within(text: str, word: str, parent: tuple[int, int, int], start: int) -> int:
    """Where a part of a word begins: at its own offset from the word's (UTF-16 units), or where it is found; -1 where it is not."""
    begin, end, own = parent
    at, units = begin, start - own
    while units > 0 and at < end:
        units -= 1 + (text[at] > "\uffff")
        at += 1
    return at if units == 0 and text.startswith(word, at) and at + len(word) <= end else text.find(word, begin, end)


def _annotations(document: _Document, cells: Sequence[str], label: _Label, place: tuple[int, int], key: str) -> None:
    if not label.columns:
        return
    if len(cells) <= max(label.columns):
        raise DataError(f"{len(cells)} annotation columns where the header needs {max(label.columns) + 1}")
    for position, (text, stack) in enumerate(_values(cells, label)):
        name = f"{stack}\t{text}" if stack else f"{key}|{position}"
        document.fragments.setdefault(name, []).append(place)
        document.labels[name] = text


def _values(cells: Sequence[str], label: _Label) -> Iterator[tuple[str, str | None]]:
    """(label, number of the stack or None) of each annotation of the layer in a row."""
    filled = [cells[column] for column in label.columns if cells[column] != "_"]
    if not filled:
        return
    for item in _STACKED.findall(cells[label.column] if label.column is not None else filled[0]):
        text, stack = _value(item)
        yield (label.default if label.column is None or text in ("*", "_", "") else _unescape(text)), stack


def _value(item: str) -> tuple[str, str | None]:
    match = _STACK_ID.fullmatch(item)
    return (match[1], match[2]) if match else (item, None)


def _record_empty(cells: Sequence[str], label: _Label, place: tuple[int, int], name: str, ledger: LossLedger) -> None:
    """Record the annotations of a row of no length as dropped: there is nothing that they mark."""
    if label.columns and len(cells) > max(label.columns):
        for text, _ in _values(cells, label):
            ledger.seen += 1
            ledger.add_span(name, "reading", "dropped", "is empty", Span(*place, text))


def _article(document: _Document, discontinuous: Discontinuous, ledger: LossLedger) -> Article:
    name, text = document.name, "".join(document.pieces)
    spans: dict[Span, None] = {}
    for key, fragments in document.fragments.items():
        ledger.seen += 1
        joined: list[tuple[int, int]] = []
        for start, end in fragments:
            if joined and not text[joined[-1][1] : start].strip():
                joined[-1] = (joined[-1][0], end)
            else:
                joined.append((start, end))
        span = span_of_fragments(joined, document.labels[key], article_id=name, policy=discontinuous, ledger=ledger)
        if span in spans:
            ledger.add_span(name, "reading", "merged", "is marked twice", span)
        spans[span] = None
    return Article(id=name, text=text, spans=tuple(spans))


def write_webanno_tsv(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one TSV 3.3 file an article, spans in the NamedEntity layer; words are cut where a span begins or ends.

    White space at a span's edges, `annotated`, `labels` and `meta` go to the ledger. Raises OutputError for an id that cannot
    be a file name.
    """
    with staged_folder(path) as folder:
        for article in articles:
            file_for(folder, article.id, ".tsv").write_text(_format_tsv(article, ledger), encoding="utf-8", newline="")


def _format_tsv(article: Article, ledger: LossLedger) -> str:
    note_parts(article, _STAGE, ledger=ledger)
    sentences = words_by_line(article)
    words = [word for sentence in sentences for word in sentence]
    spans = spans_over_words(article, article.spans, sentences, stage=_STAGE, ledger=ledger, places=words)
    if not sentences and article.text:
        ledger.note(article.id, _STAGE, "text", "a text without words is not kept")
    lines = ["#FORMAT=WebAnno TSV 3.3", f"#T_SP={NAMED_ENTITY}|identifier|value", ""]
    cells = _cells(spans, len(words))
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


def _cells(spans: Sequence[WordSpan], words: int) -> list[str]:
    """The identifier and value columns of every word."""
    stacked: list[list[tuple[int, str]]] = [[] for _ in range(words)]
    for number, item in enumerate(spans, start=1):
        for word in range(item.first, item.last + 1):
            stacked[word].append((number, _escape_value(item.span.label)))
    return [
        "|".join(f"*[{number}]" for number, _ in items) + "\t" + "|".join(f"{label}[{number}]" for number, label in items)
        if items
        else "_\t_"
        for items in stacked
    ]


def _escape_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\r", "\\r").replace("\t", "\\t").replace("\n", "\\n")


def _escape_value(text: str) -> str:
    escaped = re.sub(r"[\\\[\]|_;*]|->", lambda match: "\\" + match[0], text)
    return escaped.replace("\r", "\\r").replace("\t", "\\t").replace("\n", "\\n")


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL) if "\\" in text else text
