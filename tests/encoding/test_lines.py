"""Spans that go on in the next line: where lines begin, what decoding allows, and what a run learns."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.encoding.align import record_unmatchable
from eventtag.heads.span_decoding import SpanDecoder
from eventtag.heads.tag_decoding import TagDecoder
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.span import Span
from eventtag.text.lines import begins_line
from eventtag.text.words import find_words

LABELS = LabelSet()


def first_words(text: str) -> list[str]:
    words = find_words(text)
    return [text[start:end] for start, end in words[begins_line(text, words)]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Photo by Ann Lee\nKyiv was shelled.", ["Kyiv"]),
        ("One.\r\nTwo.\r\n\r\nThree.", ["Two", "Three"]),
        ("One\n \t\nTwo", ["Two"]),
        ("One\rTwo\vThree\fFour\x85Five\u2028Six\u2029Seven", ["Two", "Three", "Four", "Five", "Six", "Seven"]),
        ("The mayor of New\r\nYork met the\r\nunions in\r\nthe hall.\r\n \r\nPolice closed\r\nthe square.", ["Police"]),
        ("\nOne\n", []),
        ("", []),
        # Broken at a width: the small letters say that lines end inside sentences, and only the empty line counts.
        ("The mayor of New\nYork met the\nunions in\nthe hall.\n\nPolice closed\nthe square.", ["Police"]),
    ],
)
def test_a_line_begins_behind_a_line_end_that_means_something(text, expected):
    assert first_words(text) == expected


@given(st.text(alphabet="aB. \n\r\t", max_size=40))
def test_an_empty_line_always_parts_words(text):
    words = find_words(text)
    begins = begins_line(text, words)
    gaps = [text[end:start] for (_, end), (start, _) in pairwise(words)]
    for gap, found in zip(gaps, begins[1:], strict=True):
        lines = len(re.findall(r"\r\n?|\n", gap))
        assert not found or lines
        assert found or lines < 2
    assert not begins[:1].any()


words = st.integers(1, 7)


@given(words, st.data())
def test_no_decoder_finds_a_span_that_crosses_and_all_others_stay_possible(count, data):
    begins = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    begins[0] = False
    seed = data.draw(st.integers(0, 2**16))
    offsets = np.stack([np.arange(count) * 2, np.arange(count) * 2 + 1], axis=1)
    rng = np.random.default_rng(seed)
    for decoder in (TagDecoder(), SpanDecoder(4, overlap=True)):
        emissions = rng.normal(0, 3, (count, *decoder.shape(LABELS))).astype(np.float32)
        if isinstance(decoder, SpanDecoder):  # beyond the last word there is no span
            emissions[np.arange(count)[:, None] + np.arange(4) >= count] = -1e9
        free = decoder.decode([emissions.copy()], [offsets], LABELS)[0]
        decoder.keep_within_lines(emissions, begins)
        kept = decoder.decode([emissions], [offsets], LABELS)[0]
        crossing = {span for span in free if begins[span.start // 2 + 1 : span.end // 2 + 1].any()}
        assert not any(begins[span.start // 2 + 1 : span.end // 2 + 1].any() for span in kept)
        if isinstance(decoder, SpanDecoder):
            assert set(kept) == set(free) - crossing


def test_gold_that_crosses_lines_is_recorded_as_not_to_be_found():
    text = "Ann Lee\nKyiv"
    article = Article("a", text, (Span(0, 7, "ACTOR"), Span(4, 12, "ACTOR")))
    ledger = LossLedger()
    record_unmatchable(article, find_words(text), ledger=ledger, overlap=True, crosses_lines=False)
    assert [(entry.start, entry.end, entry.reason) for entry in ledger.entries] == [
        (4, 12, "goes on in the next line, as no span of the training articles does")
    ]
