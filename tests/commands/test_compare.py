import json
import random
import sys

import pytest

from eventtag.app.commands import compare
from eventtag.articles import Article
from eventtag.formats.registry import write_articles
from eventtag.ledger import LossLedger
from eventtag.spans import Span

TEXT = "one two three four five six seven eight"
WORDS = [Span(TEXT.index(word), TEXT.index(word) + len(word), "EVENT") for word in TEXT.split()]


@pytest.fixture
def files(tmp_path):
    rng = random.Random(0)

    def write(name, keep):
        path = tmp_path / f"{name}.jsonl"
        articles = [
            Article(str(n), TEXT, tuple(s for s in WORDS if rng.random() < keep), meta={"topic": n % 10}) for n in range(40)
        ]
        write_articles(articles, path, "jsonl", ledger=LossLedger())
        return str(path)

    return {name: write(name, keep) for name, keep in (("gold", 1.0), ("weak", 0.5), ("strong", 0.9), ("twin", 0.9))}


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["eventtag compare", *arguments, "--resamples", "500"])
    return compare.run()


def test_a_better_system_is_named_and_an_equal_one_is_not(files, monkeypatch, capsys, tmp_path):
    output = tmp_path / "comparison.json"
    code = run(monkeypatch, files["weak"], files["strong"], files["twin"], "--gold", files["gold"], "--output", str(output))
    shown = capsys.readouterr().out
    assert code == 0
    assert "strong is better" in shown
    assert "weak is better" not in shown
    assert "no difference shown" in shown.split("\n\n")[2]
    data = json.loads(output.read_text())
    assert data["systems"] == ["weak", "strong", "twin"]
    assert len(data["pairs"]) == 3


def test_clusters_come_from_a_metadata_field(files, monkeypatch, capsys):
    assert run(monkeypatch, files["weak"], files["strong"], "--gold", files["gold"], "--clusters", "topic") == 0
    assert "40 articles in 10 clusters" in capsys.readouterr().out
    assert run(monkeypatch, files["weak"], files["strong"], "--gold", files["gold"], "--clusters", "source") == 1
    assert "no metadata field 'source'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["{weak}", "--gold", "{gold}"], "needs two files"),
        (["{weak}", "{weak}", "--gold", "{gold}"], "named twice"),
        (["{weak}", "absent.jsonl", "--gold", "{gold}"], "absent.jsonl"),
        (["{weak}", "{strong}", "--gold", "{gold}", "--labels", "ACTOR"], "has the label 'EVENT'"),
        (["{weak}", "{strong}", "--gold", "{gold}", "--level", "2"], "--level"),
        (["{weak}", "{strong}", "--gold", "{gold}", "--output", "{gold}"], "exists already"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(files, monkeypatch, capsys, change, message):
    assert run(monkeypatch, *(part.format(**files) for part in change)) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_labels_can_be_renamed(files, monkeypatch, capsys):
    assert run(monkeypatch, files["weak"], files["strong"], "--gold", files["gold"], "--map", "EVENT=ACTOR") == 0
    assert "ACTOR" in capsys.readouterr().out


def test_the_folder_of_an_evaluation_stands_for_its_predictions(files, monkeypatch, capsys, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "predictions.jsonl").write_bytes((tmp_path / "strong.jsonl").read_bytes())
    (folder / "report.json").write_text("{}")
    assert run(monkeypatch, files["weak"], str(folder), "--gold", files["gold"]) == 0
    assert "run is better" in capsys.readouterr().out
