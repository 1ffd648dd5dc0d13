from dataclasses import replace

import pytest

from eventtag.article import Article
from eventtag.errors import DataError, FormatError
from eventtag.formats.brat import read_brat, sniff_brat, write_brat
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span

TEXT = "Kyiv was\nshelled and struck 😀 today"
ANN = (
    "T1\tLOC 0 4\tKyiv\n"
    "T2\tEVENT 5 8;9 16\twas shelled\n"
    "T3\tEVENT 5 8;21 27\twas struck\n"
    "T4\tTIME 30 35\ttoday\n"
    "A1\tNegation T3\n"
    "R1\tPlace Arg1:T2 Arg2:T1\n"
    "E1\tAttack:T2 Place:T1\n"
    "*\tEquiv T1 T4\n"
    "#1\tAnnotatorNotes T1\ta note on T9\n"
)


def folder(tmp_path, ann=ANN, text=TEXT, name="a"):
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / f"{name}.txt").write_bytes(text.encode())
    (tmp_path / "in" / f"{name}.ann").write_bytes(ann.encode())
    return tmp_path / "in"


def mentions(article):
    return [(article.mention(span), span.label) for span in article.spans]


def test_fragments_over_a_line_end_are_one_mention_and_real_gaps_are_covered(tmp_path):
    ledger = LossLedger()
    (article,) = read_brat(folder(tmp_path), ledger=ledger)
    assert mentions(article) == [
        ("Kyiv", "LOC"),
        ("was\nshelled", "EVENT"),
        ("was\nshelled and struck", "EVENT"),
        ("today", "TIME"),
    ]
    assert [(e.outcome, e.detail) for e in ledger.entries] == [("moved", "5-8, 21-27")]
    assert ledger.seen == 4


def test_a_discontinuous_mention_can_be_refused(tmp_path):
    with pytest.raises(DataError, match="'a': the EVENT mention at 5-8, 21-27 is discontinuous"):
        list(read_brat(folder(tmp_path), ledger=LossLedger(), discontinuous="error"))


def test_relations_attributes_and_notes_come_back(tmp_path):
    articles = list(read_brat(folder(tmp_path), ledger=LossLedger()))
    ledger = LossLedger()
    write_brat(articles, tmp_path / "out", ledger=ledger)
    assert (tmp_path / "out" / "a.txt").read_bytes() == TEXT.encode()
    lines = (tmp_path / "out" / "a.ann").read_text().splitlines()
    assert lines == [line if "T3\t" not in line else "T3\tEVENT 5 8;9 27\twas shelled and struck" for line in ANN.splitlines()]
    assert ledger.notes == []
    assert list(read_brat(tmp_path / "out", ledger=ledger)) == articles


def test_lines_that_point_to_lost_mentions_are_noted(tmp_path):
    (article,) = read_brat(folder(tmp_path), ledger=LossLedger())
    ledger = LossLedger()
    fewer = Article(article.id, article.text, article.spans[2:], meta=article.meta)
    write_brat([fewer], tmp_path / "out", ledger=ledger)
    assert [line[0] for line in (tmp_path / "out" / "a.ann").read_text().splitlines()] == ["T", "T", "A"]
    assert [note.part for note in ledger.notes] == ["meta"]


def test_windows_line_ends_count_as_they_are_stored_or_as_one(tmp_path):
    root = folder(tmp_path, "T1\tLOC 3 7\tKyiv\n", "a\r\nKyiv", name="stored")
    folder(tmp_path, "T1\tLOC 2 6\tKyiv\r\n", "a\r\nKyiv", name="one")
    assert [mentions(article) for article in read_brat(root, ledger=LossLedger())] == [[("Kyiv", "LOC")]] * 2


def test_a_mention_whose_text_is_elsewhere_is_moved_and_one_that_is_nowhere_dropped(tmp_path):
    ledger = LossLedger()
    (article,) = read_brat(folder(tmp_path, "T1\tLOC 1 5\tKyiv\nT2\tLOC 0 4\tLviv\n"), ledger=ledger)
    assert mentions(article) == [("Kyiv", "LOC")]
    assert [(e.outcome, e.reason) for e in ledger.entries] == [
        ("moved", "its text stands elsewhere nearby"),
        ("dropped", "its text is not at its offsets"),
    ]


@pytest.mark.parametrize("line", ["T1 LOC 0 4 Kyiv", "T1\tLOC 0\tKyiv", "T1\tLOC 0 99999999999\tKyiv", "X1\tLOC"])
def test_a_line_that_is_not_standoff_is_an_error_with_file_and_line(tmp_path, line):
    with pytest.raises(FormatError, match=r"a.ann:2: .* is not a standoff line"):
        list(read_brat(folder(tmp_path, f"T9\tLOC 0 4\tKyiv\n{line}\n"), ledger=LossLedger()))


def test_a_text_without_annotations_is_an_error(tmp_path):
    root = folder(tmp_path)
    (root / "a.ann").unlink()
    with pytest.raises(FormatError, match="no such file beside the text"):
        list(read_brat(root / "a.txt", ledger=LossLedger()))
    with pytest.raises(FormatError, match=r"holds no \*.ann file"):
        list(read_brat(root, ledger=LossLedger()))


def test_edges_on_line_ends_are_named(tmp_path):
    ledger = LossLedger()
    write_brat([Article("a", "\nx\n\n", (Span(0, 2, "A"), Span(2, 4, "B"), Span(1, 2, "C D")))], tmp_path / "out", ledger=ledger)
    assert (tmp_path / "out" / "a.ann").read_text() == "T1\tA 1 2\tx\n"
    assert sorted((e.outcome, e.label) for e in ledger.entries) == [("dropped", "B"), ("dropped", "C D"), ("moved", "A")]


def test_standoff_is_recognised_by_content():
    assert sniff_brat(ANN)
    assert sniff_brat("T1 met T2\n") is None


def test_two_mentions_of_one_number_are_both_read(tmp_path):
    """What a merge of two annotators' files looks like."""
    ann = "T1\tLOC 0 4\tKyiv\nT1\tEVENT 9 16\tshelled\n#1\tAnnotatorNotes T1\tscore 0.5\n"
    (article,) = read_brat(folder(tmp_path, ann), ledger=LossLedger())
    assert mentions(article) == [("Kyiv", "LOC"), ("shelled", "EVENT")]


def test_names_and_values_that_begin_with_t_are_no_mentions(tmp_path):
    ann = (
        "T1\tDRUG 0 4\tKyiv\nT2\tTREAT 9 16\tshelled\nR1\tTreats Arg1:T1 Arg2:T2\nE1\tTREAT:T2 Theme:T1\nA1\tTense T1\nA2\tSure T1 True\n"
        "A3\tTone E1 T9\nN1\tReference T1 Taxon:T7\tThe name\n*\tTwin T1 T2\n#1\tTypeNote T1\tTo do\n# a comment by hand\n"
    )
    articles = list(read_brat(folder(tmp_path, ann), ledger=LossLedger()))
    ledger = LossLedger()
    write_brat(articles, tmp_path / "out", ledger=ledger)
    assert (tmp_path / "out" / "a.ann").read_text() == ann
    assert ledger.notes == []


def test_what_points_to_a_line_that_is_gone_is_gone_too(tmp_path):
    ann = "T1\tLOC 0 4\tKyiv\nT2\tEVENT 9 16\tshelled\nE1\tEVENT:T2 Place:T1\nA1\tNegation E1\nA2\tTense T1\n#1\tNote A1\tx\n"
    (article,) = read_brat(folder(tmp_path, ann), ledger=LossLedger())
    ledger = LossLedger()
    write_brat([Article("a", article.text, article.spans[:1], meta=article.meta)], tmp_path / "out", ledger=ledger)
    assert (tmp_path / "out" / "a.ann").read_text() == "T1\tLOC 0 4\tKyiv\nA2\tTense T1\n"
    assert [note.part for note in ledger.notes] == ["meta"]


def test_the_unit_of_a_file_is_decided_by_all_its_mentions(tmp_path):
    """Counted with CR LF as one, every mention but the first ones stands by chance at the offsets of another."""
    text = "Kyiv fell.\r\n" * 30
    ann = "".join(f"T{n}\tLOC {11 * n} {11 * n + 4}\tKyiv\n" for n in range(30))
    ledger = LossLedger()
    (article,) = read_brat(folder(tmp_path, ann, text), ledger=ledger)
    assert [span.start for span in article.spans] == [12 * n for n in range(30)]
    assert ledger.entries == []


def test_the_unit_of_a_file_without_surfaces_is_the_likely_one(tmp_path):
    ann = "".join(f"T{n}\tLOC {11 * n} {11 * n + 4}\n" for n in range(5))
    (article,) = read_brat(folder(tmp_path, ann, "Kyiv fell.\r\n" * 5), ledger=LossLedger())
    assert [span.start for span in article.spans] == [12 * n for n in range(5)]


def test_a_long_chain_of_lines_that_point_to_each_other_ends_soon(tmp_path):
    """Each line falls only after the next one: 20,000 rounds over all lines would take minutes."""
    ann = "T1\tLOC 0 4\tKyiv\n" + "".join(f"A{n}\tNext A{n + 1}\n" for n in range(20_000))
    (article,) = read_brat(folder(tmp_path, ann), ledger=LossLedger())
    write_brat([article], tmp_path / "out", ledger=LossLedger())
    assert (tmp_path / "out" / "a.ann").read_text() == "T1\tLOC 0 4\tKyiv\n"


EVENTS = (
    "T1\tACTOR 0 4\tKyiv\nT2\tEVENT 9 16\tshelled\nT3\tEVENT 21 27\tstruck\nT4\tTIME 30 35\ttoday\n"
    "R1\tAGENT Arg1:T2 Arg2:T1\nA1\tStatus T2 Negated\n"
)


def links_of(article):
    return [(article.mention(link.event), link.role, article.mention(link.participant)) for link in article.links]


def statuses_of(article):
    return [span.status for span in article.spans]


def test_relations_are_links_and_the_attribute_status_is_the_status(tmp_path):
    (article,) = read_brat(folder(tmp_path, EVENTS), ledger=LossLedger())
    assert links_of(article) == [("shelled", "AGENT", "Kyiv")]
    assert statuses_of(article) == [None, "negated", None, None]
    assert read_brat(folder(tmp_path, EVENTS.split("R1")[0]), ledger=LossLedger()).__next__().links is None


def test_events_are_links_from_their_trigger_also_to_other_events(tmp_path):
    ann = (
        EVENTS.split("R1")[0]
        + "E1\tAttack:T2 AGENT:T1 Time:T4\nE2\tAttack:T3 AGENT:T1 AGENT2:E1\nA1\tNegation E1\nM1\tSpeculation E1\n"
    )
    (article,) = read_brat(folder(tmp_path, ann), ledger=LossLedger())
    assert links_of(article) == [
        ("shelled", "AGENT", "Kyiv"), ("shelled", "Time", "today"), ("struck", "AGENT", "Kyiv"), ("struck", "AGENT", "shelled"),
    ]  # fmt: skip
    assert statuses_of(article) == [None, "possible", None, None]


def test_links_and_status_are_written_as_relations_and_attributes(tmp_path):
    event, actor = Span(5, 9, "EVENT", 0.5, "future", 0.75), Span(0, 4, "ACTOR", 0.5)
    article = Article("a", "Kyiv fell", (event, actor), links=(Link(event, actor, "AGENT", 0.25), Link(event, actor, "a b")))
    ledger = LossLedger()
    write_brat([article], tmp_path / "out", ledger=ledger)
    lines = (tmp_path / "out" / "a.ann").read_text().splitlines()
    assert lines[2:4] == ["R1\tAGENT Arg1:T2 Arg2:T1", "A1\tStatus T2 future"]
    assert [(link.role, link.reason) for link in ledger.links] == [("a b", "their role has white space")]
    (back,) = read_brat(tmp_path / "out", ledger=LossLedger())
    assert (back, back.links[0].score) == (Article("a", "Kyiv fell", (event, actor), links=(Link(event, actor, "AGENT"),)), 0.25)
    assert [(span.score, span.status, span.status_score) for span in back.spans] == [(0.5, None, None), (0.5, "future", 0.75)]


def test_lines_carried_along_give_way_to_links_and_status_that_have_changed(tmp_path):
    ann = EVENTS + "E1\tAttack:T2 AGENT:T1 Time:T4\nA2\tNegation E1\nA3\tNegation T3\n#1\tNote T1\tx\n"
    (article,) = read_brat(folder(tmp_path, ann), ledger=LossLedger())
    kyiv, shelled, struck, today = article.spans
    spans = (kyiv, replace(shelled, status="asserted"), struck, today)
    changed = replace(article, spans=spans, links=(Link(shelled, today, "Time"), Link(struck, kyiv, "AGENT")))
    ledger = LossLedger()
    write_brat([changed], tmp_path / "out", ledger=ledger)
    lines = (tmp_path / "out" / "a.ann").read_text().splitlines()
    assert lines[4:] == [
        "R1\tAGENT Arg1:T3 Arg2:T1", "A4\tStatus T2 asserted", "E1\tAttack:T2 Time:T4", "A3\tNegation T3", "#1\tNote T1\tx",
    ]  # fmt: skip
    assert [note.part for note in ledger.notes] == ["meta"]
    (back,) = read_brat(tmp_path / "out", ledger=LossLedger())
    assert (back.links, statuses_of(back)) == (changed.links, statuses_of(changed))
