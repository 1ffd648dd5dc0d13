"""The tutorial's notebook runs from top to bottom, and its page says what the notebook says."""

import subprocess
from dataclasses import replace

import pytest
from conftest import REPOSITORY
from warm import warm_programs

from eventtag.formats.jsonl import json_line

pytestmark = pytest.mark.slow

SCRIPT = str(REPOSITORY / "scripts" / "run_tutorial.py")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([warm_programs() / "python", SCRIPT, *arguments], capture_output=True, text=True, check=False)


def test_the_notebook_runs_from_the_export_to_the_table(tmp_path, articles):
    easy = (replace(article, meta={"region": "Europe" if number % 2 else "Asia"}) for number, article in enumerate(articles))
    (tmp_path / "easy.jsonl").write_text("".join(json_line(article) + "\n" for article in easy), encoding="utf-8")
    done = run(str(tmp_path / "work"), "--short", str(tmp_path / "easy.jsonl"))
    assert done.returncode == 0, done.stdout + done.stderr
    cells = (tmp_path / "work" / "counts" / "cells.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[:2] for row in cells[1:]] == [
        [region, label] for region in ('"Asia"', '"Europe"') for label in ('"ACTOR"', '"EVENT"', '"LOCATION"')
    ]


def test_the_page_is_made_from_the_notebook():
    done = run("--check")
    assert done.returncode == 0, done.stderr
