"""What a run learns of where spans begin and end."""

import pytest

from eventtag.article import Article
from eventtag.corpus.loading import Corpus
from eventtag.labels import LabelSet
from eventtag.span import Span
from eventtag.training.learnt import learns_across_lines


@pytest.mark.parametrize(("gap", "learnt"), [(" ", False), ("\n", True), ("\n\n", True)])
def test_a_run_learns_whether_spans_cross_lines(gap, learnt):
    text = f"Photo by Ann{gap}Lee.\nKyiv was shelled."
    article = Article("a", text, (Span(9, 15 + len(gap), "ACTOR"),))
    assert learns_across_lines(Corpus("a", LabelSet(), {"train": (article,)}, "all")) is learnt
