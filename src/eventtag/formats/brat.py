r"""brat standoff: `NAME.txt` holds the text, `NAME.ann` the annotations, one on each line.

    T1	LOC 0 4	Kyiv
    T2	EVENT 9 16;25 29	checked into
    A1	Status T2 negated
    R1	PLACE Arg1:T2 Arg2:T1

Offsets are code points, half-open. A discontinuous mention has fragments separated by `;` (brat also writes them where a
mention runs over a line end; a gap that is only white space does not count as one). A predicted mention's score stands in a note,
`#1<TAB>AnnotatorNotes T1<TAB>score 0.93`. Relations and events are links, some attributes a status (`formats.brat_relations`). Where a
file has more than that (other attributes, notes, events), all its lines but those of mentions are carried in the metadata `brat`, and
written back as long as the mentions that they point to are still there and the article has the links and status that they say.

Source: https://brat.nlplab.org/standoff.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eventtag.article import Article, Region
from eventtag.errors import FormatError
from eventtag.formats.brat_relations import Statements, is_ours, lines_in_force
from eventtag.formats.file_names import article_files, file_for, visible_files
from eventtag.formats.links import links_between
from eventtag.formats.mentions import Discontinuous, Mentions
from eventtag.formats.offsets import UNIT_NAMES, UNITS, ForeignSpan, OffsetMap, Unit, likely_unit, resolve_spans
from eventtag.formats.text_file import read_lines, read_text, write_text
from eventtag.formats.tokenised import note_parts
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.respan import respan
from eventtag.span import Span
from eventtag.staging import staged_folder

_MENTION = re.compile(r"(T[^\s]*)\t(\S+) (\d{1,9} \d{1,9}(?:;\d{1,9} \d{1,9})*)(?:\t(.*))?", re.DOTALL)
_OTHER = re.compile(r"[RAMEN#*]\S*\t|#")
_SCORE = re.compile(r"#\S*\tAnnotatorNotes ([TRA]\S+)\tscore (0(?:\.\d+)?|1(?:\.0+)?)")
_STAGE = "writing brat"


@dataclass(frozen=True, slots=True)
class _Mention:
    """A `T` line: its fragments count some unit."""

    key: str
    label: str
    fragments: tuple[tuple[int, int], ...]
    surface: str | None
    line: int


def read_brat(path: Path, *, ledger: LossLedger, discontinuous: Discontinuous = "cover") -> Iterator[Article]:
    """Stream the articles of a folder (searched with its subfolders) or of one `.ann` or `.txt` file; a text needs its `.ann`.

    The article's id is the file's path relative to the folder, without its suffix. `discontinuous`: see `formats.mentions`. Raises
    FormatError with file and line for a line that is not standoff, or a text without annotations.
    """
    path = path if path.is_dir() else path.with_suffix(".ann")
    for file, name in article_files(path, ".ann", remedy="give the folder with the .txt and .ann files"):
        if not file.is_file():
            raise FormatError("no such file beside the text; brat makes one for every text, if only an empty one", path=file)
        yield _read_article(file, Mentions(name, ledger, discontinuous))
    if path.is_dir() and (alone := sum(f.suffix == ".txt" and not f.with_suffix(".ann").is_file() for f in visible_files(path))):
        ledger.remark(
            f"{alone} .txt file{'s' if alone > 1 else ''} without an .ann file: nobody annotated them, and they are left out"
        )


def sniff_brat(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    lines = [line for line in head.split("\n")[:-1] or [head] if line.strip() and not re.match(r"#[^\t]*$", line)]
    if lines and all(_MENTION.fullmatch(line.rstrip("\r")) or _OTHER.match(line) for line in lines[:50]):
        return "has brat standoff lines such as " + lines[0].split("\t", 1)[0]
    return None


def _read_article(file: Path, mentions: Mentions) -> Article:
    text = read_text(file.with_suffix(".txt"))
    found, others, scores = _read_lines(file)
    unit = _unit(text, found)
    if unit != "codepoints":
        mentions.ledger.remark(f"offsets count {UNIT_NAMES[unit]}")
    offsets = OffsetMap(text, unit)
    statements = Statements(others)
    statuses = statements.statuses()
    keys: dict[str, list[Any]] = {}
    placed_at: dict[str, Span | None] = {}
    for mention in found:
        if mention.key in placed_at:
            detail = f"{file.name}, line {mention.line}: {mention.key}"
            mentions.ledger.note(
                mentions.article_id,
                "reading",
                "links",
                "an id occurs twice: links and status are its first span's",
                detail=detail,
            )
        placed = _fragments_at(text, mention, offsets) or _nearby(mentions, text, mention, unit)
        if placed:
            first = mention.key not in placed_at
            where, status = f"{file.name}, line {mention.line}", statuses.get(mention.key) if first else None
            span = mentions.add_fragments(placed, mention.label, text, where, status=status)
            placed_at.setdefault(mention.key, span)
            keys.setdefault(mention.key, [span.start, span.end, span.label])
    relations = (
        replace(relation, score=scores.get(relation.detail), detail=f"{file.name}, {relation.detail}")
        for line in others
        for relation in statements.relations(line) or []
    )
    links = links_between(mentions.article_id, relations, placed_at, ledger=mentions.ledger)
    for key, problem in statements.unread(placed_at):
        mentions.ledger.note(mentions.article_id, "reading", "links", problem, detail=f"{file.name}, {key}")
    scored = {Span(*place): scores[key] for key, place in keys.items() if key in scores}
    spans = mentions.spans
    if len(scored) == len(spans):
        spans = tuple(replace(span, score=scored[span]) for span in spans)
    sure = {Span(*keys[key]): scores[line.split("\t")[0]] for line, key in statements.scored(scores) if key in keys}
    spans = tuple(replace(span, status_score=sure[span]) if span in sure else span for span in spans) if sure else spans
    meta = {} if all(map(is_ours, others)) else {"brat": {"mentions": keys, "lines": others}}
    return Article(mentions.article_id, text, spans, meta=meta, links=links)


def _foreign(mention: _Mention) -> list[ForeignSpan]:
    """The fragments of a mention; one that is alone has its text."""
    surface = mention.surface if len(mention.fragments) == 1 else None
    return [ForeignSpan(start, end, mention.label, surface) for start, end in mention.fragments]


def _nearby(mentions: Mentions, text: str, mention: _Mention, unit: Unit) -> list[Region]:
    """Where a mention stands that is not at its offsets; empty when it is dropped."""
    parts = _foreign(mention)
    whole = replace(parts[0], start=min(part.start for part in parts), end=max(part.end for part in parts))
    found = resolve_spans(mentions.article_id, text, [whole], ledger=mentions.ledger, unit=unit)
    mentions.ledger.seen += found.count(None)
    return [(span.start, span.end) for span in found if span is not None]


def _read_lines(file: Path) -> tuple[list[_Mention], list[str], dict[str, float]]:
    """The mentions, all other lines, and the scores of mentions by their keys."""
    mentions: list[_Mention] = []
    others: list[str] = []
    scores: dict[str, float] = {}
    for number, line in read_lines(file):
        if match := _MENTION.fullmatch(line):
            key, label, offsets, surface = match.groups()
            pairs = (pair.partition(" ") for pair in offsets.split(";"))
            mentions.append(_Mention(key, label, tuple((int(start), int(end)) for start, _, end in pairs), surface, number))
        elif score := _SCORE.fullmatch(line):
            scores[score[1]] = float(score[2])
        elif _OTHER.match(line):
            others.append(line)
        elif line.strip():
            raise FormatError(f"{line[:60]!r} is not a standoff line (T1<TAB>LABEL START END<TAB>text)", path=file, line=number)
    return mentions, others, scores


def _unit(text: str, mentions: Sequence[_Mention]) -> Unit:
    """The unit under which most mentions of the file have their surfaces; where none has a surface, the likely one.

    One unit holds for a file: a mention that repeats may by chance stand at another one's offsets.
    """
    with_surface = [mention for mention in mentions if mention.surface is not None]
    if not with_surface:
        return likely_unit([(text, [span for mention in mentions for span in _foreign(mention)])])
    best: Unit = "codepoints"
    most = -1
    for unit in UNITS:
        offsets = OffsetMap(text, unit)
        count = sum(_fragments_at(text, mention, offsets) is not None for mention in with_surface)
        if count > most:
            best, most = unit, count
        if count == len(with_surface):
            break
    return best


def _fragments_at(text: str, mention: _Mention, offsets: OffsetMap) -> list[tuple[int, int]] | None:
    """The fragments in code points; None where they are not in the text or do not read as the surface."""
    placed = []
    for first, last in mention.fragments:
        start, end = offsets.code_points(first), offsets.code_points(last)
        if start is None or end is None or start >= end:
            return None
        placed.append((start, end))
    if mention.surface is not None and _joined(text[start:end] for start, end in placed) != _joined([mention.surface]):
        return None
    return placed


def _joined(pieces: Iterable[str]) -> str:
    return " ".join(" ".join(pieces).split())


def write_brat(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with a `.txt` and an `.ann` file for each article.

    A mention that runs over line ends is written in fragments, as brat does. `annotated`, `labels` and metadata other than `brat`
    go to the ledger. Raises OutputError for an id that cannot be a file name.
    """
    with staged_folder(path) as folder:
        for article in articles:
            write_text(file_for(folder, article.id, ".txt"), article.text)
            write_text(file_for(folder, article.id, ".ann"), _format_ann(article, ledger))


def _format_ann(article: Article, ledger: LossLedger) -> str:
    carried = article.meta.get("brat")
    mentions, others = _carried(carried)
    keys = {Span(*value): key for key, value in mentions.items()}
    number = max((int(key[1:]) for key in mentions if key[1:].isdecimal()), default=0)
    lines = []
    notes: list[str] = []
    written: dict[str, Span] = {}
    for span in article.spans:
        fragments = _fragments(article, span, ledger)
        if not fragments:
            continue
        key = keys.get(Span(span.start, span.end, span.label))
        if key is None or key in written:
            number += 1
            key = f"T{number}"
        written[key] = span
        offsets = ";".join(f"{start} {end}" for start, end in fragments)
        surface = " ".join(" ".join(article.text[start:end].split()) for start, end in fragments)
        lines.append(f"{key}\t{span.label} {offsets}\t{surface}\n")
        if span.score is not None:
            notes.append(_note(key, span.score, len(notes)))
    article = respan(article, written.values(), stage=_STAGE, ledger=ledger)
    note_parts(article, _STAGE, ledger=ledger, meta=("brat",), kept=("status", *(("links",) if article.links else ())))
    true, said, with_status = lines_in_force(others, written, article.links)
    lines += _statements(article, written, true, said, with_status, notes, ledger)
    kept = _lines_that_hold(true, written)
    if len(kept) < len(others) or (carried is not None and not isinstance(carried, dict)):
        ledger.note(article.id, _STAGE, "meta", "lines that point to what is gone, or contradict links or status, are not kept")
    return "".join(lines) + "".join(notes) + "".join(f"{line}\n" for line in kept)


def _note(key: str, score: float, count: int) -> str:
    return f"#score{count + 1}\tAnnotatorNotes {key}\tscore {round(score, 6):f}\n"


def _statements(
    article: Article, spans: Mapping[str, Span], lines: Sequence[str], said: set[Link], with_status: set[str],
    notes: list[str], ledger: LossLedger,
) -> Iterator[str]:  # fmt: skip
    """The lines of links and status that the carried lines do not say; notes with their scores are added to `notes`."""
    first = {
        letter: max((int(line.split("\t")[0][1:]) for line in lines if re.match(rf"{letter}\d+\t", line)), default=0)
        for letter in "RA"
    }
    keys = {span: key for key, span in spans.items()}
    for link in article.links or ():
        if link in said:
            continue
        if not re.fullmatch(r"\S+", link.role):
            ledger.add_link(article.id, _STAGE, "dropped", "their role has white space", link.role, link.event, link.participant)
            continue
        first["R"] += 1
        key = f"R{first['R']}"
        yield f"{key}\t{link.role} Arg1:{keys[link.event]} Arg2:{keys[link.participant]}\n"
        if link.score is not None:
            notes.append(_note(key, link.score, len(notes)))
    for key, span in spans.items():
        if span.status is not None and key not in with_status:
            first["A"] += 1
            yield f"A{first['A']}\tStatus {key} {span.status}\n"
            if span.status_score is not None:
                notes.append(_note(f"A{first['A']}", span.status_score, len(notes)))


def _carried(value: object) -> tuple[dict[str, list[Any]], list[str]]:
    """The mentions and lines that the reader put into the metadata; nothing where they are not as it makes them."""
    mentions = value.get("mentions") if isinstance(value, dict) else None
    lines = value.get("lines") if isinstance(value, dict) else None
    if not isinstance(mentions, dict) or not isinstance(lines, list):
        return {}, []
    usable = {
        key: item
        for key, item in mentions.items()
        if isinstance(item, list) and [type(part) for part in item] == [int, int, str] and re.fullmatch(r"T\S*", key)
    }
    return usable, [line for line in lines if isinstance(line, str) and _OTHER.match(line) and "\n" not in line]


def _lines_that_hold(lines: Sequence[str], written: Collection[str]) -> list[str]:
    """The lines of which everything that they point to is there: mentions that are written, and other lines that hold."""
    keys = [line.split("\t", 1)[0] for line in lines]
    pointing: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        for pointer in _pointers(line):
            pointing.setdefault(pointer, []).append(number)
    missing = list(pointing.keys() - {*written, *keys})
    gone: set[int] = set()
    while missing:
        for number in set(pointing.pop(missing.pop(), ())) - gone:
            gone.add(number)
            missing.append(keys[number])
    return [line for number, line in enumerate(lines) if number not in gone]


def _pointers(line: str) -> list[str]:
    """The ids that a line points to. Names of relations, events and attributes, and an attribute's value, are none.

    `R1 Treats Arg1:T1 Arg2:T2`, `E1 Type:T1 Role:T2`, `A1 Tense E1 Past`, `#1 AnnotatorNotes T1`, `N1 Reference T1 Wiki:5`,
    `* Equiv T1 T2`.
    """
    key, _, content = line.partition("\t")
    words = content.split("\t", 1)[0].split(" ")
    if key.startswith("E"):
        named = words
    elif key.startswith(("R", "*")):
        named = words[1:]
    else:
        named = words[1:2]
    return [pointer for word in named if (pointer := word.rpartition(":")[2])]


def _fragments(article: Article, span: Span, ledger: LossLedger) -> list[tuple[int, int]]:
    """The span cut at its line ends; none, and an entry in the ledger, where the format cannot hold it."""
    if not re.fullmatch(r"\S+", span.label):
        ledger.add_span(article.id, _STAGE, "dropped", "its label has white space", span)
        return []
    found = [
        (span.start + match.start(), span.start + match.end())
        for match in re.finditer(r"[^\n]+", article.mention(span))
        if match[0].strip()
    ]
    if not found:
        ledger.add_span(article.id, _STAGE, "dropped", "holds only white space", span)
        return []
    if (found[0][0], found[-1][1]) != (span.start, span.end):
        ledger.add_span(
            article.id, _STAGE, "moved", "begins or ends with a line end", span, detail=f"to {found[0][0]}-{found[-1][1]}"
        )
    return found
