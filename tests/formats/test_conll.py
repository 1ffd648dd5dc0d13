from pathlib import Path

import pytest

from eventtag.articles import Article
from eventtag.errors import FormatError, OutputError, SettingsError
from eventtag.formats.conll import read_conll, recognise_conll, sniff_conll, write_conll
from eventtag.ledger import LossLedger
from eventtag.spans import Span


def read(tmp_path: Path, content: str, **options) -> tuple[list[Article], LossLedger]:
    path = tmp_path / "news.conll"
    path.write_text(content, encoding="utf-8", newline="")
    ledger = LossLedger()
    return list(read_conll(path, ledger=ledger, **options)), ledger


def mentions(article: Article) -> list[tuple[str, str]]:
    return [(article.mention(span), span.label) for span in article.spans]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("B-X I-X B-X O B-Y", "IOB2"),
        ("I-X I-X B-X O I-Y", "IOB1"),
        ("B-X E-X S-X O S-Y", "BIOES"),
        ("B-X L-X U-X O U-Y", "BILOU"),
        ("I-X E-X E-X O E-Y", "IOE"),
        ("X X Z O Y", "IO"),
    ],
)
def test_each_tag_scheme_is_recognised_and_read(tmp_path, tags, scheme):
    rows = "".join(f"{word} {tag}\n" for word, tag in zip("abcde", tags.split(), strict=True))
    articles, ledger = read(tmp_path, rows)
    assert recognise_conll(tmp_path / "news.conll").scheme == scheme
    third = "Z" if scheme == "IO" else "X"
    assert mentions(articles[0]) == [("a b", "X"), ("c", third), ("e", "Y")]
    assert ledger.notes == []
    assert ledger.seen == 3


def test_conll_2003_is_read_with_four_columns_and_documents(tmp_path):
    content = (
        "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP B-PER\n\n"
        "-DOCSTART- -X- -X- O\n\nLondon NNP B-NP B-LOC\n"
    )
    articles, _ = read(tmp_path, content)
    assert [(a.id, a.text) for a in articles] == [("news-1", "EU rejects\nPeter"), ("news-2", "London")]
    assert mentions(articles[0]) == [("EU", "ORG"), ("Peter", "PER")]
    assert str(recognise_conll(tmp_path / "news.conll")) == "4 columns separated by spaces, IOB2 tags, articles by -DOCSTART-"


def test_the_case_dialect_is_read_by_samples_and_sentences(tmp_path):
    content = "SAMPLE_START\tO\nPolice\tB-participant\nsaid\tO\n[SEP]\tO\nDelhi\tB-loc\n\nSAMPLE_START\tO\nRiots\tB-trigger\n"
    articles, _ = read(tmp_path, content)
    assert [a.text for a in articles] == ["Police said\nDelhi", "Riots"]
    assert mentions(articles[0]) == [("Police", "participant"), ("Delhi", "loc")]


def test_without_a_marker_each_block_is_an_article_or_the_file_is_one(tmp_path):
    content = "# id s1 domain=en\na\tB-X\n\n\n\n# id s2 domain=en\nb\tO\n"
    articles, _ = read(tmp_path, content)
    assert [(a.id, a.text) for a in articles] == [("s1", "a"), ("s2", "b")]
    articles, _ = read(tmp_path, content, article="file")
    assert [(a.id, a.text) for a in articles] == [("news", "a\nb")]


def test_newdoc_comments_begin_articles(tmp_path):
    articles, _ = read(tmp_path, "# newdoc id = d 1\na\tO\n\nb\tO\n\n# newdoc id = d2\nc\tB-X\n")
    assert [(a.id, a.text) for a in articles] == [("d 1", "a\nb"), ("d2", "c")]


def test_word_and_tag_column_can_be_chosen(tmp_path):
    articles, _ = read(tmp_path, "B-X\tParis\nO\tis\n", tag_column=0, word_column=1)
    assert mentions(articles[0]) == [("Paris", "X")]


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path):
    articles, _ = read(tmp_path, "\ufeffParis\tB-X\r\nis\tO\r\n\r\nbig\tO\r\n")
    assert [a.text for a in articles] == ["Paris is", "big"]


def test_a_hash_sign_can_be_a_word(tmp_path):
    articles, _ = read(tmp_path, "# O\nmetoo B-X\n")
    assert articles[0].text == "# metoo"


def test_tags_that_break_the_scheme_are_read_and_noted(tmp_path):
    articles, ledger = read(tmp_path, "a B-X\nb O\nc I-X\nd B-Y\ne B-Y\n")
    assert mentions(articles[0]) == [("a", "X"), ("c", "X"), ("d", "Y"), ("e", "Y")]
    assert [(note.part, note.detail) for note in ledger.notes] == [("tags", "line 3: I-X")]


def test_a_mention_of_white_space_only_is_named_as_dropped(tmp_path):
    articles, ledger = read(tmp_path, "a\tO\n\u2009\tB-X\nb\tO\n")
    assert articles[0].text == "a b"
    assert [(e.outcome, e.reason, e.label) for e in ledger.entries] == [("dropped", "holds only white space", "X")]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("a B-X\nb\n", 2, "1 columns where the first row has 2"),
        ("word\n", 1, "one column"),
        ("a\tO\nb\t(PER*\n", 2, "cannot be a tag"),
        ("a\tO\n\n-DOCSTART- (x)\n\nb\tO\n", 3, "first article has none"),
    ],
)
def test_a_damaged_file_is_an_error_with_file_and_line(tmp_path, content, line, problem):
    with pytest.raises(FormatError, match=rf"news.conll:{line}: .*{problem}"):
        read(tmp_path, content)


def test_a_column_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="tag_column: 5 is not among the 2 columns"):
        read(tmp_path, "a O\n", tag_column=5)


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES", "BILOU"])
def test_tokenised_articles_come_back_unchanged(tmp_path, scheme):
    articles = [
        Article("1 EU", "The EU , again .\nBonn Bonn", (Span(4, 6, "A"), Span(17, 21, "B"), Span(22, 26, "B"))),
        Article("-DOCSTART-", "-DOCSTART- # x", (Span(0, 10, "X"),)),
    ]
    ledger = LossLedger()
    write_conll(articles, tmp_path / "out.conll", ledger=ledger, scheme=scheme)
    assert (list(read_conll(tmp_path / "out.conll", ledger=ledger)), ledger.entries, ledger.notes) == (articles, [], [])


def test_what_columns_cannot_hold_is_named(tmp_path):
    article = Article(
        "a", "Kyiv,\r\n(Ukraine)", (Span(0, 4, "L"), Span(0, 15, "L"), Span(8, 15, "L o")), annotated=((0, 4),), meta={"k": 1}
    )
    ledger = LossLedger()
    write_conll([article], tmp_path / "out.conll", ledger=ledger)
    (back,) = read_conll(tmp_path / "out.conll", ledger=LossLedger())
    assert back.text == "Kyiv , ( Ukraine )"
    assert mentions(back) == [("Kyiv , ( Ukraine", "L")]
    assert {(e.outcome, e.reason) for e in ledger.entries} == {
        ("dropped", "overlaps a longer span"),
        ("dropped", "its label has white space, which a tag cannot"),
        ("moved", "white space is not kept"),
    }
    assert {note.part for note in ledger.notes} == {"text", "annotated", "meta"}


def test_an_id_with_a_line_break_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="line break"):
        write_conll([Article("a\nb", "x")], tmp_path / "out.conll", ledger=LossLedger())
    assert list(tmp_path.iterdir()) == []


def test_columns_are_recognised_by_content():
    assert "3 columns" in (sniff_conll("-DOCSTART- -X- O\n\nEU NNP B-ORG\nis VBZ O\n") or "")
    assert sniff_conll("a sentence of words\nand another one\n") is None
    assert sniff_conll('{"text": "O"}\n') is None
