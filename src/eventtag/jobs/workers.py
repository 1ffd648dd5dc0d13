"""Workers: processes that tag shards and store them. The first process hands out the shards and watches the workers.

A worker may be killed from outside, or by an article. A new process then tries its shard again. If that process dies too, the halves of the
shard are tried apart, and so on, until only the articles that kill a process are left. An article is given up when it has killed two
processes on its own. A worker that ends because an article took too long has named the articles that it was tagging. These are tried one
by one, and an article that is too slow alone is given up at once.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from eventtag.errors import EventtagError
from eventtag.jobs.shards import Shard
from eventtag.jobs.store import ShardRecord, ShardStore
from eventtag.jobs.time_limit import ARTICLE_SECONDS, Marks, late_positions, late_reason
from eventtag.jobs.worker import Broken, Failed, MakeTagger, News, Ready, Survived, Tagged, Task, work

TRIES = 2
"""Processes that may die over the same articles before these are tried in parts or given up."""
START_TRIES = 3
"""Processes that may die one after the other before they are ready."""
NOTHING = Tagged(articles=0, tokens=0)


class WorkerError(EventtagError):
    """Workers cannot do their work."""


@dataclass(frozen=True)
class Workers:
    """Tags shards in processes of their own, each with its own tagger. An engine: call it with the shards and their store.

    `count` is the number of processes, `threads` that of each process's threads for arithmetic. It does not depend on `count`, because
    the last digit of scores may change with it. `article_seconds` is the time that an article may take. Shards are taken when workers
    need them: at most 2 `count` + 1 are held.
    """

    make_tagger: MakeTagger
    count: int = 1
    threads: int = 1
    article_seconds: float = ARTICLE_SECONDS

    def __call__(self, shards: Iterator[Shard], store: ShardStore) -> Generator[ShardRecord | Tagged, None, None]:
        """Yield a record for each shard as it is stored, in any order, and news of articles tagged in between.

        Raises WorkerError if processes die before they can work, OutputError if a shard cannot be stored, and what `make_tagger`
        raises.
        """
        pool = _Pool(self, shards, store)
        try:
            yield from pool.run()
        finally:
            pool.stop()


@dataclass
class _Trial:
    """A shard that is being tagged: how often it killed its process, and what is known of its articles."""

    shard: Shard
    deaths: int = 0
    parts: deque[list[int]] = field(default_factory=deque)
    """Positions that are still to be tried apart from the others."""
    survived: list[list[int]] = field(default_factory=list)
    condemned: dict[int, str] = field(default_factory=dict)
    apart: bool = False
    """Whether the parts that survived are to be tagged apart, since together they kill the process."""

    @property
    def task(self) -> Task:
        if self.parts:
            return Task(self.shard, attempt=self.parts[0])
        return Task(self.shard, condemned=dict(self.condemned), pieces=list(self.survived) if self.apart else None)

    def passed(self) -> None:
        """Take note that the first part did not kill its process."""
        self.survived.append(self.parts.popleft())
        self.deaths = 0

    def was_late(self, marks: Sequence[int], seconds: float) -> None:
        """Take note that the process ended because an article took too long; `marks` are its last."""
        tried = self.parts.popleft() if self.parts else [p for p in self.shard.to_tag if p not in self.condemned]
        if len(tried) <= 1:
            self.condemned.update(dict.fromkeys(tried, late_reason(seconds)))
        elif self.survived and not self.parts:  # each is fast enough alone
            self.died(late_reason(seconds))
        else:
            late = late_positions(tried, marks)
            others = [position for position in tried if position not in late]
            self.deaths = 0
            self.parts.extendleft([[position] for position in reversed(late)])
            self.parts.extendleft([others] if others else [])

    def died(self, cause: str) -> None:
        """Take note that the process died while it worked on the task."""
        self.deaths += 1
        if self.parts and (len(self.parts[0]) > 1 or self.deaths >= TRIES):
            part = self.parts.popleft()
            self.deaths = 0
            if len(part) > 1:
                self.parts.extendleft(reversed(_halves(part)))
            else:
                self.condemned[part[0]] = f"the process that tagged it died ({cause})"
        elif not self.parts and self.deaths >= TRIES:
            if self.apart:
                raise WorkerError(
                    f"rows {self.shard.first_row} to {self.shard.first_row + len(self.shard.rows) - 1}: the processes that tag them "
                    f"die again and again ({cause})\nfinished shards are kept; run the command again with more memory or fewer workers"
                )
            self.deaths = 0
            if self.survived:
                self.apart = True
            else:
                self.parts.extend(_halves(self.shard.to_tag))


def _halves(positions: list[int]) -> list[list[int]]:
    middle = (len(positions) + 1) // 2
    return [half for half in (positions[:middle], positions[middle:]) if half]


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    marks: Marks
    ready: bool = False
    trial: _Trial | None = None
    tagged: Tagged = NOTHING


class _Pool:
    def __init__(self, engine: Workers, shards: Iterator[Shard], store: ShardStore) -> None:
        self._engine = engine
        self._shards = shards
        self._store = store
        self._waiting: deque[_Trial] = deque()
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def run(self) -> Iterator[ShardRecord | Tagged]:
        while self._feed():
            for connection in wait([worker.connection for worker in self._workers]):
                worker = next(worker for worker in self._workers if worker.connection is connection)
                yield from self._hear(worker)

    def stop(self) -> None:
        """End all processes at once. Unfinished files have no final name."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
            worker.marks.close()

    def _feed(self) -> bool:
        """Give every idle worker a shard, and hold one more ready; False when all work is done."""
        for worker in [worker for worker in self._workers if worker.ready and worker.trial is None]:
            if not self._hold(1):
                break
            worker.trial = self._waiting.popleft()
            with suppress(OSError):  # it has died, and _hear will notice
                worker.connection.send(worker.trial.task)
        starting = sum(not worker.ready for worker in self._workers)
        while len(self._workers) < self._engine.count and self._hold(starting + 1):
            self._start()
            starting += 1
        self._hold(starting + 1)
        return bool(self._waiting) or any(worker.trial is not None for worker in self._workers)

    def _hold(self, count: int) -> bool:
        """Take shards until `count` are waiting; False if there are fewer."""
        while len(self._waiting) < count and (shard := next(self._shards, None)) is not None:
            self._waiting.append(_Trial(shard))
        return len(self._waiting) >= count

    def _start(self) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        marks = Marks()
        engine = self._engine
        arguments = (
            theirs, engine.make_tagger, replace(self._store, lock=None), self._store.lock, engine.threads, marks, engine.article_seconds,
        )  # fmt: skip
        process = context.Process(target=work, args=arguments, name="eventtag worker", daemon=True)
        # The worker inherits the mask, so that Ctrl-C cannot interrupt it while it starts.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._workers.append(_Worker(process, ours, marks))

    def _hear(self, worker: _Worker) -> Iterator[ShardRecord | Tagged]:
        try:
            news: News = worker.connection.recv()
        except (EOFError, OSError):
            yield from self._bury(worker, None)
            return
        match news:
            case Ready():
                worker.ready, self._failed_starts = True, 0
            case Tagged():
                worker.tagged = news
                every = [other.tagged for other in self._workers]
                yield Tagged(sum(item.articles for item in every), sum(item.tokens for item in every))
            case Survived():
                assert worker.trial is not None
                worker.trial.passed()
                self._waiting.appendleft(worker.trial)
                worker.trial, worker.tagged = None, NOTHING
            case Broken(reason):
                yield from self._bury(worker, reason)
            case Failed(kind, message):
                raise kind(message)
            case ShardRecord():
                worker.trial, worker.tagged = None, NOTHING
                yield news

    def _bury(self, worker: _Worker, reason: str | None) -> Iterator[ShardRecord]:
        worker.process.join(timeout=None if reason is None else 5)
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        marks = worker.marks.read()
        worker.marks.close()
        self._workers.remove(worker)
        cause = reason or _cause(worker.process.exitcode)
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= START_TRIES:
                raise WorkerError(
                    f"{START_TRIES} worker processes have died before they could begin ({cause})\n"
                    "if memory is short, give fewer workers="
                )
        trial = worker.trial
        if trial is None:
            return
        if trial.shard.only is None and trial.shard.index in self._store:
            yield self._store.record(trial.shard.index)  # it died between storing the shard and saying so
        elif worker.process.exitcode == -signal.SIGALRM:
            trial.was_late(marks, self._engine.article_seconds)
            self._waiting.appendleft(trial)
        else:
            trial.died(cause)
            self._waiting.appendleft(trial)


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"{name}, perhaps because memory ran out" if name == "SIGKILL" else name
