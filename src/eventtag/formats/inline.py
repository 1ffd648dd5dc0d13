r"""Inline markup: a readable file for one article, made to be written and corrected by hand.

    ---
    id: diplomacy-001
    labels: A=ACTOR E=EVENT L=LOCATION
    desk: diplomacy
    ---
    [Moscow|A] [accused|E] [Kyiv|A] of [shelling|E] [Donetsk|L].

With events, who takes part in them:

    ---
    id: strike-001
    links: marked
    ---
    [Dockers|A#1] in [Antwerp|L#2] [downed tools|E asserted AGENT=1 PLACE=2]; a [meeting|E future] is to follow.

Between the `---` lines stand `key: value` lines: `id`, an optional `labels` (short names for use in the text; without it the
names are A, E and L), anything else becomes `meta`. Then comes the text, as stored, up to one line end at the end of the file.
`[mention|NAME]` is a span; `\[`, `\]`, `\|` and `\\` are the characters themselves. Spans do not nest. A folder holds one
article a file (`*.txt`).

Behind the short name, `#ID` gives a span a name for links, a word such as `negated` an event its status, and `ROLE=ID,ID` say who
takes part in it. The header says `links: marked` where somebody looked for links, also where there is none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError
from eventtag.formats.file_names import article_files, file_for
from eventtag.formats.text_file import read_text, write_text
from eventtag.formats.tokenised import note_parts, writable_spans
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.respan import respan
from eventtag.span import STATUSES, Span
from eventtag.staging import staged_folder

SHORT_NAMES = {"A": "ACTOR", "E": "EVENT", "L": "LOCATION"}
_STAGE = "writing inline"
_LABEL = r"[^\[\]|\\\s=]+"
_KEY = re.compile(r"[^\s:](?:[^:\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\s:])?")
_TOKEN = re.compile(r"\\([\[\]|\\])|\[|\|([^\[\]|\\\s][^\[\]|\\\n]*)\]|\]")
_ID = r"[^\[\]|\\\s=,#]+"
_ROLE = re.compile(rf"([^\[\]|\\\s=]+)=({_ID}(?:,{_ID})*)")
MARKED = "marked"
"""What the header says of `links`."""


def read_inline(path: Path, *, ledger: LossLedger) -> Iterator[Article]:
    """Read one file, or every `*.txt` of a folder and its subfolders in the order of their names.

    Raises FormatError with file and line for a missing header or `id`, an unknown short name or status, a link to a name that no span
    has or without `links: marked` in the header, or brackets that do not match.
    """
    for file, _ in article_files(path, ".txt", remedy="give the folder with the articles"):
        article = parse_inline(read_text(file), path=file)
        ledger.seen += len(article.spans)
        yield article


def parse_inline(source: str, *, path: Path | None = None) -> Article:
    """The article that an inline file's content describes; raises FormatError as `read_inline` does."""
    header = re.match(r"---\r?\n(.*?)^---\r?\n", source, re.DOTALL | re.MULTILINE)
    if header is None:
        raise FormatError(
            "does not begin with `---`, `key: value` lines and `---`; see docs/reference/formats.md", path=path, line=1
        )
    meta: dict[str, Any] = {}
    for number, line in enumerate(header[1].splitlines(), start=2):
        key, colon, value = line.partition(":")
        if not colon or not key.strip():
            raise FormatError(f"{line!r} is not `key: value`", path=path, line=number)
        meta[key.strip()] = value.strip()
    if not meta.get("id"):
        raise FormatError("the header has no `id`; give every article its own", path=path, line=1)
    names = dict(SHORT_NAMES)
    if "labels" in meta:
        names = {}
        for pair in meta.pop("labels").split():
            short, equals, label = pair.partition("=")
            names[short] = label if equals else short
    marked = meta.pop("links", None)
    if marked not in (None, MARKED):
        number = next(n for n, line in enumerate(header[1].splitlines(), start=2) if line.partition(":")[0].strip() == "links")
        raise FormatError(
            f"`links` is {marked!r}; allowed: {MARKED}, or no such line where nobody looked for links", path=path, line=number
        )
    body = source[header.end() :]
    body = body[:-2] if body.endswith("\r\n") else body.removesuffix("\n")
    text, spans, links = _parse_body(
        body, names, path, first_line=1 + source.count("\n", 0, header.end()), with_links=marked is not None
    )
    return Article(meta.pop("id"), text, tuple(spans), meta=meta, links=tuple(links) if marked else None)


class _Mark(NamedTuple):
    """What stands behind a mention: its label, the name that links have for it, its status, and its (role, name) links."""

    label: str
    id: str | None
    status: str | None
    roles: list[tuple[str, str]]


def _parse_mark(mark: str, names: dict[str, str]) -> _Mark | str:
    """The mark, or what is wrong with it."""
    first, *words = mark.split(" ")
    short, hash_, name = (first, "", "") if first in names else first.rpartition("#")
    if short not in names:
        return f"unknown short name {short or first!r} (known: {', '.join(names)})"
    if hash_ and not re.fullmatch(_ID, name):
        return f"`#{name}` is no name for a span (letters and digits)"
    status = None
    roles: list[tuple[str, str]] = []
    for word in words:
        if word in STATUSES and status is None:
            status = word
        elif match := _ROLE.fullmatch(word):
            roles += ((match[1], one) for one in match[2].split(","))
        else:
            return f"{word!r} behind {first!r} is neither one status ({', '.join(STATUSES)}) nor ROLE=ID"
    if twice := next((f"{role}={one}" for (role, one), count in Counter(roles).items() if count > 1), None):
        return f"{twice} occurs twice"
    return _Mark(names[short], name or None, status, roles)


def _parse_body(
    body: str, names: dict[str, str], path: Path | None, *, first_line: int, with_links: bool
) -> tuple[str, list[Span], list[Link]]:
    pieces: list[str] = []
    spans: list[Span] = []
    named: dict[str, Span] = {}
    joined: list[tuple[Span, str, str, int]] = []
    length = 0
    position = 0
    opened: int | None = None

    def fail(problem: str, at: int) -> FormatError:
        near = body[max(0, at - 15) : at + 15]
        return FormatError(f"{problem} near {near!r}", path=path, line=first_line + body.count("\n", 0, at))

    for match in _TOKEN.finditer(body):
        piece = body[position : match.start()] + (match[1] or "")
        pieces.append(piece)
        length += len(piece)
        position = match.end()
        if match[1]:
            continue
        if match[0] == "[":
            if opened is not None:
                raise fail("`[` inside a span (spans do not nest; write \\[ for the character)", match.start())
            opened = length
        elif match[2] and opened is not None:
            mark = _parse_mark(match[2], names)
            if isinstance(mark, str):
                raise fail(mark, match.start())
            if opened == length:
                raise fail("an empty span", match.start())
            if (mark.roles or mark.id) and not with_links:
                raise fail(f"a name or role for links, but no line `links: {MARKED}` in the header,", match.start())
            spans.append(Span(opened, length, mark.label, status=mark.status))
            if mark.id is not None and named.setdefault(mark.id, spans[-1]) is not spans[-1]:
                raise fail(f"a second span with the name #{mark.id}", match.start())
            joined += ((spans[-1], role, one, match.start()) for role, one in mark.roles)
            opened = None
        else:
            raise fail("`]` that closes no `[mention|NAME` (write \\] for the character)", match.start())
    if opened is not None:
        raise fail("`[` that is never closed by `|NAME]`", len(body) - 1)
    pieces.append(body[position:])
    if unknown := next(((role, one, at) for _, role, one, at in joined if one not in named), None):
        role, one, at = unknown
        raise fail(f"{role}={one}, but no span has the name #{one} (there are: {', '.join(named) or 'none'})", at)
    return "".join(pieces), spans, [Link(event, named[one], role) for event, role, one, _ in joined]


def write_inline(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one file an article.

    The markup holds one flat layer of spans and metadata of one line of text each: overlapping spans (the longest stays),
    labels with white space or signs of the markup, and other metadata go to the ledger. Raises OutputError for an id that
    cannot be a file name.
    """
    with staged_folder(path) as folder:
        for article in articles:
            file = file_for(folder, article.id, ".txt")
            if article.id != article.id.strip():
                raise OutputError(f"article {article.id!r}: its id has white space at its edges; give it another")
            problem = "its label has white space or a sign of the markup"
            kept = writable_spans(article, _STAGE, ledger=ledger, labels=_LABEL, problem=problem, flat=True)
            article = _with_writable_links(respan(article, kept, stage=_STAGE, ledger=ledger), ledger)
            note_parts(article, _STAGE, ledger=ledger, meta=tuple(_header_meta(article)), kept=("links", "status"))
            write_text(file, format_inline(article))


def _with_writable_links(article: Article, ledger: LossLedger) -> Article:
    kept = []
    for link in article.links or ():
        if re.fullmatch(_LABEL, link.role):
            kept.append(link)
        else:
            reason = "their role has white space or a sign of the markup"
            ledger.add_link(article.id, _STAGE, "dropped", reason, link.role, link.event, link.participant)
    return article if article.links is None else replace(article, links=tuple(kept))


def format_inline(article: Article) -> str:
    """The inline file's content for an article with flat spans."""
    labels = sorted({span.label for span in article.spans})
    names = {label: short for short, label in SHORT_NAMES.items()}
    if not set(labels) <= set(names):
        names = {label: label for label in labels}
    header = [f"id: {article.id}"]
    if any(names[label] == label for label in labels):
        header.append("labels: " + " ".join(labels))
    if article.links is not None:
        header.append(f"links: {MARKED}")
    header += [f"{key}: {value}" for key, value in _header_meta(article).items()]
    body = []
    position = 0
    ids = _ids(article, names)
    roles: dict[Span, dict[str, list[str]]] = {}
    for link in article.links or ():
        roles.setdefault(link.event, {}).setdefault(link.role, []).append(ids[link.participant])
    for span in article.spans:
        mark = [f"{names[span.label]}#{ids[span]}" if span in ids else names[span.label], *filter(None, [span.status])]
        mark += [f"{role}={','.join(others)}" for role, others in roles.get(span, {}).items()]
        body.append(_escape(article.text[position : span.start]))
        body.append(f"[{_escape(article.mention(span))}|{' '.join(mark)}]")
        position = span.end
    body.append(_escape(article.text[position:]))
    return "---\n" + "\n".join(header) + "\n---\n" + "".join(body) + "\n"


def _ids(article: Article, names: Mapping[str, str]) -> dict[Span, str]:
    """Numbers for the spans that links point to, in their order; a label such as `C#1` must not be made of a name and a number."""
    wanted = {link.participant for link in article.links or ()}
    ids: dict[Span, str] = {}
    number = 0
    for span in article.spans:
        if span in wanted:
            number += 1
            while f"{names[span.label]}#{number}" in names.values():
                number += 1
            ids[span] = str(number)
    return ids


def _header_meta(article: Article) -> dict[str, str]:
    """The metadata that a `key: value` line can hold."""
    return {
        key: value
        for key, value in article.meta.items()
        if isinstance(value, str)
        and value.isprintable()
        and value == value.strip()
        and isinstance(key, str)
        and _KEY.fullmatch(key)
        and key not in ("id", "labels", "links")
    }


def _escape(text: str) -> str:
    return re.sub(r"[\[\]|\\]", r"\\\g<0>", text)
