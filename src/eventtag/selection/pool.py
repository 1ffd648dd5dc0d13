"""The pool that `select` chooses from: read, compared with what the checkpoint has seen, tagged, and freed of near-duplicates.

The pool is read once. Its texts wait in a temporary file, and of each unit a few numbers stay in memory.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.corpus.seen import Seen, article_key, read_seen
from eventtag.errors import EventtagError, FormatError
from eventtag.estimates.pool import Pool, read_pool, units_of
from eventtag.estimates.pool import Units as DrawingUnits
from eventtag.formats.csv_spans import refuse_span_tables
from eventtag.formats.registry import read_articles, recognise
from eventtag.jobs.dead_letters import DeadLetter, letter_kind
from eventtag.jobs.progress import Progress
from eventtag.jobs.reading.inputs import STANDARD_INPUT, read_rows
from eventtag.jobs.reading.rows import InputRow, Place
from eventtag.jobs.reading.tables import is_dataset
from eventtag.jobs.run import SHARD_BYTES, SHARD_ROWS
from eventtag.jobs.shards import Shard, cut_shards
from eventtag.jobs.tagged_shard import tag_shard
from eventtag.jobs.time_limit import ArticleClock
from eventtag.ledger import LossLedger
from eventtag.selection.units import Floats, Ints, Units, UnitTable
from eventtag.settings.select import SelectSettings
from eventtag.tagging.tagged import TaggedArticle
from eventtag.tagging.tagger import Tagger
from eventtag.training.continued import corpus_of_run

REASONS = {
    "learnt": "the checkpoint learnt from them",
    "chose": "they chose epoch and thresholds of the checkpoint",
    "tested": "they test the checkpoint",
    "annotated": "they are annotated already",
    "some labels": "they are annotated already, though not for all labels of the checkpoint",
    "near the seen": "they are near-duplicates of articles of the checkpoint's run or of annotated ones",
    "near each other": "they are near-duplicates of other articles of the pool",
}
"""Why articles of the pool are left out, as it is said."""
OPEN, PARTLY_LEARNT, UNDECIDED = "open", "partly learnt", "undecided"
"""Articles that may be chosen; those of which the checkpoint has learnt from a part, so that the rest may be chosen, but not drawn as a
sample; and those of which only the whole pool says whether they are annotated.
"""


@dataclass(frozen=True)
class SeenArticles:
    """What is known of the articles of the checkpoint's run: their hashes, those of its test articles, and the texts themselves, which are
    empty if they cannot be read (`notes` say so then).
    """

    seen: Seen
    tested: frozenset[str]
    articles: tuple[Article, ...]
    notes: tuple[str, ...]


def seen_by(checkpoint: Path) -> SeenArticles:
    """What the checkpoint and its run say of the articles that they have seen."""
    seen = read_seen(checkpoint).named(str(checkpoint))
    seen = replace(seen, read=frozenset())  # of a text that was only read, nobody knows the mentions
    notes = [f"it is not known which articles {name} learnt from, so none of these is left out" for name in seen.unknown]
    try:
        splits = corpus_of_run(checkpoint).splits
    except EventtagError as error:
        reason = str(error).splitlines()[0]
        notes.append(
            f"near-duplicates of articles that the checkpoint has seen, and its test articles, are not left out: {reason}"
        )
        return SeenArticles(seen, frozenset(), (), tuple(notes))
    tested = frozenset(article_key(article.text) for article in splits.get("test", ()))
    return SeenArticles(seen, tested, tuple(chain.from_iterable(splits.values())), tuple(notes))


@dataclass
class TaggedPool:
    """Articles of the pool by number: those that may be drawn and chosen (`eligible` [A]), those that may only be chosen (`partly_learnt`
    [A]), what draws at random (`drawable`, its units, and the number in the pool of each of its articles), the units of a strategy, why
    articles are left out, and what could not be read or tagged.
    """

    pool: Pool
    eligible: npt.NDArray[np.bool_]
    partly_learnt: npt.NDArray[np.bool_]
    drawable: Pool
    drawing_units: DrawingUnits
    numbers: Ints
    units: Units
    left_out: Mapping[str, int]
    letters: Sequence[DeadLetter]
    rows: int
    notes: Sequence[str]

    def article(self, number: int) -> Article:
        """An article with what people annotated in it; `annotated` None means that this is nothing."""
        return self.pool.article(number)


@dataclass
class _Reading:
    """One reading of the pool: what has become of each article, in the order of the pool."""

    tagger: Tagger
    seen: SeenArticles
    table: UnitTable
    settings: SelectSettings
    on_progress: Callable[[Progress], None]
    status: list[str] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    rows: int = 0
    progress: Progress = field(default_factory=Progress)
    measured: dict[str, tuple[TaggedArticle, Floats]] = field(default_factory=dict)
    partly_learnt: set[str] = field(default_factory=set)
    """Keys of such articles."""

    def articles(self, rows: Iterable[InputRow], share: Callable[[Place], float | None] | None) -> Iterator[Article]:
        """The articles of the rows; those that may be chosen are tagged, and their units are in the table."""
        clock = ArticleClock(self.settings.article_seconds)
        for shard in cut_shards(rows, max_rows=SHARD_ROWS, max_bytes=SHARD_BYTES):
            kinds = [None if row.article is None else self._kind(row.article) for row in shard.rows]
            to_tag = frozenset(place for place, kind in enumerate(kinds) if kind in (OPEN, PARTLY_LEARNT, UNDECIDED))
            tagged = tag_shard(replace(shard, only=to_tag), self._tag, clock=clock)
            self.letters += [letter for _, letter in sorted(tagged.letters.items())]
            for place, (row, kind) in enumerate(zip(shard.rows, kinds, strict=True)):
                if row.article is None or kind is None or place in tagged.letters:
                    continue
                if place in to_tag:
                    self.table.add(len(self.status), *self.measured[row.article.id])
                self.status.append(kind)
                yield row.article
            self.measured.clear()
            self._show(shard, sum(line.spans for line in tagged.articles.values()), share)

    def _tag(self, articles: Iterable[Article]) -> Iterator[TaggedArticle]:
        for item, errors in self.tagger.tag_with_errors(articles):
            self.measured[item.article.id] = item, errors
            yield item

    def _kind(self, article: Article) -> str:
        seen = self.seen.seen.kind_of(article)
        if seen is None and article_key(article.text) in self.seen.tested:
            seen = "tested"
        annotation = self._annotation(article)
        if seen == "learnt" and article.annotated and annotation == OPEN:
            self.partly_learnt.add(article_key(article.text))
            return PARTLY_LEARNT
        return seen or annotation

    def _annotation(self, article: Article) -> str:
        """Whether people have annotated all of the article, or some of its labels, or may still annotate some of it."""
        looked_at = bool(article.annotated) or (article.annotated is None and any(span.score is None for span in article.spans))
        labels = self.tagger.labels.labels
        if looked_at and article.annotated_labels(labels) != labels:
            return "some labels"
        if article.annotated is not None:
            return "annotated" if article.all_annotated(0, len(article.text)) else OPEN
        if not article.spans:
            return UNDECIDED
        return "annotated" if looked_at else OPEN

    def _show(self, shard: Shard, spans: int, share: Callable[[Place], float | None] | None) -> None:
        self.rows = shard.first_row + len(shard.rows)
        progress = self.progress
        progress.articles, progress.spans, progress.bad = len(self.status), progress.spans + spans, len(self.letters)
        progress.read = progress.rows
        progress.share = share(shard.rows[-1].place) if share is not None and shard.rows else None
        progress.kinds = Counter(letter_kind(letter.stage, letter.reason) for letter in self.letters)
        self.on_progress(progress)


def read_tagged_pool(
    settings: SelectSettings,
    tagger: Tagger,
    seen: SeenArticles,
    folder: Path,
    *,
    ledger: LossLedger,
    by_sentence: bool,
    share: Callable[[Place], float | None] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> TaggedPool:
    """Read and tag the pool of the settings; its texts go to a temporary file in `folder`.

    Raises what the readers raise, and BrokenTaggerError if the tagger fails on every article. A row that cannot be read or tagged
    becomes a dead letter.
    """
    notes = list(seen.notes)
    reading = _Reading(tagger, seen, UnitTable(by_sentence), settings, on_progress)
    rows = _rows(settings, ledger, notes)
    known = (  # after the articles of the pool, of which those that are partly learnt stand for themselves
        Article(f"\0{number}", article.text)
        for number, article in enumerate(seen.articles)
        if article_key(article.text) not in reading.partly_learnt
    )
    pool = read_pool(chain(reading.articles(rows, share), known), folder)
    size = len(reading.status)
    status = np.array([*reading.status, *["known"] * (len(pool) - size)], dtype=object)
    undecided = status == UNDECIDED
    if pool.annotated and undecided.any():
        notes.append(
            f"{int(undecided.sum())} articles have no spans and do not say whether somebody has looked for them; as others of the pool "
            'have spans of people, they count as annotated; give those that nobody has annotated `"annotated": []`'
        )
        status[undecided] = "annotated"
    status[status == UNDECIDED] = OPEN
    units = units_of(pool)
    is_open = status == OPEN
    near_seen = np.zeros(len(units), dtype=np.bool_)
    near_seen[units.of_article[~is_open]] = True
    status[is_open & near_seen[units.of_article]] = "near the seen"
    eligible, partly_learnt = status == OPEN, status == PARTLY_LEARNT
    if partly_learnt.any():
        notes.append(
            f"the checkpoint has learnt from a part of {int(partly_learnt.sum())} articles: what is not annotated in them may be chosen, "
            "but they are not drawn at random"
        )
    drawable, drawing_units, numbers = _part(pool, units, eligible)
    left_out = Counter(status[:size].tolist())
    left_out["near each other"] = len(drawable) - len(drawing_units)
    return TaggedPool(
        pool,
        eligible,
        partly_learnt,
        drawable,
        drawing_units,
        numbers,
        reading.table.units(),
        {reason: left_out[reason] for reason in REASONS if left_out[reason]},
        reading.letters,
        reading.rows,
        notes,
    )


def _rows(settings: SelectSettings, ledger: LossLedger, notes: list[str]) -> Iterator[InputRow]:
    """The rows of the input: of an annotation format as its reader gives them, else as `predict` reads them; the annotations of articles
    that eventtag wrote are kept.
    """
    path = Path(settings.input)
    plain = (settings.text_field, settings.id_field, settings.encoding) == ("text", "id", None)
    if plain and settings.input != STANDARD_INPUT and path.exists() and not is_dataset(path):
        refuse_span_tables(path)
        try:
            entry, reason = recognise(path)
            if entry.name != "jsonl":
                next(read_articles(path, entry.name, ledger=LossLedger()), None)
                notes.append(f"read as {entry.title}: {reason}")
                for article in read_articles(path, entry.name, ledger=ledger):
                    yield InputRow(Place(settings.input), article)
                return
        except FormatError:
            pass  # no annotation format fits
    for row in read_rows(
        settings.input,
        text_field=settings.text_field,
        id_field=settings.id_field,
        require_id=None,
        max_row_bytes=settings.max_row_bytes,
        page_seconds=settings.page_seconds,
        encoding=settings.encoding,
        annotations=True,
    ):
        is_file = row.article is not None and row.place.line is None
        yield replace(row, article=replace(row.article, annotated=())) if is_file and row.article is not None else row


def _part(pool: Pool, units: DrawingUnits, keep: npt.NDArray[np.bool_]) -> tuple[Pool, DrawingUnits, Ints]:
    """The pool and its units without some articles, and the number in the pool of each article that is left."""
    numbers = np.flatnonzero(keep)
    part = Pool(
        pool.file,
        [pool.ids[number] for number in numbers],
        array("Q", np.frombuffer(pool.keys, dtype=np.uint64)[numbers].tobytes()),
        [pool.strata[number] for number in numbers],
        array("d", np.frombuffer(pool.counts)[numbers].tobytes()),
        array("q", np.frombuffer(pool.places, dtype=np.int64)[numbers].tobytes()),
        pool.annotated,
    )
    kept, of_article = np.unique(units.of_article[numbers], return_inverse=True)
    return part, replace(units, of_article=of_article, counts=units.counts[kept], strata=units.strata[kept]), numbers
