"""The real commands in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from warm import warm_programs

pytestmark = pytest.mark.slow

TINY = [
    "model=tiny",
    "window.max_length=24",
    "window.stride=6",
    "trainer.epochs=1",
    "trainer.learning_rate=5e-3",
    "trainer.batch_size=4",
    "trainer.adversarial=0",
]


def run(
    *arguments: str, cwd: Path, code: int = 0, stdin: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [warm_programs() / "eventtag", *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=240,
    )
    assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def data(corpus_file) -> list[str]:
    return ["data=corpus", f"data.path={corpus_file}", "data.split_field=split"]


def test_help_answers_without_importing_torch(tmp_path):
    assert "train" in run("-h", cwd=tmp_path).stdout
    probe = (
        "import sys; sys.argv = ['eventtag', '-h']\nfrom eventtag.cli.main import main\nmain()\n"
        "assert not {'torch', 'transformers', 'datasets', 'hydra', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True)


@pytest.mark.parametrize("arguments", [[], ["tarin"]])
def test_a_wrong_command_exits_with_2(tmp_path, arguments):
    run(*arguments, cwd=tmp_path, code=2)


def test_an_interrupted_command_ends_without_a_traceback(monkeypatch, capsys):
    from eventtag.cli import main as main_module

    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module, "_module", lambda name: type("Command", (), {"run": staticmethod(interrupted)}))
    monkeypatch.setattr(sys, "argv", ["eventtag", "train"])
    assert main_module.main() == 130
    assert capsys.readouterr().err.startswith("interrupted")


def test_train_evaluate_predict_in_sequence(tmp_path, data, corpus_file):
    trained = run("train", *data, *TINY, "run_dir=run", cwd=tmp_path)
    assert "validation F1" in trained.stderr
    assert (tmp_path / "run" / "train.log").read_text().count("epoch 1: ") == 1
    assert (tmp_path / "run" / ".hydra" / "overrides.yaml").exists()

    again = run("evaluate", "checkpoint=run/checkpoint", *data, "split=validation", "run_dir=scores", cwd=tmp_path)
    one, other = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("run", "scores"))
    assert {k: one[k] for k in ("labels", "micro", "macro")} == {k: other[k] for k in ("labels", "micro", "macro")}
    assert f"{other['micro']['f1']:.4f}" in again.stderr
    assert set(other["labels"]) == {"ACTOR", "EVENT", "LOCATION"}
    assert other["data"]["split"] == "validation"
    assert other["checkpoint"]["path"] == "run/checkpoint"
    assert "scored: 4 of 4 articles that chose epoch and thresholds of the checkpoint" in again.stderr

    run("predict", "checkpoint=run/checkpoint", f"input={corpus_file}", "output=tagged.jsonl", cwd=tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "tagged.jsonl").read_text().splitlines()]
    assert len(lines) == 24
    assert lines[0]["meta"] == {"split": "validation"}
    again = run("predict", "checkpoint=run/checkpoint", f"input={corpus_file}", "output=tagged.jsonl", cwd=tmp_path)
    assert "finished before, nothing to do" in again.stderr
    (tmp_path / "mine.jsonl").write_text("mine")
    refused = run("predict", "checkpoint=run/checkpoint", f"input={corpus_file}", "output=mine.jsonl", cwd=tmp_path, code=1)
    assert "error: mine.jsonl exists already" in refused.stderr


def test_a_sweep_trains_once_a_value_and_keeps_runs_apart(tmp_path, data):
    run("train", "-m", *data, *TINY, "seed=1,2", "hydra.sweep.dir=sweep", cwd=tmp_path)
    for job in ("0", "1"):
        assert (tmp_path / "sweep" / job / "checkpoint" / "manifest.json").exists()
        assert json.loads((tmp_path / "sweep" / job / "run.json").read_text())["seed"] == int(job) + 1


def test_two_launches_in_one_second_get_two_directories(tmp_path):
    command = [warm_programs() / "eventtag", "train", "data=corpus", "data.path=none.jsonl", "model=tiny"]
    started = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) for _ in range(3)]
    for process in started:
        process.communicate()
    assert len(list((tmp_path / "outputs" / "train").glob("*/*/train.log"))) == 3


@pytest.mark.parametrize(
    "arguments", [["data=ecbplus"], ["experiment=ecbplus"], ["model=roberta_base", "trainer=fast"], ["sweep=seeds"]]
)
def test_the_composed_configuration_can_be_shown(tmp_path, arguments):
    shown = run("train", *arguments, "--cfg", "job", cwd=tmp_path).stdout
    assert "trainer:" in shown
    assert not (tmp_path / "outputs").exists()


def test_a_user_s_own_configs_folder_is_searched(tmp_path, corpus_file):
    home = tmp_path / "Zoë's (new) [work]"
    (home / "configs" / "data").mkdir(parents=True)
    (home / "configs" / "data" / "mine.yaml").write_text(f"name: mine\npath: {corpus_file}\n")
    assert str(corpus_file) in run("train", "data=mine", "--cfg", "job", cwd=home).stdout


def test_help_lists_the_groups_that_the_command_takes(tmp_path):
    (tmp_path / "configs" / "desk").mkdir(parents=True)
    (tmp_path / "configs" / "desk" / "mine.yaml").write_text("seed: 1\n")
    groups = run("evaluate", "-h", cwd=tmp_path).stdout.partition("groups ==")[2].partition("== Config ==")[0]
    groups = {line.partition(":")[0] for line in groups.splitlines() if line.partition(": ")[1]}
    assert groups == {"data", "evaluation", "experiment"}


def test_completion_knows_commands_and_configuration_groups(tmp_path):
    def complete(line: str) -> list[str]:
        return run("-sc", "query=bash", cwd=tmp_path, COMP_LINE=line, COMP_POINT=str(len(line))).stdout.split()

    assert "predict" in complete("eventtag pre")
    assert "model=minilm" in complete("eventtag train model=")
    assert "hydra_bash_completion" in run("-sc", "install=bash", cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "data=corpus", "model=tiny"], "error: data.path must be given: add data.path=... to the command"),
        (["train", "data=corpus", "data.path=none.jsonl", "model=tiny"], "error: none.jsonl: no such file or folder"),
        (["train", "trainer.epochs=-1"], "error: trainer.epochs=-1.0 is not allowed: above 0"),
        (["train", "data.test_share=0.9"], "error: data.validation_share + data.test_share=1.05 is not allowed: below 1"),
        (["train", "window.stride=200"], "error: window.stride=200 is not allowed: 0 <= stride"),
        (["train", "trainer.epoch=1"], "error: trainer.epoch: there is no such key\ndid you mean trainer.epochs? "),
        (["train", "+hydra.job.foo=1"], "error: hydra.job.foo: there is no such key\n"),
        (["train", "+hydra.sweeper.params.seed=1"], "error: +hydra.sweeper.params.seed=1: hydra.sweeper.params is null, "),
        (["train", "-m", "trainer.epoch=1,2"], "error: trainer.epoch: there is no such key\ndid you mean trainer.epochs? "),
        (
            ["train", "trainer.epochs=many"],
            "error: trainer.epochs=many: Value 'many' of type 'str' could not be converted to Float",
        ),
        (
            ["train", "model.head=span,crf"],
            "error: model.head=span,crf: several values; write 'model.head=[span,crf]' for a list",
        ),
        (["train", "data.labels=[EVENT"], "error: data.labels=[EVENT: cannot be read (no viable alternative at input"),
        (
            ["train", "seed=rnage(1,3)"],
            "error: seed=rnage(1,3): cannot be read (HydraException while evaluating 'rnage(1,3)': Unknown",
        ),
        (["train", "run_dir=/proc/none/run"], "error: /proc/none"),
        (["train", "run_dir="], "error: run_dir=: is blank, which would be the current folder; give a name"),
        (["sweep", "run_dir=' '"], "error: run_dir=' ': is blank, which would be the current folder"),
        (["train", "-m", "seed=1,2", "hydra.sweep.dir="], "error: hydra.sweep.dir=: is blank"),
        (["train", "--experimental-rerun=config.pickle"], "error: --experimental-rerun reads a pickle, which can run code"),
        (["train", "model=null"], "error: the settings cannot be put together (Config group override must be"),
        (["train", "articles.jsonl"], "must be key=value; write: eventtag train data.path=articles.jsonl"),
        (
            ["train", "data=my articles.jsonl"],
            "names a configuration, not a file; write: eventtag train 'data.path=my articles.jsonl'",
        ),
        (["train", "data.path=ü.jsonl,b.jsonl"], 'error: data.path="ü.jsonl",b.jsonl: several values'),
        (["train", "model=robert"], "error: model=robert: there is no such configuration; there are conflibert, "),
        (
            ["train", "data=corpus", "model=tiny", "data.path=Zürich (1) a=b.jsonl"],
            "error: Zürich (1) a=b.jsonl: no such file or",
        ),
        (["evaluate", "checkpoint=nowhere"], "error: checkpoint=nowhere: no such directory"),
        (["predict", "checkpoint=nowhere", "input=x"], "error: checkpoint=nowhere: no such directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_in_a_few_lines_with_exit_code_1(tmp_path, arguments, message):
    done = run(*arguments, cwd=tmp_path, code=1)
    assert message in done.stderr
    if message.startswith("error:"):
        assert len(done.stderr.strip().splitlines()) <= 3
    assert not list(tmp_path.rglob("checkpoint"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("trainer:\n  epoch: 3\n", "error: experiment/mine.yaml, trainer.epoch: Key 'epoch' not in 'TrainerSettings'"),
        ("trainer: [\n", "configs/experiment/mine.yaml:3: is not valid YAML (expected the node content"),
    ],
)
def test_a_mistake_in_a_user_s_own_configuration_is_placed(tmp_path, content, message):
    (tmp_path / "configs" / "experiment").mkdir(parents=True)
    (tmp_path / "configs" / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{content}")
    done = run("train", "experiment=mine", cwd=tmp_path, code=1)
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


def test_a_refused_setting_leaves_no_new_folder_and_takes_none_away(tmp_path):
    (tmp_path / "mine").mkdir()
    for folder in ("mine", "new"):
        run("learning-curve", "data=sample", "trainer.epochs=-3", f"run_dir={folder}", cwd=tmp_path, code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_label_that_the_checkpoint_does_not_know_is_named(tmp_path, checkpoint, data):
    done = run("evaluate", f"checkpoint={checkpoint}", *data, "data.labels=[ACTOR,WEAPON]", cwd=tmp_path, code=1)
    assert "error: data.labels: the checkpoint does not know 'WEAPON'; it knows ['ACTOR', 'EVENT', 'LOCATION']" in done.stderr


def test_some_of_the_checkpoint_s_labels_can_be_scored_alone(tmp_path, checkpoint, articles):
    from dataclasses import replace

    from eventtag.formats.jsonl import json_line

    path = tmp_path / "gold.jsonl"
    path.write_text(
        "".join(json_line(replace(a, spans=tuple(s for s in a.spans if s.label == "ACTOR"))) + "\n" for a in articles)
    )
    run(
        "evaluate",
        f"checkpoint={checkpoint}",
        "data=corpus",
        f"data.path={path}",
        "data.labels=[ACTOR]",
        "split=all",
        "run_dir=s",
        cwd=tmp_path,
    )
    report = json.loads((tmp_path / "s" / "report.json").read_text())
    assert list(report["labels"]) == ["ACTOR"]
    assert report["micro"]["f1"] == report["macro"]["f1"] > 0.9


def test_predictions_go_to_standard_output_alone_and_to_a_page(tmp_path, checkpoint):
    text = "Police arrested Miners in Paris . <script>alert(1)</script>"
    done = run("predict", f"checkpoint={checkpoint}", "input=-", cwd=tmp_path, stdin=text)
    (line,) = done.stdout.splitlines()
    record = json.loads(line)
    assert record["text"] == text
    assert {text[s["start"] : s["end"]]: s["label"] for s in record["spans"]}["Paris"] == "LOCATION"
    assert all(0 <= s["score"] <= 1 for s in record["spans"])
    run("predict", f"checkpoint={checkpoint}", "input=-", "output=page.html", cwd=tmp_path, stdin=text)
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "Paris<small> LOCATION 0." in page or "Paris<small> LOCATION 1.00" in page
    scores = {text[s["start"] : s["end"]]: s["score"] for s in record["spans"]}
    least = f"min_score={scores['Paris'] - 1e-4:.4f}"  # scores are rounded in the file
    shown = run("predict", f"checkpoint={checkpoint}", "input=-", "format=terminal", least, cwd=tmp_path, stdin=text).stdout
    assert "[Paris|LOCATION]" in shown
    assert shown.count("|") == sum(score >= scores["Paris"] for score in scores.values()) < len(scores)


def test_thresholds_are_chosen_in_training_and_set_aside_on_the_command_line(tmp_path, data, corpus_file):
    # (a single epoch: the model is poor enough that a target matters)
    trained = run("train", *data, *TINY, "evaluation.target_recall.ACTOR=0.01", "run_dir=run", cwd=tmp_path)
    assert "report: run/report.html\ncheckpoint: run/checkpoint\nnext: eventtag evaluate checkpoint=run\n" in trained.stderr
    saved = json.loads((tmp_path / "run" / "checkpoint" / "eventtag.json").read_text())["calibration"]
    if "ACTOR" in saved["thresholds"]:
        assert "threshold of ACTOR" in trained.stderr
    else:
        assert "no threshold is saved for ACTOR" in trained.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["calibration"]["thresholds"] == report["checkpoint"]["thresholds"] == saved["thresholds"]
    assert report["calibration"]["fitted_here"]


def test_thresholds_on_the_command_line_hold_for_predict_and_evaluate(tmp_path, checkpoint, data, corpus_file):
    tag = ["predict", f"checkpoint={checkpoint}", f"input={corpus_file}"]
    lines = run(*tag, "thresholds.EVENT=1.0", cwd=tmp_path).stdout.splitlines()
    assert {span["label"] for line in lines for span in json.loads(line)["spans"]} == {"ACTOR", "LOCATION"}
    assert "thresholds.THING: no such label" in run(*tag, "thresholds.THING=0.5", cwd=tmp_path, code=1).stderr
    assert "thresholds.EVENT=2.0 is not allowed: 0 to 1" in run(*tag, "thresholds.EVENT=2", cwd=tmp_path, code=1).stderr
    score = ["evaluate", f"checkpoint={checkpoint}", *data, "evaluation=fast", "evaluation.target_recall.ACTOR=0.5"]
    shown = run(*score, "thresholds.EVENT=1.0", "run_dir=scores", cwd=tmp_path).stderr
    assert "thresholds used: EVENT 1.0000" in shown
    assert "evaluation.target_recall.ACTOR=0.5 would be reached here by thresholds.ACTOR=" in shown
    report = json.loads((tmp_path / "scores" / "report.json").read_text())
    assert report["labels"]["EVENT"]["predicted"] == 0
    assert not report["calibration"]["fitted_here"]
    assert report["calibration"]["raw"]["overall"]["ece"] >= 0


def test_a_learning_curve_leaves_a_table_figures_and_a_plot(tmp_path, data):
    curve = ["learning-curve", *data, *TINY, "evaluation=fast", "split=test", "run_dir=curve"]
    shown = run(*curve, "sizes=[2,6,16]", cwd=tmp_path).stderr
    assert "100 more articles (16 -> 116) would add" in shown
    found = json.loads((tmp_path / "curve" / "learning_curve.json").read_text())
    assert [r["articles"] for r in found["runs"]] == [2, 6, 16]
    assert found["data"]["split"] == "test"
    assert "<svg" in (tmp_path / "curve" / "learning_curve.html").read_text()


def test_several_corpora_are_trained_on_and_scored_each_for_itself(corpus_file, tmp_path):
    (tmp_path / "configs" / "data").mkdir(parents=True)
    text = f"# mine\npath: {corpus_file}\nsplit_field: split\n"
    (tmp_path / "configs" / "data" / "one.yaml").write_text(text)
    (tmp_path / "configs" / "data" / "two.yaml").write_text(
        f"{text}annotated_labels: [ACTOR, LOCATION]\nlabel_map: {{EVENT: null, '*': ACTOR}}\n"
    )
    mix = ["data=mix", "data.corpora=[one,two]", "data.corpora.two.weight=0.5"]
    run("train", *mix, *TINY, "run_dir=run", cwd=tmp_path)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert {name: (about["articles"], about["weight"]) for name, about in record["data"]["train"]["corpora"].items()} == {
        "one": (16, 1.0),
        "two": (16, 0.5),
    }
    run("evaluate", "checkpoint=run/checkpoint", *mix, "run_dir=test", "evaluation=fast", cwd=tmp_path)
    report = json.loads((tmp_path / "test" / "report.json").read_text())
    assert {"one", "two"} <= {str(value) for value in _values_of_slice(report, "meta.corpus")}
    assert (tmp_path / "test" / "losses.jsonl").exists()


def _values_of_slice(report: dict, field: str) -> list[str]:
    return [entry["value"] for entry in report["slices"] if entry["dimension"] == field]


@pytest.mark.parametrize("command", ["train", "pretrain", "sweep", "learning-curve", "evaluate"])
def test_a_folder_that_the_command_did_not_make_is_refused_before_anything_is_written(tmp_path, data, checkpoint, command):
    mine = tmp_path / "mine"
    for name in (".hydra/config.yaml", f"{command.replace('-', '_')}.log", "trainer/notes.txt", "report.md", ".draft.partial"):
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / name).write_text("mine")
    before = {path: path.read_text() for path in mine.rglob("*") if path.is_file()}
    given = [f"checkpoint={checkpoint}"] if command == "evaluate" else ["model=tiny"]
    done = run(command, *data, *given, "run_dir=mine", cwd=tmp_path, code=1)
    assert "mine: is not empty (it holds .draft.partial, .hydra, " in done.stderr
    assert f"and was not made by eventtag {command}, which knows its folders by their" in done.stderr
    assert {path: path.read_text() for path in mine.rglob("*") if path.is_file()} == before


def test_a_finished_run_given_again_ends_with_exit_code_0(tmp_path, data):
    command = ["train", *data, *TINY, "trainer.precision=fp32", "evaluation=fast", "run_dir=run", "resume=true"]
    run(*command, cwd=tmp_path)
    assert "this run is finished; nothing to do" in run(*command, cwd=tmp_path).stderr
    refused = run(*command, "seed=7", cwd=tmp_path, code=1)
    assert "this run is finished and is not overwritten; give another run_dir" in refused.stderr
    assert "settings.seed was 42 and is 7 now" in refused.stderr
