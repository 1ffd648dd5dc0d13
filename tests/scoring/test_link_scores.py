"""Scores of links and whole records by hand. Against brute force: tests/properties/test_link_counts.py."""

from collections import Counter
from dataclasses import replace

import pytest

from eventtag.article import Article
from eventtag.errors import DataError
from eventtag.labels import LabelSet
from eventtag.link import Link
from eventtag.scoring.link_errors import find_link_errors
from eventtag.scoring.link_slices import link_slicers
from eventtag.scoring.links import MEASURES, event_labels, scored_links, tally_links
from eventtag.span import Span

LABELS = LabelSet()
TEXT = "Riot police arrested three men in Lyon. They fled to Paris."


def at(words, label):
    start = TEXT.index(words)
    return Span(start, start + len(words), label)


POLICE, ARREST, MEN, LYON = at("Riot police", "ACTOR"), at("arrested", "EVENT"), at("three men", "ACTOR"), at("Lyon", "LOCATION")
THEY, FLED, PARIS = at("They", "ACTOR"), at("fled", "EVENT"), at("Paris", "LOCATION")
SPANS = (POLICE, ARREST, MEN, LYON, THEY, FLED, PARIS)
LINKS = (
    Link(ARREST, POLICE, "AGENT"),
    Link(ARREST, MEN, "TARGET"),
    Link(ARREST, LYON, "PLACE"),
    Link(FLED, THEY, "AGENT"),
)
GOLD = Article("a", TEXT, SPANS, links=LINKS)


def counted(gold, spans, links):
    item = scored_links((gold, spans), links, LABELS)
    return item, tally_links([item], event_labels([gold]))


def scores(gold, spans, links):
    """(precision, recall) by measure."""
    _, tally = counted(gold, spans, links)
    found = {}
    for place, name in enumerate(MEASURES):
        v = tally.overall.values[0, place, 0]
        found[name] = (v[4] / v[4:8].sum() if v[4:8].sum() else 0.0, v[0] / v[:4].sum() if v[:4].sum() else 0.0)
    return found


def test_gold_against_itself_is_perfect():
    assert set(scores(GOLD, SPANS, LINKS).values()) == {(1.0, 1.0)}


def test_a_wrong_role_is_right_unlabelled_and_wrong_strictly_and_in_its_record():
    links = (*LINKS[:2], Link(ARREST, LYON, "TARGET"), LINKS[3])
    assert scores(GOLD, SPANS, links) == {
        "strict": (0.75, 0.75),
        "unlabelled": (1.0, 1.0),
        "strict_found": (0.75, 0.75),
        "unlabelled_found": (1.0, 1.0),
        "records": (0.5, 0.5),
        "records_credit": (pytest.approx((2 / 3 + 1) / 2), pytest.approx((2 / 3 + 1) / 2)),
    }


def test_links_of_a_span_that_is_not_found_count_as_missed_but_not_among_those_found():
    spans = tuple(span for span in SPANS if span != POLICE)
    found = scores(GOLD, spans, LINKS[1:])
    assert found["strict"] == (1.0, 0.75)
    assert found["strict_found"] == found["unlabelled_found"] == (1.0, 1.0)
    assert found["records"] == (0.5, 0.5)
    assert found["records_credit"] == (pytest.approx(0.9), pytest.approx(0.9))


def test_an_event_that_is_missed_or_spurious_is_a_wrong_record():
    spans = (*(span for span in SPANS if span != FLED), at("to", "EVENT"))
    found = scores(GOLD, spans, LINKS[:3])
    assert found["records"] == found["records_credit"] == (0.5, 0.5)
    only = scores(GOLD, tuple(span for span in SPANS if span != FLED), LINKS[:3])
    assert only["records"] == (1.0, 0.5)


def test_an_event_without_participants_is_right_where_none_is_predicted():
    gold = replace(GOLD, links=LINKS[:3])
    assert scores(gold, SPANS, LINKS[:3])["records"] == (1.0, 1.0)
    assert scores(gold, SPANS, LINKS)["records_credit"] == (0.5, 0.5)


def test_two_roles_of_one_pair_are_two_links_and_one_unlabelled():
    gold = replace(GOLD, links=(*LINKS, Link(FLED, THEY, "TARGET")))
    found = scores(gold, SPANS, LINKS)
    assert found["strict"] == (1.0, 0.8)
    assert found["unlabelled"] == (1.0, 1.0)


def test_only_links_between_spans_that_were_looked_at_count():
    inside = replace(GOLD, annotated=((0, TEXT.index(" They")),))
    item, _ = counted(inside, SPANS, LINKS)
    assert item.gold == item.predicted == frozenset(LINKS[:3])
    across = (*LINKS[:3], Link(ARREST, THEY, "AGENT"))
    item, _ = counted(replace(inside, links=across), SPANS, across)
    assert item.gold == item.predicted == frozenset(LINKS[:3])
    gold = Article("a", TEXT, tuple(s for s in SPANS if s.label != "LOCATION"), labels=("ACTOR", "EVENT"), links=LINKS[:2])
    assert scores(gold, SPANS, LINKS[:3])["strict"] == (1.0, 1.0)


def test_a_predicted_link_between_spans_that_are_not_predicted_is_an_error():
    with pytest.raises(DataError, match=r"article 'a': the link AGENT .* is not one of its spans"):
        scored_links((GOLD, SPANS[1:]), LINKS, LABELS)


def test_labels_of_events_are_those_of_linked_or_marked_spans():
    other = Article("b", TEXT, (Span(0, 4, "Attack", status="asserted"), POLICE))
    assert event_labels([GOLD, other]) == {"EVENT", "Attack"}


@pytest.mark.parametrize(
    ("predicted", "kind"),
    [
        (Link(ARREST, MEN, "AGENT"), "wrong role"),
        (Link(ARREST, at("men", "ACTOR"), "TARGET"), "wrong participant span"),
        (Link(at("arrested three", "EVENT"), MEN, "TARGET"), "wrong event span"),
        (Link(at("police arrested", "EVENT"), at("men in", "ACTOR"), "TARGET"), "both spans wrong"),
        (None, "missed"),
    ],
)
def test_an_error_is_of_its_kind(predicted, kind):
    gold = replace(GOLD, links=(LINKS[1],))
    links = [] if predicted is None else [predicted]
    item, _ = counted(gold, {*SPANS, *(span for link in links for span in (link.event, link.participant))}, links)
    (case,) = find_link_errors([item], ("TARGET",)).cases
    assert (case.kind, case.gold, case.predicted) == (kind, LINKS[1], predicted)


def test_what_has_no_partner_is_missed_or_spurious():
    item, _ = counted(replace(GOLD, links=(LINKS[1],)), SPANS, [Link(FLED, THEY, "TARGET"), Link(ARREST, LYON, "TARGET")])
    kinds = Counter(case.kind for case in find_link_errors([item], ("TARGET",)).cases)
    assert kinds == {"missed": 1, "spurious": 2}


def test_a_gold_link_is_paired_once_with_the_prediction_that_shares_most():
    near, far = at("three men in", "ACTOR"), at("men in Lyon", "ACTOR")
    item, _ = counted(
        replace(GOLD, links=(LINKS[1],)), (*SPANS, near, far), [Link(ARREST, far, "TARGET"), Link(ARREST, near, "TARGET")]
    )
    cases = {case.kind: case for case in find_link_errors([item], ("TARGET",)).cases}
    assert set(cases) == {"wrong participant span", "spurious"}
    assert cases["wrong participant span"].predicted == Link(ARREST, near, "TARGET")
    assert cases["spurious"].to_json()["predicted"]["participant"]["text"] == "men in Lyon"


@pytest.mark.parametrize(
    ("dimension", "link", "expected"),
    [
        ("sentence", LINKS[1], "same sentence"),
        ("sentence", Link(FLED, MEN, "AGENT"), "other sentence"),
        ("distance", LINKS[1], "0-2 words"),
        ("distance", Link(FLED, MEN, "AGENT"), "3-5 words"),
        ("distance", Link(FLED, POLICE, "AGENT"), "6-10 words"),
        ("voice", LINKS[1], "not passive"),
    ],
)
def test_a_link_falls_in_its_slice(dimension, link, expected):
    assert link_slicers([GOLD])[dimension](GOLD, link) == expected


@pytest.mark.parametrize(
    ("text", "event", "passive"),
    [
        ("Three men were arrested by police.", "arrested", True),
        ("Three men were later shot.", "shot", True),
        ("Three men, beaten by guards, left.", "beaten", True),
        ("The bill was not even seen.", "seen", True),
        ("It had been withdrawn.", "been withdrawn", True),
        ("Police have arrested three men.", "arrested", False),
        ("The arrest of three men by police", "arrest", False),
        ("They were there. Police arrested men.", "arrested", False),
        ("Police arrest men", "arrest", False),
        ("Demand has fallen by a third", "fallen", False),
        ("The mill was to have invested", "invested", False),
        ("Men have been arrested", "arrested", True),
    ],
)
def test_passives_are_told_by_the_stated_rule(text, event, passive):
    start = text.index(event)
    span = Span(start, start + len(event), "EVENT")
    voice = link_slicers([])["voice"](Article("a", text, (span,)), Link(span, span, "AGENT"))
    assert voice == ("passive" if passive else "not passive")
