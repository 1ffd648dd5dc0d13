"""docs/reference/formats.md names every format with its options, and its examples are read."""

import re
from pathlib import Path

import pytest

from eventtag.formats.registry import FORMATS, read_articles
from eventtag.ledger import LossLedger

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
READ_ALONE = ["jsonl", "inline", "conll", "conllu", "cat", "webanno_tsv", "label_studio", "doccano", "prodigy", "csv"]
"""Formats of which an example is a whole file."""


@pytest.mark.parametrize("entry", FORMATS.values(), ids=FORMATS)
def test_every_format_has_its_options_in_the_table_and_a_section_with_an_example(entry):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| [`{entry.name}`]"))
    reading, writing = row.split("|")[4:6]
    assert tuple(re.findall(r"`(\w+)`", reading)) == tuple(entry.options)
    assert tuple(re.findall(r"`(\w+)`", writing)) == tuple(entry.write_options)
    assert f"\n## {entry.name}\n" in PAGE
    assert "```" in PAGE.split(f"\n## {entry.name}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("name", READ_ALONE)
def test_the_example_is_read(name, tmp_path):
    section = PAGE.split(f"\n## {name}\n")[1].split("\n## ")[0]
    example = re.search(r"```\w*\n(.*?)```", section, re.DOTALL)[1]
    path = tmp_path / f"x{FORMATS[name].suffixes[0]}"
    path.write_text(example, encoding="utf-8")
    articles = list(read_articles(path, ledger=LossLedger()))
    assert any(article.spans for article in articles)
