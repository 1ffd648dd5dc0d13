"""Tagging one shard: articles on which the model fails are found and set apart, the others are tagged together.

The result depends on the shard and on which of its articles fail, not on how those were found. When the failing articles are known, all
others run through the model once more together, because the last digit of a score depends on the articles beside it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eventtag.article import Article
from eventtag.errors import EventtagError
from eventtag.formats.jsonl import json_line
from eventtag.jobs.dead_letters import DeadLetter, letter_kind, letter_line, unreadable, untaggable
from eventtag.jobs.reading.rows import InputRow, Place
from eventtag.jobs.shards import Shard, input_digest
from eventtag.jobs.store import ShardRecord, ShardStore, lines_digest
from eventtag.jobs.time_limit import ArticleClock, OutOfTime, late_positions
from eventtag.span import score_of

if TYPE_CHECKING:
    from eventtag.tagging.tagged import TaggedArticle

TagArticles = Callable[[Iterable[Article]], "Iterator[TaggedArticle]"]
"""Tags articles in order. Called with a shard's articles at a time."""

PLAIN_ARTICLE = Article("plain", "Police in Lima arrested four miners on Monday.")
"""A tagger that fails on this article is broken; one that does not is not to blame for failing on another."""


class BrokenTaggerError(EventtagError):
    """The tagger fails on a plain article; the message says how."""


@dataclass(frozen=True, slots=True)
class TaggedLine:
    """A tagged article as a line of project JSONL, how many spans and tokens it has, and how many links went with spans left out."""

    json: bytes
    spans: int
    tokens: int
    dropped_links: int = 0


@dataclass(frozen=True, slots=True)
class TaggedShard:
    """What became of a shard's rows, by position in the shard: tagged articles and dead letters.

    Only positions that were to be tagged, and rows that hold no article.
    """

    shard: Shard
    articles: Mapping[int, TaggedLine]
    letters: Mapping[int, DeadLetter]


def tag_shard(
    shard: Shard,
    tag: TagArticles,
    *,
    condemned: Mapping[int, str] | None = None,
    pieces: Sequence[Sequence[int]] | None = None,
    clock: ArticleClock | None = None,
) -> TaggedShard:
    """Tag a shard's articles; one on which the model fails, or that takes longer than `clock` allows, becomes a dead letter.

    `condemned`: positions that are not to be tried, with the reason. `pieces`: positions that are to run through the model apart from
    one another; without it all run together. Raises BrokenTaggerError if it is not the article that is to blame.
    """
    condemned = condemned or {}
    wanted = [position for position in shard.to_tag if position not in condemned]
    found: dict[int, TaggedLine | str] = {position: reason for position, reason in condemned.items() if position in shard.to_tag}
    for piece in pieces or [wanted]:
        found |= _tag_isolated(shard, [position for position in piece if position not in condemned], tag, clock)
    failures = {position: result for position, result in found.items() if isinstance(result, str)}
    if len(failures) > len(condemned):
        check_tagger(tag)
    if len(failures) > len(condemned) and pieces is None:
        healthy = [position for position in wanted if position not in failures]
        # That these fail only together is no reason to lose them: then they stay as they were tagged in parts.
        with suppress(Exception, OutOfTime):
            found |= _tag(shard, healthy, tag, clock)
    letters = {
        position: unreadable(shard.first_row + position, row) for position, row in enumerate(shard.rows) if row.article is None
    }
    letters |= {p: untaggable(shard.first_row + p, shard.rows[p], reason) for p, reason in failures.items()}
    return TaggedShard(shard, {p: result for p, result in found.items() if not isinstance(result, str)}, letters)


def store_shard(tagged: TaggedShard, store: ShardStore) -> ShardRecord:
    """Store a tagged shard, and return what is stored; where only some positions were tagged again, the other lines stay as they are."""
    shard = tagged.shard
    lines = {position: article.json for position, article in tagged.articles.items()}
    spans = sum(article.spans for article in tagged.articles.values())
    tokens = sum(article.tokens for article in tagged.articles.values())
    dropped = sum(article.dropped_links for article in tagged.articles.values())
    if shard.only is not None:
        old, stored = store.read(shard.index)
        alive = [position for position in range(old.rows) if position not in old.dead]
        for position, line in zip(alive, stored[: old.articles], strict=True):
            lines.setdefault(position, line.rstrip(b"\n"))
        spans, tokens, dropped = spans + old.spans, tokens + old.tokens, dropped + old.dropped_links
    letters = [letter for position, letter in sorted(tagged.letters.items()) if position not in lines]
    ordered = [lines[position] for position in sorted(lines)] + [letter_line(letter).encode("utf-8") for letter in letters]
    dead = tuple(letter.row - shard.first_row for letter in letters)
    record = ShardRecord(
        index=shard.index,
        first_row=shard.first_row,
        rows=len(shard.rows),
        spans=spans,
        tokens=tokens,
        dropped_links=dropped,
        dead=dead,
        kinds=dict(Counter(letter_kind(letter.stage, letter.reason) for letter in letters)),
        input=input_digest(shard.rows, without=set(dead)),
        sha256=lines_digest(ordered),
    )
    return store.write(record, ordered, replace=shard.only is not None)


def check_tagger(tag: TagArticles) -> None:
    """Raise BrokenTaggerError if a plain article cannot be tagged."""
    try:
        _tag(Shard(0, 0, (InputRow(Place(""), PLAIN_ARTICLE),)), [0], tag)
    except Exception as error:
        raise BrokenTaggerError(f"the tagger fails on a plain article ({type(error).__name__}: {error})") from error


def try_articles(shard: Shard, positions: Sequence[int], tag: TagArticles, clock: ArticleClock | None = None) -> None:
    """Tag the articles at these positions and forget the result, to see whether the process survives it.

    Raises BrokenTaggerError if the tagger fails and is of no use any more.
    """
    if any(isinstance(result, str) for result in _tag_isolated(shard, positions, tag, clock).values()):
        check_tagger(tag)


def _tag_isolated(
    shard: Shard, positions: Sequence[int], tag: TagArticles, clock: ArticleClock | None
) -> dict[int, TaggedLine | str]:
    """Each position's tagged article, or the reason why it has none."""
    if not positions:
        return {}
    try:
        return _tag(shard, positions, tag, clock)
    except OutOfTime:
        assert clock is not None
        if len(positions) == 1:
            return {positions[0]: clock.reason}
        late = late_positions(positions, clock.marks)
        found = _tag_isolated(shard, [position for position in positions if position not in late], tag, clock)
        for position in late:
            found |= _tag_isolated(shard, [position], tag, clock)
        return found
    except Exception as error:  # whatever the model raises, the other articles are to be tagged
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        if len(positions) == 1:
            return {positions[0]: reason}
    middle = len(positions) // 2
    return _tag_isolated(shard, positions[:middle], tag, clock) | _tag_isolated(shard, positions[middle:], tag, clock)


def _tag(
    shard: Shard, positions: Sequence[int], tag: TagArticles, clock: ArticleClock | None = None
) -> dict[int, TaggedLine | str]:
    if clock is None or not positions:
        return _tag_all(shard, positions, tag, None)
    clock.start(positions[0])
    try:
        return _tag_all(shard, positions, tag, clock)
    finally:
        clock.stop()


def _tag_all(shard: Shard, positions: Sequence[int], tag: TagArticles, clock: ArticleClock | None) -> dict[int, TaggedLine | str]:
    articles = [article for position in positions if (article := shard.rows[position].article) is not None]
    found: dict[int, TaggedLine | str] = {}
    source = articles if clock is None else clock.watch(positions, articles)
    for position, article, tagged in zip(positions, articles, tag(source), strict=True):
        if tagged.article.id != article.id:
            raise ValueError(f"the tagger gave article {tagged.article.id!r} where {article.id!r} was expected")
        if not all(math.isfinite(score_of(span)) for span in tagged.spans):
            raise ValueError("a span's score is not finite")
        line = json_line(replace(tagged.article, spans=tagged.spans, annotated=None, labels=None, links=tagged.links))
        found[position] = TaggedLine(line.encode("utf-8"), len(tagged.spans), tagged.tokens, tagged.dropped_links)
        if clock is not None:
            clock.given_back(position)
    return found
