"""The wheel, installed where there is no source tree, works from any directory."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from conftest import REPOSITORY
from warm import FORGET, warm_programs

pytestmark = pytest.mark.slow

TRAIN_AND_TAG = f"""{FORGET}
sys.path.insert(0, sys.argv[1])
import eventtag
from eventtag.cli.main import main
print(eventtag.__file__)
for command in ("convert data=sample sample.jsonl", "train data.path=few.jsonl model=tiny trainer=debug run_dir=run"):
    sys.argv = ["eventtag", *command.split()]
    assert main() == 0
sys.argv = ["eventtag", "predict", "checkpoint=run/checkpoint", "input=a.txt"]
sys.exit(main())
"""
"""Three commands in one process, which has imported torch before."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_configurations_templates_sample_and_type_marker(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    configs = {
        f"eventtag/configs/{file.relative_to(REPOSITORY / 'configs')}" for file in (REPOSITORY / "configs").rglob("*.yaml")
    }
    templates = {f"eventtag/reporting/templates/{f.name}" for f in (REPOSITORY / "src/eventtag/reporting/templates").iterdir()}
    assert configs | templates | {"eventtag/py.typed", "eventtag/data/sample/articles.jsonl"} <= names


def test_an_installed_wheel_trains_and_tags_from_any_directory(wheel, tmp_path, corpus_file):
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    (library,) = home.glob("lib/python*/site-packages")
    # The dependencies of the environment that runs the tests, but not its editable install: .pth files there are not followed.
    (library / "dependencies.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")) + "\n")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(home),
        "install",
        "--no-deps",
        "--no-compile",
        "--no-index",
        "--quiet",
        "--ignore-installed",
        str(wheel),
    ]
    subprocess.run(install, check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(program: Path, *arguments: str) -> str:
        command = [str(program), *arguments]
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "train" in run(home / "bin" / "eventtag", "-h")
    assert run(home / "bin" / "eventtag", "help", "docs/reference/formats.md").startswith("# ")
    (elsewhere / "few.jsonl").write_text("".join(corpus_file.read_text().splitlines(keepends=True)[:12]))
    (elsewhere / "a.txt").write_text("Police in Lima arrested four miners.")
    said = run(warm_programs() / "python", "-c", TRAIN_AND_TAG, str(library)).splitlines()
    assert said[0].startswith(str(home))
    assert len((elsewhere / "sample.jsonl").read_text().splitlines()) == 300
    assert '"id": "a.txt"' in said[-1]
