"""A tagger without a model, which other processes can make: capitalised words are ACTORs. Some texts make it fail."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eventtag.article import Article
from eventtag.jobs.run import Engine
from eventtag.jobs.shards import Shard
from eventtag.jobs.store import ShardRecord, ShardStore
from eventtag.jobs.tagged_shard import TagArticles, store_shard, tag_shard
from eventtag.jobs.time_limit import ARTICLE_SECONDS, ArticleClock
from eventtag.span import Span


@dataclass(frozen=True)
class StubTagged:
    """What the stub finds, with the fields of a TaggedArticle that a job reads."""

    article: Article
    spans: tuple[Span, ...]
    tokens: int
    links: None = None
    dropped_links: int = 0


@dataclass(frozen=True)
class MakeStub:
    """Makes the stub. `log`: a file that gets a line with the process and the article's id for each article that is tagged;
    `pause`: seconds for each article.
    """

    log: Path | None = None
    pause: float = 0.0

    def __call__(self) -> TagArticles:
        """The stub."""
        return self._tag

    def _tag(self, articles: Iterable[Article]) -> Iterator[StubTagged]:
        for article in articles:
            if self.pause:
                time.sleep(self.pause)
            yield tag_article(article)
            if self.log is not None:
                with self.log.open("a") as file:
                    file.write(f"{os.getpid()} {article.id}\n")


def tag_article(article: Article) -> StubTagged:
    """The article's capitalised words as ACTORs; what a text that begins with POISON says happens instead."""
    text = article.text
    if text.startswith("POISON raise"):
        raise RuntimeError(f"cannot multiply {len(text)} by nothing")
    if text.startswith("POISON kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if text.startswith("POISON exit"):
        os._exit(3)
    while text.startswith("POISON sleep"):
        time.sleep(0.01)
    if text.startswith("POISON hash"):
        hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2_000_000_000)  # half an hour in C, which no exception interrupts
    if text.startswith("POISON recursion"):
        sys.setrecursionlimit(200)
        tag_article(Article("again", text))
    score = float("nan") if text.startswith("POISON nan") else 0.5
    words = tuple(match.span() for match in re.finditer(r"\w+", text))
    spans = tuple(Span(start, end, "ACTOR", score) for start, end in words if text[start].isupper())
    return StubTagged(article, spans, len(words))


def inline(tag: TagArticles, *, article_seconds: float = ARTICLE_SECONDS) -> Engine:
    """An engine that tags in this process. An article that kills the process ends the job; one that takes longer than `article_seconds`
    becomes a dead letter, as soon as code in C returns.
    """
    clock = ArticleClock(article_seconds)

    def engine(shards: Iterator[Shard], store: ShardStore) -> Generator[ShardRecord, None, None]:
        for shard in shards:
            yield store_shard(tag_shard(shard, tag, clock=clock), store)

    return engine
