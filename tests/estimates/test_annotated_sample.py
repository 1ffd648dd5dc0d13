"""How an article came into the sample is taken from its metadata."""

import numpy as np
import pytest

from eventtag.article import Article
from eventtag.estimates.annotated_sample import match_sample
from eventtag.estimates.quantities import parse_quantity
from eventtag.estimates.tagged import read_tagged
from eventtag.span import Span


def matched(about):
    """The sample of articles with these metadata, among 40 tagged ones."""
    spans = (Span(0, 4, "EVENT"),)
    tagged = [Article(f"a{number}", "Fire in town.", spans) for number in range(40)]
    gold = [Article(f"a{number}", "Fire in town.", spans, meta=meta) for number, meta in enumerate(about)]
    quantity = parse_quantity("EVENT")
    table = read_tagged(tagged, [quantity])
    return match_sample(table, gold, [quantity], drawn="recorded", source="gold"), table.values[:, 0]


def test_weights_units_and_strata_are_those_of_the_draw():
    meta = [
        {"sample_probability": share, "sample_stratum": stratum, "sample_unit": unit}
        for share, stratum, unit in ((0.1, "x", "a0"), (0.1, "x", "a0"), (0.2, "x", "a2"), (0.5, "y", "a3"), (0.5, "y", "a4"))
    ]
    sample, tagged = matched(meta)
    annotated, places = sample.known(tagged, 0)
    assert annotated.weights == pytest.approx([10, 10, 5, 2, 2])
    assert annotated.units.tolist() == [0, 0, 1, 2, 3]
    assert annotated.strata.tolist() == [0, 0, 0, 1, 1]
    assert places.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("strata", "joined"),
    [("aabbc", [0, 0, 1, 1, 0]), ("aaabbc", [0, 0, 0, 1, 1, 1]), ("aabc", [0, 0, 1, 1]), ("abc", [0, 0, 0]), ("a", [0])],
)
def test_a_stratum_with_a_single_unit_is_joined_with_another(strata, joined):
    meta = [{"sample_probability": 0.5, "sample_stratum": stratum} for stratum in strata]
    sample, tagged = matched(meta)
    assert sample.known(tagged, 0)[0].strata.tolist() == joined


def test_without_probabilities_articles_weigh_the_same():
    sample, tagged = matched([{}] * 8)
    assert not sample.random
    assert np.ptp(sample.known(tagged, 0)[0].weights) == 0
