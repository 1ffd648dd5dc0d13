"""Which pairs become links, of which roles it is unknown whether anybody has them, and what validation articles decide of both."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_article
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.encoding.tokens import tokenise
from eventtag.labels import LabelSet
from eventtag.link import ROLES, Link
from eventtag.links.calibration import LinkCalibration, LinkInfo, info_from_json
from eventtag.links.candidates import find_candidates
from eventtag.links.choosing import are_coordinated, best_of_roles, choose_pairs
from eventtag.links.decoding import decode_links, role_probabilities
from eventtag.links.fitting import SURE, ScoredPairs, Targets, fit_links
from eventtag.links.network import PairScores
from eventtag.links.scheme import LinkScheme
from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.span import Span

LABELS = LabelSet()
SCHEME = LinkScheme(ROLES, ("EVENT",), {"AGENT": ("ACTOR",), "TARGET": ("ACTOR", "LOCATION"), "PLACE": ("LOCATION",)})
TOKENIZER = build_tiny_tokenizer(["a b c . A"])
EVENT_AND_FOUR = make_article("a", "Xi/ACTOR and Modi/ACTOR met/EVENT near Abe/ACTOR , Ali/ACTOR in Lima/LOCATION .")


def scored(article: Article, chances: Sequence[Sequence[float]], spans: Sequence[Span] | None = None) -> ScoredPairs:
    """Pairs whose probabilities of no link, AGENT, TARGET and PLACE are `chances`, in the order of the candidates."""
    spans = tuple(article.spans if spans is None else spans)
    found = find_candidates(article.text, tokenise(article.text, TOKENIZER), spans, LABELS, SCHEME)
    logits = np.log(np.array(chances, dtype=np.float32).reshape(-1, 4) + 1e-30)
    assert len(logits) == len(found.pairs)
    return ScoredPairs(article, spans, found, PairScores(logits, np.zeros((len(found.events), 4), dtype=np.float32)))


def decoded(item: ScoredPairs, **calibration: object) -> tuple[tuple[Span, ...], list[str]]:
    told, links = item.decoded(LinkInfo(SCHEME, LinkCalibration(**calibration)))  # type: ignore[arg-type]
    return told, [f"{link.role} {item.article.mention(link.participant)}" for link in links]


@pytest.mark.parametrize(
    ("text", "coordinated"),
    [
        ("Xi/ACTOR and Modi/ACTOR", True),
        ("Xi/ACTOR , Modi/ACTOR and the Abe/ACTOR", True),
        ("Xi/ACTOR , Abe/ACTOR , Modi/ACTOR and Ali/ACTOR", True),
        ("Xi/ACTOR as well as his 3 Abe/ACTOR", True),
        ("Xi/ACTOR of Abe/ACTOR", False),
        ("Xi/ACTOR met/EVENT and Abe/ACTOR", False),
        ("Xi/ACTOR and she told/EVENT Abe/ACTOR", False),
        ("Xi/ACTOR . And Abe/ACTOR", False),
        ("Xi/ACTOR near Lima/LOCATION and Abe/ACTOR", False),
    ],
)
def test_mentions_are_coordinated_if_nothing_but_joining_words_and_others_of_their_kind_stand_between(
    text: str, coordinated: bool
) -> None:
    article = make_article("a", text)
    actors = [span for span in article.spans if span.label == "ACTOR"]
    assert are_coordinated(article.text, actors[0], actors[-1], article.spans) is coordinated
    assert are_coordinated(article.text, actors[-1], actors[0], article.spans) is coordinated


class Seen(list):  # type: ignore[type-arg]
    """Spans that count how often one of them is looked at."""

    looks = 0

    def __getitem__(self, at):  # type: ignore[no-untyped-def]
        self.looks += 1
        return super().__getitem__(at)


def test_two_mentions_are_compared_with_what_stands_between_them_alone() -> None:
    article = make_article("a", " ".join(["Xi/ACTOR", "and", "Modi/ACTOR", "met/EVENT"] * 2000))
    spans = Seen(article.spans)
    assert are_coordinated(article.text, article.spans[3000], article.spans[3001], spans)
    assert spans.looks < 20
    far = Article("a", "Xi , " + "x " * 2000, (Span(0, 2, "ACTOR"), *(Span(n, n + 1, "ACTOR") for n in range(5, 4005, 2))))
    assert are_coordinated(far.text, far.spans[0], far.spans[1], far.spans)
    assert not are_coordinated(far.text, far.spans[0], far.spans[-1], Seen())


def test_a_further_participant_needs_more_unless_it_is_coordinated_with_a_surer_one() -> None:
    chances = [[0.1, 0.9, 0, 0], [0.5, 0.5, 0, 0], [0.3, 0.7, 0, 0], [0.4, 0.6, 0, 0], [0.4, 0, 0, 0.6]]
    item = scored(EVENT_AND_FOUR, chances)
    assert decoded(item)[1] == ["AGENT Xi", "AGENT Modi", "AGENT Abe", "AGENT Ali", "PLACE Lima"]
    assert decoded(item, further=0.8)[1] == ["AGENT Xi", "AGENT Modi", "PLACE Lima"]
    # Ali is coordinated with Abe, who reaches it.
    assert decoded(item, further=0.65)[1] == ["AGENT Xi", "AGENT Modi", "AGENT Abe", "AGENT Ali", "PLACE Lima"]


def test_a_role_is_unsure_between_what_is_absent_and_what_is_said_and_if_the_head_does_not_know_it() -> None:
    item = scored(EVENT_AND_FOUR, [[0.9, 0.1, 0, 0], [0.7, 0.3, 0, 0], [0.94, 0.01, 0.05, 0], [1, 0, 0, 0], [0.98, 0, 0, 0.02]])

    def unsure(info: LinkInfo) -> tuple[str, ...]:
        told, links = item.decoded(info)
        assert links == ()
        return next(span.unsure_roles for span in told if span.label == "EVENT")

    absent = {"AGENT": 0.2, "TARGET": 0.06, "PLACE": 0.02}
    assert unsure(LinkInfo(SCHEME, LinkCalibration(absent=absent))) == ("AGENT",)
    assert unsure(LinkInfo(SCHEME)) == ROLES  # a checkpoint that does not say what absent means
    agents = LinkScheme(("AGENT", "TARGET"), ("EVENT",), {"AGENT": ("ACTOR",), "TARGET": ("ACTOR",)})
    few = replace(item, scores=replace(item.scores, roles=item.scores.roles[:, :3]))
    told, _ = few.decoded(LinkInfo(agents, LinkCalibration(absent={"AGENT": 1.0, "TARGET": 1.0})))
    assert [span.unsure_roles for span in told if span.label == "EVENT"] == [("PLACE",)]
    assert scored(make_article("b", "Police met/EVENT ."), []).decoded(LinkInfo(SCHEME))[0][0].unsure_roles == ()


@st.composite
def validation(draw: st.DrawFn) -> list[ScoredPairs]:
    """Up to 60 articles, each an event with an actor and a place, that have the roles or not, with scores that tell a little."""
    items = []
    for number in range(draw(st.integers(1, 60))):
        article = make_article(f"a{number}", "Xi/ACTOR met/EVENT in Lima/LOCATION .")
        actor, event, place = article.spans
        has = draw(st.tuples(st.booleans(), st.booleans()))
        links = [Link(event, actor, "AGENT")] * has[0] + [Link(event, place, "PLACE")] * has[1]
        agent, at = (draw(st.sampled_from([0.01, 0.1, 0.3, 0.45, 0.9])) for _ in has)
        items.append(scored(replace(article, links=tuple(links)), [[1 - agent, agent, 0, 0], [1 - at, 0, 0, at]]))
    return items


@settings(max_examples=40)
@given(validation())
def test_where_nobody_is_said_to_have_a_role_nobody_has_on_the_validation_articles(items: list[ScoredPairs]) -> None:
    fitted = fit_links(items, items, SCHEME, fitted_on={})
    info = LinkInfo(SCHEME, fitted)
    for role, place in (("AGENT", 0), ("PLACE", 2)):
        said = wrong = 0
        open_ones = []
        for item in items:
            told, links = item.decoded(info)
            has = any(link.role == role for link in item.article.links or ())
            if any(link.role == role for link in links):
                continue
            best = best_of_roles(item.found, role_probabilities(item.scores, fitted.temperature))[1, place]
            if role in told[1].unsure_roles:
                open_ones.append((best, has))
            else:
                said, wrong = said + 1, wrong + has
        assert said == 0 or (wrong + 1) / (said + 1) <= 1 - SURE + 1e-9
        for bound in sorted({best for best, _ in open_ones}):  # no higher bound would do
            more = [has for best, has in open_ones if best <= bound]
            assert (wrong + sum(more) + 1) / (said + len(more) + 1) > 1 - SURE


def crowd(count: int, right: int) -> list[ScoredPairs]:
    """Articles whose first AGENT is right, and a second in `right` of them; and as many with one AGENT, right and no more probable."""
    items = []
    for number in range(count):
        single = make_article(f"b{number}", "Xi/ACTOR met/EVENT .")
        actor, event = single.spans
        items.append(scored(replace(single, links=(Link(event, actor, "AGENT"),)), [[0.3, 0.7, 0, 0]]))
    for number in range(count):
        article = make_article(f"a{number}", "Xi/ACTOR met/EVENT near Abe/ACTOR .")
        first, event, second = article.spans
        links = (Link(event, first, "AGENT"), *([Link(event, second, "AGENT")] if number < right else []))
        items.append(scored(replace(article, links=links), [[0.05, 0.95, 0, 0], [0.3, 0.7, 0, 0]]))
    return items


def test_further_participants_are_said_as_far_as_the_validation_articles_bear_them_out() -> None:
    for right, said in ((2, 40), (18, 60)):
        items = crowd(20, right)
        fitted = fit_links(items, [], SCHEME, fitted_on={})
        assert sum(len(item.decoded(LinkInfo(SCHEME, fitted))[1]) for item in items) == said


def test_a_target_of_a_role_or_status_is_reached_on_the_predicted_spans(caplog: pytest.LogCaptureFixture) -> None:
    items = []
    for number in range(20):
        article = make_article(f"a{number}", "Xi/ACTOR met/EVENT in Lima/LOCATION .")
        actor, event, place = article.spans
        status = "asserted" if number >= 4 else "future"
        event = replace(event, status=status)
        gold = replace(article, spans=(actor, event, place), links=(Link(event, actor, "AGENT"),) if number >= 5 else ())
        chance = 0.5 + number / 50
        spans = [replace(span, score=0.9) for span in article.spans]
        item = scored(gold, [[1 - chance, chance, 0, 0], [1, 0, 0, 0]], spans)
        told = np.array([[number / 5, 0, 0, 0]], dtype=np.float32)
        items.append(replace(item, scores=replace(item.scores, status=told)))
    targets = Targets({"AGENT": 1.0, "asserted": 0.9, "PLACE": 0.9}, {})
    with caplog.at_level(logging.INFO):
        fitted = fit_links(items, items, SCHEME, targets=targets, fitted_on={})
    assert "no threshold is saved for PLACE: evaluation.target_precision" in caplog.text
    assert fitted.thresholds["AGENT"] == 0
    assert set(fitted.least) == {"AGENT"}
    assert set(fitted.targets) == {"AGENT", "asserted"}
    info = info_from_json(LinkInfo(SCHEME, fitted).to_json())
    found = [(item.article, *item.decoded(info)) for item in items]
    links = [(link, article) for article, _, links in found for link in links if link.role == "AGENT"]
    assert len(links) == 15
    assert all(link in (article.links or ()) for link, article in links)
    status = [(span.status, article.spans[1].status) for article, spans, _ in found for span in spans if span.status]
    assert status
    assert sum(one == other for one, other in status) / len(status) >= 0.9


def test_an_older_record_of_a_link_head_is_read_and_says_of_no_role_that_nobody_has_it() -> None:
    record = LinkInfo(SCHEME, LinkCalibration(thresholds={"AGENT": 0.4})).to_json()
    old = {key: record["calibration"][key] for key in ("temperature", "status_temperature", "thresholds", "fitted_on")}
    info = info_from_json({**record, "calibration": {**old, "status_threshold": 0.0}})
    assert info == LinkInfo(SCHEME, LinkCalibration(thresholds={"AGENT": 0.4}))
    told, _ = decode_links(EVENT_AND_FOUR.text, EVENT_AND_FOUR.spans, *_scores_of_nothing(), info)
    assert [span.unsure_roles for span in told if span.label == "EVENT"] == [ROLES]


def _scores_of_nothing() -> tuple[object, object]:
    item = scored(EVENT_AND_FOUR, [[0.97, 0.01, 0.01, 0.01]] * 5)
    return item.found, item.scores


def test_pairs_of_no_candidates_are_none() -> None:
    item = scored(make_article("a", "Xi/ACTOR slept ."), [])
    rows, roles = choose_pairs(item.article.text, item.spans, item.found, np.zeros((0, 4)), np.zeros(3), 0.5)
    assert len(rows) == len(roles) == 0
