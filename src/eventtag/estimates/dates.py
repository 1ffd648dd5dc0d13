"""Dates as metadata holds them, and the year, month, week or day that they lie in.

    2014-01-31   2014/1/31   20140131   2014-01   2014         year first, as in ISO 8601
    2014-01-31T23:30:00-05:00   2014-01-31 23:30   20140131233000   the same with a time, which is not looked at
    31 January 2014   31-Jan-2014   Jan 31, 2014   January 2014   Fri, 31 Jan 2014 10:00:00 GMT   Fri Jan 31 10:00:00 +0000 2014
    31/01/2014   01/31/2014                                    where only one order of day and month is possible
    03/04/2014                                                 ambiguous: read if the order is given, else left out and counted

A day is the day as written, in the time zone in which it was written: 23:30 on 31 January in New York is 31 January. Months are called
2014-01, weeks 2014-W05 and days 2014-01-31. Weeks are those of ISO 8601, which begin on Monday and belong to the year of their Thursday:
29 December 2014 lies in 2015-W01.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

from eventtag.errors import SettingsError
from eventtag.formats.csv_spans import cell_text

Unit = Literal["year", "month", "week", "day"]
Order = Literal["dmy", "mdy"]
UNITS: tuple[Unit, ...] = get_args(Unit)
USUAL_NAMES = (
    "date", "published", "publish_date", "published_at", "publication_date", "date_published", "datepublished", "pubdate", "pub_date",
    "date_publish", "article_date", "datetime", "timestamp", "day", "created_at", "created",
)  # fmt: skip
"""What fields are called that hold the date of an article, the most usual name first."""

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTH = r"(?P<name>[a-z]{3,9})\.?"
_TIME = (
    r"(?:(?:\s*t\s*|,?\s+)(?:at\s+)?\d{1,2}(?::?\d{2}){0,2}(?:[.,]\d+)?\s*(?:[ap]\.?m\.?)?\s*"
    r"(?:z|[a-z]{2,5}|(?:utc|gmt)?[+-]\d{1,2}(?::?\d{2})?)?(?:\s*[\[(][^\])]*[\])])?)?"
)
_YEAR_FIRST = re.compile(
    rf"(?P<y>\d{{4}})(?:(?P<s>[-/.])(?P<m>\d{{1,2}})(?:(?P=s)(?P<d>\d{{1,2}})(?:{_TIME}|z|[+-]\d{{2}}:\d{{2}}))?)?"
)
_COMPACT = re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?:t?\d{4}(?:\d{2})?(?:\.\d+)?(?:z|[+-]\d{2}:?\d{2})?)?")
_YEAR_LAST = re.compile(rf"(?P<a>\d{{1,2}})(?P<s>[-/.])(?P<b>\d{{1,2}})(?P=s)(?P<y>\d{{4}}){_TIME}")
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_CLOCK_FIRST = re.compile(
    rf"{_WEEKDAY}{_MONTH}\s+(?P<d>\d{{1,2}})\s+\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?:\s+(?:[a-z]{{2,5}}|[+-]\d{{4}}))?\s+(?P<y>\d{{4}})"
)
_DAY_NAME = re.compile(rf"{_WEEKDAY}(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[-\s]+(?:of\s+)?{_MONTH},?[-\s]+(?P<y>\d{{4}}){_TIME}")
_NAME_DAY = re.compile(rf"{_WEEKDAY}{_MONTH}\s+(?:(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+)?(?P<y>\d{{4}}){_TIME}")
KNOWN = 1 << 16
"""Texts whose dates are remembered."""
_DATE_CHARACTERS = 80
"""A longer text is not a date."""


class PartialDate(NamedTuple):
    """A date of which the day, or month and day, may be unknown."""

    year: int
    month: int | None = None
    day: int | None = None

    def period(self, unit: Unit) -> str | None:
        """The name of the year, month, week or day in which it lies; None where the date is not that exact."""
        if unit == "year":
            return f"{self.year:04d}"
        if self.month is None or (self.day is None and unit != "month"):
            return None
        if unit == "month":
            return f"{self.year:04d}-{self.month:02d}"
        assert self.day is not None
        day = datetime.date(self.year, self.month, self.day)
        if unit == "day":
            return day.isoformat()
        year, week, _ = day.isocalendar()
        return f"{year:04d}-W{week:02d}"


Reading = PartialDate | Literal["ambiguous", "no date"]


@lru_cache(maxsize=KNOWN)
def parse_date(text: str, order: Order | None = None) -> Reading:
    """The date that a text is; `ambiguous` where two orders of day and month are possible and `order` is None; else `no date`."""
    text = text.strip().casefold()
    if len(text) > _DATE_CHARACTERS:
        return "no date"
    if found := _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text):
        return _date(found["y"], found["m"], found["d"])
    if found := _DAY_NAME.fullmatch(text) or _NAME_DAY.fullmatch(text) or _CLOCK_FIRST.fullmatch(text):
        month = next((at for at, name in enumerate(_MONTHS, 1) if _is_month(found["name"], name)), 0)
        return _date(found["y"], str(month), found["d"])
    if found := _YEAR_LAST.fullmatch(text):
        day_first = _date(found["y"], found["b"], found["a"])
        month_first = _date(found["y"], found["a"], found["b"])
        if order is not None:
            return day_first if order == "dmy" else month_first
        if day_first == month_first or month_first == "no date":
            return day_first
        return month_first if day_first == "no date" else "ambiguous"
    return "no date"


def _is_month(text: str, name: str) -> bool:
    return text == name or text == name[:3] or (text == "sept" and name == "september")


def _date(year: str, month: str | None, day: str | None) -> Reading:
    try:
        datetime.date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return "no date"
    return PartialDate(int(year), None if month is None else int(month), None if day is None else int(day))


class Periods:
    """Turns the texts of a date field into periods, and counts what could not be turned."""

    def __init__(self, field: str, unit: Unit, order: Order | None = None) -> None:
        self.field, self.unit, self.order = field, unit, order
        self._known: dict[str | None, str] = {}
        self._without: Counter[str] = Counter()
        self._example: dict[str, str] = {}

    def __call__(self, texts: Sequence[str | None]) -> list[str | None]:
        """The period of each text, None where it has none."""
        if len(self._known) > KNOWN:
            self._known.clear()
        known = self._known
        return [known[text] if text in known else self._period(text) for text in texts]

    def notes(self) -> list[str]:
        """A line for each kind of article without a period."""
        ways = {
            "missing": "have no {field}",
            "ambiguous": "have a {field} of which day and month cannot be told apart ({example}; give --date-order dmy or mdy)",
            "no date": "have a {field} that is not read as a date ({example})",
            "inexact": "have a {field} that is not exact enough for a {unit} ({example})",
        }
        said = []
        for kind, way in ways.items():
            if count := self._without[kind]:
                what = way.format(field=self.field, unit=self.unit, example=repr(self._example.get(kind)))
                said.append(f"articles that {what}: {count:,}, counted in the cell without a {self.unit}")
        return said

    def _period(self, text: str | None) -> str | None:
        if text is None:
            self._without["missing"] += 1
            return None
        found = parse_date(text, self.order)
        period = None if isinstance(found, str) else found.period(self.unit)
        if period is None:
            kind = found if isinstance(found, str) else "inexact"
            self._without[kind] += 1
            self._example.setdefault(kind, text[:_DATE_CHARACTERS])
        else:
            self._known[text] = period
        return period


def choose_date_field(head: Iterable[Mapping[str, Any]]) -> str:
    """The metadata field that holds the articles' dates, by the first articles.

    That is the field of which every value is a date with a day (also an ambiguous one); among several the one with the most usual name.
    Where there is none, a field with a usual name of which some values are dates or years. Raises SettingsError where none or several
    fit equally.
    """
    dated: Counter[str] = Counter()
    some: Counter[str] = Counter()
    filled: Counter[str] = Counter()
    for meta in head:
        for name, value in meta.items():
            if (text := cell_text(value)) is None:
                continue
            found = parse_date(text)
            filled[name] += 1
            some[name] += found != "no date"
            dated[name] += found == "ambiguous" or (isinstance(found, PartialDate) and found.day is not None)
    candidates = [name for name in filled if dated[name] == filled[name]]
    candidates = candidates or [name for name in filled if some[name] and name.casefold() in USUAL_NAMES]
    usual = sorted((name for name in candidates if name.casefold() in USUAL_NAMES), key=lambda n: USUAL_NAMES.index(n.casefold()))
    if usual:
        return usual[0]
    if len(candidates) == 1:
        return candidates[0]
    fields = ", ".join(sorted(candidates or filled)[:20]) or "none"
    problem = "several metadata fields are dates" if candidates else "no metadata field is recognised as a date"
    raise SettingsError(f"date: {problem} ({fields}); name the one that is meant, as in --date published")
