import os
from pathlib import Path

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, OutputError, SettingsError
from eventtag.formats.cat import read_cat, sniff_cat, write_cat
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span

TOKENS = """\
<Document doc_name="1_2ecbplus.xml" doc_id="D1">
<token t_id="1" sentence="0" number="0">She</token>
<token t_id="2" sentence="0" number="1">checked</token>
<token t_id="3" sentence="0" number="2">herself</token>
<token t_id="4" sentence="0" number="3">in</token>
<token t_id="5" sentence="1" number="0">Malibu\t</token>
<token t_id="6" sentence="1" number="1">\t</token>
"""
MARKABLES = """\
<Markables>
  <ACTION_OCCURRENCE m_id="1"><token_anchor t_id="4"/><token_anchor t_id="2"/></ACTION_OCCURRENCE>
  <LOC_GEO m_id="2" ><token_anchor t_id="5"/></LOC_GEO>
  <HUMAN_PART_PER m_id="3" RELATED_TO="" TAG_DESCRIPTOR="t1b_she" instance_id="HUM1"/>
</Markables>
<Relations/></Document>
"""


def corpus(tmp_path: Path, content: str = TOKENS + MARKABLES, name: str = "1/1_2ecbplus.xml") -> Path:
    file = tmp_path / "corpus" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return tmp_path / "corpus"


def mentions(article: Article) -> list[tuple[str, str]]:
    return [(article.mention(span), span.label) for span in article.spans]


def test_an_ecbplus_file_becomes_an_article(tmp_path):
    ledger = LossLedger()
    (article,) = read_cat(corpus(tmp_path), ledger=ledger)
    assert (article.id, article.text) == ("1_2ecbplus", "She checked herself in\nMalibu")
    assert article.meta == {"doc_id": "D1", "topic": "1", "collection": "ecbplus"}
    assert mentions(article) == [("checked herself in", "ACTION_OCCURRENCE"), ("Malibu", "LOC_GEO")]
    assert article.annotated is None
    assert [(e.outcome, e.reason, e.start, e.end, e.detail) for e in ledger.entries] == [
        ("moved", "discontinuous: the gap is covered", 4, 22, "4-11, 20-22")
    ]
    assert ledger.seen == 2


def test_the_longest_fragment_can_be_kept_or_discontinuous_mentions_refused(tmp_path):
    (article,) = read_cat(corpus(tmp_path), ledger=LossLedger(), discontinuous="longest")
    assert mentions(article)[0] == ("checked", "ACTION_OCCURRENCE")
    with pytest.raises(Exception, match="article '1_2ecbplus': the ACTION_OCCURRENCE mention at 4-11, 20-22 is discontinuous"):
        list(read_cat(corpus(tmp_path), ledger=LossLedger(), discontinuous="error"))


def test_listed_sentences_become_annotated_regions(tmp_path):
    root = corpus(tmp_path)
    corpus(tmp_path, name="1/1_10ecb.xml")
    (root / "list.csv").write_bytes(b"Topic,File,Sentence Number\r\n1,2ecbplus,1\r\n")
    articles = list(read_cat(root, ledger=LossLedger(), sentences="list.csv"))
    assert [(a.id, a.annotated) for a in articles] == [("1_2ecbplus", ((23, 29),)), ("1_10ecb", ())]
    assert [articles[0].counts(span) for span in articles[0].spans] == [False, True]


def test_first_sentences_become_annotated_regions(tmp_path):
    (article,) = read_cat(corpus(tmp_path), ledger=LossLedger(), first_sentences=1)
    assert article.annotated == ((0, 22),)


def test_a_meantime_mention_takes_the_type_of_its_entity(tmp_path):
    content = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Document doc_name="x" doc_id="7" lang="en" url="http://x">\n'
        '<token t_id="1" sentence="0" number="0">Boeing</token><token t_id="2" sentence="0" number="1">fell</token>\n'
        '<Markables><ENTITY_MENTION m_id="4" syntactic_type="NAM"><token_anchor t_id="1"/></ENTITY_MENTION>\n'
        '<EVENT_MENTION m_id="5" pos="VERB"><token_anchor t_id="2"/></EVENT_MENTION>\n'
        '<TIMEX3 m_id="9" functionInDocument="CREATION_TIME" value="2007-01-31"/>\n'
        '<ENTITY m_id="8" ent_type="ORG" TAG_DESCRIPTOR="Boeing"/><EVENT m_id="6" class="OTHER"/></Markables>\n'
        '<Relations><REFERS_TO r_id="1"><source m_id="4"/><target m_id="8"/></REFERS_TO>\n'
        '<REFERS_TO r_id="2"><source m_id="5"/><target m_id="6"/></REFERS_TO></Relations></Document>'
    )
    root = corpus(tmp_path, content, "corpus_airbus/76437.xml")
    (article,) = read_cat(root, ledger=LossLedger())
    assert mentions(article) == [("Boeing", "ENTITY_MENTION_ORG"), ("fell", "EVENT_MENTION")]
    assert article.meta == {"doc_id": "7", "lang": "en", "url": "http://x", "collection": "corpus_airbus", "date": "2007-01-31"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (TOKENS, "1_2ecbplus.xml:8: not well-formed XML"),
        ((TOKENS + MARKABLES).replace('t_id="5"/', 't_id="99"/'), "1_2ecbplus.xml:10: .*token '99'"),
        ((TOKENS + MARKABLES).replace('t_id="2" sentence="0"', 't_id="1" sentence="0"'), ":3: the token's `t_id` is '1'"),
        ((TOKENS + MARKABLES).replace('sentence="1" number="1"', 'sentence="x" number="1"'), ":7: the token's `sentence` is 'x'"),
        (
            (TOKENS + MARKABLES).replace("<Markables>", '<Markables>\n<A m_id="1"><token t_id="9" sentence="0">x</token></A>'),
            ":9: a `token` outside",
        ),
        (
            (TOKENS + MARKABLES).replace("<Markables>", '<token_anchor t_id="1"/>\n<Markables>'),
            ":8: a `token_anchor` outside a markable",
        ),
        ("<html><body/></html>", ":1: the root is `html`"),
        ("<Document/>", "holds neither a `token`"),
        ('<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><Document>&b;</Document>', "document type or entities"),
        ('<?xml version="1.0" encoding="klingon"?><Document/>', "encoding"),
    ],
)
def test_a_damaged_file_is_an_error_with_file_and_line(tmp_path, content, problem):
    with pytest.raises(FormatError, match=problem):
        list(read_cat(corpus(tmp_path, content), ledger=LossLedger()))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("Topic,File\n1,2ecbplus\n", "list.csv:1: the columns are .* needed: Topic, File, Sentence Number"),
        ("Topic,File,Sentence Number\n1,2ecbplus,one\n", "list.csv:2: "),
        ("Topic,File,Sentence Number\n1,2ecbplus,9\n", "list.csv:2: the article '1_2ecbplus' has no sentence 9"),
    ],
)
def test_a_damaged_sentence_list_is_an_error_with_file_and_line(tmp_path, content, problem):
    root = corpus(tmp_path)
    (root / "list.csv").write_text(content)
    with pytest.raises(FormatError, match=problem):
        list(read_cat(root, ledger=LossLedger(), sentences="list.csv"))


def test_options_that_cannot_be_are_errors(tmp_path):
    with pytest.raises(SettingsError, match="give one of them"):
        list(read_cat(corpus(tmp_path), ledger=LossLedger(), sentences="x", first_sentences=1))
    with pytest.raises(SettingsError, match="first_sentences: 0"):
        list(read_cat(corpus(tmp_path), ledger=LossLedger(), first_sentences=0))
    with pytest.raises(FormatError, match=r"missing.csv: cannot be read"):
        list(read_cat(corpus(tmp_path), ledger=LossLedger(), sentences="missing.csv"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match=r"holds no \*.xml file"):
        list(read_cat(tmp_path / "empty", ledger=LossLedger()))


def test_tokenised_articles_come_back_with_their_annotated_sentences(tmp_path):
    articles = [
        Article("1_2ecb", "A & B <c>\n\"d\" e", (Span(0, 1, "X"), Span(0, 9, "Y"), Span(6, 13, "X")), ((10, 15),),
                meta={"doc_id": "1_2ecb", "topic": "1", "collection": "ecb"}),
        Article("x y", "f", (), (), meta={"doc_id": "x y"}),
    ]  # fmt: skip
    ledger = LossLedger()
    write_cat(articles, tmp_path / "out", ledger=ledger)
    back = {a.id: a for a in read_cat(tmp_path / "out", ledger=ledger)}
    assert back == {a.id: a for a in articles}
    assert (ledger.entries, ledger.notes) == ([], [])


def test_what_the_format_cannot_hold_is_named(tmp_path):
    article = Article("a", "Kyiv,\x00 Lviv", (Span(0, 4, "L 1"), Span(4, 5, "L")), ((0, 2),), ("L 1", "L"), {"k": 1})
    ledger = LossLedger()
    write_cat([article], tmp_path / "out", ledger=ledger)
    (back,) = read_cat(tmp_path / "out", ledger=LossLedger())
    assert back.text == "Kyiv , \ufffd Lviv"
    assert mentions(back) == [(",", "L")]
    assert {(e.outcome, e.label) for e in ledger.entries} == {("dropped", "L 1"), ("moved", "L")}
    assert {note.part for note in ledger.notes} == {"text", "annotated", "labels", "meta"}


def test_an_id_that_cannot_be_a_file_name_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be a file name"):
        write_cat([Article("../x", "y")], tmp_path / "out", ledger=LossLedger())
    assert not (tmp_path / "out").exists()


def test_cat_xml_is_recognised_by_content():
    assert sniff_cat(TOKENS)
    assert sniff_cat("<html><token></token></html>") is None


@pytest.mark.corpora
@pytest.mark.skipif("EVENTTAG_CORPORA" not in os.environ, reason="EVENTTAG_CORPORA is not set")
def test_ecbplus_has_the_published_numbers_of_articles_and_sentences(tmp_path):
    root = Path(os.environ["EVENTTAG_CORPORA"]) / "ecbplus"
    ledger = LossLedger()
    articles = list(read_cat(root, ledger=ledger, sentences=str(root / "ECBplus_coreference_sentences.csv")))
    assert len(articles) == 772
    assert sum(bool(article.annotated) for article in articles) == 770
    assert sum(len(article.annotated or ()) for article in articles) == 1383
    assert ledger.seen == sum(len(article.spans) for article in articles) == 23693
    assert len(ledger.entries) == 70
    written = LossLedger()
    write_cat(articles, tmp_path / "back", ledger=written)
    assert list(read_cat(tmp_path / "back", ledger=written)) == sorted(articles, key=lambda a: _order(a.id))
    assert (written.entries, written.notes) == ([], [])


def _order(name: str) -> list[int]:
    topic, _, rest = name.partition("_")
    digits = "".join(c for c in rest if c.isdigit())
    return [int(topic), int(digits), len(rest)]


MEANTIME = """\
<Document doc_name="x" doc_id="7">
<token t_id="1" sentence="0" number="0">Boeing</token><token t_id="2" sentence="0" number="1">sold</token>
<token t_id="3" sentence="0" number="2">planes</token><token t_id="4" sentence="0" number="3">in</token>
<token t_id="5" sentence="0" number="4">Tokyo</token><token t_id="6" sentence="0" number="5">today</token>
<Markables>
<EVENT_MENTION m_id="1" {status}><token_anchor t_id="2"/></EVENT_MENTION>
<ENTITY_MENTION m_id="2"><token_anchor t_id="1"/></ENTITY_MENTION>
<ENTITY_MENTION m_id="3"><token_anchor t_id="3"/></ENTITY_MENTION>
<ENTITY_MENTION m_id="4"><token_anchor t_id="5"/></ENTITY_MENTION>
<TIMEX3 m_id="5"><token_anchor t_id="6"/></TIMEX3>
<ENTITY m_id="6" ent_type="LOC" RELATED_TO="" TAG_DESCRIPTOR="Tokyo"/>
</Markables>
<Relations>
<REFERS_TO r_id="1"><source m_id="4"/><target m_id="6"/></REFERS_TO>
<HAS_PARTICIPANT r_id="2" sem_role="Arg0"><source m_id="1"/><target m_id="2"/></HAS_PARTICIPANT>
<HAS_PARTICIPANT r_id="3" sem_role="ARG1"><source m_id="1"/><target m_id="3"/></HAS_PARTICIPANT>
<HAS_PARTICIPANT r_id="4" sem_role="Argm-LOC"><source m_id="1"/><target m_id="4"/></HAS_PARTICIPANT>
<HAS_PARTICIPANT r_id="5" sem_role="Arg2"><source m_id="1"/><target m_id="4"/></HAS_PARTICIPANT>
<HAS_PARTICIPANT r_id="6" sem_role="Argm-TMP"><source m_id="1"/><target m_id="5"/></HAS_PARTICIPANT>
<HAS_PARTICIPANT r_id="7" sem_role="Arg0"><source m_id="1"/><target m_id="6"/></HAS_PARTICIPANT>
<TLINK r_id="8"><source m_id="1"/><target m_id="5"/></TLINK>
</Relations></Document>
"""


def test_participants_become_links_with_the_projects_roles(tmp_path):
    ledger = LossLedger()
    (article,) = read_cat(corpus(tmp_path, MEANTIME.replace("{status}", "")), ledger=ledger)
    assert [(article.mention(link.event), link.role, article.mention(link.participant)) for link in article.links] == [
        ("sold", "AGENT", "Boeing"),
        ("sold", "TARGET", "planes"),
        ("sold", "PLACE", "Tokyo"),
        ("sold", "Argm-TMP", "today"),
    ]
    assert [(link.role, link.outcome, link.participant) for link in ledger.links] == [
        ("PLACE", "merged", (22, 27)), ("AGENT", "dropped", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("certainty", "polarity", "time", "status"),
    [
        ("CERTAIN", "POS", "NON_FUTURE", "asserted"),
        ("CERTAIN", "NEG", "NON_FUTURE", "negated"),
        ("CERTAIN", "NEG", "FUTURE", "negated"),
        ("CERTAIN", "POS", "FUTURE", "future"),
        ("POSSIBLE", "NEG", "NON_FUTURE", "possible"),
        ("PROBABLE", "POS", "FUTURE", "possible"),
        ("UNDERSPECIFIED", "POS", "NON_FUTURE", None),
        ("CERTAIN", "POS", "UNDERSPECIFIED", None),
    ],
)
def test_certainty_polarity_and_time_are_the_status(tmp_path, certainty, polarity, time, status):
    attributes = f'certainty="{certainty}" polarity="{polarity}" time="{time}"'
    (article,) = read_cat(corpus(tmp_path, MEANTIME.replace("{status}", attributes)), ledger=LossLedger())
    assert {span.label: span.status for span in article.spans}["EVENT_MENTION"] == status


def test_written_links_and_status_are_read_by_the_same_rules(tmp_path):
    event, actor = Span(0, 4, "EVENT", status="possible"), Span(5, 9, "ACTOR")
    links = tuple(Link(event, actor, role) for role in ("AGENT", "TARGET", "PLACE", "WITNESS"))
    write_cat([Article("a", "left Kyiv", (event, actor), links=links)], tmp_path / "o", ledger=LossLedger())
    assert 'sem_role="Argm-LOC"' in (tmp_path / "o" / "a.xml").read_text()
    (back,) = read_cat(tmp_path / "o", ledger=LossLedger())
    assert (back.links, back.spans[0].status) == (tuple(sorted(links)), "possible")
