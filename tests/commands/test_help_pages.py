"""`eventtag help PAGE`, and the pages that messages, help and docstrings name."""

import re
import sys

import pytest
from conftest import REPOSITORY

from eventtag.cli.help_pages import docs_dir, find_page
from eventtag.cli.main import main


@pytest.mark.parametrize("name", ["docs/how-to/speed.md", "how-to/speed.md", "how-to/speed", "speed"])
def test_a_page_is_printed_by_its_path_or_name(monkeypatch, capsys, name):
    monkeypatch.setattr(sys, "argv", ["eventtag", "help", name])
    assert main() == 0
    assert capsys.readouterr().out == (REPOSITORY / "docs" / "how-to" / "speed.md").read_text(encoding="utf-8") + "\n"


def test_a_folder_s_name_is_its_first_page_and_a_name_of_two_pages_is_none():
    assert find_page("reference") == find_page("docs/reference/index.md") == docs_dir() / "reference" / "index.md"
    assert find_page("index") == docs_dir() / "index.md"


def test_an_unknown_page_is_answered_with_the_nearest(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["eventtag", "help", "docs/how-to/sped.md"])
    assert main() == 2
    assert "did you mean how-to/speed?" in capsys.readouterr().err


def test_every_page_that_the_package_names_exists():
    named = {
        name
        for file in [*(REPOSITORY / "src").rglob("*.py"), *(REPOSITORY / "configs").rglob("*.yaml")]
        for name in re.findall(r"docs/[\w/-]+\.md", file.read_text(encoding="utf-8"))
    }
    assert len(named) > 10
    assert {name for name in named if find_page(name) is None} == set()
