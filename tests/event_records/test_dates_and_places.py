"""The finder and reader of dates, and the lookup of places, against plain calendars and known places."""

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.event_records.dates import EventDates, EventInSentence, find_dates, read_expression
from eventtag.event_records.making import RecordMaker, RecordSettings
from eventtag.event_records.places import PlaceLookup
from eventtag.event_records.record import Location
from eventtag.ledger import LossLedger
from eventtag.span import Span

WEDNESDAY = datetime.date(2014, 3, 5)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def found(text):
    return [expression.text for expression in find_dates(text, 0, len(text))]


def read(text, status, base=WEDNESDAY):
    expressions = list(find_dates(text, 0, len(text)))
    assert len(expressions) == 1
    one = expressions[0]
    assert text[one.start : one.end] == one.text
    value = read_expression(one.text, one.kind, base, status)
    return value and value[0]


@pytest.mark.parametrize(
    ("text", "expressions"),
    [
        ("They met on Sunday.", ["Sunday"]),
        ("Wednesday's vote was fair.", ["Wednesday"]),
        ("on Tuesday, March 4, 2014, in Lima", ["Tuesday, March 4, 2014"]),
        ("The 2014-03-02 attack", ["2014-03-02"]),
        ("In 2012 it fell.", ["2012"]),
        ("LIMA, March 4 (Reuters) - Police met on Sunday.", ["Sunday"]),
        ("on Monday and Tuesday", ["Monday", "Tuesday"]),
        ("Bloody Sunday was long ago", []),
        ("The Sunday Times said so", []),
        ("said Sunday Okoye", []),
        ("every Sunday", []),
        ("Sundays are quiet", []),
        ("since 2012 and until Friday", []),
        ("in 2012 dollars", []),
        ("in May's cabinet", []),
        ("the 1999-2000 season", []),
        ("at 12-2014-03-02-7", []),
    ],
)
def test_the_finder_finds_dates_and_leaves_bounds_and_names(text, expressions):
    assert found(text) == expressions


@pytest.mark.parametrize(
    ("text", "asserted", "future", "possible"),
    [
        ("on Sunday", "2014-03-02", "2014-03-09", None),
        ("on Wednesday", "2014-03-05", None, None),
        ("last Wednesday", "2014-02-26", None, "2014-02-26"),
        ("next Sunday", None, None, None),
        ("on 3 March", "2014-03-03", None, None),
        ("on the 6th of March", None, "2014-03-06", None),
        ("on 5 March", "2014-03-05", "2014-03-05", None),
        ("in December", "2013-12", None, None),
        ("in April", None, "2014-04", None),
        ("in March", "2014-03", None, None),
        ("yesterday", "2014-03-04", None, "2014-03-04"),
        ("tomorrow", None, "2014-03-06", "2014-03-06"),
        ("last week", "2014-W09", None, "2014-W09"),
        ("next month", None, "2014-04", "2014-04"),
        ("last year", "2013", None, "2013"),
        ("in 2012", "2012", None, "2012"),
        ("March 2012", "2012-03", None, "2012-03"),
        ("on May 3rd, 2013", "2013-05-03", None, "2013-05-03"),
        ("Monday, 4 March 2014", None, None, None),
        ("on 31 June", None, None, None),
    ],
)
def test_a_date_is_read_by_the_articles_date_and_the_status(text, asserted, future, possible):
    assert [read(text, status) for status in ("asserted", "future", "possible")] == [asserted, future, possible]


@settings(max_examples=40)
@given(st.dates(datetime.date(1990, 1, 1), datetime.date(2030, 12, 31)), st.integers(0, 6), st.booleans())
def test_a_weekday_is_the_nearest_on_its_side_of_the_publication_date(base, weekday, future):
    days = [base + datetime.timedelta(n) for n in (range(1, 7) if future else range(0, -7, -1))]
    expected = next((day.isoformat() for day in days if day.weekday() == weekday), None)
    value = read_expression(DAYS[weekday], "weekday", base, "future" if future else "negated")
    assert (value and value[0]) == expected


@pytest.mark.parametrize("date", ["9999-12-31", "0001-01-01"])
@pytest.mark.parametrize("status", ["asserted", "future", None])
def test_dates_at_the_ends_of_the_calendar_are_unclear(date, status):
    for text in ("It began on Monday.", "It began on March 3.", "It began tomorrow.", "It began yesterday."):
        events = [EventInSentence(3, 8, other) for other in ("asserted", "future")]
        EventDates("date")(text, (0, len(text)), status, {"date": date}, events=events)


@pytest.mark.parametrize(
    ("text", "events", "days"),
    [
        ("On Tuesday the army announced a withdrawal.", {"announced": "asserted", "withdrawal": "future"}, ["2014-03-04", None]),
        ("Rebels said that talks will begin on Tuesday.", {"said": "asserted", "talks": "future"}, [None, "2014-03-11"]),
        (
            "Talks on May 3 may end the war.",
            {"Talks": "future", "end": "possible", "war": "asserted"},
            ["2014-05-03", None, None],
        ),
        ("They said on Tuesday that nobody was hurt.", {"said": "asserted", "hurt": "negated"}, ["2014-03-04"] * 2),
        ("Police said on Tuesday that a blast killed two.", {"said": None, "killed": "asserted"}, ["2014-03-04"] * 2),
        ("Talks are planned, the army said on 6 May 2014.", {"Talks": "future", "said": "possible"}, ["2014-05-06"] * 2),
    ],
)
def test_one_expression_is_not_two_dates_and_the_nearest_event_decides(text, events, days):
    def place(mention):
        start = text.index(mention)
        return EventInSentence(start, start + len(mention), events[mention])

    dates = EventDates("date")
    together = [place(mention) for mention in events]
    read = [dates(text, (0, len(text)), e.status, {"date": "2014-03-05"}, events=together) for e in together]
    assert [one and one.value for one in read] == days


def test_a_record_says_that_a_date_of_its_sentence_is_anothers():
    text = "On Tuesday the army announced a withdrawal."
    spans = [Span(21, 30, "EVENT", status="asserted"), Span(33, 43, "EVENT", status="future")]
    ledger, dates = LossLedger(), EventDates("date")
    make = RecordMaker(RecordSettings(), ledger, dates=dates)
    records = list(make(Article("a", text, tuple(spans), meta={"date": "2014-03-05"})))
    assert [one.date and one.date.value for one in records] == ["2014-03-04", None]
    assert any("of another event" in note and ": 1," in note for note in dates.notes())


def test_a_date_says_its_rule_and_what_needs_the_articles_date_has_none_without():
    dates = EventDates("published")
    text = "They met on Sunday. They met in 2012. They met on Sunday and in 2012."
    one = dates(text, (0, 19), "asserted", {"published": "5 March 2014"})
    assert (one.value, one.text, one.rule) == ("2014-03-02", "Sunday", "Sunday before the publication date")
    assert text[one.start : one.end] == "Sunday"
    unknown = dates(text, (0, 19), None, {"published": "5 March 2014"})
    assert unknown.rule == "Sunday before the publication date, as of an event that happened (its status is unknown)"
    assert dates(text, (0, 19), "asserted", {"published": "March 2014"}) is None
    assert dates(text, (20, 37), "asserted", {}).value == "2012"
    assert dates(text, (38, 69), "asserted", {"published": "2014-03-05"}) is None
    assert [note.split(":")[1].strip() for note in dates.notes()[1:]] == ["1, left without a date"] * 2


@pytest.fixture(scope="module")
def lookup():
    return PlaceLookup()


@pytest.mark.parametrize(
    ("place", "mentions", "country", "rule", "coordinates"),
    [
        ("Peru", [], "PE", "country", False),
        ("the Netherlands", [], "NL", "country", False),
        ("U.S.", [], "US", "country", False),
        ("U.S", [], "US", "country", False),
        ("U.S.A.", [], "US", "country", False),
        ("U.A.E", [], "AE", "country", False),
        ("the DPRK", [], "KP", "country", False),
        ("Côte d’Ivoire", [], "CI", "country", False),
        ("People’s Republic of China", [], "CN", "country", False),
        ("Texas", [], "US", "one country", False),
        ("Lima", [], "PE", "one place", True),
        ("KIEV", [], "UA", "one place", True),
        ("Valparaiso", ["Chile"], "CL", "one place", True),
        ("Springfield", [], "US", "one country", False),
        ("Georgia", [], None, None, False),
        ("London", [], None, None, False),
        ("London", ["Canada"], "CA", "named country", True),
        ("London", ["Canada", "Britain"], None, None, False),
        ("Paris", ["US"], None, None, False),
        ("Islamabad", ["India"], None, None, False),
        ("bridge", [], None, None, False),
        ("Nowhere at all", [], None, None, False),
    ],
)
def test_a_place_is_where_its_name_leaves_no_doubt(lookup, place, mentions, country, rule, coordinates):
    found = lookup([place], lookup.countries(mentions))[0]
    assert (found.country, found.rule) == (country, rule)
    assert (found.latitude is not None, found.longitude is not None) == (coordinates, coordinates)
    assert (found.candidates > 0) == (place not in ("bridge", "Nowhere at all"))


def test_the_bound_is_one_of_inhabitants(lookup):
    assert PlaceLookup(1_000_000)(["London"], frozenset())[0].country == "GB"
    assert PlaceLookup(10**9)(["Lima"], frozenset())[0] == Location(None, None, None, 2, None)
    assert lookup.notes()[-1].startswith("places: GeoNames (https://www.geonames.org), CC BY 4.0")
