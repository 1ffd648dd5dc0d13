import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.span import Span
from eventtag.text.sentences import find_sentences, sentences_of_spans


@pytest.mark.parametrize(
    "sentences",
    [
        ["Police arrested four men.", "They were charged!", "Why?", "“Nobody knows.”", "So it goes…", "42 came."],
        ["Mr. Smith met Gen. J. P. Ito in St. Louis.", "He flew to the U.S. on Feb. 3.", "It cost $1.5 million."],
        [
            "Talks with the U.S. failed at 5 p.m. in Geneva.",
            "He joined Acme Inc. in May.",
            "It sold Acme Inc.",
            "The price fell.",
        ],
        ["He left the U.S.", "The trip was long."],
        ["“We won,” said Spc. Ana Ruiz.", "Pfc. Lee, Brig. Gen. Ito and Det. Insp. Roy agreed."],
        ["Ärzte warnen.", "Ölpreis fällt."],
    ],
)
def test_sentences_end_where_a_reader_would_end_them(sentences):
    text = " ".join(sentences)
    assert [text[start:end] for start, end in find_sentences(text)] == sentences


def test_lines_end_sentences_unless_the_next_goes_on_in_lower_case():
    text = "Arrests in Paris\n\nPolice said that\nfour men were held\nParis, Monday"
    expected = ["Arrests in Paris", "Police said that\nfour men were held", "Paris, Monday"]
    assert [text[start:end] for start, end in find_sentences(text)] == expected


@given(st.text('aB .!?\n"U.', max_size=80), st.data())
def test_sentences_are_disjoint_and_hold_their_spans(text, data):
    sentences = find_sentences(text)
    edges = [edge for sentence in sentences for edge in sentence]
    assert edges == sorted(edges)
    covered = {position for start, end in sentences for position in range(start, end)}
    assert all(text[position].isspace() for position in range(len(text)) if position not in covered)
    if text:
        start = data.draw(st.integers(0, len(text) - 1))
        span = Span(start, data.draw(st.integers(start + 1, len(text))), "X")
        first, last = sentences_of_spans(Article("a", text, (span,)))[span]
        assert first <= span.start < span.end <= last
