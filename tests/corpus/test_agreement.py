import itertools
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.corpus.agreement import WordTable, measure_agreement
from eventtag.errors import DataError
from eventtag.labels import LabelSet
from eventtag.link import Link
from eventtag.scoring.report import score_articles
from eventtag.span import Span

TEXT = "Kyiv fell and Lviv held"


def article(*spans: tuple[int, int, str], **more) -> Article:
    return Article("a", TEXT, tuple(Span(*span) for span in spans), **more)


def test_the_same_annotation_agrees_fully():
    spans = ((0, 4, "LOC"), (5, 9, "EV"))
    found = measure_agreement([article(*spans)], [article(*spans)])
    for label in ("LOC", "EV"):
        counts = found.labels[label]
        assert (counts.strict_f1, counts.partial_f1, counts.words.kappa, counts.words.alpha) == (1, 1, 1, 1)
    assert found.disagreements == ()


def test_overlaps_count_a_half_and_every_disagreement_is_listed_with_its_kind():
    a = article((0, 4, "LOC"), (5, 9, "EV"), (14, 18, "LOC"))
    b = article((0, 9, "LOC"), (5, 9, "LOC"), (19, 23, "EV"))
    found = measure_agreement([a], [b])
    loc = found.labels["LOC"]
    assert (loc.a, loc.b, loc.same, loc.overlapping) == (2, 2, 0, 1)
    assert (loc.strict_f1, loc.partial_f1) == (0, 0.375)  # A: one overlaps, of two; B: one overlaps, one has the same offsets
    assert sorted(d.kind for d in found.disagreements) == ["boundary", "label", "only A", "only B"]
    assert found.micro.a == found.micro.b == 3


def test_only_what_both_annotated_counts():
    a = article((0, 4, "LOC"), (14, 18, "LOC"), annotated=((0, 13),))
    b = article((0, 4, "LOC"), (5, 9, "EV"), labels=("LOC", "EV"))
    found = measure_agreement([a], [b])
    assert found.labels["LOC"].strict_f1 == 1
    assert found.labels["LOC"].words.words == 3
    assert found.labels["EV"].b == 1
    limited = measure_agreement([article((0, 4, "LOC"), labels=("LOC",))], [b])
    assert (limited.labels["EV"].strict_f1, limited.labels["EV"].words.words) == (None, 0)


def test_articles_that_only_one_has_are_named_and_none_in_common_is_an_error():
    found = measure_agreement([article(), Article("x", "y")], [article(), Article("z", "y")])
    assert (found.articles, found.only_in_a, found.only_in_b) == (1, ("x",), ("z",))
    with pytest.raises(DataError, match="no article in common"):
        measure_agreement([Article("x", "y")], [Article("z", "y")])
    with pytest.raises(DataError, match=r"different texts.*\n  article 'x'"):
        measure_agreement([Article("x", "y")], [Article("x", "z")])


def test_alpha_is_krippendorffs_published_example():
    """Two observers, ten units, binary: alpha = 0.095 (Krippendorff 2011, example A)."""
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    table = WordTable()
    for a, b in zip(meg, owen, strict=True):
        name = {(1, 1): "both", (1, 0): "only_a", (0, 1): "only_b", (0, 0): "neither"}[a, b]
        setattr(table, name, getattr(table, name) + 1)
    assert table.alpha == pytest.approx(0.095, abs=5e-4)


@given(st.tuples(*[st.integers(0, 8)] * 4))
@settings(max_examples=200)
def test_kappa_and_alpha_follow_their_definitions(counts):
    table = WordTable(*counts)
    pairs = [(1, 1)] * counts[0] + [(1, 0)] * counts[1] + [(0, 1)] * counts[2] + [(0, 0)] * counts[3]
    values = [value for pair in pairs for value in pair]
    if len(set(values)) < 2:
        assert table.alpha is None
        assert table.kappa is None
        return
    observed = sum(a != b for a, b in pairs) / len(pairs)
    expected = sum(a != b for a, b in itertools.permutations(values, 2)) / (len(values) * (len(values) - 1))
    assert table.alpha == pytest.approx(1 - observed / expected)
    a_share, b_share = (sum(pair[side] for pair in pairs) / len(pairs) for side in (0, 1))
    chance = a_share * b_share + (1 - a_share) * (1 - b_share)
    if table.kappa is None:
        assert chance == pytest.approx(1)
    else:
        assert table.kappa == pytest.approx((1 - observed - chance) / (1 - chance))


LABELS = st.sampled_from(("LOC", "EV", "ACT"))


def marks():
    span = st.builds(lambda start, size, label: (start, start + size, label), st.integers(0, 15), st.integers(1, 8), LABELS)
    return st.lists(span, max_size=6, unique=True)


@given(marks(), marks())
@settings(max_examples=150)
def test_strict_and_partial_are_those_of_an_evaluation_whoever_is_gold(first, second):
    a, b = article(*first), article(*second)
    labels = sorted({label for *_, label in (*first, *second)})
    found = measure_agreement([a], [b])
    turned = measure_agreement([b], [a])
    if not labels:
        assert found.micro.partial_f1 is None
        return
    scores = score_articles([(a, b.spans)], LabelSet(tuple(labels)), words=None).schemes
    for name, mine in (*found.labels.items(), ("micro", found.micro)):
        for scheme in ("strict", "partial"):
            counts = scores[scheme].micro if name == "micro" else scores[scheme].labels[name]
            other = turned.micro if name == "micro" else turned.labels[name]
            expected = pytest.approx(counts.f1) if mine.a + mine.b else None
            assert getattr(mine, f"{scheme}_f1") == expected
            assert getattr(other, f"{scheme}_f1") == expected


def test_labels_may_hold_white_space():
    spans = ((0, 4, "Armed group"), (5, 9, "EV"))
    assert measure_agreement([article(*spans)], [article(*spans)]).micro.partial_f1 == 1


def test_a_label_that_only_a_third_annotator_used_is_compared_and_empty():
    found = measure_agreement([article((0, 4, "LOC"))], [article((0, 4, "LOC"))], labels=["LOC", "EV"])
    assert (found.labels["LOC"].strict_f1, found.labels["EV"].strict_f1) == (1.0, None)


def test_words_and_regions_are_matched_by_growth_not_by_their_product():
    sides = [
        Article(
            "a",
            "ab " * size,
            tuple(Span(3 * n, 3 * n + 2, "LOC") for n in range(0, size, 2)),
            tuple((3 * n, 3 * n + 2) for n in range(size)),
        )
        for size in (2_000, 16_000)
    ]
    seconds = []
    for side in sides:
        spent = []
        for _ in range(3):  # the least of three, since other programs and the garbage collector take time as well
            before = time.process_time()
            found = measure_agreement([side], [side])
            spent.append(time.process_time() - before)
        seconds.append(min(spent))
        assert found.micro.words.words == len(side.annotated)
    assert seconds[1] < 24 * max(seconds[0], 0.005)  # eight times as much; its square would be 64


POLICE, MEN, ARREST, MEETING = Span(0, 6, "ACTOR"), Span(16, 19, "ACTOR"), Span(7, 15, "EVENT"), Span(24, 27, "EVENT")


def linked(links, *statuses, spans=(POLICE, MEN, ARREST, MEETING), **fields):
    events = iter(statuses)
    marked = [replace(span, status=next(events, None)) if span.label == "EVENT" else span for span in spans]
    return Article("a", "Police arrested men who met", tuple(marked), links=links, **fields)


def test_links_agree_with_their_role_without_it_and_between_spans_of_both():
    a = linked((Link(ARREST, POLICE, "AGENT"), Link(ARREST, MEN, "TARGET"), Link(MEETING, MEN, "AGENT")))
    b = linked((Link(ARREST, POLICE, "AGENT"), Link(ARREST, MEN, "AGENT")), spans=(POLICE, MEN, ARREST))
    found = measure_agreement([a], [b]).links
    assert {role: (c.a, c.b, c.same) for role, c in found.roles.items()} == {"AGENT": (2, 2, 1), "TARGET": (1, 0, 0)}
    assert (found.articles, found.all.f1, found.whatever_role.f1, found.same_spans.f1) == (1, 2 / 5, 4 / 5, 2 / 4)
    assert [(d.kind, d.a, d.b) for d in found.disagreements] == [("role", "TARGET", "AGENT")]


def test_articles_in_which_one_did_not_mark_links_and_places_nobody_looked_at_do_not_count():
    a, b = linked((Link(ARREST, POLICE, "AGENT"),)), linked(None)
    assert (measure_agreement([a], [b]).links.articles, measure_agreement([a], [b]).links.all.f1) == (0, None)
    assert measure_agreement([a], [linked((), annotated=((16, 27),))]).links.all.a == 0
    assert measure_agreement([a], [linked(())]).links.all.f1 == 0
    assert measure_agreement([a], [a], labels=["ACTOR"]).links.all.f1 is None


def test_status_agrees_by_share_and_kappa():
    """One of three alike; by chance 5 of 9 (2/3 x 2/3 + 1/3 x 1/3)."""
    third = Span(20, 23, "EVENT")
    spans = (POLICE, ARREST, third, MEETING)
    a = linked(None, "asserted", "asserted", "future", spans=spans)
    b = linked(None, "asserted", "future", "asserted", spans=spans)
    found = measure_agreement([a], [b]).links
    assert (found.events, found.same_status, found.kappa) == (3, pytest.approx(1 / 3), pytest.approx((1 / 3 - 5 / 9) / (4 / 9)))
    assert [(d.kind, d.a, d.b) for d in found.disagreements] == [
        ("status", "asserted", "future"),
        ("status", "future", "asserted"),
    ]
    assert measure_agreement([a], [linked(None, spans=spans)]).links.kappa is None
