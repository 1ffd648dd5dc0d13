"""What the addresses share: the tagger, the corrections, the trainings, and the limits of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from anyio import CapacityLimiter
from starlette.requests import ClientDisconnect, Request

from eventtag.article import Article
from eventtag.serving.batches import Batches, Found, Model
from eventtag.serving.metrics import Requests
from eventtag.serving.refusals import RequestError
from eventtag.serving.store import Corrections
from eventtag.serving.training import Trainings

Answer = TypeVar("Answer")

READERS = 4
"""So many sent files are read at once; others wait, without a thread that corrections need."""
HELD_BODIES = 4
"""So many bodies of the largest size are held at once; what more is sent then is refused."""


@dataclass
class Service:
    """Passed to every address as `app.state.service`. `max_body` is in bytes."""

    batches: Batches
    corrections: Corrections
    trainings: Trainings
    max_body: int
    requests: Requests = field(default_factory=Requests)
    held: int = 0
    readers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(READERS))

    @property
    def model(self) -> Model:
        """The model in use."""
        return self.batches.model

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the model in use."""
        return self.model.tagger.labels.labels

    async def body(self, request: Request) -> bytes:
        """The body of a request; raises RequestError (413) for one that is too large, (429) while others fill the memory."""
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in request.stream():
                size += len(piece)
                self.held += len(piece)
                if size > self.max_body:
                    raise RequestError(
                        f"the request is larger than {self.max_body:,} bytes; send less at once, or raise max_body_mb=",
                        status=413,
                    )
                if self.held > HELD_BODIES * self.max_body:
                    raise RequestError("the server is receiving too much at once; ask again in a few seconds", status=429)
                pieces.append(piece)
            return b"".join(pieces)
        except ClientDisconnect as error:
            raise _gone_away() from error
        finally:
            self.held -= size

    async def tag(self, request: Request, articles: Sequence[Article], *, certainty: bool = False) -> tuple[Model, list[Found]]:
        """The articles as the model in use finds them; given up if the client disconnects."""
        return await while_connected(request, self.batches.tag(articles, certainty=certainty))


def service_of(request: Request) -> Service:
    """What the application was built with."""
    service: Service = request.app.state.service
    return service


async def while_connected(request: Request, work: Awaitable[Answer]) -> Answer:
    """What the work gives; cancelled, with a RequestError that nobody reads, when the client has gone. The body must have been read."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            raise _gone_away()
        return working.result()
    finally:
        leaving.cancel()


def _gone_away() -> RequestError:
    return RequestError("the client has gone", status=499)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
