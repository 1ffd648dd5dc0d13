import os
from pathlib import Path

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError
from eventtag.formats.conllu import read_conllu, sniff_conllu, write_conllu
from eventtag.formats.webanno_tsv import read_webanno_tsv
from eventtag.ledger import LossLedger
from eventtag.span import Span


def rows(*items):
    return "".join(f"{number}\t{word}" + "\t_" * 7 + f"\t{misc}\n" for number, word, misc in items)


def read(tmp_path, content, **options):
    path = tmp_path / "f.conllu"
    path.write_text(content, encoding="utf-8")
    ledger = LossLedger()
    return list(read_conllu(path, ledger=ledger, **options)), ledger


def mentions(article):
    return [(article.mention(span), span.label) for span in article.spans]


GUM = "# global.Entity = GRP-etype-infstat\n"


def test_nested_mentions_and_metadata_of_gum_are_read(tmp_path):
    content = (
        "# newdoc id = GUM_x\n" + GUM + "# meta::dateCreated = 2017-07-18\n# text = The visa, it\n"
        + rows((1, "The", "Entity=(1-event-new"), (2, "visa", "Entity=(2-abstract-new)1)|SpaceAfter=No"), (3, ",", "_"))
        + rows((4, "it", "Entity=(1-event-giv)"))
    )  # fmt: skip
    (article,), ledger = read(tmp_path, content)
    assert (article.id, article.text, article.meta) == ("GUM_x", "The visa, it", {"dateCreated": "2017-07-18"})
    assert mentions(article) == [("The visa", "event"), ("visa", "abstract"), ("it", "event")]
    assert (ledger.seen, ledger.entries) == (3, [])


def test_multiword_tokens_are_the_text_and_empty_nodes_are_not(tmp_path):
    parts = ((2, "do", "_"), (3, "n't", "Entity=(e1-neg-1)"))
    content = rows((1, "I", "_"), ("2-3", "don't", "SpaceAfter=No"), *parts, ("3.1", "go", "_"), (4, ".", "_"))
    (article,), _ = read(tmp_path, content)
    assert article.text == "I don't."
    assert mentions(article) == [("n't", "neg")]


def test_words_that_do_not_make_up_their_token_stand_for_all_of_it(tmp_path):
    (article,), _ = read(tmp_path, rows(("1-2", "del", "_"), (1, "de", "_"), (2, "el", "Entity=(e1-x-1)")))
    assert mentions(article) == [("del", "x")]
    cut_off, _ = read(tmp_path, "# newdoc id = d\n" + rows(("1-9", "it's", "_"), (1, "it", "NE=B-X")) + "# newdoc\n")
    assert mentions(cut_off[0]) == [("it's", "X")]


def test_discontinuous_mentions_of_corefud_are_covered_and_named(tmp_path):
    content = rows((1, "put", "Entity=(e1[1/2]-ev-1)"), (2, "it", "_"), (3, "off", "Entity=(e1[2/2])"))
    (article,), ledger = read(tmp_path, content)
    assert mentions(article) == [("put it off", "ev")]
    assert [e.outcome for e in ledger.entries] == ["moved"]


def test_iob_tags_in_misc_are_read(tmp_path):
    content = rows((1, "New", "NE=B-LOC"), (2, "York", "NE=I-LOC|SpaceAfter=No"), (3, ",", "NE=O"), (4, "UN", "NE=B-ORG"))
    assert mentions(read(tmp_path, content)[0][0]) == [("New York", "LOC"), ("UN", "ORG")]


def test_articles_begin_at_newdoc_and_sentences_on_a_new_line(tmp_path):
    content = (
        "# newdoc\n" + rows((1, "a", "_")) + "\n" + rows((1, "b", "_")) + "\n# newdoc id = d2\n" + rows((1, "c", "_")) + "\n"
    )
    articles, _ = read(tmp_path, content)
    assert [(a.id, a.text) for a in articles] == [("f-1", "a\nb"), ("d2", "c")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (rows((1, "a", "Entity=1)")), "f.conllu:1: Entity closes '1', which is not open"),
        (rows((1, "a", "_"), (2, "b", "Entity=(1-x-1")), "f.conllu:2: Entity opens '1', which is never closed"),
        ("1\ta\n", "f.conllu:1: .* is not a row of 10 columns"),
        (rows(("x", "a", "_")), "is not a row of 10 columns"),
    ],
)
def test_a_damaged_file_is_an_error_with_file_and_line(tmp_path, content, problem):
    with pytest.raises(FormatError, match=problem):
        read(tmp_path, content)


def test_articles_come_back_and_what_is_lost_is_named(tmp_path):
    articles = [
        Article(
            "a 1", "Kyiv (Ukraine), fell.\nIt did", (Span(0, 14, "L"), Span(6, 13, "L"), Span(0, 26, "E")), meta={"topic": "x y"}
        ),
        Article("b", ""),
    ]
    ledger = LossLedger()
    write_conllu(articles, tmp_path / "out.conllu", ledger=ledger)
    assert list(read_conllu(tmp_path / "out.conllu", ledger=ledger)) == articles
    assert (ledger.entries, ledger.notes) == ([], [])
    lossy = Article("c", "a  b\n\nc", (Span(3, 4, "X-Y"), Span(0, 7, "Z")), annotated=((0, 1),), meta={"k": 1})
    write_conllu([lossy], tmp_path / "lossy.conllu", ledger=ledger)
    assert {(e.outcome, e.label) for e in ledger.entries} == {("dropped", "X-Y"), ("moved", "Z")}
    assert {note.part for note in ledger.notes} == {"text", "annotated", "meta"}


def test_an_id_with_a_line_break_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="line break"):
        write_conllu([Article("a\nb", "x")], tmp_path / "out.conllu", ledger=LossLedger())


def test_the_format_is_recognised():
    assert sniff_conllu("# x\n" + rows((1, "a", "_")))
    assert sniff_conllu("1\ta\tO\n") is None


@pytest.mark.corpora
@pytest.mark.skipif("EVENTTAG_CORPORA" not in os.environ, reason="EVENTTAG_CORPORA is not set")
def test_gum_has_the_same_mentions_in_both_of_its_formats():
    root = Path(os.environ["EVENTTAG_CORPORA"]) / "gum_news"
    ledger = LossLedger()
    tsv = {a.id: a for a in read_webanno_tsv(root / "tsv", ledger=ledger)}
    conllu = {a.id: a for file in sorted((root / "conllu").glob("*.conllu")) for a in read_conllu(file, ledger=ledger)}
    assert ledger.entries == []
    assert tsv.keys() == conllu.keys()
    assert sum(len(a.spans) for a in tsv.values()) == 5018
    for name, article in tsv.items():
        squeezed = [sorted(("".join(text.split()), label) for text, label in mentions(a)) for a in (article, conllu[name])]
        assert squeezed[0] == squeezed[1]


ZERO = {
    "closes": (rows((1, "Dijo", "Entity=(e1-person-1"), ("1.1", "_", "Entity=e1)"), (2, ".", "_")), ["Dijo"], 0),
    "opens": (rows(("0.1", "_", "Entity=(e1-person-1"), (1, "Dijo", "_"), (2, "Lima", "Entity=e1)")), ["Dijo Lima"], 0),
    "in between": (rows((1, "a", "Entity=(e1-person-1"), ("1.1", "_", "_"), (2, "b", "Entity=e1)")), ["a b"], 0),
    "alone": (rows((1, "Dijo", "_"), ("1.1", "_", "Entity=(e1-person-1)")), [], 1),
    "two nodes": (rows((1, "Dijo", "_"), ("1.1", "_", "Entity=(e1-person-1"), ("1.2", "_", "Entity=e1)"), (2, "x", "_")), [], 1),
    "nested": (rows((1, "a", "Entity=(e1-person-1"), ("1.1", "_", "Entity=(e2-person-1)e1)")), ["a"], 1),
    "in a token": (
        rows(("1-2", "del", "_"), (1, "de", "_"), ("1.1", "_", "Entity=(e1-person-1"), (2, "el", "Entity=e1)")),
        ["del"],
        0,
    ),
    "a fragment": (rows((1, "a", "Entity=(e1[1/2]-person-1)"), ("1.1", "_", "Entity=(e1[2/2]-person-1)")), ["a"], 0),
    "all fragments": (rows((1, "a", "_"), ("1.1", "_", "Entity=(e1[1/2]-person-1)(e1[2/2]-person-1)")), [], 1),
}


@pytest.mark.parametrize(("content", "found", "noted"), ZERO.values(), ids=ZERO)
def test_of_a_mention_at_an_empty_node_the_part_in_the_text_is_read(tmp_path, content, found, noted):
    (article,), ledger = read(tmp_path, content)
    assert [article.mention(span) for span in article.spans] == found
    assert [note.reason for note in ledger.notes] == ["a mention at an empty node has no text"] * noted
    assert ledger.seen == len(found)


def plain(*tags, size=10, at=4):
    """Two words of so many columns, with tags in one of them."""
    return "".join(
        f"{number}\t{word}"
        + "".join(f"\t{tag if column == at else 'x' if column == 3 else '_'}" for column in range(2, size))
        + "\n"
        for number, (word, tag) in enumerate(zip(("Kyiv", "fell"), tags, strict=True), start=1)
    )


@pytest.mark.parametrize(("size", "at"), [(10, 4), (11, 10), (5, 4), (3, 2), (14, 12)])
def test_tags_in_a_column_of_their_own_are_read_where_misc_has_none(tmp_path, size, at):
    (article,), ledger = read(tmp_path, plain("B-LOC", "O", size=size, at=at))
    assert mentions(article) == [("Kyiv", "LOC")]
    assert list(ledger.remarks) == [f"mentions are the tags in column {at + 1}"]


def test_columns_can_be_declared(tmp_path):
    content = "# global.columns = ID FORM UPOS PARSEME:MWE FIN:NER\n1\tKyiv\tPROPN\t*\tB-LOC\n2\tfell\tVERB\t*\tO\n"
    (article,), ledger = read(tmp_path, content)
    assert (article.text, mentions(article)) == ("Kyiv fell", [("Kyiv", "LOC")])
    assert list(ledger.remarks) == ["mentions are the tags in column FIN:NER"]


def test_a_file_without_mentions_is_said_and_columns_that_nothing_explains_are_refused(tmp_path):
    (article,), ledger = read(tmp_path, plain("NNP", "VBD"))
    assert article.spans == ()
    assert [remark for remark in ledger.remarks if "there is no mention" in remark]
    for size in (5, 14):
        with pytest.raises(FormatError, match=rf"f.conllu:1: has rows of {size} columns, none of which holds mentions"):
            read(tmp_path, plain("NNP", "VBD", size=size))


def test_mentions_in_misc_win_over_columns_of_tags(tmp_path):
    content = plain("B-NP", "O", at=4).replace("_\n", "Entity=(e1-place-1)\n", 1)
    (article,), _ = read(tmp_path, content)
    assert mentions(article) == [("Kyiv", "place")]
