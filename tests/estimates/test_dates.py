import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.errors import SettingsError
from eventtag.estimates.dates import UNITS, PartialDate, Periods, choose_date_field, parse_date

SAME_DAY = [
    "2014-01-31", "2014-1-31", "2014/01/31", "2014.01.31", "20140131", "20140131233000", "20140131T233000Z", "2014-01-31T23:30:00-05:00",
    "2014-01-31T00:10:00+14:00", "2014-01-31 23:30", "2014-01-31T23:30:00.123456Z", "2014-01-31 23:30:00 UTC", "2014-01-31T23:30:00Z[UTC]",
    "31 January 2014", "31-Jan-2014", "31 jan. 2014", "31st of January 2014", "January 31, 2014", "Jan 31st 2014",
    "Fri, 31 Jan 2014 10:00:00 GMT", "Fri, 31 Jan 2014 10:00:00 +0100", "Friday, January 31, 2014 at 10:00 AM", "31/01/2014", "01/31/2014",
    "31.1.2014", "31/01/2014 10:30", "2014-01-31Z", "2014-01-31-05:00", "Fri Jan 31 10:00:00 2014", "Fri Jan 31 10:00:00 +0000 2014",
    "Jan. 31, 2014", "Friday 31 January 2014", "2014-01-31T23:30:00+0000", "2014-01-31T23:30+00",
]  # fmt: skip


@pytest.mark.parametrize("text", SAME_DAY)
def test_forms_of_one_day(text):
    assert parse_date(text) == PartialDate(2014, 1, 31)


@pytest.mark.parametrize("text", ["2014", "2014-03", "March 2014", "2014/03"])
def test_dates_that_are_not_exact_have_only_what_they_say(text):
    found = parse_date(text)
    assert found.period("year") == "2014"
    assert found.period("month") == (None if text == "2014" else "2014-03")
    assert (found.period("week"), found.period("day")) == (None, None)


def test_an_order_of_day_and_month_is_not_guessed():
    assert parse_date("03/04/2014") == parse_date("3.4.2014") == "ambiguous"
    assert parse_date("04/04/2014") == PartialDate(2014, 4, 4)
    assert parse_date("03/04/2014", "dmy") == PartialDate(2014, 4, 3)
    assert parse_date("03/04/2014", "mdy") == PartialDate(2014, 3, 4)
    assert parse_date("31/04/2014", "mdy") == parse_date("31/04/2014", "dmy") == "no date"


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2014-02-30", "2014-13-01", "20141301", "31/12/14", "1391212800", "12",
     "Maybe 2014", "2014-01-31x", "0000-01-01", "May"]
)  # fmt: skip
def test_what_is_no_date(text):
    assert parse_date(text) == "no date"


@given(
    st.dates(min_value=datetime.date(1000, 1, 1)),
    st.sampled_from(["%Y-%m-%d", "%Y%m%d", "%d %B %Y", "%b %d, %Y", "%a, %d %b %Y"]),
)
def test_every_day_is_in_the_periods_that_python_gives(day, form):
    found = parse_date(day.strftime(form))
    year, week, _ = day.isocalendar()
    expected = [f"{day.year:04d}", day.isoformat()[:7], f"{year:04d}-W{week:02d}", day.isoformat()]
    assert [found.period(unit) for unit in UNITS] == expected


@pytest.mark.parametrize(
    ("day", "week"),
    [
        ("2014-12-29", "2015-W01"),
        ("2014-12-28", "2014-W52"),
        ("2015-12-31", "2015-W53"),
        ("2016-01-03", "2015-W53"),
        ("2016-01-04", "2016-W01"),
        ("2020-12-31", "2020-W53"),
        ("2021-01-01", "2020-W53"),
    ],
)
def test_weeks_at_the_turn_of_the_year(day, week):
    assert parse_date(day).period("week") == week


def test_articles_without_a_period_are_counted_by_what_is_wrong():
    periods = Periods("date", "month")
    assert periods(["2014-03-01", None, "03/04/2014", "soon", "2014", "soon"]) == ["2014-03", None, None, None, None, None]
    assert periods.notes() == [
        "articles that have no date: 1, counted in the cell without a month",
        "articles that have a date of which day and month cannot be told apart ('03/04/2014'; give --date-order dmy or mdy): 1, "
        "counted in the cell without a month",
        "articles that have a date that is not read as a date ('soon'): 2, counted in the cell without a month",
        "articles that have a date that is not exact enough for a month ('2014'): 1, counted in the cell without a month",
    ]


@pytest.mark.parametrize(
    ("head", "field"),
    [
        ([{"when": "2014-01-02", "title": "A day in 2014", "code": "20149999"}], "when"),
        ([{"crawled": "2020-01-02", "published": "2014-01-02"}, {"published": None}], "published"),
        ([{"Date": "03/04/2014", "deaths": 2014}], "Date"),
        ([{"date": "2014", "deaths": 2014}], "date"),
        ([{"date": "2014-01-02"}, {"date": "unknown"}], "date"),
        ([{"day": datetime.date(2014, 1, 2)}], "day"),
    ],
)
def test_the_date_field_is_found(head, field):
    assert choose_date_field(head) == field


@pytest.mark.parametrize("head", [[{"a": "2014-01-02", "b": "2014-01-03"}], [{"a": "x"}], [{}], []])
def test_a_date_field_that_cannot_be_told_is_to_be_named(head):
    with pytest.raises(SettingsError, match="--date published"):
        choose_date_field(head)
