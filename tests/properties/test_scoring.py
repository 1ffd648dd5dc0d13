"""Laws that every score obeys, whatever the spans."""

import random
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.scoring.matching import SCHEMES, match_spans
from eventtag.scoring.report import score_articles
from eventtag.span import Span, flatten

LABELS = LabelSet()
TEXT = "Ab cd, efg hi jk lmn-op qr. Stu"
WORDS = ((0, 2), (3, 5), (5, 6), (7, 10), (11, 13), (14, 16), (17, 20), (20, 21), (21, 23), (24, 26), (26, 27), (28, 31))

laws = settings(max_examples=150)


@st.composite
def spans(draw):
    start = draw(st.integers(0, len(TEXT) - 1))
    return Span(start, draw(st.integers(start + 1, len(TEXT))), draw(st.sampled_from(LABELS.labels)))


@st.composite
def word_spans(draw):
    first = draw(st.integers(0, len(WORDS) - 1))
    last = draw(st.integers(first, min(len(WORDS) - 1, first + 3)))
    return Span(WORDS[first][0], WORDS[last][1], draw(st.sampled_from(LABELS.labels)))


def articles(span_strategy, *, region=False):
    regions = st.sampled_from([None, ((0, 13), (14, 31)), ((3, 20),), ((0, 1), (7, 16), (28, 31))] if region else [None])
    marked = st.sampled_from([None, ("ACTOR", "EVENT")] if region else [None])

    def build(gold, annotated, labels):
        kept = tuple(span for span in gold if labels is None or span.label in labels)
        return Article("", TEXT, kept, annotated=annotated, labels=labels)

    return st.builds(build, st.lists(span_strategy, max_size=6), regions, marked)


def corpora(span_strategy, *, region=False, size=3):
    pairs = st.tuples(articles(span_strategy, region=region), st.lists(span_strategy, max_size=6))
    return st.lists(pairs, min_size=1, max_size=size).map(
        lambda found: [(replace(article, id=str(number)), predicted) for number, (article, predicted) in enumerate(found)]
    )


@laws
@given(corpora(spans()))
def test_swapping_gold_and_predicted_swaps_precision_and_recall(pairs):
    swapped = [(replace(article, spans=tuple(predicted)), article.spans) for article, predicted in pairs]
    one, other = score_articles(pairs, LABELS, words=None), score_articles(swapped, LABELS, words=None)
    for scheme in SCHEMES:
        a, b = one.schemes[scheme].micro, other.schemes[scheme].micro
        assert (a.precision, a.recall, a.f1) == (b.recall, b.precision, b.f1)
    for label in LABELS.labels:
        a, b = one.strict.labels[label], other.strict.labels[label]
        assert (a.precision, a.recall, a.support) == (b.recall, b.precision, b.predicted)


@laws
@given(corpora(spans(), region=True), st.randoms(use_true_random=False))
def test_order_of_articles_and_spans_does_not_matter(pairs, rng):
    shuffled = [(article, rng.sample(predicted, len(predicted))) for article, predicted in pairs]
    rng.shuffle(shuffled)
    assert score_articles(shuffled, LABELS) == score_articles(pairs, LABELS)


@laws
@given(corpora(spans(), size=1), spans())
def test_a_spurious_span_never_raises_precision(pairs, extra):
    [(article, predicted)] = pairs
    assume(not any(extra.overlaps(span) for span in article.spans) and extra not in predicted)
    before = score_articles(pairs, LABELS, words=None)
    after = score_articles([(article, [*predicted, extra])], LABELS, words=None)
    for scheme in SCHEMES:
        assert after.schemes[scheme].micro.precision <= before.schemes[scheme].micro.precision
        assert after.schemes[scheme].micro.recall == before.schemes[scheme].micro.recall
        for label in LABELS.labels:
            assert after.schemes[scheme].labels[label].precision <= before.schemes[scheme].labels[label].precision


@laws
@given(corpora(spans(), region=True))
def test_micro_is_the_sum_of_labels_and_every_span_is_counted_once(pairs):
    report = score_articles(pairs, LABELS)
    gold = sum(len({span for span in article.spans if article.counts(span)}) for article, _ in pairs)
    predicted = sum(len({span for span in spans if article.counts(span)}) for article, spans in pairs)
    for scheme in SCHEMES:
        scores = report.schemes[scheme]
        assert (scores.micro.support, scores.micro.predicted) == (gold, predicted)
        assert scores.micro.gold_correct == scores.micro.predicted_correct
        assert scores.micro.gold_incorrect == scores.micro.predicted_incorrect
        assert scores.micro.gold_partial == scores.micro.predicted_partial


@laws
@given(corpora(spans()))
def test_looser_schemes_never_score_below_strict(pairs):
    micro = {name: scores.micro for name, scores in score_articles(pairs, LABELS, words=None).schemes.items()}
    assert micro["strict"].f1 <= micro["exact"].f1 <= micro["partial"].f1
    assert micro["strict"].f1 <= micro["type"].f1


@laws
@given(st.lists(spans(), max_size=7), st.lists(spans(), max_size=7), st.sampled_from(SCHEMES))
def test_every_span_is_in_exactly_one_match(gold, predicted, scheme):
    matches = match_spans(gold, predicted, scheme)
    assert sorted(m.gold for m in matches if m.gold) == sorted(set(gold))
    assert sorted(m.predicted for m in matches if m.predicted) == sorted(set(predicted))
    assert matches == match_spans(random.Random(0).sample(gold, len(gold)), predicted[::-1], scheme)


@laws
@given(corpora(word_spans(), region=True))
def test_seqeval_agrees_wherever_word_tags_can_hold_the_spans(pairs):
    flat = [
        (replace(article, spans=tuple(flatten(set(article.spans))[0])), flatten(set(predicted))[0])
        for article, predicted in pairs
    ]
    check = score_articles(flat, LABELS).cross_check
    assert check.agrees or check.reasons


@laws
@given(corpora(spans(), region=True))
def test_a_difference_from_seqeval_always_has_a_reason(pairs):
    check = score_articles(pairs, LABELS).cross_check
    assert check.agrees or check.reasons
