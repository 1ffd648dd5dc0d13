"""Placing quoted mentions, from a language model for example, in the texts that they are quoted from.

    {"id": "a1", "label": "ACTOR", "quote": "the police", "before": "said that", "after": "had arrested"}
    {"id": "a2"}                                                          a2 was looked at, and nothing was found

Language models quote well but count characters badly, so a mention is found by its words. White space, quotation marks, dashes and
ways of writing accents need not be the same, nor, if nothing else fits, capitals. A span always has the offsets of the article's
own text, and begins and ends between words. A quote that stands there several times is placed by its context (`before`, `after`),
else by the order of the mentions, which is that of the text where they are quoted in order. What cannot be placed with certainty is
not placed.
"""

from __future__ import annotations

import bisect
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from eventtag.article import Article
from eventtag.errors import DataError, FormatError
from eventtag.formats.json_file import read_records
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.text.words import find_words

STAGE = "aligning mentions"
KEYS = ("id", "label", "quote", "before", "after")
_SAME = {
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("‘’‚‛`´′", "'"),
    **dict.fromkeys("‐‑‒–—―−", "-"),
}
LIKE = 6
"""Characters that a context has in common with a place if it says anything; a shorter one has all of its characters in common."""
CONTEXT = 200
"""How many characters of a context are compared."""
SHOWN = 10
"""Places of a mention that are named where it has several."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """One mention as it was quoted, with what stands before and after it (empty: not said)."""

    label: str
    quote: str
    before: str = ""
    after: str = ""


def read_mentions(path: Path) -> dict[str, list[Quoted]]:
    """The mentions of each article id, in the order of the file; an article that was looked at without a mention has none.

    Raises FormatError with file and line for a record that is none.
    """
    found: dict[str, list[Quoted]] = {}
    for line, record in read_records(path):
        name = record.get("id")
        if not isinstance(name, str | int) or isinstance(name, bool):
            raise FormatError(f"`id` is {name!r}; it must be the id of an article", path=path, line=line)
        mentions = found.setdefault(str(name), [])
        given = {key: record.get(key) for key in KEYS[1:] if record.get(key) is not None}
        if not given:
            continue
        wrong = next((key for key, value in given.items() if not isinstance(value, str)), None)
        if wrong is not None:
            raise FormatError(f"`{wrong}` is {given[wrong]!r}; it must be a text", path=path, line=line)
        for key in ("label", "quote"):
            if not str(given.get(key, "")).strip():
                raise FormatError(
                    f"has no `{key}`; a mention has id, label and quote, and may have before and after", path=path, line=line
                )
        mentions.append(Quoted(**{key: str(value) for key, value in given.items()}))
    return found


def align_mentions(
    articles: Iterable[Article], mentions: Mapping[str, Sequence[Quoted]], *, ledger: LossLedger
) -> Iterator[Article]:
    """The articles with the mentions as their only spans. The ledger names each mention that cannot be placed, with the reason.

    The whole text counts as annotated, except the places where an ambiguous quote may belong. An article without an entry in the mentions
    counts as not annotated at all. `labels` are those that occur in the mentions. Raises DataError for mentions of an id
    that no article has, if none is of an article.
    """
    labels = tuple(sorted({one.label for found in mentions.values() for one in found})) or None
    left = dict.fromkeys(mentions)
    for article in articles:
        for span in article.spans:
            ledger.add_span(article.id, STAGE, "dropped", "the article's own span, which the mentions replace", span, asked=True)
        plain = replace(article, spans=(), links=None, rejected=(), labels=labels)
        if article.id not in mentions:
            reason = 'is not among the mentions, so that nothing of it counts as annotated ({"id": ...} alone says that it was looked at)'
            ledger.note(article.id, STAGE, "annotated", reason)
            yield replace(plain, annotated=())
            continue
        left.pop(article.id, None)
        yield _aligned(plain, mentions[article.id], ledger)
    if left and len(left) == len(mentions):
        raise DataError(
            f"none of the {len(mentions)} ids of the mentions is that of an article, the first is {next(iter(left))!r}; give the articles "
            "that were quoted"
        )
    for name in left:
        for one in mentions[name] or [Quoted("", "")]:
            _refuse(name, one, "there is no article with this id", ledger)


@dataclass(slots=True)
class _Sought:
    """A mention with the places that it may stand in, as (start, end); `why` says why it is not placed if several are left."""

    mention: Quoted
    places: list[tuple[int, int]]
    why: str = ""


def _aligned(article: Article, mentions: Sequence[Quoted], ledger: LossLedger) -> Article:
    ledger.seen += len(mentions)
    text = _Text(article.text)
    sought = []
    for one in mentions:
        places = text.places(one.quote)
        if not places:
            inside = bool(text.places(one.quote, whole_words=False))
            _refuse(article.id, one, "stands only inside other words" if inside else "does not stand in the text", ledger)
        else:
            sought.append(_Sought(one, text.by_context(places, one)))
    _by_order(sought)
    spans: dict[Span, None] = {}
    open_places: dict[int, list[tuple[int, int]]] = {}
    for found in sought:
        if len(found.places) != 1:
            reason = found.why or "stands several times, and neither context nor order says which is meant"
            detail = f"at {', '.join(str(start) for start, _ in found.places[:SHOWN])}"
            detail += f" and {len(found.places) - SHOWN} more" * (len(found.places) > SHOWN)
            _refuse(article.id, found.mention, reason, ledger, detail=detail)
            open_places[id(found.places)] = found.places  # of one quote the same list
            continue
        span = Span(*found.places[0], found.mention.label)
        if span in spans:
            ledger.add_span(
                article.id, STAGE, "merged", "is quoted more often than it stands there", span, detail=found.mention.quote
            )
        spans[span] = None
    covered = np.zeros(len(article.text) + 1, dtype=np.int64)
    for span in spans:
        covered[span.start : span.end] = 1
    before = np.concatenate([[0], covered.cumsum()])
    taken = [
        (start, end)
        for start, end in sorted({place for places in open_places.values() for place in places})
        if before[start] == before[end]
    ]
    return replace(article, spans=tuple(spans), annotated=_without(len(article.text), taken))


def _by_order(sought: Sequence[_Sought]) -> None:
    """Leave one place to mentions that their order decides.

    As many mentions of a quote as it has places stand in them in turn. Otherwise, if the mentions that are placed are in the order of the
    text, a mention stands between the placed ones before and after it.
    """
    turns: dict[tuple[tuple[int, int], ...], list[_Sought]] = {}
    for found in sought:
        if 1 < len(found.places) <= len(sought):
            turns.setdefault(tuple(found.places), []).append(found)
    for places, same in turns.items():
        if len(same) == len(places):
            for found, place in zip(same, places, strict=True):
                found.places = [place]
    while True:
        known = [(number, found.places[0]) for number, found in enumerate(sought) if len(found.places) == 1]
        if any(one[0] > other[0] for (_, one), (_, other) in pairwise(known)):
            return
        numbers = [number for number, _ in known]
        changed = False
        for number, found in enumerate(sought):
            if len(found.places) < 2:
                continue
            at = bisect.bisect(numbers, number)
            around = [place for _, place in known[max(at - 1, 0) : at + 1]]
            low = around[0][0] if at else -1
            high = around[-1][0] if at < len(known) else found.places[-1][0]
            first = bisect.bisect_left(found.places, low, key=lambda place: place[0])
            last = bisect.bisect_right(found.places, high, key=lambda place: place[0])
            if last - first > 1 + len(around):
                continue
            between = [place for place in found.places[first:last] if place not in around]
            if len(between) == 1:
                found.places = between
                changed = True
                break
        if not changed:
            return


def _without(size: int, places: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...] | None:
    """The text without the places, as regions; None if there are none."""
    if not places:
        return None
    regions, position = [], 0
    for start, end in places:
        if position < start:
            regions.append((position, start))
        position = max(position, end)
    return tuple(regions) + (((position, size),) if position < size else ())


def _refuse(article_id: str, mention: Quoted, reason: str, ledger: LossLedger, *, detail: str = "") -> None:
    said = f"{mention.quote!r} {detail}".strip()
    ledger.add_span(article_id, STAGE, "dropped", reason, Span(0, 0, mention.label), detail=said)


class _Text:
    """A text in which quotes are looked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        words = find_words(text)
        self.starts, self.ends = set(words[:, 0].tolist()), set(words[:, 1].tolist())
        self._folded: dict[bool, tuple[str, list[int]]] = {}
        self._found: dict[tuple[str, bool], list[tuple[int, int]]] = {}

    def places(self, quote: str, *, whole_words: bool = True) -> list[tuple[int, int]]:
        """Where a quote stands, in order: as it is written, else as `_fold` writes it, else in whatever capitals."""
        key = quote.strip(), whole_words
        if key not in self._found:
            self._found[key] = self._look_for(*key)
        return self._found[key]

    def _look_for(self, quote: str, whole_words: bool) -> list[tuple[int, int]]:
        for found in (self._exact(quote), self._alike(quote, cased=True), self._alike(quote, cased=False)):
            chosen = [place for place in found if not whole_words or self._on_words(*place)]
            if chosen:
                return chosen
        return []

    def _on_words(self, start: int, end: int) -> bool:
        return start in self.starts and end in self.ends

    def _exact(self, quote: str) -> Iterator[tuple[int, int]]:
        at = self.text.find(quote)
        while at >= 0:
            yield at, at + len(quote)
            at = self.text.find(quote, at + 1)

    def _alike(self, quote: str, *, cased: bool) -> Iterator[tuple[int, int]]:
        text, origin = self._fold(cased)
        wanted = _fold(quote, cased=cased)[0].strip()
        at = text.find(wanted) if wanted else -1
        while at >= 0:
            behind = at + len(wanted)
            whole = (at == 0 or origin[at - 1] != origin[at]) and (behind == len(text) or origin[behind] != origin[behind - 1])
            if whole:
                yield origin[at], origin[behind - 1] + 1
            at = text.find(wanted, at + 1)

    def _fold(self, cased: bool) -> tuple[str, list[int]]:
        if cased not in self._folded:
            self._folded[cased] = _fold(self.text, cased=cased)
        return self._folded[cased]

    def by_context(self, places: list[tuple[int, int]], mention: Quoted) -> list[tuple[int, int]]:
        """Those of the places whose context is most like that of the mention; all of them where it has none, or is like that of none."""
        before, after = (_fold(part, cased=False)[0].strip() for part in (mention.before, mention.after))
        if len(places) < 2 or not (before or after):
            return places
        text, origin = self._fold(cased=False)
        backwards, alike = before[::-1], []
        for start, end in places:
            first, last = bisect.bisect_left(origin, start), bisect.bisect_left(origin, end)
            left = text[max(0, first - 2 * CONTEXT) : first].rstrip()
            right = text[last : last + 2 * CONTEXT].lstrip()
            alike.append(_common(left[::-1], backwards) + _common(right, after))
        best = max(alike)
        if best < min(LIKE, len(before) + len(after)):
            return places
        return [place for place, found in zip(places, alike, strict=True) if found == best]


def _common(one: str, other: str) -> int:
    """How many characters, up to CONTEXT, two texts begin with alike."""
    low, high = 0, min(len(one), len(other), CONTEXT)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _fold(text: str, *, cased: bool) -> tuple[str, list[int]]:
    """The text with one way of writing white space, quotation marks, dashes and accents, without invisible characters, and where each of
    its characters stands in the text.
    """
    pieces: list[str] = []
    origin: list[int] = []
    for place, character in enumerate(text):
        if character.isspace():
            folded = "" if pieces and pieces[-1] == " " else " "
        elif unicodedata.category(character) in ("Cf", "Cc"):
            folded = ""
        else:
            folded = "".join(_SAME.get(part, part) for part in unicodedata.normalize("NFKD", _SAME.get(character, character)))
            folded = folded if cased else folded.casefold()
        for part in folded:
            pieces.append(part)
            origin.append(place)
    return "".join(pieces), origin
