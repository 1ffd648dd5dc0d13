"""Scores of spans over windows: each from the window that owns the first word, of all spans that it holds whole."""

import numpy as np
import pytest

from eventtag.encoding.tokens import special_tokens, tokenise
from eventtag.encoding.windows import plan_windows
from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.settings import WindowSettings
from eventtag.tagging.emissions import article_emissions

TEXTS = ["Police arrested four unknownish men in Lima . " * 9, "Nothing happened .", ""]
WIDEST = 4


class Reader:
    """Scores a span by the token ids of its first and last word, so that every score says which words it is of."""

    def __init__(self) -> None:
        self.read = 0

    def emissions(self, input_ids, casing_ids, word_positions):
        self.read += input_ids.size
        scores = np.full((*word_positions.shape, WIDEST, 1), -9.0, dtype=np.float32)
        for row, places in enumerate(word_positions):
            places = places[places >= 0]
            for first in range(len(places)):
                for more in range(min(WIDEST, len(places) - first)):
                    ids = input_ids[row, places[[first, first + more]]]
                    scores[row, first, more, 0] = ids[0] * 1000 + ids[1] + casing_ids[row, places[first]] / 10
        return scores


@pytest.mark.parametrize("batch_tokens", [1, 64, 4096])
def test_every_span_of_a_window_is_scored_by_the_window_of_its_first_word(batch_tokens):
    tokenizer = build_tiny_tokenizer(["Police arrested four men in Lima . Nothing happened"])
    texts = [tokenise(text, tokenizer) for text in TEXTS]
    special, window = special_tokens(tokenizer), WindowSettings(max_length=24, stride=10)
    options = {"special": special, "window": window, "shape": (WIDEST, 1), "batch_tokens": batch_tokens}
    found = article_emissions(texts, [tokens.first_token for tokens in texts], Reader(), **options)
    for tokens, scores in zip(texts, found, strict=True):
        assert scores.shape == (len(tokens.words), WIDEST, 1)
        ids = tokens.input_ids[tokens.first_token]
        for plan in plan_windows(tokens, capacity=22, stride=10):
            for first in range(len(ids)):
                if not plan.own_start <= tokens.first_token[first] < plan.own_end:
                    continue
                for more in range(WIDEST):
                    held = first + more < len(ids) and tokens.first_token[first + more] < plan.end
                    casing = tokens.casing[tokens.first_token[first]]
                    expected = ids[first] * 1000 + ids[first + more] + casing / 10 if held else -9.0
                    assert scores[first, more, 0] == pytest.approx(expected)


def test_windows_that_own_nothing_wanted_are_not_read():
    tokenizer = build_tiny_tokenizer(["Police arrested four men in Lima ."])
    tokens = tokenise(TEXTS[0], tokenizer)
    reader = Reader()
    options = {"special": special_tokens(tokenizer), "window": WindowSettings(max_length=24, stride=4), "shape": (WIDEST, 1)}
    (scores,) = article_emissions([tokens], [tokens.first_token[:1]], reader, batch_tokens=64, **options)
    assert reader.read <= 24
    assert not np.isnan(scores[0]).any()
    assert np.isnan(scores[-1]).all()
