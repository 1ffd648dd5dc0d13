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
columns Topic, File and Sentence Number: `1,10ecbplus,1` is sentence 1 of 1_10ecbplus, and where Topic is empty, File is the article's
whole id), which becomes the `annotated` regions. A list named `annotated_sentences.csv` beside the
files, as the writer makes it, is used unasked. In MEANTIME the first sentences are annotated: `first_sentences=6`.

`HAS_PARTICIPANT` relations are links from their source, an event, with the role of their `sem_role` (`_role`); the attributes
`certainty`, `polarity`, `time` and `special_cases` are an event's status (`_status`):

    <EVENT_MENTION m_id="7" certainty="CERTAIN" polarity="POS" time="NON_FUTURE"><token_anchor t_id="2"/></EVENT_MENTION>
    <HAS_PARTICIPANT r_id="9" sem_role="Arg0"><source m_id="7"/><target m_id="8"/></HAS_PARTICIPANT>

Sources: Bartalesi Lenzi et al. 2012 (https://aclanthology.org/L12-1072/), Cybulska and Vossen 2014
(https://aclanthology.org/L14-1646/), Minard et al. 2016 (https://aclanthology.org/L16-1699/).
"""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from eventtag.article import Article, Region
from eventtag.errors import DataError, FormatError, OutputError, SettingsError
from eventtag.formats.file_names import article_files, require_file_name
from eventtag.formats.links import Relation, links_between
from eventtag.formats.mentions import Discontinuous, Mentions
from eventtag.formats.text_file import at_line, read_lines
from eventtag.formats.tokenised import TextBuilder, note_parts, spans_over_words, words_by_line
from eventtag.formats.xml_tree import Element, read_xml, xml_text
from eventtag.ledger import LossLedger
from eventtag.respan import respan
from eventtag.span import Span
from eventtag.staging import staged_folder

_ECB_NAME = re.compile(r"(\d+)_\d+(ecb|ecbplus)")
_TAG = re.compile(r"[A-Za-z_][\w.\-]*")
_NUMBERED = re.compile(r"A(?:RG)?[-_]?([0-9A])", re.IGNORECASE)
_PLACE = re.compile(r"A(?:RG)?[-_]?M[-_]LOC", re.IGNORECASE)
WRITTEN_ROLES = {"AGENT": "Arg0", "TARGET": "Arg1", "PLACE": "Argm-LOC"}
WRITTEN_STATUS = {
    "asserted": ("CERTAIN", "POS", "NON_FUTURE"),
    "negated": ("CERTAIN", "NEG", "NON_FUTURE"),
    "future": ("CERTAIN", "POS", "FUTURE"),
    "possible": ("POSSIBLE", "POS", "NON_FUTURE"),
}
"""The attributes `certainty`, `polarity` and `time` of an event with a status."""
_STAGE = "writing cat"
LIST_NAME = "annotated_sentences.csv"
COLUMNS = ("Topic", "File", "Sentence Number")
_ATTRIBUTES = ("doc_id", "lang", "url")
"""Attributes of the document that become metadata."""
_NUMBER = re.compile(r"(\d+)")
_PARTICIPANTS, _REFERENCES = "HAS_PARTICIPANT", "REFERS_TO"
MAX_PAIRS = 10_000
"""More pairs of a source and a target than this in one relation are damage."""


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
    listed = None if list_path is None else _read_list(list_path)
    for file, name in files:
        document = _Document(file)
        annotated = None
        if first_sentences is not None:
            annotated = tuple(region for _, region in sorted(document.sentences.items())[:first_sentences])
        elif listed is not None:
            for number, line in listed.get(file.stem, {}).items():
                if number not in document.sentences:
                    problem = f"the article {file.stem!r} has no sentence {number}; correct the list"
                    raise FormatError(problem, path=list_path, line=line)
            annotated = tuple(document.sentences[number] for number in listed.get(file.stem, ()))
        mentions = Mentions(name, ledger, discontinuous)
        found = document.add_to(mentions)
        if unread := sorted({relation.name for relation in document.relations} - {_PARTICIPANTS, _REFERENCES}):
            ledger.remark(f"relations that are not read: {', '.join(unread)}")
        links = links_between(name, document.participants(found), found, ledger=ledger)
        meta = _meta(file, path, document.root.attributes, document.date)
        yield Article(name, document.text.text, mentions.spans, annotated, meta=meta, links=links)


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
            (folder / LIST_NAME).write_text(_format_list(listed), encoding="utf-8", newline="")


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
    keys: dict[Span, int] = {}
    for number, item in enumerate(spans, start=1):
        if not _TAG.fullmatch(item.span.label):
            ledger.add_span(article.id, _STAGE, "dropped", "its label cannot be the name of an XML element", item.span)
            continue
        anchors = "".join(f'<token_anchor t_id="{word + 1}"/>' for word in range(item.first, item.last + 1))
        keys[item.span] = number
        values = WRITTEN_STATUS.get(item.span.status or "", ())
        status = _attributes(dict(zip(("certainty", "polarity", "time"), values, strict=False)))
        lines.append(f'<{item.span.label} m_id="{number}"{status}>{anchors}</{item.span.label}>')
    lines += ["</Markables>", "<Relations>"]
    article = respan(article, keys, stage=_STAGE, ledger=ledger)
    for number, link in enumerate(article.links or (), start=1):
        about = _attributes({"r_id": str(number), "sem_role": WRITTEN_ROLES.get(link.role, link.role)})
        ends = f'<source m_id="{keys[link.event]}"/><target m_id="{keys[link.participant]}"/>'
        lines.append(f"<HAS_PARTICIPANT{about}>{ends}</HAS_PARTICIPANT>")
    lines += ["</Relations>", "</Document>", ""]
    if xml_text(article.text) != article.text:
        ledger.note(article.id, _STAGE, "text", "characters that XML cannot hold become U+FFFD")
    listed[article.id] = _sentence_numbers(article, sentences, ledger)
    note_parts(article, _STAGE, ledger=ledger, kept=("annotated", "meta", "status", *(("links",) if article.links else ())))
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


def _attributes(attributes: Mapping[str, str]) -> str:
    return "".join(f" {key}={quoteattr(xml_text(value))}" for key, value in attributes.items())


class _Document:
    """One file's words, sentences and markables. Raises FormatError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.root = read_xml(path)
        self.text = TextBuilder()
        self.sentences: dict[int, Region] = {}
        self.words: dict[str, int] = {}
        with at_line(path, self.root.line):
            if self.root.name != "Document":
                raise DataError(f"the root is `{self.root.name}`, not `Document`; is it CAT XML?")
        tokens, groups = self._children(self.root, "token"), self._children(self.root, "Markables")
        for token in tokens:
            with at_line(path, token.line):
                self._add_word(token)
        if not tokens and not groups:
            raise FormatError("holds neither a `token` nor `Markables`; is it CAT XML?", path=path)
        self.markables = [markable for group in groups for markable in group.children]
        self.relations = [relation for group in self._children(self.root, "Relations") for relation in group.children]
        times = [m.attributes for m in self.markables if m.attributes.get("functionInDocument") == "CREATION_TIME"]
        self.date = times[-1].get("value") if times else None
        anchors = (anchor for markable in self.markables for anchor in self._children(markable, "token_anchor"))
        read = {id(element) for element in (*tokens, *anchors)}
        for element in self.root.walk():
            if element.name in ("token", "token_anchor") and id(element) not in read:
                where = "the text" if element.name == "token" else "a markable"
                raise FormatError(f"a `{element.name}` outside {where}", path=path, line=element.line)

    @staticmethod
    def _children(element: Element, name: str) -> list[Element]:
        return [child for child in element.children if child.name == name]

    def _add_word(self, token: Element) -> None:
        number, name = token.attributes.get("sentence", ""), token.attributes.get("t_id", "")
        if not re.fullmatch(r"\d{1,9}", number):
            raise DataError(f"the token's `sentence` is {number!r}; it must be a whole number")
        if not name or name in self.words:
            raise DataError(f"the token's `t_id` is {name!r}, which is empty or taken; every token needs its own")
        self.words[name] = len(self.words)
        self.text.add(token.text, int(number))
        start, end = self.text.offsets[-1]
        if start < end:
            self.sentences[int(number)] = (self.sentences.get(int(number), (start, end))[0], end)

    def add_to(self, mentions: Mentions) -> dict[str, Span | None]:
        """Add the mentions; by `m_id`, the span that each markable becomes, None where it becomes none."""
        found: dict[str, Span | None] = {}
        types = self._types()
        text = self.text.text
        for markable in self.markables:
            words = []
            for anchor in self._children(markable, "token_anchor"):
                name = anchor.attributes.get("t_id", "")
                with at_line(self.path, anchor.line):
                    if name not in self.words:
                        raise DataError(f"the `token_anchor` points to the token {name!r}, which is not there")
                words.append(self.text.offsets[self.words[name]])
            key = markable.attributes.get("m_id", "")
            kind = types.get(key)
            label = f"{markable.name}_{kind}" if kind else markable.name
            span: Span | None = None
            if filled := [(start, end) for start, end in words if start < end]:
                status = _status(markable.attributes)
                span = mentions.add_fragments(filled, label, text, f"line {markable.line}", status=status)
            elif words:
                mentions.add_words(words, label, f"line {markable.line}")
            if key in found:
                reason = "an m_id occurs twice: relations are its first markable's"
                mentions.ledger.note(mentions.article_id, "reading", "links", reason, detail=f"line {markable.line}: {key}")
            elif key:
                found[key] = span
        return found

    def participants(self, spans: Mapping[str, Span | None]) -> Iterator[Relation]:
        """Who takes part in which event. Raises FormatError for a relation with more than `MAX_PAIRS` pairs."""
        for relation in self.relations:
            if relation.name != _PARTICIPANTS:
                continue
            # A relation that lacks an end has a pair, of what is not there, which is then named as dropped.
            events, participants = (self._ends(relation, name) or [""] for name in ("source", "target"))
            if len(events) * len(participants) > MAX_PAIRS:
                problem = f"a {_PARTICIPANTS} with {len(events)} sources and {len(participants)} targets; divide it"
                raise FormatError(problem, path=self.path, line=relation.line)
            for event, participant in itertools.product(events, participants):
                role = _role(relation.attributes.get("sem_role", ""), spans.get(participant))
                yield Relation(event, participant, role, detail=f"line {relation.line}")

    def _ends(self, relation: Element, name: str) -> list[str]:
        """What a relation's sources or targets are called."""
        return [end.attributes.get("m_id", "") for end in self._children(relation, name)]

    def _types(self) -> dict[str, str]:
        """Of each markable that refers to an instance with a type: that type."""
        instances = {
            m.attributes.get("m_id", ""): m.attributes["ent_type"] for m in self.markables if m.attributes.get("ent_type")
        }
        found: dict[str, str] = {}
        for relation in self.relations:
            target = next(iter(self._ends(relation, "target")), "")
            if relation.name == _REFERENCES and target in instances:
                found.update(dict.fromkeys(self._ends(relation, "source"), instances[target]))
        return found


def _role(sem_role: str, participant: Span | None) -> str:
    """The project's role of a PropBank role: ARG0 is the AGENT, ARGM-LOC the PLACE, ARG1 the TARGET. The meaning of ARG2 and above
    differs from verb to verb: they are the PLACE where the participant is a place (an entity of the type LOC), else the TARGET. Others
    keep their names.
    """
    if _PLACE.fullmatch(sem_role):
        return "PLACE"
    numbered = _NUMBERED.fullmatch(sem_role)
    if numbered is None:
        return sem_role.strip() or "PARTICIPANT"
    if numbered[1] in "0Aa":
        return "AGENT"
    place = participant is not None and re.search(r"(?:^|_)LOC(?:ATION)?(?:_|$)", participant.label)
    return "PLACE" if numbered[1] != "1" and place else "TARGET"


def _status(attributes: Mapping[str, str]) -> str | None:
    """The status that the attributes of an event say; None where they leave it open (UNDERSPECIFIED) or are not there.

    Where two fit, `possible` stands before `negated`, and that before `future`, as in the project's guidelines. Both halves of a
    condition (the special cases COND_IF_CLAUSE and COND_MAIN_CLAUSE) are possible; a general statement (GEN) is like any other.
    """
    names = ("certainty", "polarity", "time", "special_cases")
    certainty, polarity, time, special = (attributes.get(name, "").strip().upper() for name in names)
    if certainty in ("POSSIBLE", "PROBABLE", "UNCERTAIN", "NON_CERTAIN") or special.startswith("COND"):
        return "possible"
    if polarity == "NEG":
        return "negated"
    if time == "FUTURE":
        return "future"
    return "asserted" if (certainty, polarity, time) == ("CERTAIN", "POS", "NON_FUTURE") else None


def _read_list(path: Path) -> dict[str, dict[int, int]]:
    """The list of annotated sentences: article id -> sentence number -> line. Raises FormatError with file and line."""
    articles: dict[str, dict[int, int]] = {}
    names: list[str] = []
    for number, line in read_lines(path):
        row = [cell.strip() for cell in next(csv.reader([line]), [])]
        with at_line(path, number):
            if not names:
                names = row
                if not set(COLUMNS) <= set(names):
                    raise DataError(f"the columns are {names}; needed: {', '.join(COLUMNS)}")
            elif any(row):
                if len(row) != len(names):
                    raise DataError(f"{len(row)} columns where the header has {len(names)}")
                topic, file, sentence = (row[names.index(column)] for column in COLUMNS)
                if not file or not re.fullmatch(r"\d{1,9}", sentence):
                    raise DataError(f"File is {file!r} and Sentence Number {sentence!r}; give a name and a whole number")
                articles.setdefault(f"{topic}_{file}" if topic else file, {})[int(sentence)] = number
    return articles


def _format_list(listed: Mapping[str, Sequence[int]]) -> str:
    """The list's content for these articles; an id such as 1_10ecbplus gives the topic 1."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for article_id, numbers in listed.items():
        match = re.fullmatch(r"(\d+)_(.+)", article_id)
        topic, file = (match[1], match[2]) if match else ("", article_id)
        writer.writerows((topic, file, number) for number in numbers)
    return buffer.getvalue()


def _meta(file: Path, root: Path, attributes: Mapping[str, str], date: str | None) -> dict[str, str]:
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
