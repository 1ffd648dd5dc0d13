"""Event records: what the text says of one event.

None always means unknown: nobody looked, or the answer is not sure enough. An empty tuple means that there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Participant:
    """A mention that takes part in an event: `text[start:end]` of the article, in character offsets, half-open.

    `score` is that of the link, from 0 to 1; None in gold, and for links by a rule. `name`: the longest mention in the article of the same
    actor or place, by the rule of `eventtag.event_records.names`. `within`: the mentions of the places that hold a place, the innermost
    first.
    """

    start: int
    end: int
    text: str
    score: float | None
    name: str
    within: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventDate:
    """When an event happened, as its sentence says: `text` stands at [start, end) of the article.

    `value` is 2014, 2014-03, 2014-W10 or 2014-03-02, as exact as the text. `rule` says how it was read.
    """

    value: str
    text: str
    start: int
    end: int
    rule: str


@dataclass(frozen=True, slots=True)
class Location:
    """Where a place lies: ISO 3166 code of its country, and coordinates in degrees (None for a country or state).

    All three are None where the name is unknown or not clear. `candidates`: how many places have the name. `rule` says how the choice fell.
    """

    country: str | None
    latitude: float | None
    longitude: float | None
    candidates: int
    rule: str | None


@dataclass(frozen=True, slots=True)
class Category:
    """The user's code for an event, and the `phrase` of the user's file that gave it."""

    code: str
    phrase: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One event of one article.

    `text[start:end]` of the article is the event, `text[sentence_start:sentence_end]` its sentence, in character offsets, half-open.
    `linking` says how its participants were found, None where nothing says who takes part. `locations` are those of `places`, in the
    same order, where places were looked up.
    """

    article_id: str
    sentence: str
    sentence_start: int
    sentence_end: int
    event: str
    start: int
    end: int
    score: float | None
    status: str | None
    status_score: float | None
    linking: str | None
    agents: tuple[Participant, ...] | None
    targets: tuple[Participant, ...] | None
    places: tuple[Participant, ...] | None
    date: EventDate | None = None
    locations: tuple[Location, ...] | None = None
    category: Category | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def country(self) -> str | None:
        """The country in which its located places lie; None where none is located, or they lie in several."""
        found = {place.country for place in self.locations or () if place.country is not None}
        return found.pop() if len(found) == 1 else None

    @property
    def coordinates(self) -> tuple[float, float] | None:
        """(latitude, longitude) in degrees, where exactly one of its places has them and all located places lie in one country."""
        found = {(p.latitude, p.longitude) for p in self.locations or () if p.latitude is not None and p.longitude is not None}
        return found.pop() if len(found) == 1 and self.country is not None else None
