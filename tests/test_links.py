from dataclasses import replace

import pytest

from eventtag.article import Article
from eventtag.corpus.lint import fix_articles
from eventtag.errors import DataError
from eventtag.formats.label_map import map_labels
from eventtag.formats.overlaps import resolve_overlaps
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.respan import respan
from eventtag.span import Span

POLICE, ARREST, MEN, LYON = (
    Span(0, 6, "ACTOR"),
    Span(7, 15, "EVENT", status="asserted"),
    Span(16, 19, "ACTOR"),
    Span(23, 27, "LOCATION"),
)
TEXT = "Police arrested men in Lyon"
LINKS = (Link(ARREST, POLICE, "AGENT"), Link(ARREST, MEN, "TARGET"), Link(ARREST, LYON, "PLACE"))


def article(**changes):
    return replace(Article("a", TEXT, (POLICE, ARREST, MEN, LYON), links=LINKS), **changes)


def test_links_are_sorted_each_once_and_between_the_spans_themselves():
    plain = Span(7, 15, "EVENT")
    found = article(links=(Link(plain, POLICE, "AGENT"), Link(plain, LYON, "PLACE"), Link(ARREST, POLICE, "AGENT", 0.5)))
    assert [link.role for link in found.links] == ["AGENT", "PLACE"]
    assert [link.event.status for link in found.links] == ["asserted", "asserted"]


def test_nobody_marked_links_is_not_that_there_are_none():
    assert Article("a", TEXT).links is None
    assert article(links=()).links == ()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"links": (Link(ARREST, Span(0, 5, "ACTOR"), "AGENT"),)},
            "article 'a': the link AGENT .* points to ACTOR 0-5, which is not",
        ),
        ({"links": (Link(ARREST, POLICE, " "),)}, "article 'a': a link has the role ' '"),
        ({"links": (Link(ARREST, POLICE, "\ud800"),)}, "article 'a': a role .* surrogate"),
        ({"spans": (POLICE, MEN, LYON)}, "which is not one of its spans"),
        (
            {"spans": (replace(POLICE, status="denied"), ARREST, MEN, LYON)},
            "article 'a': span ACTOR 0-6 has the status 'denied'; allowed",
        ),
    ],
)
def test_a_link_or_status_that_cannot_be_is_an_error_that_names_the_article(changes, problem):
    with pytest.raises(DataError, match=problem):
        article(**changes)


def test_a_span_that_goes_takes_its_links_with_it_which_the_ledger_counts():
    ledger = LossLedger()
    found = respan(article(), [ARREST, LYON], stage="here", ledger=ledger, asked=True)
    assert found.links == (Link(ARREST, LYON, "PLACE"),)
    assert ledger.summary() == ["2 links dropped at here: a span of theirs is dropped (as configured)"]
    assert (ledger.links[0].role, ledger.links[0].event, ledger.links[0].participant) == ("AGENT", (7, 15), (0, 6))


def test_a_role_whose_participants_go_is_unsure_and_one_that_keeps_some_is_not():
    found = respan(article(), [POLICE, ARREST], stage="here", ledger=LossLedger())
    assert [span.unsure_roles for span in found.spans] == [(), ("PLACE", "TARGET")]
    both = article(links=(Link(ARREST, POLICE, "AGENT"), Link(ARREST, MEN, "AGENT")))
    assert [span.unsure_roles for span in respan(both, [POLICE, ARREST], stage="here", ledger=LossLedger()).spans] == [(), ()]


def test_links_follow_spans_that_move_and_those_that_become_the_same_are_one():
    ledger = LossLedger()
    wide = Span(0, 19, "ACTOR")
    links = (Link(ARREST, POLICE, "AGENT"), Link(ARREST, MEN, "AGENT"))
    found = respan(article(links=links), [wide, ARREST], moved={POLICE: wide, MEN: wide}, stage="here", ledger=ledger)
    assert found.links == (Link(ARREST, wide, "AGENT"),)
    assert ledger.summary() == ["1 link merged at here: their spans become the same"]


def test_an_article_without_links_stays_without_them():
    ledger = LossLedger()
    assert respan(article(links=None), [LYON], stage="here", ledger=ledger).links is None
    assert respan(article(links=()), [LYON], stage="here", ledger=ledger).links == ()
    assert ledger.summary() == []


def test_renamed_and_dropped_labels_take_links_and_status_along():
    ledger = LossLedger()
    (found,) = map_labels([article()], {"ACTOR": "WHO", "EVENT": "WHAT", "LOCATION": None}, ledger=ledger)
    assert [(link.event.label, link.participant.label, link.role) for link in found.links] == [
        ("WHAT", "WHO", "AGENT"),
        ("WHAT", "WHO", "TARGET"),
    ]
    assert [span.status for span in found.spans] == [None, "asserted", None]
    assert "1 link dropped at mapping labels: a span of theirs is dropped (as configured)" in ledger.summary()


def test_of_spans_that_become_one_the_status_stays():
    spans = (Span(0, 6, "A"), Span(0, 6, "B", status="negated"), Span(0, 6, "C", status="future"))
    ledger = LossLedger()
    (found,) = map_labels([Article("a", TEXT, spans)], {"*": "EVENT"}, ledger=ledger)
    assert [(span.label, span.status) for span in found.spans] == [("EVENT", "negated")]
    assert [entry.detail for entry in ledger.entries] == ["", "its status future gives way to negated"]


def test_links_of_a_span_that_another_overlaps_are_dropped():
    inner = Span(7, 11, "EVENT")
    ledger = LossLedger()
    (found,) = resolve_overlaps(
        [article(spans=(POLICE, ARREST, inner), links=(Link(inner, POLICE, "AGENT"),))], "longest", ledger=ledger
    )
    assert (found.spans, found.links) == ((POLICE, ARREST), ())
    assert [link.asked for link in ledger.links] == [True]


def test_repairs_take_links_along():
    loose, blank = Span(6, 15, "EVENT", status="asserted"), Span(15, 16, "ACTOR")
    broken = article(spans=(POLICE, loose, blank), links=(Link(loose, POLICE, "AGENT"), Link(loose, blank, "TARGET")))
    ledger = LossLedger()
    (fixed,) = fix_articles([broken], ledger=ledger)
    assert fixed.links == (Link(ARREST, POLICE, "AGENT"),)
    assert fixed.spans[1].status == "asserted"
    assert ledger.summary() == ["1 link dropped at repairing: a span of theirs is dropped"]


def test_the_ledger_takes_over_links_of_another():
    first, second = LossLedger(), LossLedger()
    respan(article(), [ARREST], stage="here", ledger=first)
    second.absorb(first, prefix="x/")
    assert [(link.article_id, link.event) for link in second.links] == [("x/a", (7, 15))] * 3
    assert second.summary() == first.summary()
