import subprocess
import sys

from warm import warm_programs

import eventtag

NAMES = [
    "Article", "DatasetTagger", "EventtagError", "LabelSet", "Link", "LossLedger", "Span", "Tagger", "__version__", "align", "compare",
    "count", "estimate", "evaluate", "lint", "plan", "predict", "read_articles", "read_inputs", "read_rows", "records", "sample", "score",
    "select", "serve", "split", "train", "write_articles", "write_predictions",
]  # fmt: skip


def test_the_public_names_are_these_and_all_resolve():
    assert sorted(eventtag.__all__) == NAMES
    assert all(getattr(eventtag, name) is not None for name in eventtag.__all__)


def test_nothing_else_is_offered():
    shown = subprocess.run(
        [sys.executable, "-c", "import eventtag; print(*dir(eventtag))"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == NAMES


def test_the_package_runs_as_a_module():
    shown = subprocess.run([sys.executable, "-m", "eventtag", "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"eventtag {eventtag.__version__}\n"


def test_help_and_a_mistyped_command_lead_to_the_right_one():
    def run(*arguments):
        return subprocess.run([warm_programs() / "eventtag", *arguments], capture_output=True, text=True, check=False)

    assert "usage: eventtag lint" in run("help", "lint").stdout
    assert run("help").stdout.startswith("usage: eventtag COMMAND")
    wrong = run("trian")
    assert (wrong.returncode, wrong.stderr) == (2, "eventtag: no command 'trian'; did you mean train?\n")
    for given in ("my.jsonl", "data=my.jsonl"):
        assert run("train", given).stderr.endswith("write: eventtag train data.path=my.jsonl\n")
    assert "did you mean data=sample?" in run("train", "data=smaple").stderr
