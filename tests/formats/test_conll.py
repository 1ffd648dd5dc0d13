from pathlib import Path

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError, SettingsError
from eventtag.formats.conll import read_conll, sniff_conll, write_conll
from eventtag.formats.conll_layout import recognise_conll
from eventtag.ledger import LossLedger
from eventtag.span import Span


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


def test_articles_are_parted_at_docstart_although_the_first_has_none(tmp_path):
    articles, _ = read(tmp_path, "Kyiv\tB-LOC\nfell\tO\n\n-DOCSTART-\tO\n\nLviv\tB-LOC\nheld\tO\n")
    assert [(a.id, a.text, mentions(a)) for a in articles] == [
        ("news-1", "Kyiv fell", [("Kyiv", "LOC")]),
        ("news-2", "Lviv held", [("Lviv", "LOC")]),
    ]


def test_one_docstart_before_all_tasks_is_said_and_blocks_can_be_articles(tmp_path):
    content = "-DOCSTART- -X- O\nKyiv -X- _ B-LOC\nfell -X- _ O\n\nLviv -X- _ B-LOC\n\n"
    articles, ledger = read(tmp_path, content)
    assert [a.text for a in articles] == ["Kyiv fell\nLviv"]
    assert any("article=block: each is one" in remark for remark in ledger.remarks)
    articles, ledger = read(tmp_path, content, article="block")
    assert [(a.id, a.text) for a in articles] == [("news-1", "Kyiv fell"), ("news-2", "Lviv")]
    assert not any("article=block" in remark for remark in ledger.remarks)


HEADERS = {
    "english": "Word\tTag\nKyiv\tB-LOC\nfell\tO\n",
    "bare tags": "token\tlabel\nKyiv\tLOC\nfell\tO\n",
    "any language": "Wort\tEtikett\nKyiv\tB-LOC\nfell\tO\n",
    "repeated": "Word\tTag\nKyiv\tB-LOC\n\nWord\tTag\nfell\tO\n",
    "after a comment": "# made by hand\n\nWord\tTag\nKyiv\tB-LOC\nfell\tO\n",
    "named columns": "ner_tag,x\tlemma\ttoken\tpos\n".replace(",x", "") + "B-LOC\tkyiv\tKyiv\tNNP\nO\tfall\tfell\tVBD\n",
    "numbered": "Nr\tWort\tEtikett\n1\tKyiv\tB-LOC\n2\tfell\tO\n",
}


@pytest.mark.parametrize("content", HEADERS.values(), ids=HEADERS)
def test_a_header_row_is_no_mention(tmp_path, content):
    articles, ledger = read(tmp_path, content)
    assert " ".join(a.text for a in articles) == "Kyiv fell"
    assert [m for a in articles for m in mentions(a)] == [("Kyiv", "LOC")]
    assert any("the first row is a header" in remark for remark in ledger.remarks)
    assert sniff_conll(content)


def test_tags_without_a_scheme_are_recognised_and_their_first_row_is_no_header(tmp_path):
    content = "Kyiv\tLOC\nfell\tO\n"
    articles, _ = read(tmp_path, content)
    assert mentions(articles[0]) == [("Kyiv", "LOC")]
    assert sniff_conll(content)
    assert sniff_conll("Kyiv\tis a city\nfell\tO\n") is None
    assert sniff_conll("text\tlabel\ngood\tPOSITIVE\n") is None


def test_germeval_is_read_with_its_comments_numbers_and_both_layers(tmp_path):
    content = (
        "#\thttp://example.org/a\t[2020-01-01]\n1\tKyiv\tB-LOC\tO\n2\tZoo\tI-LOC\tB-ORG\n\n"
        "#\thttp://example.org/b\t[2020-01-02]\n1\tLviv\tB-LOC\tB-LOC\n2\tfell\tO\tO\n"
    )
    articles, ledger = read(tmp_path, content)
    assert [(a.text, mentions(a)) for a in articles] == [
        ("Kyiv Zoo", [("Kyiv Zoo", "LOC"), ("Zoo", "ORG")]),
        ("Lviv fell", [("Lviv", "LOC")]),
    ]
    assert [e.outcome for e in ledger.entries] == ["merged"]
    assert any("words in column 1, tags in column 2 and 3" in remark for remark in ledger.remarks)
    assert sniff_conll(content)
    assert mentions(read(tmp_path, content, tag_column=2)[0][0]) == [("Kyiv Zoo", "LOC")]


def test_hipe_is_read_by_documents_with_its_coarse_literal_tags(tmp_path):
    content = (
        "TOKEN\tNE-COARSE-LIT\tNE-COARSE-METO\tNE-NESTED\tNEL-LIT\tMISC\n"
        "# hipe2022:document_id = nzz-1\n# hipe2022:date = 1798-01-20\nKyiv\tB-loc\tO\tO\tQ1\t_\nfell\tO\tO\tO\t_\tEndOfLine\n\n"
        "# hipe2022:document_id = nzz-2\nLviv\tB-loc\tO\tO\t_\t_\n"
    )
    articles, ledger = read(tmp_path, content)
    assert [(a.id, a.text, mentions(a)) for a in articles] == [
        ("nzz-1", "Kyiv fell", [("Kyiv", "loc")]),
        ("nzz-2", "Lviv", [("Lviv", "loc")]),
    ]
    assert any("columns of tags that are not read: NE-COARSE-METO, NE-NESTED" in remark for remark in ledger.remarks)
    assert sniff_conll(content)


@pytest.mark.parametrize("content", ["Kyiv B-LOC\nfell O\n O\nLviv B-LOC\n", "Kyiv\tB-LOC\nfell\tO\n\tO\n \tO\nLviv\tB-LOC\n"])
def test_a_word_that_is_a_blank_adds_nothing(tmp_path, content):
    articles, ledger = read(tmp_path, content)
    assert [(a.text, mentions(a)) for a in articles] == [("Kyiv fell Lviv", [("Kyiv", "LOC"), ("Lviv", "LOC")])]
    assert ledger.entries == []
    assert sniff_conll(content)


ONTONOTES = (
    "#begin document (bc/x); part 000\n"
    "bc/x 0 0 The DT (TOP(NP* - - - S#1 (ORG* * -\nbc/x 0 1 New NNP * - - - S#1 (GPE* * (1\nbc/x 0 2 York NNP * - - - S#1 *) * 1)\n"
    "bc/x 0 3 Times NNP *)) - - - S#1 *) * -\n\nbc/x 0 0 Kyiv NNP (TOP* - - - S#1 (GPE) * * (2)\n\n#end document\n"
    "#begin document (bc/x); part 001\nbc/x 1 0 fell VBD * - - - S#1 * -\n\n#end document\n"
)


def test_conll_2012_is_read_with_nested_entities(tmp_path):
    articles, _ = read(tmp_path, ONTONOTES)
    assert [(a.id, a.text, mentions(a)) for a in articles] == [
        ("bc/x-000", "The New York Times\nKyiv", [("The New York Times", "ORG"), ("New York", "GPE"), ("Kyiv", "GPE")]),
        ("bc/x-001", "fell", []),
    ]
    assert sniff_conll(ONTONOTES)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (ONTONOTES.replace("*)) - - - S#1 *)", "*)) - - - S#1 *"), "2: opens a named entity 'ORG' that is never closed"),
        (ONTONOTES.replace("(ORG* *", "* *"), "5: closes a named entity that is not open"),
        (ONTONOTES.replace("(GPE) *", "GPE *"), "7: 'GPE' is no named entity"),
        (ONTONOTES.replace("#end document", "", 1) + "a b\n", "14: 'a b' stands outside a document"),
        ("#begin document (x)\na b c\n", "2: 3 columns where CoNLL-2012 has at least 11"),
    ],
)
def test_damaged_conll_2012_is_an_error_with_file_and_line(tmp_path, content, problem):
    with pytest.raises(FormatError, match=rf"news.conll:(?:{problem})"):
        read(tmp_path, content)
