"""Foreign offsets: maps between units, and the unit of a whole file."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.errors import FormatError
from eventtag.formats.offsets import UNITS, ForeignSpan, OffsetMap, file_unit, resolve_spans
from eventtag.ledger import LossLedger
from eventtag.span import Span

TEXTS = st.text(alphabet="aé東👩\u200d🚀\u0301\r\n ", max_size=12)


def brute_widths(text, unit):
    """The width of each code point in a unit that counts characters."""
    widths = []
    for position, character in enumerate(text):
        if unit.endswith("_lf") and text[position : position + 2] == "\r\n":
            widths.append(0)
        elif unit.startswith("utf16"):
            widths.append(len(character.encode("utf-16-le", "surrogatepass")) // 2)
        else:
            widths.append(len(character.encode()) if unit == "utf8" else 1)
    return widths


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit != "graphemes"])
@given(text=TEXTS)
@settings(max_examples=100)
def test_offsets_are_mapped_as_a_count_of_widths_says(unit, text):
    widths = brute_widths(text, unit)
    edges = [sum(widths[:position]) for position in range(len(text) + 1)]
    offsets = OffsetMap(text, unit)
    assert [offsets.foreign(position) for position in range(len(text) + 1)] == edges
    for foreign in range(-1, edges[-1] + 2):
        assert offsets.code_points(foreign) == (edges.index(foreign) if foreign in edges else None)
    assert offsets.plain == (edges == list(range(len(text) + 1)))


def unit_of(*texts, **options):
    ledger = LossLedger()
    return file_unit([(text, [ForeignSpan(*span) for span in spans]) for text, spans in texts], ledger=ledger, **options), ledger


def test_one_clear_text_decides_for_the_whole_file():
    clear = ("War.\r\nKyiv fell", [(5, 9, "L")])
    unclear = ("a\r\n東西南北中国", [(4, 6, "X")])
    assert unit_of(unclear, clear)[0] == "codepoints_lf"
    with pytest.raises(
        FormatError, match=r"nothing in the file tells which\nsay it: offsets=codepoints or offsets=codepoints_lf"
    ):
        unit_of(unclear)


def test_surfaces_decide_before_edges_of_words():
    text = "a\r\nin Kyiv Kyi"
    spans = [(5, 9, "L", "Kyiv"), (7, 8, "X"), (7, 8, "X")]
    assert unit_of((text, spans))[0] == "codepoints_lf"


def test_a_unit_that_is_named_is_not_tested():
    assert unit_of(("War.\r\nKyiv fell", [(5, 9, "L")]), offsets="codepoints")[0] == "codepoints"


def test_edges_inside_a_cluster_are_none():
    """Neither CR LF nor a letter with its accent is parted by a span."""
    assert unit_of(("Re\u0301my fell", [(0, 5, "P")]))[0] == "codepoints"
    assert unit_of(("Re\u0301my fell", [(0, 4, "P")]))[0] == "graphemes"


@pytest.mark.parametrize("surface", ["New\nYork", "New York", "New\\nYork"])
def test_a_newline_may_be_spelt_out_in_a_surface(surface):
    for text, start in (("New\nYork fell", 0), ("So: New\nYork", 1)):
        (span,) = resolve_spans("a", text, [ForeignSpan(start, start + 8, "L", surface)], ledger=LossLedger())
        assert text[span.start : span.end] == "New\nYork"


def test_a_span_without_a_surface_keeps_the_unit_of_the_file():
    spans = [ForeignSpan(3, 7, "L"), ForeignSpan(90, 99, "L")]
    span, lost = resolve_spans("a", "👩 Kyiv", spans, ledger=LossLedger(), assumed="utf16")
    assert (span, lost) == (Span(2, 6, "L"), None)
