"""Records of small made articles: roles, thresholds, and what is unknown."""

import itertools
import re
import sys
from collections import Counter

import pytest
from conftest import make_article
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.event_records.dates import EventDates
from eventtag.event_records.linking import nearest_links
from eventtag.event_records.making import RecordMaker, RecordSettings
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span
from eventtag.text.sentences import sentences_of_spans

TEXT = "Rebels met Police in Lima. Nurses fled\nand Miners sang in Quito. They said so."
WORDS = [match.span() for match in re.finditer(r"\w+", TEXT)]
spans = st.builds(
    lambda first, extra, label, score, status: Span(
        WORDS[first][0], WORDS[min(first + extra, len(WORDS) - 1)][1], label, score, status if label == "EVENT" else None
    ),
    st.integers(0, len(WORDS) - 1),
    st.integers(0, 3),
    st.sampled_from(["ACTOR", "EVENT", "LOCATION", "TIME"]),
    st.none() | st.sampled_from([0.2, 0.7]),
    st.sampled_from([None, "asserted", "negated", "future", "possible"]),
)


@st.composite
def articles(draw):
    """Articles with any spans, with links between any of them or none."""
    found = draw(st.lists(spans, max_size=8, unique=True))
    events = [span for span in found if span.label == "EVENT"]
    links = None
    if draw(st.booleans()):
        links = ()
        if events:
            link = st.builds(
                Link, st.sampled_from(events), st.sampled_from(found), st.sampled_from(["AGENT", "TARGET", "PLACE", "CAUSE"]),
                st.none() | st.sampled_from([0.3, 0.9]),
            )  # fmt: skip
            links = tuple(draw(st.lists(link, max_size=6, unique=True)))
    return Article("a", TEXT, tuple(found), links=links, meta={"country": "Peru"})


def made(article, *, ledger=None, **chosen):
    maker = RecordMaker(RecordSettings(**chosen), ledger or LossLedger())
    return list(maker(article)), maker


def nearest_by_plain_loops(article, sentences):
    """The naive rule, by comparing every actor and place with every event."""
    links = set()
    for span in article.spans:
        if span.label not in ("ACTOR", "LOCATION"):
            continue
        best = None
        for event in article.spans:
            if event.label == "EVENT" and sentences[event][0] == sentences[span][0]:
                apart = span.end <= event.start or event.end <= span.start
                distance = len(TEXT[min(span.end, event.end) : max(span.start, event.start)]) if apart else 0
                if best is None or (distance, event) < best:
                    best = (distance, event)
        if best is not None:
            role = "PLACE" if span.label == "LOCATION" else "AGENT" if span.start < best[1].start else "TARGET"
            links.add((best[1], span, role))
    return links


@settings(max_examples=150)
@given(articles())
def test_the_naive_rule_is_that_of_plain_loops(article):
    sentences = sentences_of_spans(article)
    links = nearest_links(article.spans, sentences)
    assert {(link.event, link.participant, link.role) for link in links} == nearest_by_plain_loops(article, sentences)


@settings(max_examples=150)
@given(articles(), st.sampled_from(["given", "nearest"]), st.sampled_from([0.0, 0.5]))
def test_every_row_leads_back_to_its_event_and_every_event_has_a_row(article, linking, least):
    rows, maker = made(article, linking=linking, thresholds={"EVENT": least, "ACTOR": least}, link_thresholds={"AGENT": least})
    events = [span for span in article.spans if span.label == "EVENT" and (span.score is None or span.score >= least)]
    assert [(row.start, row.end, row.score, row.status) for row in rows] == [(e.start, e.end, e.score, e.status) for e in events]
    assert maker.rows == maker.events == len(events)
    for row in rows:
        assert row.article_id == article.id
        assert row.event == TEXT[row.start : row.end]
        assert row.sentence == TEXT[row.sentence_start : row.sentence_end]
        assert row.sentence_start <= row.start < row.end <= row.sentence_end
        assert (row.linking is None) == (row.agents is row.targets is row.places is None)
        for one in itertools.chain(row.agents or (), row.targets or (), row.places or ()):
            assert one.text == TEXT[one.start : one.end]
            assert one.name in TEXT
        for one in row.agents or ():
            assert one.score is None or one.score >= least
        if linking == "given" and article.links is None:
            assert row.linking is None


POLICE = make_article("p", "Police/ACTOR arrested/EVENT men/ACTOR in Lima/LOCATION .")
ACTOR, EVENT, MEN, LIMA = POLICE.spans


def linked(*links, **fields):
    return Article("p", POLICE.text, POLICE.spans, links=links, **fields)


def test_no_links_are_unknown_and_looked_for_in_vain_is_none():
    (unknown,), maker = made(POLICE)
    assert (unknown.agents, unknown.targets, unknown.places, unknown.linking) == (None, None, None, None)
    assert "articles without links: 1 of 1; their agents, targets and places are unknown (null)" in maker.notes()[0]
    (none,), _ = made(linked())
    assert (none.agents, none.targets, none.places, none.linking) == ((), (), (), "given")
    (in_part,), _ = made(linked(annotated=((0, 3),)))
    assert (in_part.agents, in_part.linking) == (None, None)


def test_a_role_whose_label_nobody_marked_is_unknown():
    article = Article("p", POLICE.text, POLICE.spans[:3], labels=("ACTOR", "EVENT"), links=(Link(EVENT, ACTOR, "AGENT"),))
    (row,), _ = made(article)
    assert ([one.text for one in row.agents], row.targets, row.places) == (["Police"], (), None)
    (naive,), _ = made(article, linking="nearest")
    assert ([one.text for one in naive.targets], naive.places, naive.linking) == (["men"], None, "nearest")


def test_an_unsure_link_or_status_is_unknown_rather_than_none():
    unsure = Span(EVENT.start, EVENT.end, "EVENT", 0.9, "asserted", 0.4)
    links = (Link(unsure, ACTOR, "AGENT", 0.4), Link(unsure, MEN, "TARGET", 0.8))
    article = Article("p", POLICE.text, (ACTOR, unsure, MEN), links=links)
    (row,), maker = made(article, link_thresholds={"AGENT": 0.5, "TARGET": 0.5}, status_threshold=0.5)
    assert (row.agents, row.status, row.status_score) == (None, None, None)
    assert [(one.text, one.score) for one in row.targets] == [("men", 0.8)]
    assert any("AGENT: 1 links left out" in note for note in maker.notes())
    assert made(article, status=("asserted",), status_threshold=0.5)[0] == []


def test_only_events_of_a_status_and_the_overstatement_is_said():
    found = (Span(7, 10, "EVENT", status="asserted"), Span(34, 38, "EVENT", status="negated"), Span(50, 54, "EVENT"))
    article = Article("p", TEXT, found)
    rows, maker = made(article, status=("asserted",))
    assert [row.event for row in rows] == ["met"]
    assert "events: 1 asserted, 1 negated, 1 of unknown status; rows are those that are asserted" in maker.notes()
    assert any("counting them all as events that happened gives too high a figure" in note for note in made(article)[1].notes())


def test_links_that_no_column_holds_are_in_the_ledger():
    ledger = LossLedger()
    made(linked(Link(EVENT, ACTOR, "CAUSE"), Link(ACTOR, MEN, "AGENT")), ledger=ledger)
    assert sorted(ledger.summary()) == [
        "1 link dropped at making records: have a role that has no column (AGENT, TARGET, PLACE have one)",
        "1 link dropped at making records: start at a span that is not EVENT",
    ]


def test_articles_that_nobody_tagged_and_another_name_of_the_event_label_are_said():
    assert "no article has a span, so there is no row" in made(Article("a", "Police met."))[1].notes()[0]
    _, maker = made(make_article("a", "Police/ACTOR met/Event ."))
    assert maker.notes()[0] == "no span has the label EVENT, so there is no row; found: ACTOR, Event (--map Event=EVENT)"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"linking": "far"}, "linking: 'far' is not allowed; choose of given, model, nearest"),
        ({"status": ("done",)}, "status: 'done' is not allowed"),
        ({"link_thresholds": {"ACTOR": 0.5}}, "link_threshold: 'ACTOR' is not allowed; choose of AGENT, TARGET, PLACE"),
        ({"thresholds": {"EVENT": 2}}, "threshold: EVENT=2 is not a share"),
        ({"status_threshold": -1}, "status_threshold: -1 is not a share"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        RecordSettings(**values)


def one_sentence(count, *, verbs):
    """One sentence of so many events found by a tagger, with an actor each; `verbs`: every event is a light verb but the last."""
    text, found = "", []
    for number in range(count):
        mention = "made" if verbs and number < count - 1 else "attack"
        found.append(Span(len(text), len(text) + len(mention), "EVENT", 0.9, "asserted" if number % 3 else "future"))
        text += mention + " "
        if not verbs:
            found.append(Span(len(text), len(text) + 2, "ACTOR", 0.9))
            text += "he "
    links = [Link(event, actor, "AGENT", 0.9) for event, actor in zip(found[::2], found[1::2], strict=False)]
    return Article("a", text + "on Sunday .", tuple(found), links=() if verbs else tuple(links), meta={"date": "2024-05-05"})


@pytest.mark.parametrize("verbs", [False, True], ids=["events", "light verbs"])
def test_work_and_output_grow_with_the_events_of_one_sentence_not_with_their_square(verbs):
    def cost(count):
        article, calls = one_sentence(count, verbs=verbs), Counter()
        maker = RecordMaker(RecordSettings(), LossLedger(), dates=EventDates("date"))
        sys.setprofile(lambda _frame, event, _argument: calls.update([event]))
        try:
            records = list(maker(article))
        finally:
            sys.setprofile(None)
        assert len(records) == (1 if verbs else count)
        return calls["call"] + calls["c_call"], sum(len(record.sentence) for record in records)

    few, many = cost(1000), cost(2000)
    assert many[0] < 2.3 * few[0]
    assert many[1] < 2.3 * few[1]


def test_a_long_sentence_is_shown_around_its_event_and_the_notes_say_so():
    article = one_sentence(1000, verbs=False)
    records, maker = made(article)
    for record in records:
        assert record.sentence == article.text[record.sentence_start : record.sentence_end]
        assert len(record.sentence) == 2000
        assert record.sentence_start <= record.start < record.end <= record.sentence_end
    assert "rows whose sentence is longer than 2,000 characters: 1,000; they hold the part around the event" in maker.notes()


def test_a_threshold_of_a_label_that_no_span_has_is_named():
    _, maker = made(make_article("a", "Rebels/ACTOR met/EVENT"), thresholds={"EVNT": 0.7, "EVENT": 0.5})
    assert "no span has the label 'EVNT', for which there is a threshold; found: ACTOR, EVENT" in maker.notes()
    assert not any("'EVENT'" in note for note in maker.notes())


def test_what_has_no_score_passes_every_threshold_and_is_counted():
    event, actor = Span(0, 5, "EVENT", status="asserted"), Span(9, 14, "ACTOR")
    article = Article("a", "Riots of Roman", (event, actor), links=(Link(event, actor, "AGENT"),))
    thresholds = {"thresholds": {"EVENT": 0.5}, "link_thresholds": {"AGENT": 0.5}, "status_threshold": 0.5}
    (row,), maker = made(article, **thresholds)
    assert row.status == "asserted"
    notes = maker.notes()
    for what in ("EVENT", "links of AGENT", "status"):
        assert f"{what}: 1 without a score, which pass whatever the threshold is" in notes
    assert not [note for note in made(article)[1].notes() if "without a score" in note]
