import json
import re

import pytest

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.reporting.html import render_page
from eventtag.scoring.report import analyse_articles, score_articles
from eventtag.span import Span

LABELS = LabelSet()
HOSTILE = "</script><script>document.title='x'</script><img src=x onerror=alert(1)> & \u2028 \U0001f600 Kyiv"


def page(**options):
    kyiv = Span(len(HOSTILE) - 4, len(HOSTILE), "LOCATION")
    pairs = [
        (Article("<b>one</b>", HOSTILE, (kyiv, Span(0, 9, "ACTOR"))), [Span(kyiv.start, kyiv.end, "LOCATION", 0.75)]),
        (Article("two", "Plain text.", (Span(0, 5, "EVENT"),)), [Span(0, 5, "EVENT", 0.9)]),
    ]
    report = analyse_articles(pairs, LABELS, resamples=50).described(checkpoint={"path": "<i>run</i>"})
    return render_page(report, pairs, title="A <title>", **options)


def payload(html):
    return json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL).group(1))


def test_article_text_comes_through_exactly_and_never_as_markup():
    html = page()
    [one, two] = payload(html)["articles"]
    assert (one["id"], one["text"]) == ("<b>one</b>", HOSTILE)
    assert one["predicted"] == [[len(HOSTILE) - 4, len(HOSTILE), "LOCATION", 0.75]]
    assert [error["kind"] for error in one["errors"]] == ["missed"]
    assert two["errors"] == []
    assert "<img" not in html
    assert "<b>one" not in html
    assert "<i>run" not in html
    assert len(re.findall("<script", html)) == 2


def test_policy_allows_only_what_has_the_nonce_and_every_page_has_its_own():
    html = page()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html).group(1)
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    nonce = re.search(r"script-src 'nonce-([^']+)'", policy).group(1)
    assert len(nonce) >= 20
    assert nonce not in page()
    assert all(f'nonce="{nonce}"' in tag for tag in re.findall(r"<(?:script|style)[^>]*>", html))


def test_the_page_asks_for_nothing_and_has_no_inline_style_or_handler():
    html = re.sub(r"<(script|style).*?</\1>", "", page(), flags=re.DOTALL)
    assert not re.findall(r'\s(?:src|on\w+|style)=|<link|<iframe|href="(?!#)', html)
    assert "http" not in html.replace('xmlns="http://www.w3.org/2000/svg"', "").replace("http-equiv", "")


def test_of_too_many_articles_the_worst_are_kept_and_the_page_says_so():
    html = page(most_articles=1)
    assert [article["id"] for article in payload(html)["articles"]] == ["<b>one</b>"]
    assert "the 1 with most errors" in html


def test_a_report_without_analysis_has_a_page_without_those_sections():
    pairs = [(Article("a", "Plain text.", (Span(0, 5, "EVENT"),)), [Span(0, 5, "EVENT")])]
    html = render_page(score_articles(pairs, LABELS, words=None), pairs)
    assert "What the scores mean" not in html
    assert "Slices" not in html
    assert "by kind" in html.lower()


def test_text_that_is_not_valid_unicode_does_not_break_the_page():
    pairs = [(Article("a", "broken \ud800 text", (Span(0, 6, "EVENT"),)), [])]
    html = render_page(score_articles(pairs, LABELS), pairs)
    assert payload(html.encode("utf-8").decode("utf-8"))["articles"][0]["text"] == "broken \ud800 text"


@pytest.mark.parametrize("label", ["<x>", "A&B", "'quoted\""])
def test_labels_are_escaped(label):
    pairs = [(Article("a", "word", (Span(0, 4, label),)), [Span(0, 4, label, 0.5)])]
    html = render_page(analyse_articles(pairs, LabelSet((label,)), resamples=20), pairs)
    assert label not in re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)


def test_the_page_opens_with_a_verdict_and_ends_with_what_made_it():
    html = page()
    body = html[html.index("<body") :]
    assert (
        "Of 3 annotated mentions in 2 articles, 67 % are found exactly; of 2 predicted ones, 100 % are right. F1 is 80.0" in body
    )
    order = [
        body.index(f'<h2 id="{name}-title">')
        for name in ("scores", "errors", "slices", "calibration", "schemes", "browser", "about")
    ]
    assert order == sorted(order)
    assert body.index("&lt;i&gt;run") > order[-1]
    for target in re.findall(r'href="#([^"]+)"', body):
        assert f'id="{target}"' in body


def test_slices_of_few_articles_are_folded_and_intervals_that_say_nothing_are_left_out():
    pairs = [
        (
            Article(f"{number}", "Plain text.", (Span(0, 5, "EVENT"),), meta={"desk": "sport" if number else "courts"}),
            [Span(0, 5, "EVENT")],
        )
        for number in range(12)
    ]
    pairs[1] = (pairs[1][0], [])
    html = render_page(analyse_articles(pairs, LABELS, resamples=50, fields=["desk"]), pairs)
    table, _, folded = html.partition("with fewer than 10 articles</summary>")
    assert "meta.desk: sport" in table
    assert "meta.desk: courts" not in table
    assert "meta.desk: courts" in folded
    wide = [float(high) - float(low) for low, high in re.findall(r'"interval">([\d.]+)–([\d.]+)<', html)]
    assert wide
    assert max(wide) < 90
