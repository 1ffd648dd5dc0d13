r"""Inline markup: a readable file for one article, made to be written and corrected by hand.

    ---
    id: diplomacy-001
    labels: A=ACTOR E=EVENT L=LOCATION
    desk: diplomacy
    ---
    [Moscow|A] [accused|E] [Kyiv|A] of [shelling|E] [Donetsk|L].

Between the `---` lines stand `key: value` lines: `id`, an optional `labels` (short names for use in the text; without it the
names are A, E and L), anything else becomes `meta`. Then comes the text, as stored, up to one line end at the end of the file.
`[mention|NAME]` is a span; `\[`, `\]`, `\|` and `\\` are the characters themselves. Spans do not nest. A folder holds one
article a file (`*.txt`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError
from eventtag.formats.file_names import article_files, file_for
from eventtag.formats.text_file import read_text, write_text
from eventtag.formats.tokenised import note_parts, writable_spans
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.staging import staged_folder

SHORT_NAMES = {"A": "ACTOR", "E": "EVENT", "L": "LOCATION"}
_STAGE = "writing inline"
_LABEL = r"[^\[\]|\\\s=]+"
_KEY = re.compile(r"[^\s:](?:[^:\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\s:])?")
_TOKEN = re.compile(r"\\([\[\]|\\])|\[|\|([^\[\]|\\\s]+)\]|\]")


def read_inline(path: Path, *, ledger: LossLedger) -> Iterator[Article]:
    """Read one file, or every `*.txt` of a folder and its subfolders in the order of their names.

    Raises FormatError with file and line for a missing header or `id`, an unknown short name, or brackets that do not match.
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
    body = source[header.end() :]
    body = body[:-2] if body.endswith("\r\n") else body.removesuffix("\n")
    text, spans = _parse_body(body, names, path, first_line=1 + source.count("\n", 0, header.end()))
    return Article(id=meta.pop("id"), text=text, spans=tuple(spans), meta=meta)


def _parse_body(body: str, names: dict[str, str], path: Path | None, *, first_line: int) -> tuple[str, list[Span]]:
    pieces: list[str] = []
    spans: list[Span] = []
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
            if match[2] not in names:
                raise fail(f"unknown short name {match[2]!r} (known: {', '.join(names)})", match.start())
            if opened == length:
                raise fail("an empty span", match.start())
            spans.append(Span(opened, length, names[match[2]]))
            opened = None
        else:
            raise fail("`]` that closes no `[mention|NAME` (write \\] for the character)", match.start())
    if opened is not None:
        raise fail("`[` that is never closed by `|NAME]`", len(body) - 1)
    pieces.append(body[position:])
    return "".join(pieces), spans


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
            note_parts(article, _STAGE, ledger=ledger, meta=tuple(_header_meta(article)))
            write_text(file, format_inline(article, kept))


def format_inline(article: Article, spans: Iterable[Span]) -> str:
    """The inline file's content for the article with these (flat, sorted) spans."""
    spans = list(spans)
    labels = sorted({span.label for span in spans})
    names = {label: short for short, label in SHORT_NAMES.items()}
    if not set(labels) <= set(names):
        names = {label: label for label in labels}
    header = [f"id: {article.id}"]
    if any(names[label] == label for label in labels):
        header.append("labels: " + " ".join(labels))
    header += [f"{key}: {value}" for key, value in _header_meta(article).items()]
    body = []
    position = 0
    for span in spans:
        body.append(_escape(article.text[position : span.start]))
        body.append(f"[{_escape(article.mention(span))}|{names[span.label]}]")
        position = span.end
    body.append(_escape(article.text[position:]))
    return "---\n" + "\n".join(header) + "\n---\n" + "".join(body) + "\n"


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
        and key not in ("id", "labels")
    }


def _escape(text: str) -> str:
    return re.sub(r"[\[\]|\\]", r"\\\g<0>", text)
