"""`eventtag.count`: naive counts of tagged articles, as tables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventtag.api.articles import listed
from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.estimates.counts import UNCORRECTED, Counts, CountSettings, count_tagged
from eventtag.estimates.dates import Order
from eventtag.estimates.tagged import TaggedReading
from eventtag.event_records.counting import record_source
from eventtag.event_records.linking import Linking
from eventtag.event_records.reading import is_record_table
from eventtag.event_records.table_counts import count_records

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CountResult:
    """Counts by cell (`counts.columns`, `counts.rows`) and their sources; `folder` holds the tables, if they were written.

    They count what the tagger found and are not corrected for its errors. `lookups` say how event records were looked up.
    """

    counts: Counts
    lookups: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = self.counts
        return (
            f"CountResult({counts.spans} {counts.counted} in {counts.articles} articles, {len(counts.rows)} cells, not corrected)"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed or left out, and that the counts are not corrected."""
        return (*self.counts.notes, *self.lookups, UNCORRECTED)

    @property
    def folder(self) -> Path | None:
        """The folder of the tables."""
        return self.counts.folder

    def to_pandas(self) -> pd.DataFrame:
        """The cells: a column for each of `by` or `quantity`, then articles, articles_with, spans (or total), share and mean; of a table of
        event records articles, records and, for quantities, unknown.
        """
        import pandas as pd

        return pd.DataFrame(self.counts.rows, columns=list(self.counts.columns))


def count(
    tagged: str | os.PathLike[str] | Iterable[Article],
    by: Sequence[str] = (),
    *,
    output: str | os.PathLike[str] | None = None,
    quantities: Sequence[str] = (),
    mentioning: Sequence[str] = (),
    unique: bool = False,
    thresholds: Mapping[str, float] | None = None,
    linking: Linking = "given",
    link_thresholds: Mapping[str, float] | None = None,
    status_threshold: float = 0.0,
    categories: str | os.PathLike[str] | None = None,
    excel: bool = False,
    date: str | None = None,
    date_order: Order | None = None,
    format: str = "auto",  # noqa: A002 - the word for it in every command
    options: Mapping[str, Any] | None = None,
    label_map: Mapping[str, str | None] | None = None,
) -> CountResult:
    """Count what a tagger found: `count("tagged.jsonl", ["month", "country", "label"]).to_pandas()`.

    `tagged` is what `eventtag.predict` wrote, any annotated file, or articles; or a table that `eventtag.records` wrote, whose rows
    are counted `by` any columns, and by `quantities` that begin with `records:`. `by`: metadata fields, `label`, and `year`,
    `month`, `week` and `day` (ISO 8601) of the metadata field `date`, or else of the one that is a date; `date_order`, `dmy` or
    `mdy`, is for dates like 03/04/2014. A cell has the number of its articles, of those with at least one span, and of their spans,
    with share and mean. `quantities` counts something else in an article, such as `any:EVENT`, `LOCATION~Sudan`, `column:deaths` or
    `records:status=asserted AGENT~police`; `mentioning` takes only articles that mention something (docs/how-to/count.md).
    `linking`, `link_thresholds`, `status_threshold` and `categories` make event records as in `eventtag.records`. `unique`: a
    mention counts once in each article. `thresholds`: by label, the lowest score of a span that counts. With `output`, the tables
    of articles, spans and cells are written into that folder as CSV and Parquet; `excel` puts a byte order mark before the CSV.
    `format`, `options` and `label_map` say how `tagged` is read.

    Raises FormatError and DataError for a file that cannot be read or lacks articles; SettingsError for a field, label or quantity
    that does not occur; OutputError if the folder exists.
    """
    folder = None if output is None else Path(output)
    names = listed(by)
    if isinstance(tagged, str | os.PathLike) and is_record_table(Path(tagged)):
        given = {
            "mentioning": mentioning,
            "unique": unique,
            "threshold": thresholds,
            "linking": linking != "given",
            "link_threshold": link_thresholds,
            "status_threshold": status_threshold,
            "categories": categories,
            "from": format != "auto",
            "read_option": options,
            "map": label_map,
        }
        if chosen := next((name for name, value in given.items() if value), None):
            raise SettingsError(
                f"{chosen}: {os.fspath(tagged)} is a table of event records, whose rows are counted as they are; leave it out, or let "
                "eventtag records make the table in another way"
            )
        return CountResult(
            count_records(Path(tagged), names, quantities, date=date, date_order=date_order, folder=folder, excel=excel)
        )
    source = record_source(
        thresholds=dict(thresholds or {}),
        linking=linking,
        link_thresholds=dict(link_thresholds or {}),
        status_threshold=status_threshold,
        categories=None if categories is None else Path(categories),
    )
    settings = CountSettings(
        by=names,
        quantities=tuple(quantities),
        mentioning=tuple(mentioning),
        unique=unique,
        thresholds=dict(thresholds or {}),
        records=source,
    )
    reading = TaggedReading(format=format, options=options, label_map=label_map, date=date, date_order=date_order)
    return CountResult(count_tagged(tagged, settings, reading=reading, folder=folder, excel=excel), tuple(source.notes()))
