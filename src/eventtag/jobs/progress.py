"""How far a job is."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from eventtag.jobs.store import ShardRecord


@dataclass
class Progress:
    """Counts of what is stored, and of this process's part of it.

    `articles`, `spans` and `tokens` are of all stored shards, `kept` articles and `kept_tokens` of them from an earlier process;
    `in_work` articles and `tokens_in_work` are tagged but not stored yet. `kinds` counts bad rows by kind. `read` is the number of rows
    that have been read, `share` the part of the input that they are, where that is known.
    """

    articles: int = 0
    spans: int = 0
    tokens: int = 0
    bad: int = 0
    kept: int = 0
    kept_tokens: int = 0
    in_work: int = 0
    tokens_in_work: int = 0
    read: int = 0
    share: float | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)

    def add(self, record: ShardRecord, *, kept: bool = False) -> None:
        """Count a shard that is stored; `kept`: it was so before this process began."""
        self.articles += record.articles
        self.spans += record.spans
        self.tokens += record.tokens
        self.bad += len(record.dead)
        self.kinds.update(record.kinds)
        if kept:
            self.kept += record.articles
            self.kept_tokens += record.tokens

    @property
    def rows(self) -> int:
        """Rows that are stored: tagged, or as dead letters."""
        return self.articles + self.bad

    def counts(self) -> dict[str, Any]:
        """What is stored, as a manifest says it."""
        counts = {
            "rows": self.rows,
            "articles": self.articles,
            "spans": self.spans,
            "tokens": self.tokens,
            "dead_letters": self.bad,
        }
        return counts | {"kinds": dict(sorted(self.kinds.items()))}

    @property
    def seconds(self) -> float:
        """Time since this process began."""
        return time.monotonic() - self.started

    @property
    def articles_per_second(self) -> float:
        """Of this process."""
        return (self.articles - self.kept + self.in_work) / max(self.seconds, 1e-9)

    @property
    def tokens_per_second(self) -> float:
        """Of this process and its workers together: what the tokenizer made of the articles."""
        return (self.tokens - self.kept_tokens + self.tokens_in_work) / max(self.seconds, 1e-9)

    @property
    def done(self) -> float | None:
        """The part of the input that is tagged, where it is known: from 0 to 1."""
        if self.share is None or self.read == 0:
            return None
        return min(1.0, self.share * (self.rows + self.in_work) / self.read)

    @property
    def seconds_left(self) -> float | None:
        """An estimate from this process's pace, where the input's size is known."""
        done = self.done
        fresh = self.articles - self.kept + self.in_work
        if not done or fresh <= 0:
            return None
        total = (self.rows + self.in_work) / done
        return (total - self.rows - self.in_work) * self.seconds / fresh
