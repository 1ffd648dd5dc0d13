"""How many event records of an article meet a condition.

In tagged articles, records of which it is unknown whether they meet it are not counted, and the notes say how many there are. In articles
that people annotated, one unknown record makes the article's number unknown, since such numbers are taken for the truth: so does an
article in which links were not being marked, where the condition asks for participants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.estimates.quantities import RECORDS
from eventtag.event_records.categories import Categories, read_categories
from eventtag.event_records.conditions import Condition, all_met, parse_condition
from eventtag.event_records.linking import Linking
from eventtag.event_records.making import RecordMaker, RecordSettings
from eventtag.event_records.places import PlaceLookup
from eventtag.event_records.record import EventRecord
from eventtag.ledger import LossLedger


class RecordSource:
    """Makes what counts records by a condition, from its words: an `eventtag.estimates.quantities.RecordCounts`.

    `settings` say how records are made, `categories` is a file of codes. `people`: the articles are annotated by people; `links_marked`:
    they looked for links in all of them, so that an article without links has none. `key` is the setting that messages name.
    """

    def __init__(
        self,
        settings: RecordSettings | None = None,
        *,
        categories: Path | None = None,
        people: bool = False,
        links_marked: bool = False,
        key: str = "quantity",
    ) -> None:
        self.people, self.links_marked = people, links_marked
        self._key = key
        self._codes = None if categories is None else read_categories(categories)
        self._maker = RecordMaker(settings or RecordSettings(), LossLedger())
        self._article: Article | None = None
        self._records: Sequence[EventRecord] = ()

    def __call__(self, words: str) -> ConditionCount:
        """What counts by the condition that the words say; raises SettingsError as `parse_condition` does, and for an unknown category."""
        condition = parse_condition(words, key=self._key)
        if "category" in condition.fields:
            self._maker.categories = _with_codes(self._codes, condition, self._key)
        if "country" in condition.fields and self._maker.places is None:
            self._maker.places = PlaceLookup()
        return ConditionCount(condition, self)

    def records(self, article: Article) -> Sequence[EventRecord]:
        """The records of an article; those of the last one asked for are kept."""
        if article is not self._article:
            whole = replace(article, links=()) if self.links_marked and article.links is None else article
            self._article, self._records = article, tuple(self._maker(whole))
        return self._records

    def notes(self) -> list[str]:
        """Where places come from, and what the lookups did not find; that links are by the naive rule."""
        said = []
        if self._maker.settings.linking == "nearest" and not self.people:
            said.append("agents, targets and places of tagged articles are by the naive rule `nearest`, right or wrong")
        for part in (self._maker.places, self._maker.categories):
            said += [] if part is None else part.notes()
        return said


def _with_codes(codes: Categories | None, condition: Condition, key: str) -> Categories:
    if codes is None:
        raise SettingsError(f"{key}: a condition on the category needs the file of your codes; give it (--categories FILE)")
    for value in (value for term in condition.terms if term.field == "category" for value in term.values):
        if value not in codes.codes:
            near = get_close_matches(value, codes.codes, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{key}: the file of categories has no code {value!r}; it has {', '.join(codes.codes)}{meant}")
    return codes


@dataclass(slots=True)
class ConditionCount:
    """Counts the records of articles that meet a condition: an `eventtag.estimates.quantities.RecordCount`."""

    condition: Condition
    source: RecordSource
    _articles: int = 0
    _records: int = 0
    _unknown: int = 0
    _left_out: Counter[str] = field(default_factory=Counter)
    """Articles of people whose number is unknown, by the reason."""
    _fields: Counter[str] = field(default_factory=Counter)
    """For how many of the unknown records it is because of this field."""
    _known: Counter[str] = field(default_factory=Counter)
    """Of how many records each field is known."""

    def __str__(self) -> str:
        return str(self.condition)

    def __call__(self, article: Article) -> float:
        """How many of an article's records meet the condition; NaN where people's annotations leave it open."""
        found = self._met(article)
        self._articles += 1
        if self.source.people:
            if self.condition.needs_links and article.links is None and not self.source.links_marked:
                self._left_out["links"] += 1
                return float("nan")
            if None in found:
                self._left_out["fields"] += 1
                return float("nan")
        return float(found.count(True))

    def expected(self, article: Article) -> float:
        """The predicted records of an article that meet the condition, each weighed with the score of its event."""
        records = self.source.records(article)
        found = self._met(article)
        return sum(one.score for one, met in zip(records, found, strict=True) if met and one.score is not None)

    def _met(self, article: Article) -> list[bool | None]:
        found = []
        for record in self.source.records(article):
            terms = [(term.field, term.met(record)) for term in self.condition.terms]
            met = all_met(one for _, one in terms)
            self._known.update({name for name, one in terms if one is not None})
            if met is None:
                self._unknown += 1
                self._fields.update({name for name, one in terms if one is None})
            self._records += 1
            found.append(met)
        return found

    def require_known(self) -> None:
        """Raise DataError where a field of the condition was unknown in all records, or all articles of people were left out."""
        if self.source.people:
            if self._articles and self._left_out.total() == self._articles:
                raise DataError(
                    f"no annotated article says how many of its events there are of {RECORDS}{self}\n{self.notes()[0]}"
                )
            return
        unknown = sorted(self.condition.fields - self._known.keys())
        if self._records and unknown:
            remedy = "tag the articles with a checkpoint that finds the status of events"
            if unknown != ["status"]:
                remedy = "tag the articles with a checkpoint that finds links, or take the naive rule (--linking nearest)"
            raise DataError(f"{RECORDS}{self}: {' and '.join(unknown)} of all {self._records:,} events are unknown; {remedy}")

    def notes(self) -> list[str]:
        """What was unknown in the articles so far."""
        name = f"{RECORDS}{self}"
        if not self.source.people:
            fields = ", ".join(f"{field} of {count:,}" for field, count in sorted(self._fields.items()))
            of = f"it is unknown whether {self._unknown:,} of {self._records:,} events meet this condition ({fields})"
            return [f"{name}: {of}; they are not counted"] if self._unknown else []
        said = []
        if count := self._left_out["links"]:
            said.append(
                f"{name}: annotated articles that do not say that links were being marked: {count:,}, left out. Formats such as brat "
                "cannot say so of an article without links; if people looked for links in all of them, say so (--links-marked)"
            )
        if count := self._left_out["fields"]:
            fields = " or ".join(sorted(self._fields))
            said.append(
                f"{name}: annotated articles with an event of which {fields} is unknown: {count:,}, left out. Articles without an event "
                f"are never left out for this, so that the figures are too low: mark {fields} of all events"
            )
        return said


def record_source(
    *,
    thresholds: Mapping[str, float],
    linking: Linking,
    link_thresholds: Mapping[str, float],
    status_threshold: float,
    categories: Path | None,
) -> RecordSource:
    """What counts records of tagged articles, by settings as of `eventtag.records`. Raises SettingsError as RecordSettings does."""
    settings = RecordSettings(
        linking=linking, thresholds=thresholds, link_thresholds=link_thresholds, status_threshold=status_threshold
    )
    return RecordSource(settings, categories=categories)
