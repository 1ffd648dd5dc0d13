"""Conditions on event records, in plain words.

    status=asserted|future    its status is one of these
    AGENT~police              an agent of it holds the word or words ("Riot police"); also TARGET and PLACE
    AGENT=Riot police         an agent of it is called exactly that
    event~strike              the event's own mention holds the word or words; `=`: it is exactly that
    country=Syria|IQ          the country in which its places lie, by name or ISO 3166 code
    category=PROTEST          the code that the user's file of categories gives it

Terms are separated by white space, and all of them must be met; `|` separates alternatives. What stands behind `~` or `=` goes up to the
next term, so words need no quotation marks. Participants are compared by the mention and by the longest mention of the same actor
(`eventtag.event_records.names`); words are compared as in `eventtag.estimates.quantities`.

A condition is met, not met, or unknown: a status is unknown where it is null, and participants, and the country of places, where the list
is null. One term that is not met settles the matter. An event whose known places lie in no known country, or that has no category, does
not meet a term on it: the lookups are rules, and they say nothing of such an event.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from eventtag.errors import SettingsError
from eventtag.estimates.quantities import SurfaceMatcher
from eventtag.event_records.places import country_code
from eventtag.event_records.record import EventRecord, Participant
from eventtag.span import STATUSES

Field = Literal["status", "AGENT", "TARGET", "PLACE", "event", "country", "category"]
EXAMPLES = "status=asserted AGENT~police, PLACE=Kyiv, country=Syria category=PROTEST|ASSAULT"
LISTS: Mapping[Field, tuple[str, str]] = {
    "AGENT": ("agents", "agent_names"),
    "TARGET": ("targets", "target_names"),
    "PLACE": ("places", "place_names"),
}
"""The columns of a role in the table of records: mentions, and the longest mentions of the same."""
SIGNS: Mapping[Field, str] = {
    "status": "=", "AGENT": "~=", "TARGET": "~=", "PLACE": "~=", "event": "~=", "country": "=", "category": "=",
}  # fmt: skip
_TERM = re.compile(r"(?P<name>[^\s~=|]+)(?P<sign>[~=])")


@dataclass(frozen=True, slots=True)
class Term:
    """One part of a condition: a text of the `field` must be one of the `values` (for `~`: hold the words of one)."""

    field: Field
    sign: str
    values: tuple[str, ...]
    matchers: tuple[SurfaceMatcher, ...] = ()

    def fits(self, text: str) -> bool:
        """Whether a text of the field is as the term says."""
        return any(fits(text) for fits in self.matchers) if self.matchers else text in self.values

    def met(self, record: EventRecord) -> bool | None:
        """Whether a record meets the term; None where that is unknown."""
        if self.field in LISTS:
            found: Sequence[Participant] | None = getattr(record, LISTS[self.field][0])
            return None if found is None else any(self.fits(one.text) or self.fits(one.name) for one in found)
        if self.field == "status":
            return None if record.status is None else self.fits(record.status)
        if self.field == "country":
            return None if record.places is None else record.country is not None and self.fits(record.country)
        if self.field == "category":
            return record.category is not None and self.fits(record.category.code)
        return self.fits(record.event)


@dataclass(frozen=True, slots=True)
class Condition:
    """All of its terms must be met. `str` gives words that make it."""

    terms: tuple[Term, ...]

    def __str__(self) -> str:
        return " ".join(f"{term.field}{term.sign}{'|'.join(term.values)}" for term in self.terms)

    @property
    def fields(self) -> frozenset[Field]:
        """What it asks for."""
        return frozenset(term.field for term in self.terms)

    @property
    def needs_links(self) -> bool:
        """Whether it is unknown where nobody looked for links."""
        return not self.fields.isdisjoint({*LISTS, "country"})

    def met(self, record: EventRecord) -> bool | None:
        """Whether a record meets the condition; None where that is unknown."""
        return all_met(term.met(record) for term in self.terms)


def all_met(found: Iterable[bool | None]) -> bool | None:
    """False where one is False, else None where one is None, else True."""
    known = set(found)
    return False if False in known else None if None in known else True


def parse_condition(words: str, *, key: str = "quantity") -> Condition:
    """The condition that the words say (see above); none is met by every record.

    Raises SettingsError, which names the setting `key`, for words that say none, and for a field, sign or value that there is not.
    """
    places = list(_TERM.finditer(words))
    before = words[: places[0].start()] if places else words
    if before.strip():
        raise SettingsError(f"{key}: {before.strip()!r} is no condition on event records; examples: {EXAMPLES}")
    texts = [words[place.end() : after.start()] for place, after in itertools.pairwise(places)]
    texts += [words[place.end() :] for place in places[-1:]]
    return Condition(tuple(_term(place["name"], place["sign"], text, key) for place, text in zip(places, texts, strict=True)))


def _term(name: str, sign: str, text: str, key: str) -> Term:
    field = next((known for known in SIGNS if known == name), None)
    if field is None:
        near = get_close_matches(name.casefold(), [known.casefold() for known in SIGNS], n=1)
        meant = next((f"; did you mean {known}?" for known in SIGNS if near and known.casefold() == near[0]), "")
        raise SettingsError(f"{key}: event records have no {name!r}; there are {', '.join(SIGNS)}{meant}")
    values = tuple(" ".join(value.split()) for value in text.split("|"))
    if sign not in SIGNS[field]:
        raise SettingsError(f"{key}: {field}{sign} is not possible; write {field}={text.strip()}")
    if not all(values):
        raise SettingsError(
            f"{key}: in {f'{name}{sign}{text}'.strip()!r} there is no word after {sign} or |; examples: {EXAMPLES}"
        )
    if field == "status":
        _require(values, STATUSES, "status", key)
    if field == "country":
        return Term(field, sign, tuple(country_code(value, key=key) for value in values))
    if field == "category":
        return Term(field, sign, values)
    if wordless := [value for value in values if not SurfaceMatcher.words_of(value)]:
        raise SettingsError(
            f"{key}: in {f'{name}{sign}{text}'.strip()!r} there is no word in {wordless[0]!r}; examples: {EXAMPLES}"
        )
    return Term(field, sign, values, tuple(SurfaceMatcher(value, exact=sign == "=") for value in values))


def _require(values: Sequence[str], allowed: Sequence[str], what: str, key: str) -> None:
    for value in values:
        if value not in allowed:
            near = get_close_matches(value.casefold(), allowed, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(f"{key}: there is no {what} {value!r}; there are {', '.join(allowed)}{meant}")
