from __future__ import annotations

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, QuotedString
from hypothesis import example, given
from hypothesis import strategies as st

from eventtag.cli.overrides import STRUCTURED, quote_unreadable


def text_of(value) -> str:
    return value.text if isinstance(value, QuotedString) else value


@given(st.text(st.characters(exclude_characters="\x00,", exclude_categories=["Cs"]), min_size=1))
@example("my file (1).jsonl")
@example("report(1).jsonl")
@example("a=b")
@example("C:\\Zürich\\")
@example('say "no".txt')
@example("~/articles.jsonl")
@example('a\\"b')
@example("ends in \\\\")
def test_a_plain_value_that_hydra_cannot_read_stands_for_itself(value):
    (argument,) = quote_unreadable([f"data.path={value}"])
    if argument != f"data.path={value}":
        assert text_of(OverridesParser.create().parse_override(argument).value()) == value
    elif not STRUCTURED.match(value):
        OverridesParser.create().parse_override(argument)  # it could be read as it was


def test_commas_part_values_that_cannot_be_read_too():
    (argument,) = quote_unreadable(["data.path=Zürich.jsonl,plain.jsonl,b (1).jsonl"])
    swept = OverridesParser.create().parse_override(argument).value()
    assert isinstance(swept, ChoiceSweep)
    assert [text_of(value) for value in swept.list] == ["Zürich.jsonl", "plain.jsonl", "b (1).jsonl"]
    (argument,) = quote_unreadable(["data.path=Zürich\\,Bern.jsonl"])
    assert text_of(OverridesParser.create().parse_override(argument).value()) == "Zürich,Bern.jsonl"


def test_what_hydra_can_read_or_would_explain_and_what_is_no_override_stays():
    readable = [
        "seed=1,2",
        "data.labels=[ACTOR,EVENT]",
        "trainer.epochs=range(1,4)",
        "name=${data.name}",
        "+x=1",
        "~trainer",
        "a@b=c",
    ]
    mistaken = [
        "data.labels=[ACTOR",
        "seed=rnage(1,3)",
        "model.name=choice(a,b",
        "name='a",
        "(=1",
        "data path=x",
        "article.jsonl",
    ]
    for arguments in (readable, mistaken, ["-m", "--cfg", "job", "--config-dir=a b"]):
        assert quote_unreadable(arguments) == arguments
