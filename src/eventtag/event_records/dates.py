"""The date of an event, from its sentence: `find_dates` finds expressions, dateparser reads them against the article's date.

    2014-03-02    3 March 2014    March 3rd, 2014    March 2014    in 2012              the date itself
    yesterday    today    tomorrow    last/this/next week, month, year                  by the article's date
    Sunday    on Sunday    last Sunday    3 March    in March                           by the article's date and the event's status

The finder is for English, and leaves out what may mean something else: expressions after since, until, before, after, from, by and the
like, which bound a time; the date of a dateline; a weekday in a name ("Bloody Sunday"); plurals ("Sundays"); "this Sunday" and "next
Sunday", of which readers differ about the week. An event has a date only if its sentence has exactly one, and its status does not
contradict it: what is to come has no date before the article's, and what happened none after it. Where one expression would be two dates
("announced on Sunday that they will meet"), the event that is nearest to it decides which, and those of the other date have none.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from eventtag.errors import SettingsError
from eventtag.estimates.dates import KNOWN, UNITS, Order, PartialDate, Unit, parse_date
from eventtag.event_records.record import EventDate
from eventtag.formats.csv_spans import cell_text
from eventtag.formats.extras import load_extra

_HALF_YEAR = datetime.timedelta(days=183)
"""A day or month without its year is that within half a year of the article's date."""
_DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_DAY = r"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d\d"
_END = r"(?![\w\-–/’'](?!s\b))(?![,.]?\d)"
"""An expression is over: no letter, digit or hyphen follows; `'s` may."""
_EXPRESSION = re.compile(
    rf"""(?<![\w\-–/$€£])(?:
      (?P<written>(?:(?:{_DAYS}),?\ )?(?:{_YEAR}-\d\d-\d\d
        |{_DAY}\ (?:of\ )?{_MONTH},?\ {_YEAR}
        |{_MONTH}\ {_DAY},?\ {_YEAR})
        |{_MONTH}\ {_YEAR})
      |(?P<day_of_year>(?:(?:{_DAYS}),?\ )?(?:{_DAY}\ (?:of\ )?{_MONTH}|{_MONTH}\ {_DAY}))
      |(?<=\b[Ii]n\ )(?P<month_of_year>January|February|March|April|May|June|July|August|September|October|November|December)(?!['’])
      |(?<=\b[Ii]n\ )(?P<year>{_YEAR})(?!\ (?:(?!(?:was|has|is|as|this|his|its)\b)[a-z]+s|people|men|women|children)\b)
      |(?P<unclear>(?:[Nn]ext|[Tt]his|[Cc]oming)\ (?:{_DAYS}))
      |(?P<last_weekday>[Ll]ast\ (?:{_DAYS}))
      |(?P<weekday>(?:{_DAYS}))
      |(?P<period>(?:[Ll]ast|[Tt]his|[Nn]ext)\ (?:week|month|year))
      |(?P<relative>[Yy]esterday|[Tt]oday|[Tt]omorrow)
    ){_END}""",
    re.VERBOSE,
)
_BOUND = re.compile(
    r"\b(?:since|until|till|before|after|from|by|between|every|each|despite|following|previous|dated?)\s+(?:late\s+|early\s+|the\s+)?$",
    re.IGNORECASE,
)
"""Before an expression that bounds a time, or names something else."""
_JOINED = re.compile(r"(?:\b(?:and|or|to|through|than)\s+|[-–—/]\s*)$", re.IGNORECASE)
"""Before an expression that may be one of several, or an end of them."""
_IN_NAME = re.compile(r"(?:(?<!\w)[A-Z][\w'’\-]*|\b(?:the|of|a))\s+$")
_NAME_AFTER = re.compile(r"\s+[A-Z]")
_ON = re.compile(r"\b(?:on|early|late|late on|early on)\s+$", re.IGNORECASE)
_DATELINE, _DATELINE_END = re.compile(r"[^a-z]+,\s+"), re.compile(r"(?:\s*\([^)]{1,30}\))?\s*[-–—]+\s")
"""Around the date of a dateline ("LIMA, March 4 (Reuters) - "), which says when the article was written."""
_WEEKDAY = re.compile(rf"({_DAYS}),?\s")


class DateExpression(NamedTuple):
    """An expression of a date in a text, at [start, end)."""

    start: int
    end: int
    text: str
    kind: str


def find_dates(text: str, start: int, end: int) -> Iterator[DateExpression]:
    """The expressions of dates in a sentence, which is `text[start:end]`, in order."""
    for found in _EXPRESSION.finditer(text, start, end):
        kind = str(found.lastgroup).replace("_", " ")
        before = text[max(start, found.start() - 40) : found.start()]
        named = _IN_NAME.search(before) or _NAME_AFTER.match(text, found.end(), end)
        if _DATELINE.fullmatch(before) and _DATELINE_END.match(text, found.end(), end):
            continue
        if _BOUND.search(before) or (kind == "weekday" and named and not _ON.search(before)):
            continue
        yield DateExpression(found.start(), found.end(), found[0], "unclear" if _JOINED.search(before) else kind)


class EventInSentence(NamedTuple):
    """An event's mention, at [start, end) of its text, and its status."""

    start: int
    end: int
    status: str | None


class EventDates:
    """Reads the dates of events, and counts those that have none. `field` is the metadata field of the article's date, `order` which of
    day and month comes first in it where that is open.

    Raises SettingsError where dateparser is not installed.
    """

    def __init__(self, field: str, order: Order | None = None) -> None:
        load_extra("dateparser", "records")
        self.field, self._order = field, order
        self.found_field = False
        self._without: Counter[str] = Counter()
        # The last sentence: its offsets, its expressions, and the date by the events that share it.
        self._sentence: tuple[str, tuple[int, int]] = ("", (0, 0))
        self._expressions: list[DateExpression] = []
        self._nearest: tuple[Sequence[EventInSentence], datetime.date | None, str | None] = ((), None, None)

    def __call__(
        self,
        text: str,
        sentence: tuple[int, int],
        status: str | None,
        meta: Mapping[str, Any],
        *,
        events: Sequence[EventInSentence] = (),
    ) -> EventDate | None:
        """The date of an event with this status in this sentence of the text of an article; None where it has none, or none is clear.
        `events` are all of the sentence.
        """
        self.found_field |= self.field in meta
        if self._sentence[0] is not text or self._sentence[1] != sentence:
            self._sentence, self._expressions = (text, sentence), list(find_dates(text, *sentence))
            self._nearest = (), None, None
        expressions = self._expressions
        if len(expressions) != 1:
            self._without["several" if expressions else "none"] += 1
            return None
        one = expressions[0]
        written = parse_date(cell_text(meta.get(self.field)) or "", self._order)
        known = isinstance(written, PartialDate) and written.day is not None
        base = datetime.date(*written) if known else None
        read = _read(one, base, status)
        if read is None:
            self._without["unclear" if known or one.kind == "written" else "no date"] += 1
            return None
        if self._nearest[0] is not events or self._nearest[1] != base:
            self._nearest = events, base, _date_of_nearest(one, base, events)
        if (self._nearest[2] or read[0]) != read[0]:
            self._without["another"] += 1
            return None
        return EventDate(read[0], one.text, one.start, one.end, read[1])

    def require_found(self) -> None:
        """Raise SettingsError where no article has the field; to be asked after the last."""
        if not self.found_field:
            raise SettingsError(f"date: no article has the metadata field {self.field!r}; name the field of the articles' dates")

    def notes(self) -> list[str]:
        """A line for each kind of event without a date."""
        ways = {
            "none": "events whose sentence has no date that is read: {}",
            "several": "events whose sentence has several dates: {}, left without a date",
            "unclear": "events whose date is not clear (`next Sunday`, or a weekday of something possible): {}, left without a date",
            "another": "events whose sentence has a date of another event, nearer to it and of another status: {}, left without a date",
            "no date": "events with a date that needs the article's, where {field} is none with a day: {}, left without a date",
        }
        counts = ((way, self._without[kind]) for kind, way in ways.items())
        return [
            f"dates are read against the metadata field {self.field!r}",
            *(way.format(f"{count:,}", field=self.field) for way, count in counts if count),
        ]


def _date_of_nearest(one: DateExpression, base: datetime.date | None, events: Sequence[EventInSentence]) -> str | None:
    """The date by the event that is nearest to the expression, of those that give it one."""
    found = [
        (max(one.start - event.end, event.start - one.end), read[0])
        for event in events
        if (read := _read(one, base, event.status)) is not None
    ]
    return min(found)[1] if found else None


def _read(one: DateExpression, base: datetime.date | None, status: str | None) -> tuple[str, str] | None:
    try:
        return read_expression(one.text, one.kind, base, status)
    except OverflowError:  # beyond the years 1 to 9999
        return None


@lru_cache(maxsize=KNOWN)
def read_expression(text: str, kind: str, base: datetime.date | None, status: str | None) -> tuple[str, str] | None:
    """(the date as `PartialDate.period` writes it, the rule) of an expression; None where it is not clear, or needs an article's date
    (`base`) that there is not.
    """
    if kind not in ("year", "written") and (base is None or kind == "unclear"):
        return None
    if base is not None and kind in ("weekday", "day of year", "month of year"):
        return _by_status(text, kind, base, status)
    unit: Unit = "day"
    rule = f"{text.casefold()}, as of the publication date"
    if kind == "year" or (kind == "written" and not re.search(r"\b\d{1,2}(?:st|nd|rd|th)?\b", text)):
        unit = "year" if kind == "year" else "month"
    elif kind == "period":
        unit = next(unit for unit in UNITS if text.endswith(unit))
    elif kind == "last weekday":
        text = text.split()[1]
        rule = f"{text} before the publication date"
    if kind in ("year", "written"):
        rule = f"the {'date' if unit == 'day' else unit} that is written"
    day = _parse(text, base or datetime.date(2000, 1, 1), "past")
    return None if day is None or (base is not None and _contradicts(day, base, unit, status)) else (_period(day, unit), rule)


def _contradicts(day: datetime.date, base: datetime.date, unit: Unit, status: str | None) -> bool:
    """Whether something of this status cannot be of this date: it is to come and the date is past, or it happened and the date is not."""
    when, today = _period(day, unit), _period(base, unit)
    return (status == "future" and when < today) or (status in ("asserted", "negated") and when > today)


def _by_status(text: str, kind: str, base: datetime.date, status: str | None) -> tuple[str, str] | None:
    """A weekday, or a day or month without its year: up to the publication date for what happened, after it for what is to come."""
    if status == "possible":
        return None
    future = status == "future"
    weekday = kind == "weekday"
    # dateparser never takes the base itself for a weekday or for a future date.
    one = datetime.timedelta(days=1)
    near = base + one if weekday and not future else base - one if kind == "day of year" and future else base
    day = _parse(text, near, "future" if future else "past")
    if day is None or abs(day - base) > _HALF_YEAR or (day < base if future else day > base):
        return None
    unit: Unit = "month" if kind == "month of year" else "day"
    here = day == base if unit == "day" else (day.year, day.month) == (base.year, base.month)
    if future and ((here and unit == "month") or (weekday and day.weekday() == base.weekday())):
        return None  # this week or the next, this month or that of the next year
    side = "holds" if unit == "month" else "is"
    rule = f"{text} {side} the publication date" if here else f"{text} {'after' if future else 'before'} the publication date"
    return _period(day, unit), rule + ("" if status is not None else ", as of an event that happened (its status is unknown)")


def _period(day: datetime.date, unit: Unit) -> str:
    period = PartialDate(day.year, day.month, day.day).period(unit)
    assert period is not None
    return period


def _parse(text: str, base: datetime.date, prefer: str) -> datetime.date | None:
    """What dateparser makes of a text (https://dateparser.readthedocs.io/en/latest/settings.html); None where its weekday is another."""
    import dateparser

    weekday = _WEEKDAY.match(text)
    plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b|\bof\s", "", text[weekday.end() :] if weekday else text)
    found = dateparser.parse(
        plain,
        languages=["en"],
        settings={
            "RELATIVE_BASE": datetime.datetime(base.year, base.month, base.day),
            "PREFER_DATES_FROM": prefer,
            "PREFER_DAY_OF_MONTH": "first",
            "PREFER_MONTH_OF_YEAR": "first",
            "PARSERS": ["relative-time", "absolute-time"],
            "DATE_ORDER": "YMD",
        },
    )
    if found is None or (weekday and f"{found:%A}" != weekday[1]):
        return None
    return datetime.date(found.year, found.month, found.day)
