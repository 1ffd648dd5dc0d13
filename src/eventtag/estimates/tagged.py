"""Reading tagged articles in columns.

    table = read_tagged("tagged.jsonl", [parse_quantity("EVENT")], by=["month", "country"])
    table.ids[0], table.fields["month"][0], table.values[0, 0]

The input is what `eventtag predict` and `write_predictions` write (JSONL, Parquet, CSV; also as a folder of parts), or any annotated file
that `read_articles` reads. `read_tagged` holds one row per article in memory, with only the metadata fields that are asked for;
`read_batches` streams everything. From the project's own files, an Article is only made for unusual rows. The same errors are raised as by
`read_articles`.

`by` names metadata fields, or `year`, `month`, `week` and `day`, which come from a date field (`eventtag.estimates.dates`). A metadata
field with such a name is taken as it is, unless `date` names the date field.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError, require_names
from eventtag.estimates.batches import Floats, Ints, TaggedBatch, batches_of
from eventtag.estimates.dates import UNITS, Order, Periods, Unit, choose_date_field
from eventtag.estimates.own_files import own_batches, own_files
from eventtag.estimates.quantities import Quantity
from eventtag.formats.csv_spans import is_span_table
from eventtag.formats.label_map import map_labels, watch_labels
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger
from eventtag.stored_json import read_stored

JOB_SUFFIX = ".job"
"""The suffix that `eventtag predict` adds to an output's name for the folder of its job."""

Tagged = str | os.PathLike[str] | Iterable[Article]
"""A path, or articles with their spans."""
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class TaggedTable:
    """N articles in the order of the file, with Q quantities.

    `ids` [N] are texts. `fields`: for each name of `by` an array [N] of texts, None if the article has none. `values` [N, Q]: NaN
    if a quantity is unknown. `labels` are those of any span, sorted. `date_field` is the field from which periods were made, if any.
    `notes` are lines that say what was assumed, is missing or could not be read.
    """

    ids: Texts
    fields: Mapping[str, Texts]
    values: Floats
    quantities: tuple[Quantity, ...]
    labels: tuple[str, ...]
    date_field: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedReading:
    """How tagged articles are read: `format` and `options` as in `read_articles`, `label_map` for labels that are to be renamed. `date`
    is the field that holds the date (None: it is recognised), and `date_order` says which of day and month comes first in 03/04/2014.
    `articles`: whether batches keep the articles themselves, from which event records are made.
    """

    format: str = "auto"
    options: Mapping[str, Any] | None = None
    label_map: Mapping[str, str | None] | None = None
    date: str | None = None
    date_order: Order | None = None
    articles: bool = False


DEFAULT_READING = TaggedReading()


def read_tagged(
    source: Tagged,
    quantities: Sequence[Quantity],
    *,
    by: Sequence[str] = (),
    reading: TaggedReading = DEFAULT_READING,
    keys: Mapping[str, str] | None = None,
    look: Callable[[TaggedBatch], None] = lambda _: None,
) -> TaggedTable:
    """The articles of a source with the fields and quantities that are asked for; `look` sees each batch. `keys`: the setting that names a
    field of `by`, where it is another, for messages.

    Raises FormatError and DataError as `read_articles` does, also for an id that occurs twice and a file of which no article was tagged;
    SettingsError for a field that no article has, and if the date field cannot be recognised.
    """
    ledger = LossLedger()
    reading = reading_for(quantities, reading)
    stream, grouping = open_tagged(source, by=by, reading=reading, ledger=ledger)
    ids: list[str] = []
    fields: dict[str, list[npt.NDArray[np.object_]]] = {name: [] for name in by}
    shared: dict[str, dict[str | None, str | None]] = {name: {} for name in by}
    values: list[Floats] = []
    labels: set[str] = set()
    limited = {label: None for quantity in quantities for label in quantity.thresholds}
    unscored: Counter[str] = Counter()
    for batch in stream:
        look(batch)
        unscored.update(batch.unscored(limited))
        ids.extend(batch.ids)
        for name, texts in grouping(batch).items():
            same = shared[name]
            fields[name].append(np.array([same.setdefault(text, text) for text in texts], dtype=object))
        values.append(
            np.stack([quantity.values(batch) for quantity in quantities], 1) if quantities else np.empty((len(batch), 0))
        )
        labels.update(batch.labels)
    grouping.require_found(keys, quantities)
    table = np.concatenate(values) if values else np.empty((0, len(quantities)))
    return TaggedTable(
        ids=np.array(ids, dtype=object),
        fields={name: np.concatenate(parts) if parts else np.array([], dtype=object) for name, parts in fields.items()},
        values=table,
        quantities=tuple(quantities),
        labels=tuple(sorted(labels)),
        date_field=grouping.date_field,
        notes=(
            *reading_notes(source, ledger),
            *grouping.notes(),
            *label_notes(quantities, labels),
            *unscored_notes(unscored),
            *unknown_notes(unknown_counts(table), quantities),
        ),
    )


def reading_for(quantities: Iterable[Quantity], reading: TaggedReading) -> TaggedReading:
    """The reading that these quantities need."""
    return replace(reading, articles=any(quantity.records is not None for quantity in quantities))


class Grouping:
    """Turns batches into the columns that `by` names. `date_field` is the field from which periods are made, None if
    there are no periods; `periods` are the names of `by` that are made from it.
    """

    def __init__(self, by: Sequence[str], reading: TaggedReading, head: TaggedBatch | None) -> None:
        twice = [name for name in by if list(by).count(name) > 1]
        if twice:
            raise SettingsError(f"by: {twice[0]!r} occurs twice; name each field once")
        self._by = tuple(by)
        metas = [] if head is None else head.meta
        own = {name for meta in metas for name in meta}
        units: list[Unit] = [unit for unit in UNITS if unit in by and (reading.date is not None or unit not in own)]
        self.date_field = None
        self._chosen = reading.date is None
        if units:
            self.date_field = reading.date if reading.date is not None else choose_date_field(metas)
        self.periods = {str(unit): Periods(str(self.date_field), unit, reading.date_order) for unit in units}
        self._names: set[str] = set()
        self._lists: dict[str, int] = {}

    def __call__(self, batch: TaggedBatch) -> dict[str, list[str | None]]:
        """[N] texts for each name, None where an article has none."""
        dates = None if self.date_field is None else batch.column(self.date_field)
        found: dict[str, list[str | None]] = {}
        for name in self._by:
            if name in self.periods and dates is not None:
                found[name] = self.periods[name](dates)
            else:
                found[name] = batch.column(name)
                lists = sum(isinstance(meta.get(name), list | Mapping) for meta in batch.meta)
                self._lists[name] = self._lists.get(name, 0) + lists
        return found

    def watch(self, stream: Iterable[TaggedBatch]) -> Iterator[TaggedBatch]:
        """The batches, whose metadata fields are noted for `require_found`."""
        for batch in stream:
            self.note(batch)
            yield batch

    def note(self, batch: TaggedBatch) -> None:
        """Note the metadata fields of a batch for `require_found`."""
        for meta in batch.meta:
            self._names.update(meta)

    def require_found(self, keys: Mapping[str, str] | None = None, quantities: Sequence[Quantity] = ()) -> None:
        """Raise SettingsError for a name that no article has; to be called after the last batch. `keys` are the settings of names not in
        `by`. The fields of the `quantities` are looked for as well. Raises DataError if nothing is known about what they count.
        """
        for quantity in quantities:
            if quantity.records is not None:
                quantity.records.require_known()
        wanted = {name: (keys or {}).get(name, "by") for name in self._by if name not in self.periods}
        wanted |= {quantity.name: "quantity" for quantity in quantities if quantity.kind == "column"}
        if self.date_field is not None:
            wanted[self.date_field] = "date"
        for name, key in wanted.items():
            if name not in self._names and key in ("by", "regress"):
                missing = f"{key}: there is no metadata field {name!r}"
                if name == "label":
                    raise SettingsError(
                        f"{missing}; only `eventtag count` makes rows of labels; name them as quantities, such as EVENT"
                    )
                if near := get_close_matches(name, UNITS, n=1):
                    raise SettingsError(f"{missing}; did you mean {near[0]}?")
            require_names(key, [name], self._names, "metadata field", patterns=False)

    def notes(self) -> list[str]:
        """What was assumed, and which articles have no period."""
        said = []
        if self.date_field is not None and self._chosen:
            said.append(f"dates are taken from the metadata field {self.date_field!r} (--date FIELD names another)")
        if self.periods:
            said.append("a day is the day as written, in its own time zone; weeks are those of ISO 8601")
        for periods in self.periods.values():
            said += periods.notes()
        for name, count in self._lists.items():
            if count:
                said.append(f"articles that have a list or object as {name}: {count:,}; each different value has its own cell")
        return said


def open_tagged(
    source: Tagged, *, by: Sequence[str], reading: TaggedReading, ledger: LossLedger
) -> tuple[Iterator[TaggedBatch], Grouping]:
    """The batches of a source, and what makes the columns of `by` from each of them."""
    stream = read_batches(source, reading=reading, ledger=ledger)
    head = next(stream, None)
    grouping = Grouping(by, reading, head)
    return grouping.watch(stream if head is None else itertools.chain([head], stream)), grouping


def read_batches(source: Tagged, *, reading: TaggedReading = DEFAULT_READING, ledger: LossLedger) -> Iterator[TaggedBatch]:
    """Stream the articles of a source with everything that they have. Raises DataError for an id that occurs twice, and after the last
    article SettingsError for a label of the label map that no article has.
    """
    if not isinstance(source, str | os.PathLike):
        yield from batches_of(_mapped(_distinct(source), reading, ledger), keep=reading.articles)
        return
    path = Path(source)
    files = own_files(path, reading.format) if not reading.label_map and not reading.options else []
    if reading.articles and any(map(is_span_table, files)):
        raise DataError(
            f"{path}: its rows are spans, but event records need the texts; let eventtag predict write JSONL or Parquet"
        )
    if not files or reading.articles:
        articles = read_articles(path, reading.format, ledger=ledger, options=reading.options)
        yield from batches_of(_mapped(articles, reading, ledger), keep=reading.articles)
        return
    ids = _Ids()
    for batch in own_batches(files, ledger):
        ids.add(batch.ids)
        yield batch
    if repeated := ids.repeated():
        names = (name for batch in own_batches(files, LossLedger()) for name in batch.ids if hash(name) in repeated)
        _require_distinct(names, str(path))


def _mapped(articles: Iterable[Article], reading: TaggedReading, ledger: LossLedger) -> Iterable[Article]:
    names = reading.label_map
    if not names:
        return articles
    watched = watch_labels(articles, lambda found: require_names("label_map", names, found, "label"))
    return map_labels(watched, names, ledger=ledger, keep_others=True)


def _distinct(articles: Iterable[Article]) -> Iterator[Article]:
    seen: set[str] = set()
    for article in articles:
        if article.id in seen:
            raise _twice("articles", article.id)
        seen.add(article.id)
        yield article


def _require_distinct(names: Iterable[str], where: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise _twice(where, name)
        seen.add(name)


def _twice(where: str, name: str) -> DataError:
    return DataError(
        f"{where}: the article id {name!r} occurs twice, and would be counted twice; give every article its own id, and keep the rows of "
        "one article together"
    )


class _Ids:
    """Ids by their 64-bit hashes: 8 bytes an article."""

    def __init__(self) -> None:
        self._hashes: list[npt.NDArray[np.int64]] = []

    def add(self, ids: Iterable[str]) -> None:
        self._hashes.append(np.fromiter(map(hash, ids), dtype=np.int64))

    def repeated(self) -> frozenset[int]:
        """The hashes that occur more than once."""
        hashes = np.sort(np.concatenate(self._hashes)) if self._hashes else np.array([], dtype=np.int64)
        return frozenset(hashes[1:][hashes[1:] == hashes[:-1]].tolist())


def reading_notes(source: Tagged, ledger: LossLedger) -> list[str]:
    """What the readers recognised and lost, and how many rows of the job's input were not tagged."""
    said = [text + (f" ({files} times)" if files > 1 else "") for text, files in ledger.remarks.items()]
    said += ledger.summary()
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        manifest = path.with_name(path.name + JOB_SUFFIX) / "manifest.json"
        record = read_stored(manifest) if manifest.is_file() else None
        dead = record.get("dead_letters") if isinstance(record, Mapping) else None
        if isinstance(dead, int) and dead:
            said.append(
                f"{dead:,} rows of the tagged input could not be tagged and are not counted; they are in "
                f"{manifest.with_name('dead_letter.jsonl')}"
            )
    return said


def label_notes(quantities: Iterable[Quantity], labels: Iterable[str]) -> list[str]:
    """A line for each label of a quantity, or of its thresholds, that no span has."""
    found = sorted(set(labels))
    named = {label: None for quantity in quantities for label in (quantity.label, *quantity.thresholds) if label is not None}
    said = []
    for label in named:
        if label not in found:
            near = get_close_matches(label, found, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            said.append(f"no span has the label {label!r}; found: {', '.join(found) or 'none'}{meant}")
    return said


def unscored_notes(counts: Counter[str]) -> list[str]:
    """A line for each label whose threshold cannot leave out so many spans, as they have no score."""
    return [
        f"{label}: {count:,} spans have no score, and count whatever the threshold is" for label, count in counts.items() if count
    ]


def unknown_counts(values: Floats) -> Ints:
    """[Q]: for how many articles of `values` [N, Q] each quantity is unknown."""
    return np.array([np.isnan(column).sum() for column in values.T], dtype=np.int64)


def unknown_notes(counts: Ints, quantities: Sequence[Quantity]) -> list[str]:
    """A line for each quantity that is unknown for some articles; `counts` [Q] are these articles."""
    said = []
    for quantity, count in zip(quantities, counts.tolist(), strict=True):
        if count:
            why = (
                f"have no number in the field {quantity.name!r}"
                if quantity.kind == "column"
                else "were not annotated as a whole, or not for all labels"
            )
            said.append(f"{quantity}: articles that {why}: {count:,}, left out of its figures")
        if quantity.records is not None:
            said += quantity.records.notes()
    return said
