"""Viterbi and span probabilities against every tag sequence written out."""

import tracemalloc
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.heads import tag_decoding as decoding
from eventtag.heads.chain import best_tags, build_chain, marginals
from eventtag.heads.tag_decoding import TagDecoder, tagged_spans
from eventtag.labels import LabelSet

LABELS = LabelSet(("A", "B"))


def legal(sequence: tuple[int, ...]) -> bool:
    return bool(LABELS.legal_starts[sequence[0]]) and all(
        LABELS.legal_transitions[one, other] for one, other in pairwise(sequence)
    )


def emissions_of(random: np.random.Generator, words: int) -> np.ndarray:
    scores = random.normal(size=(words, len(LABELS.tags))) * 2
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_best_tags_and_span_probabilities_equal_brute_force(seed, learnt):
    random = np.random.default_rng(seed)
    batch = [emissions_of(random, words) for words in (1, 4, 5, 3)]
    transitions = random.normal(size=(5, 5)) if learnt else np.zeros((5, 5))
    chain = build_chain(batch)
    found = best_tags(chain, LABELS, transitions if learnt else None)
    sums = marginals(chain, LABELS, transitions if learnt else None)
    for row, emissions in enumerate(batch):
        sequences = [s for s in product(range(5), repeat=len(emissions)) if legal(s)]
        scores = np.array(
            [
                sum(emissions[word, tag] for word, tag in enumerate(s)) + sum(transitions[pair] for pair in pairwise(s))
                for s in sequences
            ]
        )
        assert tuple(found[row]) == sequences[int(scores.argmax())]
        weights = np.exp(scores)
        size = range(len(emissions))
        asked = np.array([(first, last, begin) for first in size for last in size if first <= last for begin in (1, 3)])
        mentions = [{tuple(mention) for mention in tagged_spans(np.array(s)).tolist()} for s in sequences]
        expected = [weights[[tuple(span) in held for held in mentions]].sum() / weights.sum() for span in asked.tolist()]
        probabilities = sums.span_probabilities(np.full(len(asked), row), *asked.T)
        assert probabilities == pytest.approx(np.array(expected), rel=1e-9, abs=1e-12)
        by_tag = [[weights[[s[word] == tag for s in sequences]].sum() for tag in range(5)] for word in size]
        np.testing.assert_allclose(sums.tag_probabilities()[row], np.array(by_tag) / weights.sum(), rtol=1e-9, atol=1e-12)


def test_learnt_scores_of_zero_change_nothing():
    chain = build_chain([emissions_of(np.random.default_rng(0), words) for words in (6, 2, 9)])
    span = [np.array([0, 1, 2]), np.array([1, 0, 3]), np.array([2, 1, 3]), np.array([1, 3, 3])]
    plain, learnt = marginals(chain, LABELS), marginals(chain, LABELS, np.zeros((5, 5)))
    np.testing.assert_allclose(learnt.span_probabilities(*span), plain.span_probabilities(*span), rtol=1e-12)
    assert [a.tolist() for a in best_tags(chain, LABELS, np.zeros((5, 5)))] == [a.tolist() for a in best_tags(chain, LABELS)]


@pytest.mark.parametrize("seed", range(5))
def test_no_illegal_sequence_comes_out(seed):
    random = np.random.default_rng(seed)
    for tags in best_tags(build_chain([emissions_of(random, 40) for _ in range(6)]), LABELS):
        assert legal(tuple(tags.tolist()))


def test_a_sequence_decodes_the_same_alone_and_in_a_padded_batch():
    random = np.random.default_rng(3)
    batch = [emissions_of(random, words).astype(np.float32) for words in (2, 30, 7)]
    words = [np.stack([np.arange(len(e)) * 2, np.arange(len(e)) * 2 + 1], axis=1) for e in batch]
    together = TagDecoder().decode(batch, words, LABELS)
    alone = [TagDecoder().decode([e], [w], LABELS)[0] for e, w in zip(batch, words, strict=True)]
    assert together == alone


def test_nothing_is_found_on_words_that_no_model_looked_at():
    emissions = np.full((4, 5), np.log(0.01), dtype=np.float32)
    emissions[[0, 1, 3], [1, 2, 2]] = np.log(0.96)
    emissions[2] = np.nan
    words = np.array([[0, 1], [2, 3], [4, 5], [6, 7]])
    (spans,) = TagDecoder().decode([emissions], [words], LABELS)
    assert [(s.start, s.end, s.label) for s in spans] == [(0, 3, "A")]
    assert TagDecoder().decode([np.zeros((0, 5), dtype=np.float32)], [words[:0]], LABELS) == [()]


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    labels=st.integers(1, 6),
    sharpness=st.sampled_from([1.0, 30.0, 900.0]),
    seed=st.integers(0, 2**16),
)
def test_what_a_sequence_decodes_to_is_the_same_to_the_last_bit_in_any_company(sizes, labels, sharpness, seed):
    """Also with so many tags that numpy would sum them in another order, and with emissions whose exponentials are 0."""
    random = np.random.default_rng(seed)
    known = LabelSet(tuple("ABCDEF"[:labels]))
    emissions = []
    for size in sizes:
        scores = random.normal(size=(size, len(known.tags))) * sharpness
        emissions.append((scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).astype(np.float32))
    words = [np.stack([np.arange(size) * 2, np.arange(size) * 2 + 1], axis=1) for size in sizes]
    together = TagDecoder().decode(emissions, words, known)
    assert together == [TagDecoder().decode([e], [w], known)[0] for e, w in zip(emissions, words, strict=True)]
    assert together == TagDecoder().decode(emissions[::-1], words[::-1], known)[::-1]
    assert all(0 <= span.score <= 1 for spans in together for span in spans)


@pytest.mark.parametrize(("count", "length"), [(3, 200), (40, 200), (90, 80)])
def test_the_memory_of_decoding_is_bounded_for_any_number_of_labels(count, length, monkeypatch):
    monkeypatch.setattr(decoding, "BATCH_BYTES", 8_000_000)
    known = LabelSet(tuple(f"L{number}" for number in range(count)))
    scores = np.random.default_rng(0).normal(size=(length, len(known.tags))).astype(np.float32)
    words = np.stack([np.arange(length) * 2, np.arange(length) * 2 + 1], axis=1)
    copies = 40
    tracemalloc.start()
    try:
        found = TagDecoder().decode([scores] * copies, [words] * copies, known)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[0] == found[-1]
    assert peak < 14_000_000
