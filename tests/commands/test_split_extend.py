"""`eventtag split --extend`: new articles join an earlier split."""

import sys
from collections import Counter
from dataclasses import replace

import pytest

from eventtag.article import Article
from eventtag.cli.commands import split
from eventtag.formats.jsonl import json_line
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger
from eventtag.span import Span


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["eventtag split", *map(str, arguments)])
        code = split.run()
        output = capsys.readouterr()
        return code, output.out, output.err

    return call


def test_split_extends_an_earlier_split_and_says_what_became_of_each_article(run, tmp_path):
    def article(name: str, number: int, **more) -> Article:
        text = " ".join(f"word{number}x{part}" for part in range(30))
        return Article(name, text, (Span(0, 4, "LOC"),), **more)

    old = [article(f"a{n}", n, meta={"split": split}) for n, split in enumerate(["train", "train", "validation", "test", "test"])]
    (tmp_path / "old.jsonl").write_text("".join(json_line(a) + "\n" for a in old))
    copy = replace(article("copy", 3), text=old[3].text + " and a little more")
    corrected = replace(old[4], id="corrected", text=old[4].text.upper() + "!", spans=(), meta={"desk": "x"})
    others = [article(f"new{n}", 10 + n) for n in range(20)]
    (tmp_path / "in.jsonl").write_text("".join(json_line(a) + "\n" for a in [copy, corrected, article("a0", 9), *others]))
    code, output, error = run(tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--extend", tmp_path / "old.jsonl")
    assert code == 0, error
    found = {a.id: a for a in read_articles(tmp_path / "out.jsonl", ledger=LossLedger())}
    split_of = {name: a.meta["split"] for name, a in found.items()}
    assert {name: split_of[name] for name in ("a0", "a1", "a2", "a3")} == {
        "a0": "train",
        "a1": "train",
        "a2": "validation",
        "a3": "test",
    }
    assert "a4" not in found
    assert (split_of["corrected"], found["corrected"].spans, found["corrected"].meta["desk"]) == ("test", (), "x")
    assert split_of["copy"] == "test"
    assert found["new/a0"].text == article("", 9).text
    assert Counter(split_of[a.id] for a in others)["train"] > 10
    assert set(split_of.values()) == {"train", "validation", "test"}
    said = output + error
    assert "its annotation is the new one, and it stays in test" in said
    assert "a near-duplicate of earlier articles or in their group, so that it is test" in said
    assert "it is called new/ID" in said
    assert "5 articles as before; 22 new ones drawn with seed 13" in output
    again = run(tmp_path / "in.jsonl", tmp_path / "x.jsonl", "--extend", tmp_path / "in.jsonl")
    assert "does not say the split of 23 articles" in again[2]
    assert (
        "is not allowed with extend"
        in run(tmp_path / "in.jsonl", tmp_path / "x.jsonl", "--extend", tmp_path / "old.jsonl", "--time", "date")[2]
    )
