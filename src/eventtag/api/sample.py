"""`eventtag.sample`: draws articles to annotate at random, each with the probability of being drawn."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eventtag.api.articles import Source, listed, name_of, read_source
from eventtag.article import Article
from eventtag.corpus.seen import Seen, read_seen
from eventtag.errors import DataError, FormatError, SettingsError
from eventtag.estimates.annotated_sample import PROBABILITY, STRATUM, UNIT
from eventtag.estimates.dates import Order
from eventtag.estimates.drawing import Drawn, describe_draw, draw_sample
from eventtag.estimates.pool import Pool, Units, read_pool, units_of
from eventtag.estimates.quantities import RECORDS
from eventtag.estimates.sample_record import Design, SampleRecord, read_record, record_path, write_record
from eventtag.estimates.tagged import TaggedReading
from eventtag.event_records.counting import RecordSource
from eventtag.formats.csv_spans import refuse_span_tables
from eventtag.formats.registry import format_of_suffix, get_format, read_articles, recognise, write_articles
from eventtag.jobs.reading.inputs import read_rows
from eventtag.ledger import LossLedger
from eventtag.models.checkpoint import checkpoint_folder
from eventtag.staging import require_absent

if TYPE_CHECKING:
    import pandas as pd

ANNOTATION_STATE = ("jsonl", "csv", "parquet", "label_studio", "prodigy")
"""Formats that tell an article that nobody annotated from one in which there was nothing to annotate."""
MANY_COPIES = 10
"""From this many articles in one unit on, the remarks say how to draw only one of them."""


@dataclass(frozen=True)
class StratumRow:
    """A stratum of the pool: its articles and units, how many units are in the sample, and the range of its units' probabilities."""

    stratum: str
    articles: int
    units: int
    drawn: int
    least: float
    most: float


@dataclass(frozen=True, repr=False)
class SampleResult:
    """The drawn articles, with `sample_probability`, `sample_stratum` and `sample_unit` in their metadata, the pool's strata, and remarks.

    `new` are the ids that this call has drawn; `record` is the file that records the draw.
    """

    articles: tuple[Article, ...]
    new: frozenset[str]
    strata: tuple[StratumRow, ...]
    notes: tuple[str, ...]
    ledger: LossLedger
    record: Path

    def __repr__(self) -> str:
        return f"SampleResult({len(self.articles)} articles, {len(self.new)} of them new)"

    def to_pandas(self) -> pd.DataFrame:
        """A row for each drawn article: id, probability, stratum, unit, and whether it is new."""
        import pandas as pd

        fields = (PROBABILITY, STRATUM, UNIT)
        return pd.DataFrame(
            [{"id": a.id, **{key: a.meta[key] for key in fields}, "new": a.id in self.new} for a in self.articles],
            columns=["id", *fields, "new"],
        )


def sample(
    pool: Source,
    output: str | os.PathLike[str],
    *,
    n: int,
    by: Sequence[str] = (),
    counts: Sequence[str] = (),
    date: str | None = None,
    date_order: Order | None = None,
    seed: int = 13,
    copies: str = "all",
    look_for_duplicates: bool = True,
    checkpoint: str | os.PathLike[str] | None = None,
    extend: str | os.PathLike[str] | None = None,
    record: str | os.PathLike[str] | None = None,
    output_format: str = "auto",
    **reading: Any,
) -> SampleResult:
    """Draw articles to annotate: `sample("tagged.jsonl", "tasks.json", n=200, by=["country"], output_format="label_studio")`.

    `n` units are drawn: near-duplicates are one unit, any other article is one by itself. `by`: metadata fields to stratify by, or
    `year`, `month`, `week`, `day` of the field `date` (`date_order`: `dmy` or `mdy`, for dates such as 03/04/2014); each stratum
    gets draws in proportion to its units, and at least two. `counts`: labels whose predicted spans, or conditions whose event
    records (`records:status=asserted AGENT~police`), give a unit a higher probability; half of the draws are still spread evenly
    over all units. `copies`: `all` articles of a unit, or a random `one`. Articles that the `checkpoint` learnt from or was chosen
    by are left out, but not near-duplicates with other words. `reading` are `format`, `options` and `label_map`.

    `extend` is an earlier sample, annotated or not; its `record` is beside it or named here. `n` further units are drawn from the
    same pool by the same design, and the output has both, with the probabilities of the larger sample.

    Raises SettingsError for too few articles or draws, DataError if the pool is not that of the extended sample, OutputError if the
    output exists.
    """
    target = Path(output)
    chosen = get_format(output_format if output_format != "auto" else format_of_suffix(target)).name
    for path in (target, record_path(target)):
        require_absent(path)
    design, earlier = _design(
        Design(listed(by), listed(counts), date, date_order, seed, look_for_duplicates, copies), n, extend, record
    )
    counting = RecordSource(key="counts")
    ledger, notes = LossLedger(), list[str]()
    target.absolute().parent.mkdir(parents=True, exist_ok=True)
    articles = _without_seen(_read(pool, ledger, notes, **reading), checkpoint, notes)
    dates = TaggedReading(date=design.date, date_order=design.date_order)
    labels = [name for name in design.counts if not name.startswith(RECORDS)]
    conditions = [counting(name.removeprefix(RECORDS)) for name in design.counts if name.startswith(RECORDS)]
    expected = [condition.expected for condition in conditions]
    found = read_pool(
        articles, target.absolute().parent, by=design.by, dates=dates, labels=labels, expected=expected, notes=notes
    )
    for condition in conditions:
        condition.require_known()
        notes += condition.notes()
    notes += counting.notes()
    _check(found, design, name_of(pool))
    units = units_of(found, look_for_duplicates=design.duplicates)
    drawn = draw_sample(found, units, design, n, earlier)
    about = describe_draw(found, units, drawn, design)
    _note_draw(notes, found, units, drawn, chosen)
    annotated = {} if extend is None else _annotated(Path(extend), about, ledger, notes)
    written = tuple(_to_annotate(found, number, about, annotated, chosen) for number in drawn.articles)
    write_articles(written, target, chosen, ledger=ledger)
    _note_losses(notes, ledger, chosen, record_path(target))
    totals = (n,) if earlier is None else (*earlier.totals, earlier.totals[-1] + n)
    made = SampleRecord(
        design, name_of(pool), len(found), len(units), found.fingerprint, totals, about, units.rule, version("eventtag")
    )
    write_record(made, record_path(target))
    new = frozenset(found.ids[number] for number in drawn.articles if drawn.new[units.of_article[number]])
    return SampleResult(written, new, _rows(units, drawn), tuple(notes), ledger, record_path(target))


def _design(
    asked: Design, n: int, extend: str | os.PathLike[str] | None, record: str | os.PathLike[str] | None
) -> tuple[Design, SampleRecord | None]:
    """The design of the sample, and the record of the extended sample."""
    if n < 1:
        raise SettingsError(f"n={n} is not allowed: at least 1")
    if asked.copies not in ("all", "one"):
        raise SettingsError(f"copies={asked.copies} is not allowed: all or one")
    if extend is None:
        if record is not None:
            raise SettingsError("record: belongs to a sample that is extended; name the sample too (extend)")
        return asked, None
    if asked != Design():
        raise SettingsError("extend: the design is that of the earlier sample; leave out by, counts, date, seed and copies")
    earlier = read_record(record_path(Path(extend)) if record is None else Path(record))
    if earlier.besides:
        raise SettingsError(
            f"extend: {os.fspath(extend)} was made by `eventtag select`, and {len(earlier.besides)} of its articles were not drawn; draw a "
            "new sample from the other articles of the pool"
        )
    return earlier.design, earlier


def _read(pool: Source, ledger: LossLedger, notes: list[str], **reading: Any) -> Iterator[Article]:
    """The pool's articles, as annotated ones where a format is recognised, else as `predict` reads new ones."""
    given = reading.get("format", "auto")
    if not isinstance(pool, str | os.PathLike) or given != "auto" or reading.get("options"):
        yield from read_source(pool, ledger, **reading)
        return
    path = Path(pool)
    refuse_span_tables(path)
    try:
        recognise(path)
        next(read_articles(path, ledger=LossLedger()), None)
    except FormatError as error:
        if not path.exists():
            raise
        reason = str(error).splitlines()[0].removeprefix(f"{os.fspath(pool)}: ")
    else:
        yield from read_source(pool, ledger, **reading)
        return
    notes.append(f"read as new articles, without spans, as no annotation format fits ({reason})")
    bad, first = 0, ""
    for row in read_rows(os.fspath(pool), unique_ids=True):
        if row.article is not None:
            yield row.article
        else:
            bad, first = bad + 1, first or f"{row.place.file}:{row.place.line}: {row.problem}"
    if bad:
        notes.append(f"{bad} rows are no articles and are not in the pool, the first is {first}")


def _without_seen(articles: Iterator[Article], checkpoint: str | os.PathLike[str] | None, notes: list[str]) -> Iterator[Article]:
    """The articles that the checkpoint neither learnt from nor was chosen by."""
    if checkpoint is None:
        yield from articles
        return
    seen = read_seen(checkpoint_folder(os.fspath(checkpoint))).named(os.fspath(checkpoint))
    kinds: Counter[str | None] = Counter()
    own = Seen(learnt=seen.learnt, chose=seen.chose)
    for article in articles:
        kind = own.kind_of(article)
        kinds[kind] += 1
        if kind is None:
            yield article
    left_out = kinds["learnt"] + kinds["chose"]
    notes.append(
        f"left out, as {os.fspath(checkpoint)} learnt from them or was chosen by them: {left_out} articles; near-duplicates with other "
        "words stay, as a checkpoint keeps hashes of its articles alone"
    )
    notes += [f"it is not known which articles {name} learnt from, so that none of these is left out" for name in seen.unknown]


def _check(pool: Pool, design: Design, name: str) -> None:
    if not len(pool):
        raise DataError(f"{name}: holds no article to draw; check the path, --from and --checkpoint")
    if design.counts and not any(pool.counts):
        raise SettingsError(
            f"counts: no article of {name} has a span of {', '.join(design.counts)}; draw from articles that `eventtag predict` tagged, or "
            "leave it out"
        )


def _note_draw(notes: list[str], pool: Pool, units: Units, drawn: Drawn, chosen: str) -> None:
    notes.append(f"{len(pool)} articles are {len(units)} units: {units.rule}")
    held = np.bincount(units.of_article[list(drawn.articles)], minlength=len(units))
    most = int(held.max(initial=0))
    if len(drawn.articles) > drawn.units.sum():
        notes.append(
            f"{int(drawn.units.sum())} units are {len(drawn.articles)} articles, up to {most} of one unit"
            + ("; --copies one draws one of each" if most >= MANY_COPIES else "")
        )
    if pool.annotated:
        notes.append(
            "spans of the pool that have no score are taken for annotations by people, and are written too (--drop leaves labels out)"
        )
    elif chosen not in ANNOTATION_STATE:
        notes.append(f"{chosen} cannot say which articles nobody has annotated yet; annotate all of them before the file is used")


def _note_losses(notes: list[str], ledger: LossLedger, chosen: str, record: Path) -> None:
    """What the format of the sample loses that estimates need."""
    lost = {note.part for note in ledger.notes if note.stage.startswith("writing")}
    if "text" in lost:
        notes.append(
            f"{chosen} changes texts, and `eventtag estimate` refuses articles whose text is not the tagged one; draw in another format, "
            "such as jsonl, label_studio or brat, where figures are to be estimated"
        )
    elif "meta" in lost:
        notes.append(
            f"{chosen} does not hold the probabilities of the draw; give `eventtag estimate` the record: --record {record}"
        )


def _annotated(path: Path, about: Mapping[str, Any], ledger: LossLedger, notes: list[str]) -> dict[str, Article]:
    """The articles of the earlier sample, by id; raises DataError for one that is not in its record."""
    found = {article.id: article for article in read_articles(path, ledger=ledger)}
    stranger = next((name for name in found if name not in about), None)
    if stranger is not None:
        raise DataError(f"{path}: the article {stranger!r} was not drawn with this sample; give the sample as it was annotated")
    open_yet = sum(not article.regions for article in found.values())
    notes.append(f"{path}: {len(found) - open_yet} annotated articles are kept" + (f", {open_yet} are open" if open_yet else ""))
    return found


def _to_annotate(pool: Pool, number: int, about: Mapping[str, Any], annotated: Mapping[str, Article], chosen: str) -> Article:
    """A drawn article as it is written: with its annotation by people, else as not annotated."""
    article = pool.article(number)
    meta = {**article.meta, **getattr(annotated.get(article.id), "meta", {}), **about[article.id]}
    if article.id in annotated:
        return replace(annotated[article.id], meta=meta)
    if pool.annotated or chosen not in ANNOTATION_STATE:
        return replace(article, meta=meta)
    return replace(article, meta=meta, annotated=())


def _rows(units: Units, drawn: Drawn) -> tuple[StratumRow, ...]:
    articles = np.bincount(units.strata[units.of_article], minlength=len(units.names))
    rows = []
    for number, name in enumerate(units.names):
        inside = units.strata == number
        shares = drawn.probabilities[inside]
        chosen = int(drawn.units[inside].sum())
        rows.append(StratumRow(name, int(articles[number]), int(inside.sum()), chosen, float(shares.min()), float(shares.max())))
    return tuple(rows)
