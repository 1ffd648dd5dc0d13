"""Shards tagged by the actors of a Ray cluster, as a Ray Data pipeline (https://docs.ray.io/en/latest/data/data.html).

The process that runs the job reads the input and hands out shards, each a block of the pipeline's dataset. An actor holds the model,
tags a shard and stores it with the same protocol as a local worker (staged, flushed, renamed), so every node must see the job's
folder. If Ray does a shard twice, it is stored twice under the same name with the same bytes; the next run tags what Ray loses.

An actor that dies is replaced by Ray and its shard tried again. A shard over which actors have died twice is given to a separate
process, watched as in `eventtag.jobs.workers`, which finds the article that is to blame. An actor also dies when an article takes twice
the time that it may.
"""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import socket
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from eventtag.errors import EventtagError, OutputError
from eventtag.formats.extras import load_extra
from eventtag.jobs.job import code_digest
from eventtag.jobs.shards import Shard
from eventtag.jobs.store import ShardRecord, ShardStore
from eventtag.jobs.tagged_shard import BrokenTaggerError, TagArticles, check_tagger, store_shard, tag_shard
from eventtag.jobs.time_limit import ARTICLE_SECONDS, ArticleClock
from eventtag.jobs.worker import Failed, MakeTagger, Tagged
from eventtag.jobs.workers import TRIES, WorkerError, Workers

LOCAL = "local"
ON_THIS_MACHINE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""Environment of our own Ray: it listens on the loopback interface only, sends no statistics, and its workers have our priority."""
QUIET = {"RAY_DEDUP_LOGS_SKIP_REGEX": ".", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Ray does not print what its processes say; what matters comes as an error, or stands in its own logs."""
ROUND = 256
"""Shards per actor that are in Ray's object store at a time. After so many a new pipeline begins, whose actors load the model anew."""


@dataclass(frozen=True)
class RayActors:
    """An engine: call it with the shards and their store.

    `count`: how many actors at most, None for as many as the cluster has room for. `cpus`: what each declares; less than a whole one
    leaves room for Ray's own tasks. `gpus`: None declares one where the cluster has any. `threads`: of each actor, for arithmetic.
    `address`: of a cluster ("auto", "host:6379"); None takes the variable RAY_ADDRESS, or starts Ray on this machine alone, for this
    job, reachable from nowhere else. `article_seconds`: what an article may take.
    """

    make_tagger: MakeTagger
    count: int | None = None
    cpus: float = 0.9
    gpus: float | None = None
    threads: int = 1
    address: str | None = None
    article_seconds: float = ARTICLE_SECONDS

    def __call__(self, shards: Iterator[Shard], store: ShardStore) -> Generator[ShardRecord | Tagged, None, None]:
        """Yield a record for each shard as it is stored, in any order.

        Raises SettingsError if Ray is not installed, WorkerError if the cluster cannot be reached or gives up, OutputError if a
        node does not see the job's folder or a shard cannot be stored, and what `make_tagger` raises.
        """
        address = self.address or os.environ.get("RAY_ADDRESS") or LOCAL
        for variable, value in (QUIET | (ON_THIS_MACHINE if address == LOCAL else {})).items():
            os.environ.setdefault(variable, value)
        ray = load_extra("ray", "ray")
        load_extra("ray.data", "ray")
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        first = next(shards, None)
        if first is None:
            return
        for mark in store.folder.glob(".*.tries"):
            mark.unlink(missing_ok=True)
        with _connected(ray, address, self.count, self.threads):
            gpus, count = self._resources(ray)
            remaining = itertools.chain([first], shards)
            while given := [ray.put(_block(shard)) for shard in itertools.islice(remaining, ROUND * count)]:
                yield from self._run(ray, given, store, count, gpus)

    def _resources(self, ray: Any) -> tuple[float, int]:
        """GPUs of each actor, and how many actors there is room for."""
        cluster = ray.cluster_resources()
        gpus = (1.0 if cluster.get("GPU", 0) >= 1 else 0.0) if self.gpus is None else self.gpus
        room = [cluster.get("CPU", 1) // self.cpus] + ([cluster.get("GPU", 0) // gpus] if gpus else [])
        return gpus, self.count or max(1, int(min(room)))

    def _run(self, ray: Any, blocks: list[Any], store: ShardStore, count: int, gpus: float) -> Iterator[ShardRecord]:
        """One pipeline over these blocks."""
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        arguments = {
            "make_tagger": self.make_tagger,
            "store": replace(store, folder=store.folder.absolute(), lock=None),
            "code": code_digest(),
            "threads": self.threads,
            "article_seconds": self.article_seconds,
        }
        news = ray.data.from_arrow_refs(blocks).map_batches(
            TagShard,
            fn_constructor_kwargs=arguments,
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=min(count, len(blocks)), max_tasks_in_flight_per_actor=2),
            num_cpus=self.cpus,
            num_gpus=gpus,
        )
        try:
            for row in news.iter_rows():
                item: ShardRecord | Failed = pickle.loads(row["news"])  # noqa: S301 - of our own actor, over Ray
                if isinstance(item, Failed):
                    raise item.kind(item.message)
                yield item
        except ray.exceptions.RayError as error:
            raise WorkerError(
                f"the Ray pipeline ended ({type(error).__name__}: {str(error)[:300]})\n"
                "finished shards are kept; run the same command again"
            ) from error


def _block(shard: Shard) -> Any:
    import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]

    return pa.table({"shard": [pickle.dumps(shard)]})


@contextmanager
def _connected(ray: Any, address: str, count: int | None, threads: int) -> Iterator[None]:
    """Connected to a cluster; to the one that this process is connected to already, or to one of its own."""
    if ray.is_initialized():
        yield
        return
    variables = {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    options: dict[str, Any] = {"runtime_env": {"env_vars": variables}, "log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        options |= {"include_dashboard": False, "num_cpus": max(len(os.sched_getaffinity(0)), count or 1)}
    try:
        ray.init(address, **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise WorkerError(f"Ray at {address} cannot be reached ({str(error)[:300]}); check ray_address=") from error
    try:
        yield
    finally:
        ray.shutdown()


class TagShard:
    """What an actor does: tags and stores the shard of a block, and says what became of it (column `news`)."""

    def __init__(
        self, make_tagger: MakeTagger, store: ShardStore, code: str, threads: int, article_seconds: float = ARTICLE_SECONDS
    ) -> None:
        self._article_seconds = article_seconds
        self._make_tagger = make_tagger
        self._store = store
        self._code = code
        self._threads = threads
        self._tag: TagArticles | None = None

    def __call__(self, block: Any) -> dict[str, list[bytes]]:
        """A ShardRecord, or Failed when the job cannot go on."""
        shard: Shard = pickle.loads(block.column("shard")[0].as_py())  # noqa: S301 - of the job's own process, over Ray
        return {"news": [pickle.dumps(self._answer(shard))]}

    def _answer(self, shard: Shard) -> ShardRecord | Failed:
        try:
            self._check_node()
            if shard.only is None and shard.index in self._store:
                return self._store.record(shard.index)  # an actor died between storing the shard and saying so
            mark = self._store.folder / f".{shard.index:06d}.tries"
            with mark.open("ab") as file:
                file.write(b".")
                tries = file.tell()
            record = self._tag_here(shard) if tries <= TRIES else self._tag_apart(shard)
            mark.unlink(missing_ok=True)
            return record
        except BrokenTaggerError:
            os._exit(1)  # Ray puts a new actor, with a new tagger, in this one's place
        except EventtagError as error:
            return Failed(type(error), str(error))

    def _check_node(self) -> None:
        """Raise an error if this node does not have the job's code or does not see its folder."""
        if code_digest() != self._code:
            raise WorkerError(f"node {socket.gethostname()} has another version of eventtag; install the same one on all nodes")
        if not self._store.folder.is_dir():
            raise OutputError(
                f"node {socket.gethostname()} does not see {self._store.folder}; "
                "output= must lie on a file system that all nodes share, under the same path"
            )

    def _tag_here(self, shard: Shard) -> ShardRecord:
        if self._tag is None:
            try:
                tag = self._make_tagger()
            except EventtagError:
                raise
            except Exception as error:
                raise WorkerError(f"the tagger cannot be loaded ({type(error).__name__}: {error})") from error
            check_tagger(tag)
            self._tag = tag
        return store_shard(tag_shard(shard, self._tag, clock=ArticleClock(self._article_seconds, ends=True)), self._store)

    def _tag_apart(self, shard: Shard) -> ShardRecord:
        """Tag the shard in a process that may die."""
        self._tag = None  # its memory may be needed
        records = Workers(self._make_tagger, 1, self._threads, self._article_seconds)(iter([shard]), self._store)
        return next(item for item in records if isinstance(item, ShardRecord))
