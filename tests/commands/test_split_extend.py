"""`eventtag split --extend`: new articles join an earlier split."""

import json
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


def article(name: str, number: int, **more) -> Article:
    text = " ".join(f"word{number}x{part}" for part in range(30))
    return Article(name, text, (Span(0, 4, "LOC"),), **more)


def write(file, articles) -> None:
    file.write_text("".join(json_line(a) + "\n" for a in articles), encoding="utf-8")


def test_split_extends_an_earlier_split_and_says_what_became_of_each_article(run, tmp_path):
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
    assert "5 articles as before; 21 new ones drawn with seed 13; 1 new ones where earlier articles are" in output
    again = run(tmp_path / "in.jsonl", tmp_path / "x.jsonl", "--extend", tmp_path / "in.jsonl")
    assert f"{tmp_path / 'in.jsonl'}: meta field 'split' does not say the split of 23 articles" in again[2]
    assert "give a file that `eventtag split` wrote" in again[2]
    assert (
        "is not allowed with extend"
        in run(tmp_path / "in.jsonl", tmp_path / "x.jsonl", "--extend", tmp_path / "old.jsonl", "--time", "date")[2]
    )


def test_an_article_that_is_given_again_loses_neither_metadata_nor_annotation_unsaid(run, tmp_path):
    splits = ["train", "train", "validation", "test", "test"]
    old = [article(f"a{n}", n, meta={"split": split, "desk": f"d{n}"}) for n, split in enumerate(splits)]
    write(tmp_path / "old.jsonl", [*old, replace(old[3], id="copy", meta={"split": "train"})])
    unlooked = replace(old[4], spans=(), annotated=(), meta={"source": "x"})
    given = [replace(old[3], id="renamed", meta={}), unlooked, replace(old[2], meta={"split": "train"}), article("new", 9)]
    write(tmp_path / "in.jsonl", given)
    code, output, error = run(tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--extend", tmp_path / "old.jsonl")
    assert code == 0, error
    found = {a.id: a for a in read_articles(tmp_path / "out.jsonl", ledger=LossLedger())}
    assert found.keys() == {"a0", "a1", "a2", "renamed", "a4", "new"}
    assert found["renamed"].meta == {"split": "test", "desk": "d3"}
    assert (found["a4"].spans, found["a4"].annotated) == (old[4].spans, None)
    assert found["a4"].meta == {"split": "test", "desk": "d4", "source": "x"}
    assert found["a2"].meta == {"split": "validation", "desk": "d2"}
    said = output + error
    for line in (
        "1 article changed at splitting (id): an article that is given again has its text, and takes its place in test",
        "1 article changed at splitting (id): an article that is given again has its text, and takes its place in test; it was in train",
        "nobody looked at it, so that it keeps its earlier annotation, and it stays in test",
        "1 article changed at splitting (meta): its field split said another split, and it stays in validation",
        "5 articles as before; 1 new ones drawn",
    ):
        assert line in said, line


def test_what_a_split_overrides_or_cannot_group_is_said(run, tmp_path):
    articles = [article(f"a{n}", n, meta={"split": "dev"} | ({"desk": f"d{n}"} if n else {})) for n in range(8)]
    write(tmp_path / "in.jsonl", articles)
    code, output, error = run(tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--group", "desk")
    assert code == 0, error
    assert "8 articles changed at splitting (meta): its field split said another split, and is written anew" in output + error
    assert "1 article changed at splitting (meta): has no field desk, so that it is a group of its own" in output + error


def test_spans_that_are_lost_in_reading_the_earlier_split_stop_it(run, tmp_path):
    write(tmp_path / "in.jsonl", [article("new", 9)])
    values = [{"start": 0, "end": 4, "text": "Kyiv", "labels": [label]} for label in ("A", "B")]
    annotations = [{"result": [{"type": "labels", "to_name": "text", "value": value}]} for value in values]
    tasks = [{"id": n, "data": {"text": f"Kyiv fell {n}", "split": "train"}, "annotations": annotations} for n in range(4)]
    (tmp_path / "old.json").write_text(json.dumps(tasks), encoding="utf-8")
    code, _, error = run(tmp_path / "in.jsonl", tmp_path / "out.jsonl", "--extend", tmp_path / "old.json")
    assert (code, (tmp_path / "out.jsonl").exists()) == (1, False)
    assert "4 of 9 spans would be dropped" in error
