"""Articles of all requests, tagged together by one thread, which alone uses the tagger.

Each batch takes one article of every waiting request in turn until it is full, so that small requests do not wait for a large one.
The spans are those of `eventtag predict`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from eventtag.article import Article
from eventtag.link import Link
from eventtag.serving.refusals import RequestError
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger

log = logging.getLogger(__name__)

BATCH_CHARACTERS = 65_536
"""Characters of the articles that are tagged together; few, so that nobody waits long for a batch of others."""
ARTICLE_OVERHEAD = 1_000
"""Characters that an article counts for beside its text, so that many empty ones do not fill the memory."""


@dataclass(frozen=True)
class Model:
    """A tagger and the name of its version, which changes with its checkpoint."""

    tagger: Tagger
    version: str

    @classmethod
    def of(cls, tagger: Tagger) -> Model:
        """Named by the fingerprint of its checkpoint."""
        return cls(tagger, f"eventtag-{str((tagger.about or {}).get('sha256', 'unknown'))[:10]}")


@dataclass(frozen=True, slots=True)
class Found:
    """The spans of an article, its words as character offsets, its certainty from 0 to 1, None where nobody asked for it, and the links
    between its spans, None where the tagger finds none.
    """

    article: Article
    spans: tuple[Span, ...]
    words: tuple[tuple[int, int], ...]
    certainty: float | None
    links: tuple[Link, ...] | None = None


@dataclass(eq=False)
class _Job:
    articles: Sequence[Article]
    model: Model
    certainty: bool
    size: int
    future: Future[list[Found]] = field(default_factory=Future)
    done: list[Found] = field(default_factory=list)


class Batches:
    """The queue of articles, and the thread that tags them. `articles` and `seconds` count what it has done.

    `max_waiting` is in characters of text.
    """

    def __init__(self, model: Model, *, max_waiting: int) -> None:
        self.model = model
        self.max_waiting = max_waiting
        self.articles = self.spans = self.batches = self.waiting = 0
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="tagger", daemon=True)
        self._thread.start()

    async def tag(self, articles: Sequence[Article], *, certainty: bool = False) -> tuple[Model, list[Found]]:
        """The articles as one model found them, in order. Cancelled, what is not tagged yet is left out.

        Raises RequestError (429) when too much is waiting, (500) for an article that the model cannot tag.
        """
        size = sum(len(article.text) + ARTICLE_OVERHEAD for article in articles)
        with self._changed:
            if self._stopped:
                raise RequestError("the server is ending; ask again when it has been started anew", status=503)
            if self.waiting and self.waiting + size > self.max_waiting:
                raise RequestError(
                    f"{self.waiting:,} characters of text are waiting to be tagged already; ask again in a few seconds",
                    status=429,
                )
            job = _Job(articles, self.model, certainty, size)
            if articles:
                self._jobs.append(job)
                self.waiting += size
                self._changed.notify()
        if not articles:
            return job.model, []
        return job.model, await asyncio.wrap_future(job.future)

    def use(self, model: Model) -> None:
        """Tag with another model what is asked for from now on."""
        with self._changed:
            self.model = model

    def stop(self) -> None:
        """End the thread when its batch is done; requests that wait are refused."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()
        for job in self._jobs:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(
                    RequestError("the server is ending; ask again when it has been started anew", status=503)
                )

    def _run(self) -> None:
        while batch := self._next():
            self._tag(batch)

    def _next(self) -> list[tuple[_Job, Article]]:
        """The next batch, of jobs for one model; empty when the thread is to end."""
        with self._changed:
            while True:
                self._drop([job for job in self._jobs if job.future.cancelled()])
                if self._stopped:
                    return []
                if self._jobs:
                    break
                self._changed.wait()
            jobs = [job for job in self._jobs if job.model is self._jobs[0].model]
        batch: list[tuple[_Job, Article]] = []
        size, turn = 0, 0
        while size < BATCH_CHARACTERS and jobs:
            jobs = [job for job in jobs if len(job.done) + turn < len(job.articles)]
            for job in jobs:
                article = job.articles[len(job.done) + turn]
                batch.append((job, article))
                size += len(article.text)
                if size >= BATCH_CHARACTERS:
                    break
            turn += 1
        return batch

    def _drop(self, jobs: Iterable[_Job]) -> None:
        for job in jobs:
            self._jobs.remove(job)
            self.waiting -= job.size

    def _tag(self, batch: Sequence[tuple[_Job, Article]]) -> None:
        model, certainty = batch[0][0].model, any(job.certainty for job, _ in batch)
        try:
            found = _find(model.tagger, [article for _, article in batch], certainty=certainty)
        except Exception as error:
            if len(batch) > 1:
                for one in batch:  # one article does not spoil the others
                    if not one[0].future.done():
                        self._tag([one])
                return
            job, article = batch[0]
            log.exception("article %r could not be tagged", article.id)
            self._end(
                job, RequestError(f"article {article.id!r} could not be tagged ({type(error).__name__}: {error})", status=500)
            )
            return
        self.batches += 1
        self.articles += len(found)
        self.spans += sum(len(item.spans) for item in found)
        for (job, _), item in zip(batch, found, strict=True):
            job.done.append(item)
            if len(job.done) == len(job.articles):
                self._end(job, None)

    def _end(self, job: _Job, error: Exception | None) -> None:
        with self._changed:
            if job in self._jobs:
                self._drop([job])
        if not job.future.set_running_or_notify_cancel():
            return
        if error is None:
            job.future.set_result(job.done)
        else:
            job.future.set_exception(error)


def _find(tagger: Tagger, articles: Sequence[Article], *, certainty: bool) -> list[Found]:
    tagged = tagger.tag_with_certainty(articles) if certainty else ((item, None) for item in tagger.tag_many(articles))
    return [
        Found(item.article, item.spans, tuple((int(start), int(end)) for start, end in item.words), sure, item.links)
        for item, sure in tagged
    ]
