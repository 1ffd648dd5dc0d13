"""CAT XML, the format of the CAT and CROMER tools: ECB+, MEANTIME and the NewsReader corpora. One file is one article.

    <Document doc_name="1_1ecb.xml" doc_id="DOC1">
    <token t_id="1" sentence="0" number="0">Moscow</token>
    <token t_id="2" sentence="0" number="1">accused</token>
    <Markables><ACTION_REPORTING m_id="7"><token_anchor t_id="2"/></ACTION_REPORTING></Markables>
    </Document>

Text: the words joined by one space, the sentences by a newline. Labels are the markables' tag names. A markable without words
is an instance, not a mention; where a mention refers to an instance with an `ent_type` (MEANTIME), that is added to its label:
ENTITY_MENTION becomes ENTITY_MENTION_PER. The article's id is the file's name without `.xml`; where
files of several subfolders share a name, it is the path relative to the folder.

In ECB+ only listed sentences are annotated: the option `sentences` names the list (`ECBplus_coreference_sentences.csv`, with the
columns Topic, File and Sentence Number), which becomes the `annotated` regions. A list named `annotated_sentences.csv` beside the
files, as the writer makes it, is used unasked. In MEANTIME the first sentences are annotated: `first_sentences=6`.

Sources: Bartalesi Lenzi et al. 2012 (https://aclanthology.org/L12-1072/), Cybulska and Vossen 2014
(https://aclanthology.org/L14-1646/), Minard et al. 2016 (https://aclanthology.org/L16-1699/).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from eventtag.article import Article, Region
from eventtag.errors import FormatError, OutputError, SettingsError
from eventtag.formats.cat_sentences import LIST_NAME, SentenceList, format_sentence_list, read_sentence_list
from eventtag.formats.file_names import article_files, require_file_name
from eventtag.formats.mentions import Discontinuous, Mentions
from eventtag.formats.tokenised import TextBuilder, note_parts, spans_over_words, words_by_line
from eventtag.formats.xml_events import Attributes, parse_xml, xml_text
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.staging import staged_folder

_ECB_NAME = re.compile(r"(\d+)_\d+(ecb|ecbplus)")
_TAG = re.compile(r"[A-Za-z_][\w.\-]*")
_STAGE = "writing cat"
_ATTRIBUTES = ("doc_id", "lang", "url")
"""Attributes of the document that become metadata."""
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class _Markable:
    tag: str
    attributes: Attributes
    line: int
    words: list[int] = field(default_factory=list)


def read_cat(
    path: Path,
    *,
    ledger: LossLedger,
    sentences: str | None = None,
    first_sentences: int | None = None,
    discontinuous: Discontinuous = "cover",
) -> Iterator[Article]:
    """Stream the articles of one file, or of all `*.xml` under a folder in the order of their names, numbers counting as numbers.

    `sentences`: a list of annotated sentences; a path that does not exist as it stands is looked for in the corpus folder.
    `first_sentences`: so many sentences at each article's beginning are annotated. `discontinuous`: see `formats.mentions`.
    Raises FormatError with file and line, SettingsError for options that cannot be.
    """
    if sentences is not None and first_sentences is not None:
        raise SettingsError("sentences and first_sentences: give one of them; both say what is annotated")
    if first_sentences is not None and (not isinstance(first_sentences, int) or first_sentences < 1):
        raise SettingsError(
            f"first_sentences: {first_sentences!r} is not a whole number from 1; leave it out to annotate everything"
        )
    files = sorted(article_files(path, ".xml", remedy="give the corpus folder or one file"), key=lambda item: _natural(item[1]))
    if len({file.stem for file, _ in files}) == len(files):
        files = [(file, file.stem) for file, _ in files]
    list_path = _find_list(sentences, path)
    listed = None if list_path is None else read_sentence_list(list_path)
    for file, name in files:
        reader = _CatReader(file)
        annotated = None
        if first_sentences is not None:
            annotated = tuple(region for _, region in sorted(reader.sentences.items())[:first_sentences])
        elif listed is not None:
            annotated = _listed_regions(file.stem, reader.sentences, listed)
        spans = reader.spans(Mentions(name, ledger, discontinuous))
        yield Article(name, reader.builder.text, spans, annotated, meta=_meta(file, path, reader.attributes, reader.date))


def sniff_cat(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    if re.search(r"<Document\b", head) and re.search(r"<token\b[^<>]*\bt_id=", head):
        return "is XML with a `Document` of `token` elements that have a `t_id`"
    return None


def write_cat(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one XML file an article, and the list of annotated sentences where an article has `annotated` regions.

    CAT holds words and their markables. White space between words, `labels`, metadata other than doc_id, lang and url, and
    regions that are not whole sentences go to the ledger. Raises OutputError for an id that cannot be a file name.
    """
    listed: dict[str, list[int]] = {}
    whole: set[str] = set()
    with staged_folder(path) as folder:
        for article in articles:
            require_file_name(article.id)
            if "/" in article.id:
                raise OutputError(f"article {article.id!r}: files of this format lie in one folder; give it an id without `/`")
            (folder / f"{article.id}.xml").write_text(_format_cat(article, listed, ledger), encoding="utf-8", newline="")
            if article.annotated is None:
                whole.add(article.id)
        if len(whole) < len(listed):
            for name in sorted(whole):
                ledger.note(name, _STAGE, "annotated", "that all is annotated becomes a list of all sentences")
            (folder / LIST_NAME).write_text(format_sentence_list(listed), encoding="utf-8", newline="")


def _format_cat(article: Article, listed: dict[str, list[int]], ledger: LossLedger) -> str:
    sentences = words_by_line(article)
    spans = spans_over_words(article, article.spans, sentences, stage=_STAGE, ledger=ledger)
    attributes = {"doc_name": f"{article.id}.xml"}
    attributes |= {key: value for key in _ATTRIBUTES if isinstance(value := article.meta.get(key), str)}
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<Document{_attributes(attributes)}>"]
    count = 0
    for number, sentence in enumerate(sentences):
        for position, (start, end) in enumerate(sentence):
            count += 1
            where = _attributes({"t_id": str(count), "sentence": str(number), "number": str(position)})
            lines.append(f"<token{where}>{escape(xml_text(article.text[start:end]))}</token>")
    lines.append("<Markables>")
    for number, item in enumerate(spans, start=1):
        if not _TAG.fullmatch(item.span.label):
            ledger.add_span(article.id, _STAGE, "dropped", "its label cannot be the name of an XML element", item.span)
            continue
        anchors = "".join(f'<token_anchor t_id="{word + 1}"/>' for word in range(item.first, item.last + 1))
        lines.append(f'<{item.span.label} m_id="{number}">{anchors}</{item.span.label}>')
    lines += ["</Markables>", "<Relations>", "</Relations>", "</Document>", ""]
    if xml_text(article.text) != article.text:
        ledger.note(article.id, _STAGE, "text", "characters that XML cannot hold become U+FFFD")
    listed[article.id] = _sentence_numbers(article, sentences, ledger)
    note_parts(article, _STAGE, ledger=ledger, kept=("annotated", "meta"))
    kept = {key: value for key, value in attributes.items() if key in _ATTRIBUTES and value} | _meta_of_name(article.id)
    lost = sorted(key for key in {*article.meta, *kept} if article.meta.get(key) != kept.get(key))
    if lost:
        ledger.note(article.id, _STAGE, "meta", "metadata is not kept", detail=", ".join(lost))
    return "\n".join(lines)


def _sentence_numbers(article: Article, sentences: Sequence[Sequence[Region]], ledger: LossLedger) -> list[int]:
    """The sentences that the annotated regions hold from end to end."""
    inside = [n for n, sentence in enumerate(sentences) if article.all_annotated(sentence[0][0], sentence[-1][1])]
    if article.annotated is not None and [(sentences[n][0][0], sentences[n][-1][1]) for n in inside] != list(article.regions):
        ledger.note(article.id, _STAGE, "annotated", "annotated regions are kept as whole sentences only")
    return inside


def _attributes(attributes: Attributes) -> str:
    return "".join(f" {key}={quoteattr(xml_text(value))}" for key, value in attributes.items())


class _CatReader:
    """One file's words, sentences and markables. Raises FormatError while reading."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.attributes: Attributes = {}
        self.date: str | None = None
        self.builder = TextBuilder()
        self.sentences: dict[int, Region] = {}
        self.markables: list[_Markable] = []
        self._words: dict[str, int] = {}
        self._refers: dict[str, str] = {}
        self._relation: dict[str, str] | None = None
        self._depth: list[str] = []
        self._has_markables = False
        self._token: Attributes = {}
        parse_xml(path, begin=self._begin, end=self._end)
        if not self._words and not self._has_markables:
            raise FormatError("holds neither a `token` nor `Markables`; is it CAT XML?", path=path)

    def _fail(self, problem: str, line: int) -> FormatError:
        return FormatError(problem, path=self.path, line=line)

    def _begin(self, name: str, attributes: Attributes, line: int) -> None:
        if not self._depth:
            if name != "Document":
                raise self._fail(f"the root is `{name}`, not `Document`; is it CAT XML?", line)
            self.attributes = attributes
        elif name == "Markables":
            self._has_markables = True
        elif name == "token":
            self._token = attributes
        elif name == "token_anchor":
            self._anchor(attributes, line)
        elif self._depth[-1] == "Markables":
            self.markables.append(_Markable(name, attributes, line))
            if attributes.get("functionInDocument") == "CREATION_TIME":
                self.date = attributes.get("value")
        elif self._depth[-1] == "Relations":
            self._relation = {} if name == "REFERS_TO" else None
        elif self._relation is not None and name in ("source", "target"):
            self._relation[name + attributes.get("m_id", "")] = attributes.get("m_id", "")
        self._depth.append(name)

    def _end(self, name: str, text: str, line: int) -> None:
        self._depth.pop()
        if name == "token":
            number = self._token.get("sentence", "")
            if not re.fullmatch(r"\d{1,9}", number):
                raise self._fail(f"the token's `sentence` is {number!r}; it must be a whole number", line)
            self._word(text, int(number), self._token.get("t_id", ""), line)
        elif name == "REFERS_TO" and self._relation is not None:
            target = next((value for key, value in self._relation.items() if key.startswith("target")), "")
            self._refers.update({value: target for key, value in self._relation.items() if key.startswith("source")})
            self._relation = None

    def _word(self, text: str, sentence: int, name: str, line: int) -> None:
        if not name or name in self._words:
            raise self._fail(f"the token's `t_id` is {name!r}, which is empty or taken; every token needs its own", line)
        self._words[name] = len(self._words)
        self.builder.add(text, sentence)
        start, end = self.builder.offsets[-1]
        if start < end:
            self.sentences[sentence] = (self.sentences.get(sentence, (start, end))[0], end)

    def _anchor(self, attributes: Attributes, line: int) -> None:
        name = attributes.get("t_id", "")
        if len(self._depth) < 2 or self._depth[-2] != "Markables":
            raise self._fail("a `token_anchor` outside a markable", line)
        if name not in self._words:
            raise self._fail(f"the `token_anchor` points to the token {name!r}, which is not there", line)
        self.markables[-1].words.append(self._words[name])

    def spans(self, mentions: Mentions) -> tuple[Span, ...]:
        """The spans of the markables."""
        types = {m.attributes.get("m_id", ""): m.attributes["ent_type"] for m in self.markables if m.attributes.get("ent_type")}
        text = self.builder.text
        for markable in self.markables:
            if not markable.words:
                continue
            kind = types.get(self._refers.get(markable.attributes.get("m_id", ""), ""))
            label = f"{markable.tag}_{kind}" if kind else markable.tag
            words = [self.builder.offsets[word] for word in markable.words]
            filled = [(start, end) for start, end in words if start < end]
            if filled:
                mentions.add_fragments(filled, label, text, f"line {markable.line}")
            else:
                mentions.add_words(words, label, f"line {markable.line}")
        return mentions.spans


def _listed_regions(article_id: str, sentences: Mapping[int, Region], listed: SentenceList) -> tuple[Region, ...]:
    regions = []
    for number, line in listed.of(article_id).items():
        if number not in sentences:
            raise FormatError(
                f"the article {article_id!r} has no sentence {number}; correct the list", path=listed.path, line=line
            )
        regions.append(sentences[number])
    return tuple(regions)


def _meta(file: Path, root: Path, attributes: Attributes, date: str | None) -> dict[str, str]:
    meta = {key: attributes[key] for key in _ATTRIBUTES if attributes.get(key)} | _meta_of_name(file.stem)
    if "topic" not in meta and root.is_dir() and file.parent != root:
        meta["collection"] = file.parent.name
    if date:
        meta["date"] = date
    return meta


def _meta_of_name(name: str) -> dict[str, str]:
    match = _ECB_NAME.fullmatch(name)
    return {"topic": match[1], "collection": match[2]} if match else {}


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts names with the numbers in them as numbers: 2 before 10."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _NUMBER.split(name)]


def _find_list(sentences: str | None, root: Path) -> Path | None:
    folder = root if root.is_dir() else root.parent
    if sentences is None:
        return folder / LIST_NAME if (folder / LIST_NAME).is_file() else None
    given = Path(sentences)
    return given if given.exists() or not (folder / given).exists() else folder / given
