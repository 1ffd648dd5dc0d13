"""`eventtag.records`: a table with a row for each event: who did it, to whom, where, when, and whether it happened."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.api.articles import Source, listed, name_of, read_source
from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.estimates.dates import Order, choose_date_field
from eventtag.estimates.tagged import reading_notes
from eventtag.event_records.categories import read_categories
from eventtag.event_records.dates import EventDates
from eventtag.event_records.linking import Linking
from eventtag.event_records.making import RecordMaker, RecordSettings
from eventtag.event_records.page import record_page
from eventtag.event_records.places import ATTRIBUTION, POPULATION, PlaceLookup
from eventtag.event_records.record import EventRecord
from eventtag.event_records.table import CATEGORY_COLUMNS, DATE_COLUMNS, PLACE_COLUMNS, TABLE_SUFFIXES, RecordTable, row_of
from eventtag.formats.csv_cells import unguarded
from eventtag.jobs.reading.rows import DistinctIds
from eventtag.ledger import LossLedger
from eventtag.manifest import sha256_of
from eventtag.staging import require_absent, staged_file, write_json

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
PAGE_SUFFIXES = (".html", ".htm")
ABOUT, TAGGED = ".about.json", ".tagged.jsonl"
"""What stands behind an output's name in that of the file that says what made it, and of the articles that were tagged for it."""
HEAD = 1000
"""Articles among which the date field is looked for."""
TELL = 30.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True)
class RecordsResult:
    """The numbers of `rows`, `events` and `articles`; `output` is the file with the rows if they were written, else `records` holds
    them.

    `notes`: what is unknown, left out or assumed. `ledger`: links and spans that were changed or lost in reading.
    """

    rows: int
    events: int
    articles: int
    notes: tuple[str, ...]
    output: Path | None = None
    records: tuple[EventRecord, ...] = ()
    ledger: LossLedger = field(default_factory=LossLedger, repr=False, compare=False)

    def __repr__(self) -> str:
        where = "" if self.output is None else f", in {self.output}"
        return f"RecordsResult({self.rows} rows of {self.events} events in {self.articles} articles{where})"

    def to_pandas(self) -> pd.DataFrame:
        """The rows with the columns of the table; with metadata only if they were written. Raises SettingsError for a page."""
        import pandas as pd

        if self.output is None:
            return pd.DataFrame([row_of(record) for record in self.records])
        suffix = self.output.suffix.lower()
        if suffix in PAGE_SUFFIXES:
            raise SettingsError(f"{self.output}: a page is no table; write the records as {', '.join(TABLE_SUFFIXES)}")
        readers = {"parquet": pd.read_parquet, "csv": _read_csv, "jsonl": lambda path: pd.read_json(path, lines=True)}
        frame: pd.DataFrame = readers[TABLE_SUFFIXES[suffix]](self.output)
        return frame


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    frame = pd.read_csv(path, keep_default_na=False, na_values=[""])  # the country code NA is Namibia
    return frame.map(lambda cell: unguarded(cell) if isinstance(cell, str) else cell)


def records(
    source: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    linking: Linking | None = None,
    status: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    link_thresholds: Mapping[str, float] | None = None,
    status_threshold: float = 0.0,
    dates: bool = False,
    date: str | None = None,
    date_order: Order | None = None,
    places: bool = False,
    population: int = POPULATION,
    categories: str | os.PathLike[str] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    format: str = "auto",  # noqa: A002 - the word for it in every command
    options: Mapping[str, Any] | None = None,
    label_map: Mapping[str, str | None] | None = None,
) -> RecordsResult:
    """Make a row of each event: `records("tagged.jsonl", "records.parquet", status=["asserted"]).to_pandas()`.

    `source` is what `eventtag.predict` wrote, any annotated file, or articles. With `checkpoint`, it is new articles, which are
    first tagged into `output` + ".tagged.jsonl". The suffix of `output` chooses Parquet, CSV, JSONL or an HTML page; `output` +
    ".about.json" records inputs and options. Without `output`, the records are in the result.

    `linking`: `given` by the articles, by the `model` of a checkpoint with a link head, or `nearest`, a simple rule; None: `model`
    if there is such a checkpoint, else `given`. `status`: only events with one of these. `thresholds`, `link_thresholds`,
    `status_threshold`: the lowest scores of spans of a label, of links of a role, and of a status; links and status with lower
    scores are unknown. `dates`: add when events happened, relative to the metadata field `date` (default: the one that is a date).
    `places`: add countries and coordinates; `population`: from how many inhabitants on a city is recognised by its name alone.
    `categories`: a file of phrases and codes. docs/how-to/records.md has the rules. `format`, `options` and `label_map` say how
    `source` is read.

    Raises FormatError and DataError for a file that cannot be read, an id that occurs twice, or no article; SettingsError for a
    wrong setting or a library that is not installed; OutputError if the output exists.
    """
    settings = RecordSettings(
        linking=_linking(linking, checkpoint),
        status=listed(status),
        thresholds=dict(thresholds or {}),
        link_thresholds=dict(link_thresholds or {}),
        status_threshold=status_threshold,
    )
    path = None if output is None else Path(output)
    if path is not None:
        _check_output(path)
    if (date is not None or date_order is not None) and not dates:
        raise SettingsError("date: it is the article's date, by which those of events are read; ask for these (--dates)")
    coded = None if categories is None else read_categories(Path(categories))
    located = PlaceLookup(population) if places else None
    if checkpoint is not None:
        source = _tagged(source, checkpoint, path)
    ledger = LossLedger()
    articles = _distinct(read_source(source, ledger, format=format, options=options, label_map=label_map), name_of(source))
    dated = None
    if dates:
        head = list(itertools.islice(articles, HEAD))
        dated = EventDates(date or choose_date_field(article.meta for article in head), date_order)
        articles = itertools.chain(head, articles)
    maker = RecordMaker(settings, ledger, dates=dated, places=located, categories=coded)
    about = {
        "eventtag": version("eventtag"),
        "source": name_of(source),
        **({} if checkpoint is None else {"checkpoint": os.fspath(checkpoint)}),
        **asdict(settings),
        "date_field": dated and dated.field,
        "population": population if places else None,
        "categories": None if categories is None else {"file": os.fspath(categories), "sha256": sha256_of(Path(categories))},
        **({"attribution": ATTRIBUTION} if places else {}),
    }
    found: list[EventRecord] = []
    if path is None:
        found.extend(_made(maker, articles))
        notes = _notes(maker, source, ledger)
    else:
        columns = {
            **(DATE_COLUMNS if dates else {}),
            **(PLACE_COLUMNS if places else {}),
            **(CATEGORY_COLUMNS if coded is not None else {}),
        }
        notes = _write(path, maker, articles, source, columns, about)
    return RecordsResult(maker.rows, maker.events, maker.articles, tuple(notes), path, tuple(found), ledger)


def _linking(wanted: Linking | None, checkpoint: str | os.PathLike[str] | None) -> Linking:
    """Who says who takes part. Raises SettingsError for `model` without a checkpoint that has a link head."""
    from eventtag.models.checkpoint import WEIGHTS_FILE, find_checkpoint, read_info

    if checkpoint is None:
        if wanted == "model":
            raise SettingsError(
                "linking: the model links articles while it tags them; give its checkpoint and new articles, or `given`"
            )
        return wanted or "given"
    folder = find_checkpoint(checkpoint)
    if folder is None:
        return wanted or "given"  # tagging says what is wrong with it
    info, _ = read_info(folder, unread=(WEIGHTS_FILE,))
    if wanted == "model" and info.links is None:
        raise SettingsError(
            f"linking: {checkpoint} has no link head; train one with model.links=true on articles with links, or use `nearest`"
        )
    return wanted or ("given" if info.links is None else "model")


def _check_output(path: Path) -> None:
    suffixes = (*TABLE_SUFFIXES, *PAGE_SUFFIXES)
    if path.suffix.lower() not in suffixes:
        raise SettingsError(f"output: {path} has the suffix {path.suffix or 'none'!r}; known are {', '.join(suffixes)}")
    require_absent(path)
    require_absent(path.with_name(path.name + ABOUT))


def _write(
    path: Path,
    maker: RecordMaker,
    articles: Iterable[Article],
    source: Source,
    columns: Mapping[str, Any],
    about: dict[str, Any],
) -> list[str]:
    """Write the output and the file that says what made it; returns the notes."""
    notes: list[str] = []

    def finished() -> list[str]:
        notes.extend(_notes(maker, source, maker.ledger))
        about.update(articles=maker.articles, events=maker.events, rows=maker.rows, notes=notes)
        return notes

    if path.suffix.lower() in PAGE_SUFFIXES:
        with staged_file(path) as file:
            file.writelines(record_page(_made(maker, articles), title=f"Event records of {name_of(source)}", notes=finished))
    else:
        with contextlib.closing(RecordTable(path.parent, columns)) as table:
            for record in _made(maker, articles):
                table.add(record)
            finished()
            table.write(path, TABLE_SUFFIXES[path.suffix.lower()], about=about)
    write_json(path.with_name(path.name + ABOUT), about)
    return notes


def _made(maker: RecordMaker, articles: Iterable[Article]) -> Iterator[EventRecord]:
    """The records of all articles; the log reports progress. Raises DataError if there is no article, and SettingsError if none has
    the date field.
    """
    said = time.monotonic()
    for article in articles:
        yield from maker(article)
        if time.monotonic() - said > TELL:
            said = time.monotonic()
            log.info("%s articles, %s rows so far", f"{maker.articles:,}", f"{maker.rows:,}")
    if not maker.articles:
        raise DataError("the input holds no article; check the path and its format (--from)")
    if maker.dates is not None:
        maker.dates.require_found()


def _notes(maker: RecordMaker, source: Source, ledger: LossLedger) -> list[str]:
    path = Path(name_of(source))
    return [*reading_notes(path if path.exists() else [], ledger), *maker.notes()]


def _distinct(articles: Iterable[Article], name: str) -> Iterator[Article]:
    seen = DistinctIds()
    for article in articles:
        if not seen.add(article.id):
            raise DataError(
                f"{name}: the article id {article.id!r} occurs twice, so that a row would not lead back to one article; give every article "
                "its own id"
            )
        yield article


def _tagged(source: Source, checkpoint: str | os.PathLike[str], output: Path | None) -> Path:
    """The articles of a path, tagged with a checkpoint into a file beside the output; an interrupted job is continued."""
    from eventtag.api.predict import predict  # slow to import

    if output is None or not isinstance(source, str | os.PathLike):
        raise SettingsError(
            "checkpoint: new articles are tagged from a path into a file; give the path of the articles, and an output"
        )
    tagged = output.with_name(output.name + TAGGED)
    predict(checkpoint, source, tagged)
    return tagged
