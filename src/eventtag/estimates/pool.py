"""The pool that a sample is drawn from: what is known of each article, and the articles themselves in a temporary file.

A million articles are read once. What the draw needs stays in memory, about 200 bytes an article; the texts lie on disk.
"""

from __future__ import annotations

import pickle
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO
from zlib import crc32

import numpy as np

from eventtag.article import Article
from eventtag.corpus.near_duplicates import MANY, find_near_duplicates
from eventtag.errors import OutputError
from eventtag.estimates.batches import BATCH, BatchBuilder
from eventtag.estimates.sampling import Floats, Numbers
from eventtag.estimates.tagged import DEFAULT_READING, Grouping, TaggedReading
from eventtag.span import score_of
from eventtag.staging import remedy

NO_VALUE = "(none)"
"""The value of articles that lack a field to stratify by."""
SEARCHED = 50_000
"""Articles among which near-duplicates are looked for without a first look at their sentences: 25 seconds on one core."""
_SENTENCE = re.compile(r"[^.!?\n\u3002\uff01\uff1f]{30,}")
"""A stretch that is long enough for two articles hardly to share it by chance."""
COPIED = 0.5
"""Share of an article's sentences that stand elsewhere from which it is looked at, however many articles share them."""


@dataclass
class Pool:
    """Articles by number, in the order in which they were read.

    `strata` [A] are the values that an article was stratified by, `counts` [A] its predicted spans, weighted by their probabilities; `keys`
    [A] 64-bit hashes of the ids, by which units are ordered. `annotated`: whether the pool holds spans of people, which have no score.
    """

    file: IO[bytes]
    ids: list[str] = field(default_factory=list)
    keys: array[int] = field(default_factory=lambda: array("Q"))
    strata: list[tuple[str, ...]] = field(default_factory=list)
    counts: array[float] = field(default_factory=lambda: array("d"))
    places: array[int] = field(default_factory=lambda: array("q"))
    annotated: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def article(self, number: int) -> Article:
        """An article with what people annotated in it, without what a tagger found."""
        self.file.seek(self.places[number])
        return Article(*pickle.load(self.file))  # noqa: S301 - this process wrote it

    @property
    def fingerprint(self) -> str:
        """A hash of the articles' ids, whatever their order."""
        return f"{int(np.frombuffer(self.keys, dtype=np.uint64).sum(dtype=np.uint64)):016x}"


def read_pool(
    articles: Iterable[Article],
    folder: Path,
    *,
    by: Sequence[str] = (),
    dates: TaggedReading = DEFAULT_READING,
    labels: Sequence[str] = (),
    expected: Sequence[Callable[[Article], float]] = (),
    notes: list[str] | None = None,
) -> Pool:
    """Read the pool; its texts go to a temporary file in `folder`.

    `by` are the fields to stratify by, or periods of a date field, which `dates` describes, as `eventtag.estimates.tagged` reads them.
    `labels` are those whose predicted spans are counted, `expected` gives further expected numbers. What is to be known of the fields is
    added to `notes`. Raises SettingsError for a field that no article has, and where the date field cannot be told, OutputError if `folder`
    cannot be written.
    """
    try:
        pool = Pool(TemporaryFile(dir=folder))  # noqa: SIM115 - it lives as long as the pool
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}); {remedy(error.errno)}") from error
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    for article, values in _with_values(articles, by, dates, [] if notes is None else notes):
        people = tuple(span for span in article.spans if span.score is None)
        pool.annotated = pool.annotated or bool(people)
        pool.ids.append(article.id)
        pool.keys.append(_key(article.id))
        pool.strata.append(known.setdefault(values, values))
        spans = sum(score_of(span) for span in article.spans if span.label in labels)
        pool.counts.append(spans + sum(number(article) for number in expected))
        pool.places.append(pool.file.tell())
        links = article.links
        if links:
            own = set(people)
            # Where all of them were predicted, nobody has looked for links.
            links = tuple(link for link in links if link.score is None and {link.event, link.participant} <= own) or None
        kept = (article.id, article.text, people, article.annotated, article.labels, article.meta, article.rejected, links)
        pool.file.write(pickle.dumps(kept, pickle.HIGHEST_PROTOCOL))
    return pool


def _with_values(
    articles: Iterable[Article], by: Sequence[str], dates: TaggedReading, notes: list[str]
) -> Iterator[tuple[Article, tuple[str, ...]]]:
    """The articles, each with its values of the fields."""
    if not by:
        yield from ((article, ()) for article in articles)
        return
    stream = iter(articles)
    grouping: Grouping | None = None
    while chunk := list(islice(stream, BATCH)):
        builder = BatchBuilder()
        for article in chunk:
            builder.add_parts(article.id, article.meta, (), (), (), (), ())
        batch = builder.take()
        grouping = grouping or Grouping(by, dates, batch)
        grouping.note(batch)
        columns = grouping(batch)
        for article, *values in zip(chunk, *(columns[name] for name in by), strict=True):
            yield article, tuple(NO_VALUE if value is None else value for value in values)
    if grouping is not None:
        grouping.require_found()
        notes += grouping.notes()


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Units:
    """What is drawn: units of articles, in an order that depends on the articles' ids alone.

    `of_article` [A] is the unit of each article; `sizes` [U] are the units' shares by count, `strata` [U] numbers of `names`. `rule` says
    in words how the units came about.
    """

    of_article: Numbers
    counts: Floats
    strata: Numbers
    names: tuple[str, ...]
    rule: str

    def __len__(self) -> int:
        return len(self.counts)


def units_of(pool: Pool, *, look_for_duplicates: bool = True) -> Units:
    """The pool's units: near-duplicates together, unless they are not looked for. A unit is in the stratum of its first article."""
    order = np.argsort(np.frombuffer(pool.keys, dtype=np.uint64), kind="stable")
    leader = np.arange(len(pool))
    rule = "every article by itself, as near-duplicates were not looked for"
    if look_for_duplicates:
        number = {name: place for place, name in enumerate(pool.ids)}
        candidates = list(range(len(pool))) if len(pool) <= SEARCHED else _with_shared_sentences(pool)
        clusters = find_near_duplicates(_articles(pool, candidates)).clusters
        rank = np.empty(len(pool), dtype=np.int64)
        rank[order] = np.arange(len(pool))
        for cluster in clusters:
            members = [number[name] for name in cluster]
            leader[members] = min(members, key=lambda member: rank[member])
        rule = f"near-duplicates together ({sum(map(len, clusters))} articles in {len(clusters)} units)"
        if len(pool) > SEARCHED:
            rule += f", looked for among the {len(candidates)} articles that share a whole sentence with another"
    leaders = order[leader[order] == order]
    unit_of = np.empty(len(pool), dtype=np.int64)
    unit_of[leaders] = np.arange(len(leaders))
    of_article = unit_of[leader]
    values = [pool.strata[member] for member in leaders.tolist()]
    distinct = sorted(set(values))
    place = {value: number for number, value in enumerate(distinct)}
    return Units(
        of_article,
        np.bincount(of_article, weights=np.frombuffer(pool.counts), minlength=len(leaders)).astype(np.float64),
        np.array([place[value] for value in values], dtype=np.int64),
        tuple(" / ".join(value) for value in distinct),
        rule,
    )


def _articles(pool: Pool, numbers: Iterable[int]) -> Iterator[Article]:
    return (pool.article(number) for number in numbers)


def _with_shared_sentences(pool: Pool) -> list[int]:
    """The articles that may be near-duplicates of another: they share a sentence with a few, or most of their sentences with any number."""
    hashes, owners = array("I"), array("I")
    for number, article in enumerate(_articles(pool, range(len(pool)))):
        text = article.text.casefold()
        found = {crc32(sentence.strip().encode("utf-8", "surrogatepass")) for sentence in _SENTENCE.findall(text) or [text]}
        hashes.extend(found)
        owners.extend([number] * len(found))
    _, place, times = np.unique(np.array(hashes, dtype=np.uint32), return_inverse=True, return_counts=True)
    spread, owner = times[place], np.array(owners, dtype=np.int64)
    sentences = np.bincount(owner, minlength=len(pool))
    shared = np.bincount(owner, weights=spread > 1, minlength=len(pool))
    few = np.bincount(owner, weights=(spread > 1) & (spread <= MANY), minlength=len(pool))
    candidates: list[int] = np.flatnonzero((few > 0) | (shared >= COPIED * np.maximum(sentences, 1))).tolist()
    return candidates
