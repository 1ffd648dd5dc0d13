import time

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.corpus.lint import RULES, fix_articles, lint
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span


def check(*articles: Article, **options):
    return lint(lambda ledger: articles, **options)


def rules(*articles: Article, **options) -> set[str]:
    return {finding.rule for finding in check(*articles, **options).findings} - {"rare label"}


def article(text: str, *spans: tuple[int, int, str], **more) -> Article:
    return Article(more.pop("name", "a"), text, tuple(Span(*span) for span in spans), **more)


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("half character", article("e\u0301te\u0301 now", (1, 3, "X"))),
        ("half character", article("👩‍🚀 flew", (0, 1, "X"))),
        ("white space only", article("a  b", (1, 3, "X"))),
        ("white space at edge", article("Kyiv fell", (0, 5, "X"))),
        ("white space at edge", article("Kyiv\u00a0fell", (0, 5, "X"))),
        ("no letter or digit", article("so -- it", (3, 5, "X"))),
        ("twice", article("Kyiv", (0, 4, "X"), (0, 4, "X"))),
        ("two labels", article("Kyiv", (0, 4, "X"), (0, 4, "Y"))),
        ("inside a word", article("Kyivan", (0, 4, "X"))),
        ("punctuation at edge", article("Kyiv, Lviv", (0, 5, "X"))),
        ("punctuation at edge", article("(Kyiv) Lviv", (0, 5, "X"))),
        ("punctuation at edge", article("he left.", (0, 8, "X"))),
        ("crosses a sentence", article("He left. Kyiv fell", (3, 13, "X"))),
        ("crosses a sentence", article("Kyiv\n\nLviv", (0, 10, "X"))),
        ("overlap", article("Kyiv city", (0, 4, "X"), (0, 9, "X"))),
        ("not annotated there", article("Kyiv fell", (0, 4, "X"), annotated=((5, 9),))),
        ("half annotated", article("Kyiv fell", (0, 9, "X"), annotated=((5, 9),))),
        ("long span", article("a " * 30, (0, 59, "X"))),
        ("no span", article("Kyiv fell")),
        ("not annotated", article("Kyiv fell", annotated=())),
        ("empty text", article(" \n")),
        ("encoding damage", article("Itâ€™s fine", (0, 2, "X"))),
        ("encoding damage", article("caf\u00c3\u00a9 fell", (6, 10, "X"))),
        ("encoding damage", article("a\ufffdb c", (4, 5, "X"))),
        ("long article", article("word " * 400, (0, 4, "X"))),
        *[
            ("invisible character at edge", article(f"a {mention} b", (2, 2 + len(mention), "X")))
            for sign in "\u00ad\u200b\u200c\u200d\u200e\u200f\u061c\u202a\u202c\u2060\u2066\u2069\ufeff"
            for mention in (f"{sign}Kyiv", f"Kyiv{sign}", f"{sign} Kyiv", f"Kyiv {sign}")
        ],
        ("white space at edge", article("Kyiv\u00a0\u200b fell", (0, 6, "X"))),
        ("white space only", article("a \u200b\u00a0b", (2, 4, "X"))),
        ("HTML entity", article("He said &amp;quot;no&quot;", (0, 2, "X"))),
        ("HTML entity", article("caf&#233; or caf&#xE9;", (0, 2, "X"))),
        ("HTML entity at edge", article("&quot;Kyiv&quot; fell", (0, 10, "X"))),
        ("HTML entity at edge", article("&quot;Kyiv fell", (5, 10, "X"))),
        ("HTML entity at edge", article("Kyiv&amp;nbsp; fell", (0, 6, "X"))),
        ("HTML entity at edge", article("Kyiv&amp;quot; fell", (0, 14, "X"))),
    ],
)
def test_every_rule_finds_its_mistake(rule, found):
    assert rule in rules(found)
    assert rule in RULES


@pytest.mark.parametrize(
    "clean",
    [
        article("The U.S. fell.", (4, 8, "X")),
        article("Mr. Smith met Gen. Lee in St. Louis.", (0, 9, "X"), (14, 22, "X"), (26, 35, "X")),
        article("He said “no” at (10%) for $5", (8, 12, "X"), (16, 21, "X"), (26, 28, "X")),
        article("L’Équipe, naïve café — 東京 👩‍🚀 שלום", (0, 8, "X"), (10, 20, "X"), (23, 25, "X"), (26, 29, "X"), (30, 34, "X")),
        article("Apple Inc. fell", (0, 10, "X")),
        article("AT&T; R&D and B & B; Q&A;", (0, 4, "X"), (6, 9, "X"), (21, 24, "X")),
        article("می\u200cخواهم رفت ❤\ufe0f 👩\u200d🚀", (0, 8, "X"), (13, 15, "X"), (16, 19, "X")),
    ],
)
def test_what_is_right_is_not_found(clean):
    assert rules(clean) <= {"no letter or digit"}


def test_a_surface_with_another_label_elsewhere_is_found_and_ranked():
    usual = [article("Kyiv fell", (0, 4, "LOC"), name=str(n)) for n in range(9)]
    report = check(*usual, article("Kyiv said", (0, 4, "ACTOR"), name="odd"))
    (finding,) = [f for f in report.findings if f.rule == "other label elsewhere"]
    assert (finding.article_id, finding.start, finding.end) == ("odd", 0, 4)
    assert finding.message == "is ACTOR here, but LOC in 9 of 10 places"


def test_an_unlabelled_repeat_of_a_name_is_found_only_where_it_is_rare_and_annotated():
    usual = [article("New York City fell", (0, 13, "LOC"), name=str(n)) for n in range(9)]
    report = check(*usual, article("in New York City too", name="odd"))
    (finding,) = [f for f in report.findings if f.rule == "unlabelled repeat"]
    assert (finding.article_id, finding.start, finding.end, finding.label) == ("odd", 3, 16, None)
    many = [article("in New York City too", name=f"x{n}") for n in range(9)]
    assert "unlabelled repeat" not in rules(*usual, *many)
    assert "unlabelled repeat" not in rules(*usual, article("in New York City too", name="odd", annotated=()))
    assert "unlabelled repeat" not in rules(*usual, article("in New York City too", name="odd", labels=("ACTOR",)))


def test_rare_labels_and_what_reading_lost_are_found():
    def read(ledger: LossLedger):
        ledger.seen += 2
        ledger.add_span("a", "reading", "dropped", "its text is not at its offsets", Span(5, 9, "Y"))
        ledger.note("a", "reading", "tags", "a tag that IOB2 does not allow there", detail="line 3: I-X")
        yield article("Kyiv", (0, 4, "X"))

    report = lint(read)
    assert [(f.rule, f.severity) for f in report.findings] == [
        ("dropped in reading", "error"),
        ("illegal tags", "warning"),
        ("rare label", "warning"),
    ]
    assert (report.articles, report.spans) == (1, 1)
    assert (report.at_least("error"), report.at_least("warning")) == (1, 3)


def test_fixing_leaves_nothing_that_can_be_fixed_and_changes_no_text():
    spans = ((2, 5, "X"), (0, 5, "Y"), (0, 6, "Y"), (10, 12, "Z"), (10, 12, "Z"), (12, 15, "W"), (6, 10, "V"))
    broken = article(" e\u0301te\u0301 now  , x", *spans, annotated=((0, 15),))
    (fixed,) = fix_articles([broken], ledger=LossLedger())
    assert fixed.text == broken.text
    assert fixed.annotated == broken.annotated
    assert [(fixed.mention(span), span.label) for span in fixed.spans] == [
        ("e\u0301te\u0301", "X"),
        ("e\u0301te\u0301", "Y"),
        ("now", "V"),
        (", x", "W"),
    ]
    assert not any(finding.fixable for finding in check(fixed).findings)
    assert list(fix_articles([fixed], ledger=LossLedger())) == [fixed]


@given(st.text(max_size=40) | st.text(st.sampled_from("ae\u0301\u200d👩🚀🇺🇦🏽\r\n각ᄀ\u11a8क्षி\u0600\u0d4e"), max_size=12))
@settings(max_examples=300)
def test_edges_inside_a_character_are_found_exactly_where_unicode_has_them(text):
    edges = {0} | {match.end() for match in regex.finditer(r"\X", text)}
    for position in range(1, len(text)):
        found = "half character" in rules(article(text, (0, position, "X"))) if text.strip() else position not in edges
        rest = text[position : min(edge for edge in edges if edge >= position)]
        assert found == (rest.strip("\u034f\u200c\u200d") != "")


@given(
    st.text(st.sampled_from("K é\u0301👩🚀\u200d\u200c\u200b\u00ad\ufeff\u202e\u00a0\ufe0f\r\n"), min_size=1, max_size=12),
    st.data(),
)
@settings(max_examples=300)
def test_whatever_is_at_the_edges_one_repair_is_enough(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    broken = article(text, (start, end, "X"))
    (fixed,) = fix_articles([broken], ledger=LossLedger())
    assert not any(finding.fixable for finding in check(fixed).findings)
    assert all(article(text, (s.start, s.end, "X")).text[s.start : s.end].strip() for s in fixed.spans)


def test_an_invisible_character_is_named_in_its_context():
    (finding,) = [f for f in check(article("in Kyiv\u200b now", (3, 8, "X"))).findings if f.rule.startswith("invisible")]
    assert finding.context == "in [Kyiv<U+200B>] now"


def test_many_regions_cost_what_they_are_and_not_their_product_with_the_spans():
    seconds = []
    for size in (1_500, 12_000):
        regions = tuple((5 * n, 5 * n + 4) for n in range(size))
        many = Article("a", "Kyiv " * size, tuple(Span(start, end, "LOC") for start, end in regions), annotated=regions)
        before = time.process_time()
        assert "half annotated" not in rules(many)
        seconds.append(time.process_time() - before)
    assert seconds[1] < 24 * max(seconds[0], 0.01)  # eight times as much; its square would be 64


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(0, 30), st.integers(1, 10))
def test_the_region_of_a_span_is_the_one_that_a_search_through_all_finds(steps, start, size):
    edges = [sum(steps[: n + 1]) for n in range(len(steps))]
    regions = tuple(zip(edges[::2], edges[1::2], strict=False))
    text = Article("a", "x" * 60, annotated=regions)
    end = start + size
    assert text.region_at(start, end) == next((r for r in regions if r[0] < end and start < r[1]), None)
    assert text.all_annotated(start, end) == any(r[0] <= start and end <= r[1] for r in regions)


LINK_RULES = {rule for rule in RULES if "link" in rule or "status" in rule or "role" in rule or rule[:5] in ("AGENT", "PLACE")}


def test_links_and_status_that_the_guidelines_do_not_allow_are_found():
    actor, event, place = Span(0, 6, "ACTOR", status="asserted"), Span(7, 11, "EVENT", status="negated"), Span(15, 20, "LOCATION")
    other = Span(21, 25, "EVENT")
    links = [
        Link(event, actor, "AGENT"), Link(event, place, "AGENT"), Link(event, actor, "PLACE"), Link(actor, event, "TARGET"),
        Link(event, event, "TARGET"), Link(event, place, "WITNESS"),
    ]  # fmt: skip
    article = Article("a", "Police left in Paris fled", (actor, event, place, other), links=tuple(links))
    found = [(f.rule, f.start, f.label) for f in lint(lambda _: [article]).findings if f.rule in LINK_RULES]
    assert sorted(found) == [
        ("AGENT is a LOCATION", 7, "AGENT"), ("PLACE is an ACTOR", 7, "PLACE"), ("event without status", 21, "EVENT"),
        ("link from no event", 0, "TARGET"), ("link to itself", 7, "TARGET"), ("status of no event", 0, "ACTOR"),
        ("two roles", 7, "AGENT"), ("two roles", 7, "AGENT"), ("two roles", 7, "PLACE"), ("two roles", 7, "WITNESS"),
        ("unknown role", 7, "WITNESS"),
    ]  # fmt: skip


def test_links_that_follow_the_guidelines_and_foreign_labels_are_not_found():
    actor, event = Span(0, 6, "ACTOR"), Span(7, 11, "EVENT", status="asserted")
    mention, happening = Span(0, 6, "PER"), Span(7, 11, "ACTION")
    articles = [
        Article("a", "Police left", (actor, event), links=(Link(event, actor, "AGENT"),)),
        Article("b", "Police left", (mention, happening), links=(Link(happening, mention, "AGENT"),)),
        Article("c", "Police left", (actor, Span(7, 11, "EVENT"))),
    ]
    assert not {finding.rule for finding in lint(lambda _: articles).findings} & LINK_RULES


def test_links_that_reading_drops_are_found():
    def read(ledger):
        ledger.add_link("a", "reading", "dropped", "they point to nothing", "AGENT", Span(0, 4, "EVENT"), None)
        return [Article("a", "left it")]

    (finding,) = (f for f in lint(read).findings if f.rule == "dropped in reading" and f.start == 0)
    assert (finding.severity, finding.label) == ("warning", "AGENT")
