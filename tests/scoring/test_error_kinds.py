import random
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.scoring.error_kinds import KINDS, find_errors
from eventtag.scoring.mentions import count_mentions
from eventtag.scoring.report import score_articles
from eventtag.span import Span

LABELS = LabelSet()
TEXT = "abcdefghijklmnopqrstuvwxyz" * 3
A, E = "ACTOR", "EVENT"


def kinds(gold, predicted):
    return [case.kind for case in find_errors([(Article("a", TEXT, tuple(gold)), predicted)], LABELS).cases]


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ([Span(2, 6, A)], [], ["missed"]),
        ([], [Span(2, 6, A)], ["spurious"]),
        ([Span(2, 6, A)], [Span(6, 8, A)], ["missed", "spurious"]),
        ([Span(2, 6, A)], [Span(2, 6, E)], ["wrong label"]),
        ([Span(2, 6, A)], [Span(3, 6, A)], ["too short"]),
        ([Span(2, 6, A)], [Span(2, 9, A)], ["too long"]),
        ([Span(2, 6, A)], [Span(4, 9, A)], ["shifted"]),
        ([Span(2, 6, A)], [Span(4, 9, E)], ["label and boundary"]),
        ([Span(2, 9, A)], [Span(2, 4, A), Span(5, 9, A)], ["split"]),
        ([Span(2, 4, A), Span(5, 9, A)], [Span(2, 9, A)], ["merged"]),
        ([Span(2, 9, A)], [Span(2, 9, A), Span(3, 5, E)], ["spurious"]),
        ([Span(2, 9, A), Span(3, 5, E)], [Span(2, 9, A)], ["missed"]),
        ([Span(2, 9, A)], [Span(2, 4, A), Span(5, 9, E)], ["too short", "spurious"]),
        ([Span(2, 9, A)], [Span(2, 9, A)], []),
    ],
)
def test_each_injected_error_is_its_kind(gold, predicted, expected):
    assert kinds(gold, predicted) == expected


def test_many_injected_errors_are_counted_as_what_they_are():
    rng = random.Random(0)
    injected, pairs = [], []
    for number in range(300):
        kind = rng.choice(KINDS[:-1])
        gold, predicted = {
            "missed": ([Span(4, 12, A)], []),
            "spurious": ([], [Span(4, 12, A)]),
            "wrong label": ([Span(4, 12, A)], [Span(4, 12, E)]),
            "too short": ([Span(4, 12, A)], [Span(5, 12, A)]),
            "too long": ([Span(4, 12, A)], [Span(4, 13, A)]),
            "shifted": ([Span(4, 12, A)], [Span(5, 13, A)]),
            "split": ([Span(4, 12, A)], [Span(4, 6, A), Span(8, 12, A)]),
            "merged": ([Span(4, 6, A), Span(8, 12, A)], [Span(4, 12, A)]),
            "label and boundary": ([Span(4, 12, A)], [Span(5, 12, E)]),
        }[kind]
        injected.append(kind)
        clean = Span(30, 40, rng.choice(LABELS.labels))
        pairs.append((Article(str(number), TEXT, (*gold, clean)), [clean, *predicted]))
    assert [case.kind for case in find_errors(pairs, LABELS).cases] == injected


def test_a_sure_prediction_of_what_is_annotated_elsewhere_doubts_the_gold():
    text = "Reuters said. Reuters said. Reuters said."
    gold = (Span(0, 7, A), Span(14, 21, A))
    sure, unsure = Span(28, 35, A, 0.97), Span(28, 35, A, 0.6)
    found = [find_errors([(Article("a", text, gold), [*gold, span])], LABELS).cases[0].kind for span in (sure, unsure)]
    assert found == ["likely gold error", "spurious"]


def test_training_mentions_speak_for_the_model_but_not_against_a_wider_annotation():
    article = Article("a", "Cairo fell. Cairo rose.", (Span(0, 5, A),))
    wrong = [Span(0, 5, "LOCATION", 0.99)]
    assert find_errors([(article, wrong)], LABELS).cases[0].kind == "wrong label"
    training = count_mentions([Article(str(n), "cairo", (Span(0, 5, "LOCATION"),)) for n in range(3)])
    assert find_errors([(article, wrong)], LABELS, training=training).cases[0].kind == "likely gold error"
    training[("cairo", A)] = 5
    assert find_errors([(article, wrong)], LABELS, training=training).cases[0].kind == "wrong label"


def spans():
    return st.builds(
        lambda start, length, label: Span(start, start + length, label),
        st.integers(0, 20),
        st.integers(1, 9),
        st.sampled_from(LABELS.labels),
    )


@settings(max_examples=300)
@given(st.lists(spans(), max_size=7), st.lists(spans(), max_size=7))
def test_kinds_and_confusion_reconcile_with_the_strict_counts(gold, predicted):
    pairs = [(Article("a", TEXT, tuple(gold)), predicted)]
    errors, strict = find_errors(pairs, LABELS), score_articles(pairs, LABELS, words=None).strict
    for number, (label, counts) in enumerate(strict.labels.items()):
        assert sum(errors.gold_spans(kind, label) for kind in KINDS) == counts.support - counts.gold_correct
        assert sum(errors.predicted_spans(kind, label) for kind in KINDS) == counts.predicted - counts.predicted_correct
        assert sum(errors.confusion[number]) == counts.support
        assert sum(row[number] for row in errors.confusion) == counts.predicted


def calls_for(count):
    """Function calls that scoring takes where one long gold and one long predicted span hold so many errors each."""
    text = "x" * (10 * count)
    gold = (Span(0, 10 * count, A), *(Span(10 * k, 10 * k + 4, E) for k in range(count)))
    predicted = [*(Span(10 * k + 1, 10 * k + 5, E) for k in range(count)), Span(0, 10 * count, "LOCATION")]
    pairs, calls = [(Article("a", text, gold), predicted)], Counter()
    sys.setprofile(lambda _frame, event, _argument: calls.update([event]))
    try:
        found = find_errors(pairs, LABELS)
        score_articles(pairs, LABELS, words=None)
    finally:
        sys.setprofile(None)
    assert len(found.cases) == count + 1
    return calls["call"] + calls["c_call"]


def test_work_grows_with_the_errors_on_one_long_span_not_with_their_square():
    assert calls_for(400) < 2.3 * calls_for(200)


def test_pieces_of_a_span_that_was_split_go_to_the_next_closest():
    """The long gold span is split into the two ACTOR spans; the EVENT span that was closest to it goes to the one inside it."""
    gold = [Span(0, 20, A), Span(8, 12, A)]
    predicted = [Span(0, 6, A), Span(14, 20, A), Span(6, 13, E)]
    assert kinds(gold, predicted) == ["split", "label and boundary"]
