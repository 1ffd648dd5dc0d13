"""What made a sample: a JSON file beside it, from which it can be extended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eventtag.errors import DataError
from eventtag.estimates.dates import Order
from eventtag.staging import write_json
from eventtag.stored_json import read_stored

SCHEMA = 1
RECORD_SUFFIX = ".sample.json"
"""What the record's name has after that of the sample."""


@dataclass(frozen=True)
class Design:
    """How units are made, and which are likely.

    `by` are the fields to stratify by, where periods are those of the field `date`; `counts` the labels whose predicted spans make an
    article likelier, and conditions whose predicted event records do; `duplicates` says whether near-duplicates are one unit, `copies`
    whether `all` articles of a unit are taken or `one`.
    """

    by: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()
    date: str | None = None
    date_order: Order | None = None
    seed: int = 13
    duplicates: bool = True
    copies: str = "all"


@dataclass(frozen=True)
class SampleRecord:
    """A design and what was drawn by it: `totals` are the units asked for after each draw, `drawn` the probability, stratum and unit of
    every article in the sample. `pool`, `articles` and `fingerprint` describe the pool, `units` counts its units. `besides` are the ids of
    articles in the same file that were not drawn, but chosen by `eventtag select`.
    """

    design: Design
    pool: str
    articles: int
    units: int
    fingerprint: str
    totals: tuple[int, ...]
    drawn: Mapping[str, Mapping[str, Any]]
    rule: str
    version: str
    besides: tuple[str, ...] = ()


def record_path(sample: Path) -> Path:
    """Where the record of a sample lies."""
    return sample.with_name(sample.name + RECORD_SUFFIX)


def write_record(record: SampleRecord, path: Path) -> None:
    """Write the record; raises OutputError when the file exists."""
    write_json(path, {"schema": SCHEMA, **asdict(record)})


def read_record(path: Path) -> SampleRecord:
    """The record in a file; raises DataError for one that is missing or damaged."""
    try:
        content = dict(read_stored(path))
        if content.pop("schema") != SCHEMA:
            raise DataError(f"{path}: its schema is not {SCHEMA}; use the version of eventtag that wrote it")
        design = content.pop("design")
        made = Design(**{**design, "by": tuple(design["by"]), "counts": tuple(design["counts"])})
        besides = tuple(content.pop("besides", ()))
        return SampleRecord(design=made, totals=tuple(content.pop("totals")), besides=besides, **content)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: there is no such record of a sample; `eventtag sample` wrote it beside the sample: name it (--record FILE)"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: is no record of a sample ({type(error).__name__}: {error}); copy it again") from error
