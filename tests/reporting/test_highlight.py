from eventtag.article import Article
from eventtag.reporting.highlight import bracketed, page
from eventtag.span import Span

LABELS = ("ACTOR", "EVENT")


def test_brackets_show_every_span_and_all_of_the_text():
    article = Article("a", "Moscow accused\nKyiv.", (Span(0, 6, "ACTOR"), Span(7, 14, "EVENT")))
    assert bracketed(article) == "[Moscow|ACTOR] [accused|EVENT]\nKyiv."


def test_a_page_holds_hostile_text_as_text_alone():
    hostile = "<script>alert(1)</script>\"'&\ud800"
    article = Article('<img src=x onerror="1">', hostile, (Span(0, 8, "ACTOR", 0.5),), meta={"<b>": "<i>\ud800"})
    html = "".join(page([article], LABELS, title="</title><script>x</script>"))
    html.encode("utf-8")
    assert "<script" not in html
    assert "<img" not in html
    assert "default-src 'none'" in html
    assert "ACTOR 0.50" in html
    assert "&lt;b&gt;" in html
