import json

import pytest

from eventtag import ledger as module
from eventtag.ledger import LossLedger
from eventtag.span import Span


def filled(count: int) -> LossLedger:
    ledger = LossLedger(seen=3 * count)
    for number in range(count):
        ledger.add_span(f"a{number}", "reading", "dropped", "lost", Span(0, 1, "X"))
        ledger.add_span(f"a{number}", "mapping labels", "dropped", "X maps to nothing", Span(0, 1, "X"), asked=True)
        ledger.note(f"a{number}", "writing", "meta", "é\ud800", detail="k")
    return ledger


@pytest.mark.parametrize("kept", [1, 3, 100])
def test_counts_summary_and_lines_do_not_depend_on_what_is_kept_in_memory(monkeypatch, kept):
    monkeypatch.setattr(module, "KEPT", kept)
    ledger = filled(5)
    assert ledger.dropped == 5
    assert ledger.first_drop is not None
    assert ledger.first_drop.article_id == "a0"
    assert ledger.summary() == [
        "5 spans dropped at reading: lost",
        "5 spans dropped at mapping labels: X maps to nothing (as configured)",
        "5 articles changed at writing (meta): é\\ud800",
    ]
    lines = list(ledger.json_lines())
    assert sorted(lines) == sorted(filled(5).json_lines())
    assert len(lines) == 15
    assert {json.loads(line)["article_id"] for line in lines} == {f"a{n}" for n in range(5)}
    assert (len(ledger.entries), len(ledger.notes)) == (min(kept, 10), min(kept, 5))
    ledger.add_span("z", "reading", "moved", "white space", Span(0, 1, "X"))
    assert len(list(ledger.json_lines())) == 16


def test_an_empty_ledger_has_nothing_to_say():
    assert (LossLedger().summary(), list(LossLedger().json_lines()), LossLedger().dropped) == ([], [], 0)
    assert LossLedger() == LossLedger()
