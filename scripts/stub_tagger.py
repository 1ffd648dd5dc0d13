"""A tagger without a model, which other processes can make: capitalised words are ACTORs. Some texts make it fail."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eventtag.article import Article
from eventtag.jobs.tagged_shard import TagArticles
from eventtag.span import Span


@dataclass(frozen=True)
class StubTagged:
    """What the stub finds, with the fields of a TaggedArticle that a job reads."""

    article: Article
    spans: tuple[Span, ...]
    tokens: int


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
    if text.startswith("POISON regex"):
        re.match(r"(a|a)+$", "a" * 60 + "b")  # hours in C, which no exception interrupts
    if text.startswith("POISON recursion"):
        sys.setrecursionlimit(200)
        tag_article(Article("again", text))
    score = float("nan") if text.startswith("POISON nan") else 0.5
    words = tuple(match.span() for match in re.finditer(r"\w+", text))
    spans = tuple(Span(start, end, "ACTOR", score) for start, end in words if text[start].isupper())
    return StubTagged(article, spans, len(words))
