"""What a worker process does: load the tagger once, then tag and store one shard after another until nobody asks any more."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from eventtag.article import Article
from eventtag.errors import EventtagError
from eventtag.jobs.lock import JobLock
from eventtag.jobs.shards import Shard
from eventtag.jobs.store import ShardRecord, ShardStore
from eventtag.jobs.tagged_shard import BrokenTaggerError, TagArticles, check_tagger, store_shard, tag_shard, try_articles
from eventtag.jobs.time_limit import ArticleClock, Marks

if TYPE_CHECKING:
    from eventtag.tagging.tagged import TaggedArticle

MakeTagger = Callable[[], TagArticles]
"""Makes the tagger in the process that uses it; can be pickled."""

NEWS_SECONDS = 0.5
"""How often a worker tells how far it is."""


@dataclass(frozen=True, slots=True)
class Task:
    """Tag a shard and store it, as `tag_shard` does with `condemned` and `pieces`; or only try the articles at some positions."""

    shard: Shard
    condemned: Mapping[int, str] | None = None
    pieces: Sequence[Sequence[int]] | None = None
    attempt: Sequence[int] | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The tagger is loaded and tags."""


@dataclass(frozen=True, slots=True)
class Survived:
    """The articles that were to be tried have not killed the process."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """Articles that have been tagged and are not stored yet, and their tokens."""

    articles: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Broken:
    """The tagger is of no use any more, and its process ends."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The job cannot go on."""

    kind: type[EventtagError]
    message: str


News = Ready | Survived | Tagged | Broken | Failed | ShardRecord


def work(
    connection: Connection,
    make_tagger: MakeTagger,
    store: ShardStore,
    lock: JobLock | None,
    threads: int,
    marks: Marks,
    article_seconds: float,
) -> None:
    """Run a worker: answer tasks from `connection` with news until it is closed. The job is locked as long as it has `lock`.

    The process ends (SIGALRM) when an article takes longer than `article_seconds`; then `marks` say which.
    """
    del lock
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the one that hands out shards decides
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        tag = make_tagger()
        check_tagger(tag)
    except EventtagError as error:
        connection.send(Failed(type(error), str(error)))
        return
    except Exception as error:
        connection.send(Failed(BrokenTaggerError, f"the tagger cannot be loaded ({type(error).__name__}: {error})"))
        return
    connection.send(Ready())
    clock = ArticleClock(article_seconds, shared=marks)
    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, OSError):
            return
        answer = _answer(task, _with_news(tag, connection), store, clock)
        connection.send(answer)
        if isinstance(answer, Broken):
            return


def _answer(task: Task, tag: TagArticles, store: ShardStore, clock: ArticleClock) -> News:
    try:
        if task.attempt is not None:
            try_articles(task.shard, task.attempt, tag, clock)
            return Survived()
        return store_shard(tag_shard(task.shard, tag, condemned=task.condemned, pieces=task.pieces, clock=clock), store)
    except BrokenTaggerError as error:
        return Broken(str(error))
    except EventtagError as error:
        return Failed(type(error), str(error))


def _with_news(tag: TagArticles, connection: Connection) -> TagArticles:
    """The same tagger, telling every now and then how many articles and tokens it has tagged."""
    count, tokens, told = 0, 0, time.monotonic()

    def tell(articles: Iterable[Article]) -> Iterator[TaggedArticle]:
        nonlocal count, tokens, told
        for tagged in tag(articles):
            count, tokens = count + 1, tokens + tagged.tokens
            if time.monotonic() - told >= NEWS_SECONDS:
                told = time.monotonic()
                connection.send(Tagged(count, tokens))
            yield tagged

    return tell


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
