import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError
from eventtag.formats.inline import parse_inline, read_inline, write_inline
from eventtag.formats.registry import FORMATS
from eventtag.ledger import LossLedger
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
