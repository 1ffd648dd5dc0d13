"""The ratio of a tagger's F1 to the annotators', and how often its interval holds the true ratio."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import make_article

import eventtag
from eventtag.errors import DataError
from eventtag.scoring.ceiling import compare_with_annotators
from eventtag.scoring.tally import Tally


def tally(correct, gold, predicted):
    """A tally of one label from counts of each article."""
    values = np.zeros((len(gold), 1, 1, 8), dtype=np.int64)
    values[:, 0, 0, 0] = values[:, 0, 0, 4] = correct
    values[:, 0, 0, 3], values[:, 0, 0, 7] = gold - correct, predicted - correct
    return Tally(tuple(map(str, range(len(gold)))), ("strict",), ("EVENT",), values)


def annotated_twice(articles, random):
    """Tallies of tagger and second annotator: articles that are hard for one are hard for the other."""
    gold = random.poisson(6, articles)
    ease = random.normal(0, 0.7, articles)
    tagger, people = (random.binomial(gold, 1 / (1 + np.exp(-(level + ease)))) for level in (0.8, 1.6))
    return tally(tagger, gold, gold), tally(people, gold, gold)


def test_the_interval_of_the_ratio_holds_the_truth_and_is_narrower_than_that_of_unrelated_scores():
    random = np.random.default_rng(1)
    true = compare_with_annotators(*annotated_twice(200_000, random), resamples=1, level=0.95, seed=1).rows["EVENT"].ratio
    held, widths, apart = [], [], []
    for seed in range(80):
        tagger, people = annotated_twice(60, random)
        row = compare_with_annotators(tagger, people, resamples=200, level=0.95, seed=seed).rows["EVENT"]
        held.append(row.low <= true <= row.high)
        widths.append(row.high - row.low)
        shuffled = replace(people, values=people.values[random.permutation(60)])
        unrelated = compare_with_annotators(tagger, shuffled, resamples=200, level=0.95, seed=seed).rows["EVENT"]
        apart.append(unrelated.high - unrelated.low)
    assert 0.9 <= np.mean(held) <= 1.0
    assert np.mean(widths) < 0.9 * np.mean(apart)


FIRST = [make_article(f"a{n}", f"Police/ACTOR arrested/EVENT men/ACTOR in Paris{n}/LOCATION .") for n in range(8)]


def test_the_report_sets_the_scores_beside_the_annotators_on_what_both_have_looked_at(tmp_path):
    def without(article, *labels):
        return replace(article, spans=tuple(s for s in article.spans if s.label not in labels))

    tagger = [without(a, "EVENT") if n % 2 else a for n, a in enumerate(FIRST)]
    second = [without(a, "EVENT") if n % 4 == 1 else a for n, a in enumerate(FIRST[:6])]
    second[0] = replace(without(second[0], "LOCATION", "EVENT"), annotated=((0, 6),))
    result = eventtag.score(tagger, FIRST, second=second, run_dir=tmp_path / "out", evaluation={"resamples": 200})
    rows = result.report.ceiling.rows
    assert result.report.ceiling.articles == 6
    assert rows["LOCATION"].ratio == rows["LOCATION"].annotators == 1.0
    assert rows["EVENT"].tagger == pytest.approx(2 * 2 / (5 + 2))  # without the first article, whose event only one looked at
    assert rows["EVENT"].annotators == pytest.approx(2 * 3 / (5 + 3))
    assert rows["EVENT"].low < rows["EVENT"].ratio < rows["EVENT"].high
    assert "6 of 8 articles are annotated twice" in result.notes[-1]
    assert "Beside the agreement of two annotators" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_other_texts_and_other_articles_are_refused():
    with pytest.raises(DataError, match="the two have different texts"):
        eventtag.score(FIRST, FIRST, second=[replace(a, text=a.text + "x") for a in FIRST])
    with pytest.raises(DataError, match="no article and no region in common"):
        eventtag.score(FIRST, FIRST, second=[replace(a, id=f"b{a.id}") for a in FIRST])


def test_nobody_right_has_no_ratio():
    gold = np.array([3, 2, 4])
    row = compare_with_annotators(tally(0 * gold, gold, gold), tally(gold, gold, gold), resamples=100, level=0.9, seed=1).rows[
        "EVENT"
    ]
    assert (row.tagger, row.ratio, row.low) == (0.0, 0.0, None)
    row = compare_with_annotators(tally(gold, gold, gold), tally(0 * gold, gold, gold), resamples=100, level=0.9, seed=1).rows[
        "EVENT"
    ]
    assert row.ratio is None
