"""Formats that need an optional library: spaCy's DocBin, UIMA CAS."""

import sys
import zlib

import pytest

from eventtag.article import Article
from eventtag.errors import FormatError, SettingsError
from eventtag.formats.cas import read_cas_json, read_xmi, write_cas_json, write_xmi
from eventtag.formats.spacy import read_spacy, write_spacy
from eventtag.ledger import LossLedger
from eventtag.span import Span

ARTICLES = [Article("a b", "  👩 Kyiv,\r\n\tfell  ", (Span(1, 3, "X"), Span(4, 8, "L"), Span(4, 15, "E"))), Article("c", "")]


def mentions(article):
    return [(article.mention(span), span.label) for span in article.spans]


def test_a_docbin_gives_everything_back(tmp_path):
    pytest.importorskip("spacy")
    articles = [Article(a.id, a.text, a.spans, ((0, 3),) if a.text else None, ("X", "L", "E"), {"k": [1]}) for a in ARTICLES]
    ledger = LossLedger()
    write_spacy(articles, tmp_path / "x.spacy", ledger=ledger)
    assert list(read_spacy(tmp_path / "x.spacy", ledger=ledger)) == articles
    assert (ledger.entries, ledger.notes) == ([], [])


def test_docs_made_by_spacy_are_read_with_what_was_annotated(tmp_path):
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin
    from spacy.tokens import Span as Entity

    doc = spacy.blank("en")("Kyiv fell. Nobody looked here.")
    doc.set_ents([Entity(doc, 0, 1, label="LOC")], missing=[doc[3:]], default="outside")
    other = spacy.blank("en")("Lviv too")
    other.spans["mine"] = [Entity(other, 0, 1, label="GPE")]
    DocBin(docs=[doc, other]).to_disk(tmp_path / "x.spacy")
    first, second = read_spacy(tmp_path / "x.spacy", ledger=LossLedger())
    assert (first.id, mentions(first), first.annotated) == ("x-1", [("Kyiv", "LOC")], ((0, 10),))
    assert (mentions(second), second.annotated) == ([], ())
    with pytest.raises(FormatError, match="doc 1: has no span group 'mine'; there are: none"):
        list(read_spacy(tmp_path / "x.spacy", ledger=LossLedger(), spans_key="mine"))


def test_span_groups_that_are_not_read_are_named(tmp_path):
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin
    from spacy.tokens import Span as Entity

    doc = spacy.blank("en")("Kyiv fell")
    doc.spans["mine"] = [Entity(doc, 0, 1, label="LOC")]
    DocBin(docs=[doc]).to_disk(tmp_path / "x.spacy")
    with pytest.raises(FormatError, match="its spans are in the groups mine, which are not read; choose one: spans_key=NAME"):
        list(read_spacy(tmp_path / "x.spacy", ledger=LossLedger()))
    assert [mentions(a) for a in read_spacy(tmp_path / "x.spacy", ledger=LossLedger(), spans_key="mine")] == [[("Kyiv", "LOC")]]


@pytest.mark.parametrize("data", [b"", b"x\x9cdamaged", zlib.compress(b"no message pack")])
def test_a_damaged_docbin_is_an_error_with_its_file(tmp_path, data):
    pytest.importorskip("spacy")
    (tmp_path / "x.spacy").write_bytes(data)
    with pytest.raises(FormatError, match=r"x.spacy: cannot be read as a DocBin"):
        list(read_spacy(tmp_path / "x.spacy", ledger=LossLedger()))


def test_a_docbin_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("spacy")
    monkeypatch.setattr("eventtag.formats.spacy.MAX_SIZE", 1 << 21)
    (tmp_path / "x.spacy").write_bytes(zlib.compress(bytes(1 << 23)))
    with pytest.raises(FormatError, match="unpacks to more than"):
        list(read_spacy(tmp_path / "x.spacy", ledger=LossLedger()))


@pytest.mark.parametrize(("write", "read"), [(write_xmi, read_xmi), (write_cas_json, read_cas_json)])
def test_cas_files_give_text_and_spans_back(tmp_path, write, read):
    pytest.importorskip("cassis")
    ledger = LossLedger()
    write(ARTICLES, tmp_path / "out", ledger=ledger)
    assert list(read(tmp_path / "out", ledger=ledger)) == ARTICLES
    assert (ledger.entries, ledger.notes) == ([], [])


@pytest.mark.parametrize("write", [write_xmi, write_cas_json])
def test_a_label_that_xml_cannot_hold_is_changed_aloud(tmp_path, write):
    pytest.importorskip("cassis")
    ledger = LossLedger()
    write([Article("a", "Kyiv fell", (Span(0, 4, "LOC\x00"),))], tmp_path / "out", ledger=ledger)
    (note,) = ledger.notes
    assert (note.part, note.reason) == ("spans", "characters of labels and roles that XML cannot hold become U+FFFD")
    assert note.detail == r"'LOC\x00'"


def test_a_custom_layer_of_a_cas_can_be_chosen(tmp_path):
    cassis = pytest.importorskip("cassis")
    system = cassis.TypeSystem()
    event = system.create_type("webanno.custom.Event", supertypeName="uima.tcas.Annotation")
    system.create_feature(event, "kind", "uima.cas.String")
    cas = cassis.Cas(typesystem=system)
    cas.sofa_string = "👩 Kyiv fell"
    cas.add(event(begin=7, end=11, kind="WAR"))
    cas.add(event(begin=2, end=6))
    (tmp_path / "a.json").write_text(cas.to_json())
    (article,) = read_cas_json(tmp_path / "a.json", ledger=LossLedger(), layer="Event", feature="kind")
    assert mentions(article) == [("Kyiv", "Event"), ("fell", "WAR")]
    with pytest.raises(FormatError, match="which layer is 'Place'"):
        list(read_cas_json(tmp_path / "a.json", ledger=LossLedger(), layer="Place"))


def test_damaged_and_dangerous_cas_files_are_errors(tmp_path):
    pytest.importorskip("cassis")
    write_xmi(ARTICLES[:1], tmp_path / "out", ledger=LossLedger())
    file = tmp_path / "out" / "a b.xmi"
    content = file.read_text()
    file.write_text(
        content.replace("?>", '?><!DOCTYPE x [<!ENTITY a "b">]>', 1)
        if "?>" in content
        else '<!DOCTYPE x [<!ENTITY a "b">]>' + content
    )
    with pytest.raises(FormatError, match="document type or entities"):
        list(read_xmi(tmp_path / "out", ledger=LossLedger()))
    file.write_text(content[: len(content) // 2])
    with pytest.raises(FormatError, match="not well-formed XML"):
        list(read_xmi(tmp_path / "out", ledger=LossLedger()))
    (tmp_path / "out" / "TypeSystem.xml").unlink()
    with pytest.raises(FormatError, match=r"there is no TypeSystem.xml"):
        list(read_xmi(tmp_path / "out", ledger=LossLedger()))
    (tmp_path / "x.json").write_text('{"%TYPES": 5}')
    with pytest.raises(FormatError, match=r"cannot be read as a UIMA CAS|has no text"):
        list(read_cas_json(tmp_path / "x.json", ledger=LossLedger()))


def test_a_missing_library_is_named_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cassis", None)
    with pytest.raises(SettingsError, match=r"pip install 'eventtag\[cas\]'"):
        list(read_xmi(tmp_path, ledger=LossLedger()))
