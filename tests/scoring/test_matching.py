import random
from collections import Counter

import pytest

from eventtag.labels import LabelSet
from eventtag.scoring.matching import SCHEMES, match_spans
from eventtag.span import Span


def outcomes(gold, predicted, scheme):
    return sorted(match.outcome for match in match_spans(gold, predicted, scheme))


A, B = "ACTOR", "EVENT"


@pytest.mark.parametrize(
    ("predicted", "expected"),
    [
        (Span(2, 6, A), ("correct", "correct", "correct", "correct")),
        (Span(2, 6, B), ("incorrect", "correct", "correct", "incorrect")),
        (Span(3, 6, A), ("incorrect", "incorrect", "partial", "correct")),
        (Span(3, 9, B), ("incorrect", "incorrect", "partial", "incorrect")),
    ],
)
def test_a_pair_is_judged_by_its_scheme(predicted, expected):
    schemes = ("strict", "exact", "partial", "type")
    assert tuple(outcomes([Span(2, 6, A)], [predicted], scheme)[0] for scheme in schemes) == expected


def test_the_best_matching_is_taken_not_the_first():
    gold = [Span(0, 10, A)]
    predicted = [Span(0, 4, B), Span(0, 10, A)]
    assert outcomes(gold, predicted, "strict") == ["correct", "spurious"]
    assert outcomes([Span(0, 4, A), Span(3, 9, A)], [Span(2, 8, A), Span(0, 3, A)], "type") == ["correct", "correct"]


def test_one_prediction_over_two_gold_spans_answers_one_of_them():
    assert outcomes([Span(0, 3, A), Span(4, 8, A)], [Span(0, 8, A)], "type") == ["correct", "missed"]
    assert outcomes([Span(0, 3, A), Span(4, 8, A)], [Span(0, 8, A)], "partial") == ["missed", "partial"]


def test_among_equal_matchings_the_same_label_and_the_larger_overlap_win():
    [first, second] = match_spans([Span(0, 10, A)], [Span(0, 3, A), Span(4, 10, A)], "type")
    assert (first.predicted, second.predicted) == (Span(4, 10, A), Span(0, 3, A))
    matches = match_spans([Span(0, 10, A)], [Span(0, 10, A), Span(0, 10, B)], "exact")
    assert matches[0].predicted == Span(0, 10, A)


def test_partial_prefers_one_correct_pair_over_two_partial_ones():
    gold = [Span(0, 4, A), Span(3, 8, A)]
    predicted = [Span(0, 4, A), Span(2, 4, B)]
    assert outcomes(gold, predicted, "partial") == ["correct", "partial"]


def test_what_only_labels_could_decide_is_decided_by_lot_not_by_alphabet():
    """One prediction of a third label on two gold spans: each gold label answers about half of the time, in either role."""
    labels = LabelSet(("ALPHA", "BETA", "OTHER"))
    for scheme in ("exact", "partial", "type"):
        first = Counter()
        for start in range(400):
            gold = [Span(start, start + 5, "ALPHA"), Span(start, start + 5, "BETA")]
            other = [Span(start, start + 5, "OTHER")]
            [answered] = [m.gold.label for m in match_spans(gold, other, scheme) if m.gold and m.predicted]
            [swapped] = [m.predicted.label for m in match_spans(other, gold, scheme) if m.gold and m.predicted]
            assert answered == swapped
            first[answered] += 1
        assert set(first) < set(labels.labels)
        assert 150 < first["ALPHA"] < 250


def test_full_and_sparse_tables_give_the_same_credit(monkeypatch):
    rng = random.Random(0)
    for _ in range(300):
        gold, predicted = (
            {Span(s := rng.randrange(20), s + rng.randint(1, 9), rng.choice("ABC")) for _ in range(8)} for _ in range(2)
        )
        for scheme in SCHEMES:
            found = []
            for cells in (10_000, 0):
                monkeypatch.setattr("eventtag.scoring.matching.MOST_CELLS", cells)
                found.append(Counter(match.outcome for match in match_spans(gold, predicted, scheme)))
            assert found[0] == found[1]


def test_nested_spans_are_matched_in_a_full_table(monkeypatch):
    """All pairs overlap: a sparse table would hold them all, and take a hundred times as long."""
    monkeypatch.setattr("eventtag.scoring.matching.min_weight_full_bipartite_matching", None)
    gold = [Span(at, 500 - at, "A") for at in range(150)]
    predicted = [Span(at, 501 - at, "A") for at in range(150)]
    for scheme in SCHEMES:
        assert len(match_spans(gold, predicted, scheme)) == 150
