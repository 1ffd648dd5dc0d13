"""The commands of docs/how-to/sample.md run as they stand, one after the other."""

import importlib
import re
import shlex
import sys
from dataclasses import replace

import pytest
from conftest import REPOSITORY

import eventtag
from eventtag.article import Article
from eventtag.span import Span

PAGE = REPOSITORY / "docs" / "how-to" / "sample.md"


def test_the_commands_of_the_page_run(tmp_path, monkeypatch, capsys):
    pool = [
        Article(
            f"a{number}", " ".join(f"word{number}x{part}" for part in range(6)),
            (Span(0, 5, "EVENT", 0.5),) if number % 3 == 0 else (), meta={"date": f"2024-0{number % 4 + 1}-03"},
        )
        for number in range(900)
    ]  # fmt: skip
    eventtag.write_articles(pool, tmp_path / "tagged.jsonl")
    gold = [replace(a, spans=tuple(Span(0, 5, "EVENT") for _ in range(n % 4 > 0))) for n, a in enumerate(pool[:60])]
    eventtag.write_articles(gold, tmp_path / "test.jsonl")
    eventtag.write_articles(gold, tmp_path / "pilot.jsonl")
    eventtag.write_articles(pool[:60], tmp_path / "outputs" / "mine" / "test" / "predictions.jsonl")
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^eventtag (?:sample|plan) .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    for command in commands:
        name = command.split()[1]
        monkeypatch.setattr(sys, "argv", [f"eventtag {name}", *shlex.split(command)[2:]])
        assert importlib.import_module(f"eventtag.cli.commands.{name}").run() == 0, capsys.readouterr().err
    drawn = list(eventtag.read_articles("more.jsonl"))
    assert abs(len(drawn) - 300) <= 5
    assert {article.id for article in eventtag.read_articles("events.jsonl")} < {article.id for article in drawn}
    printed = capsys.readouterr()
    for command, message in (
        ("sample tagged.jsonl o.jsonl --n 5000", "error: --n 5000: there are only 900 units to draw"),
        ("sample tagged.jsonl o.jsonl --n 5 --by month", "error: --n 5: the 4 strata need 8 draws, 2 in each stratum"),
        ("plan tagged.jsonl --gold pilot.jsonl", "error: nothing is wanted; give --f1, --difference or --estimate"),
        ("plan tagged.jsonl --gold pilot.jsonl --f1 2", "error: --f1 2 is not allowed: below 1"),
    ):
        name, *arguments = shlex.split(command)
        monkeypatch.setattr(sys, "argv", [f"eventtag {name}", *arguments])
        assert importlib.import_module(f"eventtag.cli.commands.{name}").run() == 1
        assert capsys.readouterr().err.splitlines()[-1].startswith(message)
    assert re.search(r"^2024-01 +225 +225 +50 ", printed.out, re.MULTILINE)
    monkeypatch.setattr(sys, "argv", ["eventtag plan", "--help"])
    with pytest.raises(SystemExit):
        importlib.import_module("eventtag.cli.commands.plan").run()
    assert "%%" not in capsys.readouterr().out
    assert re.search(r"^interval of F1 +EVENT +0\.\d+ +0.02 +\d+ +\d+ to \d+$", printed.out, re.MULTILINE)
    assert re.search(r"^estimate, corrected +any:EVENT ", printed.out, re.MULTILINE)
    assert "what made the draw: more.jsonl.sample.json" in printed.err
