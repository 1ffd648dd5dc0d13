import pytest

from eventtag.article import Article
from eventtag.errors import FormatError
from eventtag.formats.webanno_tsv import read_webanno_tsv, sniff_webanno_tsv, write_webanno_tsv
from eventtag.ledger import LossLedger
from eventtag.span import Span

HEAD = "#FORMAT=WebAnno TSV 3.3\n#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|identifier|value\n\n\n"
SENTENCE = "#Text=Kyiv 👩 fell\n1-1\t0-4\tKyiv\t*[1]|*\tLOC[1]|ORG\n1-2\t5-7\t👩\t_\t_\n1-3\t8-12\tfell\t*\tEV\n"


def read(tmp_path, content, **options):
    path = tmp_path / "a.tsv"
    path.write_bytes(content.encode())
    ledger = LossLedger()
    (article,) = read_webanno_tsv(path, ledger=ledger, **options)
    return article, ledger


def mentions(article):
    return [(article.mention(span), span.label) for span in article.spans]


def test_stacked_annotations_and_utf16_offsets_are_read(tmp_path):
    article, ledger = read(tmp_path, HEAD + SENTENCE)
    assert (article.id, article.text) == ("a", "Kyiv 👩 fell")
    assert mentions(article) == [("Kyiv", "LOC"), ("Kyiv", "ORG"), ("fell", "EV")]
    assert (ledger.seen, ledger.entries) == (3, [])


def test_the_text_between_sentences_is_put_back_from_the_offsets(tmp_path):
    article, _ = read(
        tmp_path,
        HEAD + SENTENCE + "\n#Text=It did .\n2-1\t14-16\tIt\t*[2]\tX[2]\n2-2\t17-20\tdid\t*[2]\tX[2]\n2-3\t21-22\t.\t_\t_\n",
    )
    assert article.text == "Kyiv 👩 fell\n\nIt did ."
    assert mentions(article)[-1] == ("It did", "X")


def test_a_sentence_of_several_lines_and_a_part_of_a_token_are_read(tmp_path):
    content = (
        HEAD
        + "#Text=New\n#Text=York-based\n1-1\t0-3\tNew\t*[1]\tLOC[1]\n1-2\t4-14\tYork-based\t_\t_\n1-2.1\t4-8\tYork\t*[1]\tLOC[1]\n"
    )
    article, ledger = read(tmp_path, content)
    assert mentions(article) == [("New\nYork", "LOC")]
    assert ledger.entries == []


def test_a_part_of_a_token_stands_at_its_own_offsets_even_if_its_letters_repeat(tmp_path):
    content = (
        HEAD
        + "#Text=👩aaaa bb\n1-1\t0-6\t👩aaaa\t_\t_\n1-1.1\t4-6\taa\t*[1]\tX[1]\n1-2\t7-9\tbb\t_\t_\n1-2.1\t7-8\tb\t*[1]\tX[1]\n"
    )
    article, _ = read(tmp_path, content)
    assert [(span.start, span.end, article.mention(span)) for span in article.spans] == [(3, 7, "aa b")]


def test_an_annotation_of_no_length_is_dropped_and_named(tmp_path):
    content = (
        HEAD + "#Text=word.\n1-1\t0-4\tword\t*\tX\n1-1.1\t2-2\t\t*[1]|*[2]\tY[1]|Z[2]\n1-1.2\t4-4\t\t*\t*\n1-2\t4-5\t.\t_\t_\n"
    )
    article, ledger = read(tmp_path, content)
    assert mentions(article) == [("word", "X")]
    assert [(e.start, e.end, e.label, e.outcome, e.reason) for e in ledger.entries] == [
        (2, 2, "Y", "dropped", "is empty"),
        (2, 2, "Z", "dropped", "is empty"),
        (4, 4, "NamedEntity", "dropped", "is empty"),
    ]
    assert ledger.seen == 4


def test_a_mention_with_a_gap_is_covered_and_named(tmp_path):
    content = HEAD + "#Text=put it off\n1-1\t0-3\tput\t*[1]\tEV[1]\n1-2\t4-6\tit\t_\t_\n1-3\t7-10\toff\t*[1]\tEV[1]\n"
    article, ledger = read(tmp_path, content)
    assert mentions(article) == [("put it off", "EV")]
    assert [e.reason for e in ledger.entries] == ["discontinuous: the gap is covered"]


def test_layer_and_feature_can_be_chosen_among_custom_layers(tmp_path):
    content = (
        "#FORMAT=WebAnno TSV 3.2\n#T_SP=custom.Pos|tag\n#T_CH=custom.Chain|a|b\n#T_SP=webanno.custom.Event|kind|value|mode\n"
        "#T_SP=custom.Empty|\n"
        "#T_RL=custom.Rel|type|BT_custom.Pos\n\n#Text=Kyiv fell\n1-1\t0-4\tKyiv\tNN\t_\t_\t_\t_\t_\t_\t_\t_\t\n"
        "1-2\t5-9\tfell\tVB\t_\t_\tattack\tWAR\\|X\\_Y\t*\t*\t_\t_\t\n"
    )
    with pytest.raises(
        FormatError, match=r"which span layer holds the mentions\? there are: custom.Pos, webanno.custom.Event, custom.Empty"
    ):
        read(tmp_path, content)
    assert mentions(read(tmp_path, content, layer="Event")[0]) == [("fell", "WAR|X_Y")]
    assert mentions(read(tmp_path, content, layer="Event", feature="kind")[0]) == [("fell", "attack")]
    assert mentions(read(tmp_path, content, layer="Event", feature="mode")[0]) == [("fell", "Event")]
    assert mentions(read(tmp_path, content, layer="custom.Empty")[0]) == [("fell", "Empty")]
    with pytest.raises(FormatError, match="has no feature 'mood' that can hold labels; there are: kind, value, mode"):
        read(tmp_path, content, layer="Event", feature="mood")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("#FORMAT=WebAnno TSV 2.0\n", "a.tsv:1: begins with"),
        (HEAD + "#Text=Kyiv\n1-1 0-4 Kyiv\n", "a.tsv:6: .* is not a row"),
        (HEAD + "#Text=Kyiv\n1-1\t0-4\tLviv\t_\t_\n", "a.tsv:6: the word 'Lviv' is not in the sentence"),
        (HEAD + "#Text=Kyiv\n1-1\t4-0\tKyiv\t_\t_\n", "a.tsv:6: the offsets 4-0 are empty"),
        (HEAD + "#Text=Kyiv\n1-1\t0-4\tKyiv\t_\n", "a.tsv:6: 1 annotation columns where"),
        (HEAD + SENTENCE + "\n#Text=a\n2-1\t3-4\ta\t_\t_\n", "a.tsv:11: the sentence begins at 3, after one that ends at 12"),
        (HEAD + "#Text=a\n1-1\t99999999-100000000\ta\t_\t_\n", "begins at 99999999"),
    ],
)
def test_a_damaged_file_is_an_error_with_file_and_line(tmp_path, content, problem):
    with pytest.raises(FormatError, match=problem):
        read(tmp_path, content)


def test_articles_come_back_with_their_text(tmp_path):
    articles = [
        Article("a", "\n Kyiv,\r\n\n \tfell 👩\\n_x_ [it]\n\n", (Span(2, 6, "L|[1]_*;\\"), Span(2, 16, "E"), Span(6, 7, "->"))),
        Article("b c", ""),
    ]
    ledger = LossLedger()
    write_webanno_tsv(articles, tmp_path / "out", ledger=ledger)
    assert list(read_webanno_tsv(tmp_path / "out", ledger=ledger)) == articles
    assert (ledger.entries, ledger.notes) == ([], [])


def test_the_format_is_recognised():
    assert sniff_webanno_tsv(HEAD)
    assert sniff_webanno_tsv("#FORMAT=WebAnno CSV 3") is None
