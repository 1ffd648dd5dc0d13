from html import unescape

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.reporting.console import render_table
from eventtag.reporting.html import render_page
from eventtag.reporting.markdown import escape_cell, render_scores_table
from eventtag.reporting.table import align_columns
from eventtag.scoring.report import analyse_articles
from eventtag.span import Span

LABELS = LabelSet()


def report():
    pairs = [(Article(str(n), "Police came.", (Span(0, 6, "ACTOR"),)), [Span(0, 6, "ACTOR")][: n % 3]) for n in range(12)]
    return analyse_articles(pairs, LABELS, resamples=200)


def test_the_table_holds_the_interval_of_every_row():
    lines = render_table(report()).splitlines()
    assert lines[0].split() == ["label", "precision", "recall", "F1", "95", "%", "interval", "support", "predicted"]
    assert len([line for line in lines if "-0." in line or "-1." in line]) == 4
    assert "no interval for EVENT, LOCATION: fewer than two articles hold such spans" in lines
    assert "smallest detectable difference" in lines[-3]


def test_clusters_and_their_rule_stand_beside_the_intervals_on_screen_in_markdown_and_on_the_page():
    articles = [Article(str(n), "Moscow", (Span(0, 6, "ACTOR"),)) for n in range(12)]
    pairs = [(article, article.spans if n % 3 else ()) for n, article in enumerate(articles)]
    clusters = {article.id: n % 4 for n, article in enumerate(articles)}
    report = analyse_articles(pairs, LabelSet(("ACTOR",)), clusters=clusters, resamples=100)
    report = report.described(data={"name": "n", "resampled_by": "meta field 'topic'"})
    for text in (render_table(report), render_scores_table(report), unescape(render_page(report, pairs))):
        assert "articles in 4 clusters by meta field" in text
    alone = analyse_articles(pairs, LabelSet(("ACTOR",)), resamples=100).described(data={"name": "n", "resampled_by": "articles"})
    assert "cluster" not in render_table(alone)


def test_markdown_has_as_many_cells_in_every_row():
    lines = render_scores_table(report()).splitlines()
    assert {line.count("|") for line in lines[:8]} == {7}
    assert "from 200 resamples of 12 articles (seed 12345)" in render_scores_table(report())


def test_columns_are_aligned_and_markup_is_escaped():
    assert align_columns([("a", "bb"), ("ccc", "d")]) == ["a    bb", "ccc   d"]
    assert escape_cell("a|b*c") == r"a\|b\*c"
