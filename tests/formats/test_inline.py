import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError
from eventtag.formats.inline import parse_inline, read_inline, write_inline
from eventtag.formats.registry import FORMATS
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span

HEAD = "---\nid: a\n---\n"


def mentions(article):
    return [(article.mention(span), span.label) for span in article.spans]


def test_the_markup_is_read_with_its_escapes():
    article = parse_inline(HEAD + "[Moscow|A] [accused|E] \\[[Kyiv \\| x|L]\\] \\\\\nof it\n")
    assert article.text == "Moscow accused [Kyiv | x] \\\nof it"
    assert mentions(article) == [("Moscow", "ACTOR"), ("accused", "EVENT"), ("Kyiv | x", "LOCATION")]


def test_short_names_and_metadata_come_from_the_header():
    article = parse_inline("---\nid: a b\nlabels: P=PERSON Q\ndesk: x: y\n---\n[it|P][is|Q]")
    assert (article.id, article.meta) == ("a b", {"desk": "x: y"})
    assert mentions(article) == [("it", "PERSON"), ("is", "Q")]


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("no header", 1, "does not begin with `---`"),
        ("---\nid\n---\nx", 2, "is not `key: value`"),
        ("---\ndesk: x\n---\nx", 1, "the header has no `id`"),
        (HEAD + "a\n[b|Z]", 5, "unknown short name 'Z' (known: A, E, L)"),
        (HEAD + "[a [b|A]|E]", 4, "`[` inside a span"),
        (HEAD + "a] b", 4, "`]` that closes no"),
        (HEAD + "[a", 4, "`[` that is never closed"),
        (HEAD + "[|A]", 4, "an empty span"),
    ],
)
def test_wrong_markup_is_an_error_with_file_and_line(tmp_path, source, line, problem):
    (tmp_path / "a.txt").write_text(source)
    with pytest.raises(FormatError) as raised:
        list(read_inline(tmp_path, ledger=LossLedger()))
    assert f"a.txt:{line}: " in str(raised.value)
    assert problem in str(raised.value)


def test_articles_come_back(tmp_path):
    articles = [
        Article("a", "[x] | \\ Kyiv\r\n", (Span(0, 3, "ACTOR"), Span(8, 12, "LOCATION")), meta={"desk": "a: b"}),
        Article("b", "", meta={}),
        Article("c", "\n\nKyiv\n", (Span(2, 6, "GPE:x"),)),
    ]
    ledger = LossLedger()
    write_inline(articles, tmp_path / "o", ledger=ledger)
    assert list(read_inline(tmp_path / "o", ledger=ledger)) == articles
    assert (ledger.entries, ledger.notes) == ([], [])


def test_what_the_markup_cannot_hold_is_named(tmp_path):
    spans = (Span(0, 4, "A B"), Span(0, 9, "X"), Span(5, 9, "Y"))
    ledger = LossLedger()
    write_inline([Article("a", "Kyiv fell", spans, ((0, 4),), meta={"n": 1, "id": "x", "d": "y"})], tmp_path / "o", ledger=ledger)
    (back,) = read_inline(tmp_path / "o", ledger=LossLedger())
    assert (mentions(back), back.meta) == ([("Kyiv fell", "X")], {"d": "y"})
    assert sorted((e.outcome, e.label) for e in ledger.entries) == [("dropped", "A B"), ("dropped", "Y")]
    assert [(note.part, note.detail) for note in ledger.notes] == [("annotated", ""), ("meta", "id, n")]


@pytest.mark.parametrize("name", ["../b", ".hidden", "a\nb", " a", "x" * 300])
def test_an_id_that_cannot_be_kept_is_an_error(tmp_path, name):
    with pytest.raises(OutputError, match=r"its id (?:cannot be a file name|has white space)"):
        write_inline([Article(name, "x")], tmp_path / "o", ledger=LossLedger())
    assert not (tmp_path / "o").exists()


def test_the_markup_is_recognised():
    assert FORMATS["inline"].sniff(HEAD + "x")
    assert FORMATS["inline"].sniff("---\n---\n") is None


EVENTS = "---\nid: a\nlinks: marked\n---\n"
STRIKE = (
    "[Dockers|A#1] in [Antwerp|L#x] and [Ghent|L#3] [downed tools|E asserted AGENT=1 PLACE=x,3]; "
    "a [meeting|E#4 negated] [was off|E AGENT=4].\n"
)


def test_links_and_status_stand_behind_the_short_name():
    article = parse_inline(EVENTS + STRIKE)
    assert [(article.mention(link.event), link.role, article.mention(link.participant)) for link in article.links] == [
        ("downed tools", "AGENT", "Dockers"),
        ("downed tools", "PLACE", "Antwerp"),
        ("downed tools", "PLACE", "Ghent"),
        ("was off", "AGENT", "meeting"),
    ]
    assert [span.status for span in article.spans] == [None, None, None, "asserted", "negated", None]
    assert article.text == "Dockers in Antwerp and Ghent downed tools; a meeting was off."


def test_whether_links_were_marked_is_told_apart():
    assert parse_inline(EVENTS + "[Kyiv|L]").links == ()
    assert parse_inline(HEAD + "[fell|E negated]").links is None
    assert parse_inline(HEAD + "[fell|E negated]").spans[0].status == "negated"


def test_links_and_status_come_back(tmp_path):
    articles = [
        parse_inline(EVENTS + STRIKE),
        Article("b", "Kyiv fell", (Span(0, 4, "C#1"), Span(5, 9, "C", status="possible")), links=()),
        Article(
            "c", "Kyiv fell", (Span(0, 4, "C#1"), Span(5, 9, "C")), links=(Link(Span(0, 4, "C#1"), Span(5, 9, "C"), "odd:role"),)
        ),
        Article("d", "Kyiv fell", (Span(0, 4, "LOCATION"), Span(5, 9, "EVENT"))),
    ]
    ledger = LossLedger()
    write_inline(articles, tmp_path / "o", ledger=ledger)
    back = list(read_inline(tmp_path / "o", ledger=ledger))
    assert back == articles
    assert [[span.status for span in article.spans] for article in back] == [[span.status for span in a.spans] for a in articles]
    assert (ledger.entries, ledger.links, ledger.notes) == ([], [], [])


@pytest.mark.parametrize(
    ("source", "line", "problem"),
    [
        ("---\nid: a\nlinks: no\n---\nx", 3, "`links` is 'no'; allowed: marked"),
        (HEAD + "[a|A#1] [b|E AGENT=1]", 4, "no line `links: marked` in the header"),
        (EVENTS + "\n[b|E AGENT=1]", 6, "AGENT=1, but no span has the name #1 (there are: none)"),
        (EVENTS + "[a|A#1] [b|A#1]", 5, "a second span with the name #1"),
        (
            EVENTS + "[a|A#1] [b|E denied]",
            5,
            "'denied' behind 'E' is neither one status (asserted, negated, future, possible) nor ROLE=ID",
        ),
        (EVENTS + "[b|E negated asserted]", 5, "'asserted' behind 'E' is neither one status"),
        (EVENTS + "[a|A#1] [b|E AGENT=]", 5, "'AGENT=' behind 'E'"),
        (EVENTS + "[a|A#1] [b|E AGENT=1,1]", 5, "AGENT=1 occurs twice"),
        (EVENTS + "[a|A#]", 5, "`#` is no name for a span"),
    ],
)
def test_wrong_links_are_an_error_with_file_and_line(tmp_path, source, line, problem):
    (tmp_path / "a.txt").write_text(source)
    with pytest.raises(FormatError) as raised:
        list(read_inline(tmp_path, ledger=LossLedger()))
    assert f"a.txt:{line}: " in str(raised.value)
    assert problem in str(raised.value)


def test_links_of_spans_and_roles_that_the_markup_cannot_hold_are_named(tmp_path):
    kept, lost, event = Span(0, 4, "ACTOR"), Span(0, 2, "ACTOR"), Span(5, 9, "EVENT")
    ledger = LossLedger()
    article = Article("a", "Kyiv fell", (kept, lost, event), links=(Link(event, lost, "AGENT"), Link(event, kept, "a b")))
    write_inline([article], tmp_path / "o", ledger=ledger)
    (back,) = read_inline(tmp_path / "o", ledger=LossLedger())
    assert back.links == ()
    assert [(link.role, link.reason) for link in ledger.links] == [
        ("AGENT", "a span of theirs is dropped"), ("a b", "their role has white space or a sign of the markup"),
    ]  # fmt: skip
