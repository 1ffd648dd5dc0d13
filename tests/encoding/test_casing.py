import tracemalloc

import numpy as np
import pytest

from eventtag.encoding.casing import CASINGS, casing_of, word_casings
from eventtag.encoding.tokens import tokenise
from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.text.words import find_words


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("police", "lower"), ("Police", "title"), ("A", "title"), ("NATO", "upper"), ("U2", "upper"), ("McCain", "mixed"),
        ("iPhone", "mixed"), ("2026", "digits"), ("3rd", "lower"), ("北", "other"), (",", "other"), ("Élysée", "title"), ("Łódź", "title"),
    ],
)  # fmt: skip
def test_a_word_is_of_the_kind_that_its_letters_say(word, kind):
    assert CASINGS[casing_of(word)] == kind


def test_every_token_has_the_casing_of_its_word():
    text = "Reuters: unheardofword NATO\n 15"
    tokens = tokenise(text, build_tiny_tokenizer(["Reuters NATO"]))
    of_words = word_casings(text, find_words(text))
    assert [CASINGS[kind] for kind in of_words] == ["title", "other", "lower", "upper", "digits"]
    assert np.array_equal(tokens.casing, of_words[tokens.word_of])
    assert len(tokens.casing) > len(of_words)


def test_long_words_are_not_remembered():
    text = " ".join(f"A{number}" + "b" * 100_000 for number in range(50))
    words = find_words(text)
    tracemalloc.start()
    try:
        word_casings(text, words)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 100_000
