import subprocess
import sys

import eventtag

NAMES = [
    "Article", "DatasetTagger", "EventtagError", "LabelSet", "LossLedger", "Span", "Tagger", "__version__", "compare", "evaluate",
    "lint", "predict", "read_articles", "read_inputs", "read_rows", "split", "train", "write_articles", "write_predictions",
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
