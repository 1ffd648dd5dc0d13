"""Articles of many requests, tagged together."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from eventtag.article import Article
from eventtag.serving.batches import BATCH_CHARACTERS, Batches, Model
from eventtag.serving.refusals import RequestError
from eventtag.span import Span
from eventtag.tagging.tagged import TaggedArticle


@dataclass
class Stub:
    """Finds one span a text, the first character, whose label is the stub's name; waits until `go` is set."""

    name: str = "A"
    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    batches: list[list[str]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)

    def tag_many(self, articles: Sequence[Article]) -> Iterator[TaggedArticle]:
        self.batches.append([article.id for article in articles])
        self.begun.set()
        assert self.go.wait(30)
        for article in articles:
            if article.text == "bad":
                raise ValueError("no such text")
            yield TaggedArticle(article, (Span(0, 1, self.name, 0.5),), np.zeros((0, 2), dtype=np.int64))

    def tag_with_certainty(self, articles: Iterable[Article]) -> Iterator[tuple[TaggedArticle, float]]:
        return ((item, 0.25) for item in self.tag_many(list(articles)))


@contextmanager
def at_work(stub: Stub, *, max_waiting: int = 10_000_000) -> Iterator[Batches]:
    batches = Batches(Model(stub, stub.name), max_waiting=max_waiting)  # type: ignore[arg-type]
    try:
        yield batches
    finally:
        stub.go.set()
        batches.stop()


def numbered(name: str, count: int, *, size: int = 1) -> list[Article]:
    return [Article(f"{name}{number}", "x" * size) for number in range(count)]


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 30)


def test_a_small_request_does_not_wait_for_a_large_one() -> None:
    async def ask(batches: Batches, stub: Stub) -> None:
        large = asyncio.create_task(batches.tag(numbered("large", 9, size=BATCH_CHARACTERS // 3)))
        await until(stub.begun)
        small = asyncio.create_task(batches.tag(numbered("small", 2)))
        while batches.waiting < 4 * BATCH_CHARACTERS // 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        stub.go.set()
        _, found = await small
        assert [item.article.id for item in found] == ["small0", "small1"]
        _, found = await large
        assert [item.article.id for item in found] == [f"large{number}" for number in range(9)]

    stub = Stub()
    with at_work(stub) as batches:
        asyncio.run(ask(batches, stub))
        assert batches.waiting == 0
        assert batches.articles == 11
    assert stub.batches[0] == ["large0", "large1", "large2", "large3"][: len(stub.batches[0])]
    assert {"small0", "small1"} <= set(stub.batches[1])


def test_one_article_that_fails_leaves_the_others_whole(caplog: pytest.LogCaptureFixture) -> None:
    async def ask(batches: Batches, stub: Stub) -> list[Any]:
        first = asyncio.create_task(batches.tag(numbered("a", 1)))
        await until(stub.begun)
        rest = [
            asyncio.create_task(batches.tag([*numbered("b", 2), Article("bad", "bad"), *numbered("c", 2)])),
            asyncio.create_task(batches.tag(numbered("d", 3))),
        ]
        await asyncio.sleep(0)
        stub.go.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    stub = Stub()
    with at_work(stub) as batches:
        first, bad, good = asyncio.run(ask(batches, stub))
        assert batches.waiting == 0
    assert len(first[1]) == 1
    assert isinstance(bad, RequestError)
    assert bad.status == 500
    assert "article 'bad' could not be tagged (ValueError: no such text)" in str(bad)
    assert [item.article.id for item in good[1]] == ["d0", "d1", "d2"]


def test_too_much_that_waits_is_refused() -> None:
    async def ask(batches: Batches, stub: Stub) -> None:
        large = asyncio.create_task(batches.tag(numbered("a", 1, size=50_000)))  # more than allowed, but nothing waits yet
        await until(stub.begun)
        with pytest.raises(RequestError, match="51,000 characters of text are waiting") as refused:
            await batches.tag(numbered("b", 1))
        assert refused.value.status == 429
        stub.go.set()
        await large
        await batches.tag(numbered("b", 1))

    stub = Stub()
    with at_work(stub, max_waiting=40_000) as batches:
        asyncio.run(ask(batches, stub))


def test_what_nobody_waits_for_is_not_tagged() -> None:
    async def ask(batches: Batches, stub: Stub) -> None:
        first = asyncio.create_task(batches.tag(numbered("a", 1)))
        await until(stub.begun)
        left = asyncio.create_task(batches.tag(numbered("left", 500)))
        await asyncio.sleep(0)
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        stub.go.set()
        await first
        await batches.tag(numbered("b", 1))

    stub = Stub()
    with at_work(stub) as batches:
        asyncio.run(ask(batches, stub))
        assert batches.waiting == 0
    assert stub.batches == [["a0"], ["b0"]]


def test_a_request_is_answered_by_one_model() -> None:
    async def ask(batches: Batches, old: Stub, new: Stub) -> tuple[Any, Any]:
        first = asyncio.create_task(batches.tag(numbered("a", 5, size=BATCH_CHARACTERS)))
        await until(old.begun)
        batches.use(Model(new, "new"))  # type: ignore[arg-type]
        second = asyncio.create_task(batches.tag(numbered("b", 1)))
        await asyncio.sleep(0)
        old.go.set()
        new.go.set()
        return await first, await second

    old, new = Stub("OLD"), Stub("NEW")
    with at_work(old) as batches:
        (one, before), (other, after) = asyncio.run(ask(batches, old, new))
    assert (one.version, other.version) == ("OLD", "new")
    assert {span.label for item in before for span in item.spans} == {"OLD"}
    assert {span.label for item in after for span in item.spans} == {"NEW"}


def test_certainty_only_where_it_is_asked_for() -> None:
    async def ask(batches: Batches) -> list[float | None]:
        plain = await batches.tag(numbered("a", 1))
        sure = await batches.tag(numbered("a", 1), certainty=True)
        nothing = await batches.tag([])
        assert nothing[1] == []
        return [plain[1][0].certainty, sure[1][0].certainty]

    stub = Stub()
    stub.go.set()
    with at_work(stub) as batches:
        assert asyncio.run(ask(batches)) == [None, 0.25]


def test_a_server_that_ends_refuses_what_waits() -> None:
    async def ask(batches: Batches, stub: Stub) -> list[Any]:
        tasks = [asyncio.create_task(batches.tag(numbered("a", 1)))]
        await until(stub.begun)
        tasks.append(asyncio.create_task(batches.tag(numbered("b", 1))))
        await asyncio.sleep(0)
        ending = asyncio.create_task(asyncio.to_thread(batches.stop))
        while not batches._stopped:
            await asyncio.sleep(0)
        stub.go.set()
        await ending
        tasks.append(asyncio.create_task(batches.tag(numbered("c", 1))))
        return await asyncio.gather(*tasks, return_exceptions=True)

    stub = Stub()
    batches = Batches(Model(stub, stub.name), max_waiting=10_000)  # type: ignore[arg-type]
    first, second, third = asyncio.run(ask(batches, stub))
    assert len(first[1]) == 1
    assert [second.status, third.status] == [503, 503]
