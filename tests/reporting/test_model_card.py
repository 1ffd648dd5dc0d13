import dataclasses
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.reporting.markdown import code, escape_cell
from eventtag.reporting.model_card import render_model_card
from eventtag.scoring.report import analyse_articles
from eventtag.span import Span

HOSTILE = "x<img/src=x/onerror=alert(1)>`<b>`*y*[z](http://a.b)|\x1b&lt;"


class Elements(HTMLParser):
    """The names of all elements of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.names, self.text = set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)

    def handle_data(self, data):
        self.text += data


def card(text, *, label="ACTOR"):
    """A model card in which `text` stands wherever a user's word can."""
    article = Article("a", "Police came.", (Span(0, 6, label),), meta={"source": text})
    other = Article("b", "Police came.", (Span(0, 6, label),), meta={"source": "other"})
    report = analyse_articles([(article, [Span(0, 6, label, 0.5)]), (other, [])], LabelSet((label,)), resamples=100)
    slices = tuple(dataclasses.replace(part, behind=True) for part in report.slices)
    report = dataclasses.replace(report, slices=slices, data={"name": text, "split": text, "split_rule": text, "sha256": text})
    training = {
        "encoder": text,
        "seed": 1,
        "epoch": 1.0,
        "versions": {text: text},
        "data": {"name": text, "articles": 1, "sha256": text, "spans": {label: 1}},
        "intermediate": {"name": text, "articles": 1, "epochs": 1, "sha256": text, "licence": text},
    }
    calibration = {"temperatures": {label: 1.0}, "thresholds": {label: 0.5}, "overlapping": {label: 0.5}, "cross_fitted_ece": 0.1}
    return render_model_card(report, name=text, training=training, licence=text, calibration=calibration)


def elements(markdown):
    return Elements(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown.split("---\n", 2)[2])).names


def test_no_name_label_or_licence_of_a_model_card_is_markup():
    plain = elements(card("plain"))
    hostile = card(HOSTILE, label=HOSTILE)
    assert elements(hostile) <= plain
    assert "<img" not in hostile
    assert "\x1b" not in hostile


@pytest.mark.parametrize("text", [HOSTILE.replace("\x1b", ""), "# a", "a\\`b", "&amp;", "~~a~~", "__a__", "<!-- a", "a b"])
def test_escaped_text_is_shown_as_it_is(text):
    for written in (escape_cell(text), code(text)):
        assert Elements(MarkdownIt("commonmark", {"html": True}).render(f"x {written}")).text.strip() == f"x {text}"


def test_escaped_text_stays_on_its_line():
    assert escape_cell("a\n\n# b\u202e") == "a \\# b\ufffd"
