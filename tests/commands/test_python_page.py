"""Every piece of Python in docs/reference/python.md runs as it stands, one after the other."""

import importlib.util
import re
import subprocess

import pytest
from conftest import REPOSITORY
from warm import warm_programs

PAGE = (REPOSITORY / "docs" / "reference" / "python.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, checkpoint, corpus_file):
    """Where the page's reader stands."""
    (tmp_path / "outputs" / "mine").mkdir(parents=True)
    (tmp_path / "outputs" / "mine" / "checkpoint").symlink_to(checkpoint)
    (tmp_path / "my_articles.jsonl").write_text(corpus_file.read_text())
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "monday.jsonl").write_text('{"id": "n", "text": "Police arrested Miners in Lima ."}\n')
    return tmp_path


def test_the_snippets_run(folder):
    sections = PAGE.split("\n## ")
    if importlib.util.find_spec("spacy") is None:
        sections = [section for section in sections if not section.startswith("spaCy")]
    code = [block for section in sections for block in re.findall(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)]
    assert len(code) >= 7
    done = subprocess.run(
        [warm_programs() / "python", "-c", "\n".join(code)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "n 3 {}" in done.stdout or "n 4 {}" in done.stdout
    assert (folder / "tagged.csv").read_text().startswith('"article_id","start","end","label","text","score","sentence_start"')
