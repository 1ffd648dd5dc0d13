import json
import random
import shutil
import sys
from pathlib import Path

import pytest

from eventtag.api.systems import describe_run, require_alike
from eventtag.article import Article
from eventtag.cli.commands import compare
from eventtag.errors import DataError
from eventtag.formats.registry import write_articles
from eventtag.ledger import LossLedger
from eventtag.span import Span

TEXT = "one two three four five six seven eight"
WORDS = [Span(TEXT.index(word), TEXT.index(word) + len(word), "EVENT") for word in TEXT.split()]


@pytest.fixture
def files(tmp_path):
    rng = random.Random(0)

    def write(name, keep):
        path = tmp_path / f"{name}.jsonl"
        articles = [
            Article(str(n), f"{TEXT} {n}", tuple(s for s in WORDS if rng.random() < keep), meta={"topic": n % 10})
            for n in range(40)
        ]
        write_articles(articles, path, "jsonl", ledger=LossLedger())
        return str(path)

    return {
        name: write(name, keep) for name, keep in (("gold", 1.0), ("weak", 0.5), ("strong", 0.9), ("twin", 0.9), ("weaker", 0.5))
    }


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
    assert "--clusters: there is no metadata field 'source'; found: topic" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["{weak}", "--gold", "{gold}"], "needs two files of predictions or checkpoints"),
        (["{weak}", "{weak}", "--gold", "{gold}"], "named twice; it cannot"),
        (["{weak}", "absent.jsonl", "--gold", "{gold}"], "absent.jsonl"),
        (["{weak}", "{strong}", "--gold", "{gold}", "--labels", "ACTOR"], "no label 'ACTOR'; found: EVENT"),
        (["{weak}", "{strong}", "--gold", "{gold}", "--level", "2"], "--level"),
        (["{weak}", "{strong}", "--gold", "{gold}", "--output", "{gold}"], "exists already"),
    ],
)
def test_mistakes_are_explained_without_a_traceback(files, monkeypatch, capsys, change, message):
    assert run(monkeypatch, *(part.format(**files) for part in change)) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--labels", "FOO"), "--labels: there is no label 'FOO'; found: EVENT"),
        (("--labels", "EVENT,"), "--labels: there is no label ''"),
        (("--labels", ""), "--labels: is empty"),
        (("--map", "NOPE=EVENT"), "--map, --drop: there is no label 'NOPE'; found: EVENT"),
        (("--drop", "NOPE"), "--map, --drop: there is no label 'NOPE'"),
        (("--clusters", ""), "--clusters: is empty"),
        (("--seed", "-1"), "--seed: '-1' is not allowed"),
        (("--seed", "x"), "--seed: 'x' is not allowed"),
        (("--resamples", "0"), "--resamples: '0' is not allowed; give a whole number from 100 on"),
        (("--level", "1"), "--level: 1.0 is not allowed"),
        (("--output", ""), "--output: is empty"),
        (("--seeds", ""), "--seeds: is empty"),
        (("",), "SYSTEM: is empty"),
    ],
)
def test_options_that_mean_nothing_are_errors(files, monkeypatch, capsys, options, message):
    monkeypatch.setattr(sys, "argv", ["compare", files["weak"], files["strong"], *options, "--gold", files["gold"]])
    assert compare.run() == 1
    assert message in capsys.readouterr().err


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


def test_checkpoints_tag_the_gold_articles_of_a_data_configuration(
    checkpoint, trained_run, corpus_file, monkeypatch, capsys, tmp_path
):
    data = ["--data", "corpus", "--data", f"data.path={corpus_file}", "--data", "data.split_field=split"]
    twin = tmp_path / "twin"
    shutil.copytree(checkpoint, twin)
    assert run(monkeypatch, str(trained_run), str(twin), *data) == 0
    shown = capsys.readouterr()
    assert "trained" in shown.out
    assert "4 articles; strict" in shown.out
    assert "is better" not in shown.out
    assert "tagging 4 articles" in shown.err
    assert run(monkeypatch, str(trained_run), str(twin), *data[:2]) == 1
    assert "data.path must be given" in capsys.readouterr().err
    assert run(monkeypatch, str(trained_run), str(twin), "--data", "nowhere") == 1
    assert "--data nowhere" in capsys.readouterr().err


def evaluated(folder, source, *, seed, validation, data="x"):
    """The folder of an evaluation of one run."""
    folder.mkdir(parents=True)
    (folder / "predictions.jsonl").write_bytes(Path(source).read_bytes())
    training = {
        "seed": seed, "metric": "micro_f1", "validation": {"micro_f1": validation}, "encoder": "e", "data": {"sha256": data}
    }  # fmt: skip
    (folder / "report.json").write_text(json.dumps({"checkpoint": training}))


def test_runs_of_several_seeds_are_one_system_picked_by_validation(files, monkeypatch, capsys, tmp_path):
    evaluated(tmp_path / "good" / "0", files["strong"], seed=1, validation=0.6)
    evaluated(tmp_path / "good" / "1", files["twin"], seed=2, validation=0.7)
    evaluated(tmp_path / "good" / "2", files["strong"], seed=3, validation=0.5)
    evaluated(tmp_path / "poor" / "0", files["weak"], seed=1, validation=0.9)
    output = tmp_path / "seeds.json"
    assert run(monkeypatch, "--seeds", str(tmp_path / "good"), "--gold", files["gold"], "--output", str(output)) == 0
    shown = capsys.readouterr().out
    assert "good: 3 runs, seeds 1, 2, 3" in shown
    assert "picked by its validation score 70.00, not by the above" in shown
    found = json.loads(output.read_text())["seeds"]["good"]
    assert found["chosen"].endswith("good/1")
    assert found["f1"]["micro"]["low"] < found["f1"]["micro"]["mean"] < found["f1"]["micro"]["high"]
    both = ["--seeds", str(tmp_path / "good" / "*"), "--seeds", str(tmp_path / "poor")]
    assert run(monkeypatch, *both, "--gold", files["gold"]) == 0
    assert "good is better" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "a seed occurs twice"),
        ({"seed": 2, "data": "y"}, "its training articles (sha256) is y"),
        (None, "holds no finished run"),
    ],
)
def test_runs_that_are_not_one_system_are_refused(files, monkeypatch, capsys, tmp_path, change, message):
    folder = tmp_path / "runs"
    folder.mkdir()
    if change:
        evaluated(folder / "0", files["strong"], seed=1, validation=0.6)
        evaluated(folder / "1", files["twin"], validation=0.6, **change)
    assert run(monkeypatch, "--seeds", str(folder), "--gold", files["gold"]) == 1
    assert message in capsys.readouterr().err


def test_recipes_are_compared_over_articles_and_seeds_together(files, monkeypatch, capsys, tmp_path):
    for recipe, sources in (("good", ("strong", "twin")), ("poor", ("weak", "weaker"))):
        for number, source in enumerate(sources):
            evaluated(tmp_path / recipe / str(number), files[source], seed=number, validation=0.6)
    output = tmp_path / "seeds.json"
    seeds = ["--seeds", str(tmp_path / "poor"), "--seeds", str(tmp_path / "good"), "--gold", files["gold"]]
    assert run(monkeypatch, *seeds, "--output", str(output)) == 0
    shown = capsys.readouterr().out
    assert "means over 2 and 2 runs; interval and p are about other articles and other seeds" in shown
    assert "good is better" in shown
    content = json.loads(output.read_text())
    assert content["runs"] == [2, 2]
    assert content["pairs"][0]["recipes"] == ["poor", "good"]
    assert run(monkeypatch, *seeds, files["twin"]) == 0
    assert "other seeds, but twin stands as it is" in capsys.readouterr().out


def test_recipes_whose_runs_share_a_folder_are_told_apart_and_share_no_run(files, monkeypatch, capsys, tmp_path):
    sweep = tmp_path / "sweep"
    for number, source in enumerate(("strong", "twin", "weak", "weaker")):
        evaluated(sweep / str(number), files[source], seed=number, validation=0.6)
    runs = [str(sweep / str(number)) for number in range(4)]
    monkeypatch.chdir(sweep)
    assert run(monkeypatch, "--seeds", *runs[2:], "--seeds", "0", runs[1], "--gold", files["gold"]) == 0
    assert "0+1 is better" in capsys.readouterr().out
    assert run(monkeypatch, "--seeds", *runs[1:], "--seeds", "../sweep/1", "0", "--gold", files["gold"]) == 1
    assert "--seeds: ../sweep/1 is in two recipes" in capsys.readouterr().err


def test_runs_that_differ_in_a_setting_are_not_one_recipe(trained_run, tmp_path):
    for name in ("1", "2"):
        shutil.copytree(trained_run, tmp_path / name)
    record = tmp_path / "2" / "run.json"
    content = json.loads(record.read_text())
    content["settings"]["trainer"] |= {"tracking": ["tensorboard"], "learning_rate": 0.5}
    record.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"2: its trainer\.learning_rate is 0\.5, that of .*1 0\.01"):
        require_alike({seed: describe_run(str(tmp_path / seed)) for seed in ("1", "2")})


def test_a_label_that_a_checkpoint_does_not_know_is_named_beside_its_recall_of_zero(
    trained_run, corpus_file, monkeypatch, capsys, tmp_path
):
    gold = tmp_path / "gold.jsonl"
    gold.write_text(corpus_file.read_text().replace('"LOCATION"', '"PLACE"'))
    assert run(monkeypatch, str(trained_run), str(gold), "--gold", str(gold)) == 0
    said = capsys.readouterr().err
    assert f"{trained_run}: knows no PLACE" in said
    assert f"{trained_run}: 24 spans are left out, as LOCATION is not scored" in said


def test_one_run_each_says_nothing_of_recipes(files, monkeypatch, capsys, tmp_path):
    evaluated(tmp_path / "good" / "0", files["strong"], seed=1, validation=0.6)
    evaluated(tmp_path / "poor" / "0", files["weak"], seed=1, validation=0.6)
    assert run(monkeypatch, "--seeds", str(tmp_path / "good"), "--seeds", str(tmp_path / "poor"), "--gold", files["gold"]) == 0
    shown = capsys.readouterr().out
    assert "is better" not in shown
    assert "a single run says nothing of other seeds" in shown


def test_articles_of_which_nothing_is_known_are_left_out_and_counted(monkeypatch, capsys, tmp_path):
    def write(name, keep):
        rng = random.Random(name)
        known = [Article(str(n), f"{TEXT} {n}", tuple(s for s in WORDS if rng.random() < keep)) for n in range(9)]
        unknown = [Article("nowhere", TEXT, annotated=()), Article("unannotated", TEXT, labels=("ACTOR",)), Article("empty", "")]
        write_articles([*known, *unknown], tmp_path / name, "jsonl", ledger=LossLedger())
        return str(tmp_path / name)

    gold, one, other = (write(name, keep) for name, keep in (("gold.jsonl", 1), ("one.jsonl", 0.5), ("other.jsonl", 0.9)))
    assert run(monkeypatch, one, other, "--gold", gold, "--labels", "EVENT") == 0
    shown = capsys.readouterr()
    assert "3 of 12 articles are left out, the first is 'nowhere'" in shown.err
    assert "9 articles; strict" in shown.out
    assert run(monkeypatch, one, other, "--gold", gold, "--labels", "ACTOR") == 1


@pytest.mark.parametrize("field", [None, "topic"])
def test_articles_in_one_cluster_have_no_interval_and_the_reason_is_printed(monkeypatch, capsys, tmp_path, field):
    text = " ".join(f"word{n}" for n in range(80)) + " one two three four"
    spans = [Span(text.index(f" {word}") + 1, text.index(f" {word}") + 1 + len(word), "EVENT") for word in TEXT.split()[:4]]

    def write(name, found):
        articles = [Article(str(n), text, tuple(spans[: found(n)]), meta={"topic": "all"}) for n in range(12)]
        write_articles(articles, tmp_path / name, "jsonl", ledger=LossLedger())
        return str(tmp_path / name)

    gold, one, other = (
        write("gold.jsonl", lambda n: 4),
        write("one.jsonl", lambda n: n % 2),
        write("other.jsonl", lambda n: 3 + n % 2),
    )
    assert run(monkeypatch, one, other, "--gold", gold, *(["--clusters", field] if field else [])) == 0
    shown = capsys.readouterr().out
    assert "all articles are in one cluster" in shown
    assert " to " not in shown.split("articles that changed most")[0]
    assert "is better" not in shown
