"""Every command and every piece of Python in the README runs as it stands, with a tiny model for speed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from warm import warm_programs

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
SMALL = "model=tiny trainer.epochs=1 trainer.learning_rate=5e-3 window.max_length=24 window.stride=6"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, corpus_file) -> Path:
    """Where the README's reader stands: annotated articles, new articles, and eventtag on the path."""
    path = tmp_path_factory.mktemp("reader")
    (path / "my_articles.jsonl").write_text(corpus_file.read_text())
    (path / "new_articles.jsonl").write_text('{"id": "n", "text": "Police arrested Miners in Lima ."}\n')
    return path


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{warm_programs()}:{BIN}:{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_commands_of_the_readme_run_one_after_the_other(folder):
    ran = 0
    for command in commands():
        if command.startswith(("make ", "pip ")):
            continue
        if command.startswith("eventtag train") and "--cfg" not in command:
            command += f" {SMALL}" if "data.path=" in command else " model=tiny trainer=debug"
        done = run(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran >= 10
    script = blocks("python")[0]
    done = run(f"python -c {shlex.quote(script)}", folder)
    assert done.returncode == 0, done.stderr


def test_quickstart_shows_scores_a_tagged_article_and_the_next_commands(folder, tmp_path):
    """Its training is the README's first command, which the test above has run with the same settings: its run is taken."""
    assert commands()[1] == "eventtag train run_dir=outputs/first"
    assert "`make quickstart`" in README
    makefile = (REPOSITORY / "Makefile").read_text()
    assert re.search(r"^quickstart:.*\n\t\$\(BIN\)/python scripts/quickstart.py$", makefile, re.MULTILINE)
    program = tmp_path / "eventtag"
    program.write_text(
        f"""#!/bin/sh
if [ "$1 $2 $3 $5 $6" = "train data=sample export=false model=tiny trainer=debug" ]
then mkdir -p "${{4#run_dir=}}" && cp -r outputs/first/. "${{4#run_dir=}}" && rm -r "${{4#run_dir=}}/test"
else exec {warm_programs()}/eventtag "$@"
fi
"""
    )
    program.chmod(0o755)
    (tmp_path / "python").symlink_to(sys.executable)
    done = run(f"{tmp_path}/python {REPOSITORY}/scripts/quickstart.py model=tiny trainer=debug", folder)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^ACTOR( +[\d.-]+)+$", done.stderr, re.MULTILINE)
    assert re.search(r"^macro( +[\d.-]+)+$", done.stderr, re.MULTILINE)
    assert "Ferry inquiry" in done.stdout
    assert "train data=corpus data.path=" in done.stdout


def test_the_readme_is_short_and_begins_with_a_sentence_and_two_pictures():
    lines = README.splitlines()
    assert len(lines) <= 150
    assert [line[:2] for line in lines[2:7:2]] == ["Le", "![", "!["]


def test_every_target_that_the_readme_names_exists():
    named = set(re.findall(r"`make ([a-z]+)`", README)) | {"quickstart", "test", "check"}
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert named <= targets


def test_links_of_the_documents_lead_somewhere():
    for document in [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        *(REPOSITORY / "docs").rglob("*.md"),
        REPOSITORY / "data" / "README.md",
    ]:
        for target in re.findall(r"\]\(([^)#\s]+)\)", document.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (document.parent / target).exists(), f"{document}: {target}"


def test_no_line_of_the_documents_is_indented_into_a_block_of_code():
    for document in (REPOSITORY / "docs").rglob("*.md"):
        text = re.sub(r"^ *```.*?^ *```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert not re.findall(r"^(?: {8}|\t).*", text, re.MULTILINE), document


def test_the_architecture_names_every_package_and_nothing_that_is_gone():
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^  (\w+(?:/|\.py)) ", page.split("## Packages")[1].split("```")[1], re.MULTILINE))
    source = REPOSITORY / "src" / "eventtag"
    packages = {f"{path.parent.name}/" for path in source.glob("*/__init__.py")}
    assert packages <= listed
    assert all((source / name).exists() for name in listed)
    files = {name for line in page.splitlines() if line.startswith("| ") for name in re.findall(r"`([a-z_/]+\.py)`", line)}
    assert files
    assert all((source / name).is_file() for name in files)
    elsewhere = re.findall(r"`((?:tests|configs)/[a-z_/.]+)`", page)
    assert elsewhere
    assert all((REPOSITORY / name).exists() for name in elsewhere)
