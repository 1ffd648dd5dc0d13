"""spaCy's `.spacy` (DocBin), an optional dependency: `pip install 'eventtag[spacy]'`.

    DocBin(docs=[doc], store_user_data=True).to_disk("train.spacy")

It reads `doc.ents` and the span group `sc` (spaCy's own name for it), or only another group. Tokens whose entity annotation is
missing (which is not the same as outside) count as not annotated. Offsets are code points of `doc.text`.

Source: https://spacy.io/api/docbin
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from eventtag.article import Article, Region
from eventtag.errors import DataError, FormatError
from eventtag.formats.extras import load_extra
from eventtag.formats.json_file import dump_json, parse_value
from eventtag.formats.mentions import joined
from eventtag.formats.records import FIELD, carried_id, carry, uncarry
from eventtag.formats.tokenised import words_by_line
from eventtag.ledger import LossLedger
from eventtag.span import Span, flatten
from eventtag.staging import staged_file

GROUP = "sc"
MAX_SIZE = 1 << 30
"""Bytes that a file may unpack to; more is a damaged file or a zip bomb."""


def read_spacy(path: Path, *, ledger: LossLedger, spans_key: str | None = None) -> Iterator[Article]:
    """Stream the docs as articles. The id is the one that `write_spacy` stores, or is made from the file's name and the position.

    `spans_key`: read this span group and nothing else. Raises FormatError, also if all spans are in groups that are not read;
    SettingsError if spaCy is not installed.
    """
    vocab = load_extra("spacy.vocab", "spacy").Vocab()
    tokens = load_extra("spacy.tokens", "spacy")
    try:
        data = path.read_bytes()
        _check_size(data)
        docs = tokens.DocBin().from_bytes(data).get_docs(vocab)
    except Exception as error:
        raise FormatError(f"cannot be read as a DocBin ({str(error)[:200]}); write the file again", path=path) from error
    number, before = 0, ledger.seen
    unread: set[str] = set()
    extensions: set[str] = set()
    while True:
        number += 1
        try:
            doc = next(docs, None)
            if doc is None:
                break
            article = _article(doc, f"{path.stem}-{number}", spans_key, ledger)
        except Exception as error:
            raise FormatError(f"doc {number}: {str(error)[:200]}", path=path) from error
        extensions.update(str(key[1]) for key in doc.user_data if isinstance(key, tuple) and key[:1] == ("._.",) and key[1:])
        if spans_key is None:
            unread.update(str(key) for key, group in doc.spans.items() if key != GROUP and len(group))
        yield article
    if extensions:
        ledger.remark(f"extension attributes (doc._.NAME) that are not read: {', '.join(sorted(extensions))}")
    if unread:
        groups = ", ".join(sorted(unread))
        if ledger.seen == before:
            raise FormatError(f"its spans are in the groups {groups}, which are not read; choose one: spans_key=NAME", path=path)
        ledger.remark(f"span groups that are not read: {groups} (spans_key reads one of them)")


def _check_size(data: bytes) -> None:
    unpacker = zlib.decompressobj()
    size = 0
    while data:
        size += len(unpacker.decompress(data, 1 << 20))
        data = unpacker.unconsumed_tail
        if size > MAX_SIZE:
            raise DataError(f"unpacks to more than {MAX_SIZE} bytes")


def _article(doc: Any, default: str, spans_key: str | None, ledger: LossLedger) -> Article:
    carried = doc.user_data.get(FIELD)
    carried = parse_value(carried) if isinstance(carried, str) else None
    name = carried_id(carried) or default
    if spans_key is not None:
        if spans_key not in doc.spans:
            raise DataError(f"has no span group {spans_key!r}; there are: {', '.join(doc.spans) or 'none'}")
        found = list(doc.spans[spans_key])
    else:
        found = [*doc.ents, *doc.spans.get(GROUP, ())]
    spans = tuple(sorted({Span(s.start_char, s.end_char, s.label_) for s in found if s.start_char < s.end_char}))
    ledger.seen += len(spans)
    return uncarry(Article(id=name, text=doc.text, spans=spans, annotated=_annotated(doc)), carried, ledger=ledger)


def _annotated(doc: Any) -> tuple[Region, ...] | None:
    """The runs of tokens with an entity annotation (`ent_iob` 0 is missing); None if all have one, or if there is a group."""
    if GROUP in doc.spans or all(token.ent_iob for token in doc):
        return None
    return tuple(joined(((token.idx, token.idx + len(token)) for token in doc if token.ent_iob and len(token)), doc.text))


def write_spacy(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:  # noqa: ARG001 - nothing is lost
    """Write docs with exactly the article's text. The group `sc` has all spans, and `ents` a selection without overlaps.

    If spans overlap, the longest is in `ents`. No span of only white space is. The rest is kept in the docs'
    user data.
    """
    vocab = load_extra("spacy.vocab", "spacy").Vocab()
    tokens = load_extra("spacy.tokens", "spacy")
    docs = tokens.DocBin(store_user_data=True)
    with staged_file(path) as file:
        for article in articles:
            docs.add(_doc(article, tokens.Doc, vocab))
        file.buffer.write(docs.to_bytes())


def _doc(article: Article, make: Any, vocab: Any) -> Any:
    words, spaces = _words(article)
    doc = make(vocab, words=words, spaces=spaces, user_data={FIELD: dump_json(carry(article))})
    layers = [doc.char_span(span.start, span.end, label=span.label) for span in article.spans]
    doc.spans[GROUP] = [span for span in layers if span is not None]
    flat, _ = flatten([span for span in article.spans if article.mention(span).strip()], "longest")
    doc.set_ents([doc.char_span(span.start, span.end, label=span.label) for span in flat], default="outside")
    return doc


def _words(article: Article) -> tuple[list[str], list[bool]]:
    """Tokens and whether one space follows; other white space is a token of its own, cut where a span begins or ends."""
    starts, ends = {span.start for span in article.spans}, {span.end for span in article.spans}
    cuts = starts | ends
    words: list[str] = []
    spaces: list[bool] = []
    position = 0
    for start, end in [*(word for sentence in words_by_line(article) for word in sentence), (len(article.text),) * 2]:
        while position < start:
            if words and article.text[position] == " " and not spaces[-1] and position not in starts and position + 1 not in ends:
                spaces[-1] = True
                position += 1
                continue
            stop = min([cut for cut in cuts if position < cut < start], default=start)
            words.append(article.text[position:stop])
            spaces.append(False)
            position = stop
        if start < end:
            words.append(article.text[start:end])
            spaces.append(False)
            position = end
    return words, spaces
