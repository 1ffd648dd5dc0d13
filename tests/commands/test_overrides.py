from __future__ import annotations

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from hypothesis import example, given
from hypothesis import strategies as st

from eventtag.app.overrides import STRUCTURED, quote_unreadable


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1))
@example("my file (1).jsonl")
@example("a=b")
@example("C:\\Zürich\\")
@example('say "no".txt')
@example("~/articles.jsonl")
@example('a\\"b')
@example("ends in \\\\")
def test_a_plain_value_that_hydra_cannot_read_stands_for_itself(value):
    (argument,) = quote_unreadable([f"data.path={value}"])
    if argument != f"data.path={value}":
        read = OverridesParser.create().parse_override(argument).value()
        assert (read.text if isinstance(read, QuotedString) else read) == value
    elif not value.startswith(STRUCTURED):
        OverridesParser.create().parse_override(argument)  # it could be read as it was


def test_what_hydra_can_read_and_what_is_no_override_stays():
    arguments = [
        "seed=1,2",
        "data.labels=[ACTOR,EVENT]",
        "trainer.epochs=range(1,4)",
        "-m",
        "--cfg",
        "job",
        "data.labels=[ACTOR",
        "(=1",
    ]
    assert quote_unreadable(arguments) == arguments
