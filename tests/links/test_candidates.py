"""Candidate pairs: which there are, how many, and what is known of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from conftest import make_article, with_links
from hypothesis import given
from hypothesis import strategies as st

from eventtag.encoding.tokens import tokenise
from eventtag.labels import LabelSet
from eventtag.link import Link
from eventtag.links.calibration import LinkCalibration, LinkInfo
from eventtag.links.candidates import AHEAD, BACK, NEAREST, feature_sizes, find_candidates
from eventtag.links.decoding import decode_links
from eventtag.links.network import PairScores
from eventtag.links.scheme import LinkScheme, learnt_scheme
from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.span import STATUSES, Span

LABELS = LabelSet()
TAKERS = {"AGENT": ("ACTOR",), "TARGET": ("ACTOR", "LOCATION"), "PLACE": ("LOCATION",)}
SCHEME = LinkScheme(("AGENT", "TARGET", "PLACE"), ("EVENT",), TAKERS)
TOKENIZER = build_tiny_tokenizer(["a b c . A"])
MARKS = {"A": "ACTOR", "E": "EVENT", "L": "LOCATION"}
ARTICLES = st.lists(st.sampled_from(["A", "E", "L", "x", "by", "was", "“", "”", ",", ". Then", "\n"]), max_size=60)


def article(pieces: list[str]) -> tuple[str, list[Span]]:
    text, spans = "", []
    for piece in pieces:
        text += " " if text else ""
        if piece in MARKS:
            spans.append(Span(len(text), len(text) + 1, MARKS[piece]))
        text += piece
    return text, spans


@given(ARTICLES)
def test_the_candidates_are_the_participants_near_an_event_and_their_features_are_rows_of_the_table(pieces: list[str]) -> None:
    text, spans = article(pieces)
    tokens = tokenise(text, TOKENIZER)
    found = find_candidates(text, tokens, spans, LABELS, SCHEME)
    events = [n for n, span in enumerate(spans) if span.label == "EVENT"]
    others = [n for n, span in enumerate(spans) if span.label != "EVENT"]
    sentence = {n: tokens.sentence_of[np.searchsorted(tokens.words[:, 1], span.start, "right")] for n, span in enumerate(spans)}
    expected = [
        (event, other)
        for event in events
        for other in [o for o in others if o < event][-NEAREST:] + [o for o in others if o > event][:NEAREST]
        if -BACK <= sentence[other] - sentence[event] <= AHEAD
    ]
    assert [tuple(found.places[list(pair)]) for pair in found.pairs.tolist()] == expected
    sizes = np.cumsum([0, *feature_sizes(3).values()])
    assert found.features.shape == (len(expected), len(sizes) - 1)
    assert (found.features >= sizes[:-1]).all()
    assert (found.features < sizes[1:]).all()


def test_the_candidates_grow_linearly_with_the_article_even_where_no_sentence_ends() -> None:
    for size in (100, 1000):
        text, spans = article(["A", "E", "L"] * size)
        found = find_candidates(text, tokenise(text, TOKENIZER), spans, LABELS, SCHEME)
        assert len(found.pairs) <= 2 * NEAREST * size


@given(ARTICLES, st.integers(0, 9))
def test_no_link_has_a_role_that_its_participant_cannot_have_or_a_score_below_the_threshold(pieces: list[str], seed: int) -> None:
    text, spans = article(pieces)
    random = np.random.default_rng(seed)
    found = find_candidates(text, tokenise(text, TOKENIZER), spans, LABELS, SCHEME)
    roles = random.normal(0, 3, (len(found.pairs), 4)).astype(np.float32)
    roles[~SCHEME.allowed(LABELS)[found.labels[found.pairs[:, 1]]]] = -np.inf
    thresholds = {"AGENT": 0.3, "TARGET": 0.6, "PLACE": 1.0}
    scores = PairScores(roles, random.normal(0, 2, (len(found.events), 4)).astype(np.float32))
    info = LinkInfo(SCHEME, LinkCalibration(1.5, 0.7, thresholds, status_thresholds=dict.fromkeys(STATUSES, 0.5)))
    told, links = decode_links(text, spans, found, scores, info)
    assert told == tuple(spans)
    assert len({(link.event, link.participant) for link in links}) == len(links)
    for link in links:
        assert link.participant.label in SCHEME.participants[link.role]
        assert link.score is not None
        assert link.score >= info.calibration.thresholds[link.role]
    assert all(span.status is None or (span.label == "EVENT" and span.status_score >= 0.5) for span in told)


def test_what_cannot_be_learnt_of_links_is_said() -> None:
    plain = make_article("a", "Police/ACTOR arrested/EVENT men/ACTOR in Lima/LOCATION .")
    actor, event, _, place = plain.spans
    linked = replace(
        plain,
        links=(
            Link(event, place, "AGENT"),
            Link(event, actor, "WITNESS"),
            Link(event, place, "TARGET"),
            Link(actor, place, "PLACE"),
        ),
    )
    scheme, said = learnt_scheme([linked, plain], LABELS)
    assert scheme == LinkScheme(("TARGET",), ("EVENT",), {"TARGET": ("LOCATION",)})
    assert sorted(said) == [
        "1 links are not learnt: AGENT cannot be a LOCATION",
        "1 links are not learnt: the role WITNESS is not one of AGENT, TARGET, PLACE",
        "1 links are not learnt: they start at ACTOR, which is no event",
    ]
    assert learnt_scheme([plain], LABELS) == (None, [])
    full, _ = learnt_scheme([with_links(plain)], LABELS)
    assert full is not None
    assert full.participants == {"AGENT": ("ACTOR",), "TARGET": ("ACTOR",), "PLACE": ("LOCATION",)}
