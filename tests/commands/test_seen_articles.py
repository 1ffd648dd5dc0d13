"""`evaluate`, `compare` and `export` score no article that the checkpoint learnt from, unless they are told to."""

import importlib
import json
import shutil
import sys
from dataclasses import replace

import pytest

import eventtag
from eventtag.corpus.seen import SEEN_FILE
from eventtag.errors import EventtagError
from eventtag.formats.jsonl import json_line
from eventtag.manifest import write_manifest
from eventtag.reporting.console import render_table


@pytest.fixture
def evaluate(tmp_path, checkpoint):
    """Evaluates here; the exit code, report.json (None after an error), what the command prints, and the folder of the report."""
    number = iter(range(100))

    def call(data, folder=checkpoint, **settings):
        run_dir = tmp_path / f"scores{next(number)}"
        try:
            result = eventtag.evaluate(folder, data, run_dir=str(run_dir), evaluation={"resamples": 100}, **settings)
        except EventtagError as error:
            return 1, None, f"error: {error}", run_dir
        shown = "\n".join([*result.ledger.remarks, *result.ledger.summary(), render_table(result.report), *result.notes])
        return 0, json.loads((run_dir / "report.json").read_text()), shown, run_dir

    return call


def write(path, articles):
    path.write_text("".join(json_line(article) + "\n" for article in articles), encoding="utf-8")
    return path


def altered(article):
    """The article as another export has it: one span fewer, another id, other white space, no metadata."""
    return replace(article, id=f"other {article.id}", spans=article.spans[1:], text=article.text + "\n", meta={})


@pytest.mark.parametrize(
    ("data", "settings"), [({}, {}), ({"split_seed": 99}, {}), ({"split_field": "split"}, {}), ({}, {"split": "test"})]
)
def test_a_changed_file_is_scored_without_what_the_checkpoint_learnt_from(evaluate, articles, tmp_path, data, settings):
    changed = [replace(altered(article), meta=article.meta) for article in articles]
    path = write(tmp_path / "gold.jsonl", changed)
    code, report, shown, run_dir = evaluate({"path": str(path), **data}, **settings)
    assert code == 0, shown
    assert report["articles"] == report["data"]["articles"] == 4
    assert {json.loads(line)["meta"]["split"] for line in (run_dir / "predictions.jsonl").open()} == {"test"}
    left_out = {"learnt": 16, "read": 0, "chose": 4}
    assert report["data"]["seen"]["left_out"] == left_out
    note = "ot scored: 16 articles that the checkpoint learnt from, 4 articles that chose epoch and thresholds of the checkpoint"
    assert f"n{note}" in shown
    assert f"N{note}" in (run_dir / "report.md").read_text()
    assert f"N{note}" in (run_dir / "report.html").read_text()
    assert report["data"]["name"] == "corpus"


def test_a_split_field_that_calls_training_articles_test_does_not_help(evaluate, articles, tmp_path):
    path = write(tmp_path / "gold.jsonl", [replace(article, meta={"split": "test"}) for article in articles])
    code, report, shown, _ = evaluate({"path": str(path), "split_field": "split"})
    assert (code, report["articles"]) == (0, 8)
    assert "scored: 4 of 8 articles that chose epoch and thresholds" in shown


def test_where_all_was_learnt_from_nothing_is_scored_unless_knowingly(evaluate, articles, tmp_path):
    path = write(tmp_path / "gold.jsonl", [altered(article) for article in articles if article.meta["split"] == "train"])
    code, report, shown, _ = evaluate(path)
    assert (code, report) == (1, None)
    assert "error: the checkpoint learnt from all of the 16 articles asked for" in shown
    assert "score these knowingly: seen=include" in shown
    code, report, shown, run_dir = evaluate(path, seen="include")
    assert (code, report["articles"], report["data"]["seen"]["scored"]["learnt"]) == (0, 16, 16)
    note = "cored: 16 of 16 articles that the checkpoint learnt from, so the scores are much too high"
    assert f"s{note}" in shown
    assert f"S{note}" in (run_dir / "report.md").read_text()
    assert f"S{note}" in (run_dir / "report.html").read_text()


def test_without_data_the_test_articles_of_its_run_are_scored(evaluate, checkpoint, tmp_path):
    code, report, shown, _ = evaluate(None)
    assert (code, report["articles"], report["data"]["split"]) == (0, 4, "test")
    assert report["data"]["split_rule"] == "by meta field 'split'"
    shutil.copytree(checkpoint, tmp_path / "moved")
    code, _, shown, _ = evaluate(None, folder=tmp_path / "moved")
    assert code == 1
    assert "no run beside the checkpoint" in shown
    assert "data.path=FILE or data=NAME" in shown


def test_articles_of_the_run_that_were_edited_or_are_gone_are_said(evaluate, trained_run, articles, corpus_file, tmp_path):
    run, path = tmp_path / "run", tmp_path / "mine.jsonl"
    shutil.copytree(trained_run, run)
    settings = (run / "settings.yaml").read_text()
    (run / "settings.yaml").write_text(settings.replace(str(corpus_file), str(path)))
    write(path, articles)
    assert "no longer there" not in evaluate(None, folder=run)[2]
    edited = [replace(a, text=a.text.replace("in", "xx")) if a.meta["split"] == "train" else a for a in articles]
    write(path, [replace(article, meta={"split": "test"}) for article in edited[1:]])  # without one that chose
    code, report, shown, run_dir = evaluate(None, folder=run)
    assert (code, report["articles"]) == (0, 23)
    note = "17 of the 20 articles that the checkpoint learnt from, or that chose its epoch and thresholds, are no longer there"
    assert note in shown
    assert all(note in (run_dir / name).read_text() for name in ("report.md", "report.html", "report.json"))
    path.unlink()
    code, _, shown, _ = evaluate(None, folder=run)
    assert (code, "no such file or folder" in shown) == (1, True)
    assert f"{run}/settings.yaml names; give others by data.path=FILE or data=NAME" in shown


def test_what_is_seen_in_training_is_the_checkpoint_s_matter(evaluate, articles, tmp_path):
    """The same slices whether or not the file holds the training articles."""
    test = [article for article in articles if article.meta["split"] == "test"]
    found = []
    for name, chosen in (("all.jsonl", articles), ("test.jsonl", test)):
        _, report, _, _ = evaluate(write(tmp_path / name, chosen))
        found.append([part for part in report["slices"] if part["dimension"].endswith("in training")])
    assert found[0] == found[1] != []


def test_an_older_checkpoint_says_that_it_does_not_know(evaluate, checkpoint, corpus_file, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(checkpoint, old)
    for name in (SEEN_FILE, "manifest.json"):
        (old / name).unlink()
    write_manifest(old)
    code, report, shown, run_dir = evaluate(corpus_file, folder=old)
    assert (code, report["articles"], report["data"]["seen"]["known"]) == (0, 24, False)
    note = "t is not known which articles the checkpoint learnt from; scores on these are too high"
    assert f"i{note}" in shown
    assert f"I{note}" in (run_dir / "report.html").read_text()
    assert not [part for part in report["slices"] if part["dimension"].endswith("in training")]


def test_compare_leaves_out_what_any_of_the_checkpoints_learnt_from(checkpoint, articles, monkeypatch, capsys, tmp_path):
    twin = tmp_path / "twin"
    shutil.copytree(checkpoint, twin)
    gold = write(tmp_path / "gold.jsonl", [altered(article) for article in articles])

    def compare(*arguments):
        monkeypatch.setattr(sys, "argv", ["eventtag compare", str(checkpoint), str(twin), *map(str, arguments)])
        code = importlib.import_module("eventtag.cli.commands.compare").run()
        return code, capsys.readouterr()

    code, shown = compare("--gold", gold, "--resamples", 100, "--output", tmp_path / "out.json")
    assert code == 0, shown.err
    assert "not scored: 16 articles that a checkpoint learnt from" in shown.out
    assert "8 articles" in shown.out
    assert json.loads((tmp_path / "out.json").read_text())["seen"]["left_out"]["learnt"] == 16
    code, shown = compare("--data", f"data.path={gold}", "--resamples", 100)
    assert (code, "4 articles" in shown.out, "4 articles that chose" in shown.out) == (0, True, True)
    code, shown = compare("--gold", gold, "--resamples", 100, "--seen", "include")
    assert (code, "scored: 16 of 24 articles that a checkpoint learnt from" in shown.out) == (0, True)
    trained = write(tmp_path / "train.jsonl", [altered(a) for a in articles if a.meta["split"] == "train"])
    code, shown = compare("--gold", trained)
    assert (code, "--seen include" in shown.err) == (1, True)


def test_an_evaluation_is_compared_on_what_its_checkpoint_did_not_see(evaluate, articles, tmp_path, monkeypatch, capfd):
    gold = write(tmp_path / "gold.jsonl", articles)
    _, _, _, folder = evaluate(gold, seen="include")
    theirs = write(tmp_path / "theirs.jsonl", [replace(a, spans=a.spans[2:]) for a in articles])
    monkeypatch.setattr(sys, "argv", ["eventtag compare", str(folder), str(theirs), "--gold", str(gold), "--resamples", "100"])
    assert importlib.import_module("eventtag.cli.commands.compare").run() == 0
    assert "not scored: 16 articles that a checkpoint learnt from" in capfd.readouterr().out
