import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import plain_model, plain_trainer, trained_settings
from transformers import TrainingArguments
from warm import WarmPopen, warm_programs

from eventtag.errors import DataError, EventtagError, OutputError, RunFinishedError, SettingsError, TrainingError
from eventtag.evaluation import evaluate
from eventtag.formats.jsonl import json_line, read_jsonl
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.manifest import sha256_of
from eventtag.models.checkpoint import read_info
from eventtag.settings import (
    DataSettings,
    MixedCorpusSettings,
    Precision,
    TrainerSettings,
    TrainSettings,
    WindowSettings,
)
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger
from eventtag.training.loop import trainer as trainer_module
from eventtag.training.loop.arguments import build_arguments
from eventtag.training.run import train


def settings_of(corpus: Path, run: Path, **changes) -> TrainSettings:
    trainer = {"epochs": 2, "batch_size": 4, "learning_rate": 5e-3, "head_learning_rate": 5e-3, "patience": None}
    trainer["precision"] = Precision.fp32  # `auto` is decided by timing, and may decide otherwise for the next run
    return TrainSettings(
        data=DataSettings(path=str(corpus), split_field="split", **changes.pop("data", {})),
        model=plain_model(name="tiny", attention_dropout=None),
        window=WindowSettings(**{"max_length": 24, "stride": 6, **changes.pop("window", {})}),
        trainer=plain_trainer(**{**trainer, **changes.pop("trainer", {})}),
        run_dir=str(run),
        **changes,
    )


def test_a_model_learns_its_articles(checkpoint, articles):
    """Fails on any shift between tokens, words, tags and characters."""
    train_articles = [a for a in articles if a.meta["split"] == "train"]
    held_out = [a for a in articles if a.meta["split"] == "test"]
    tagger = Tagger.load(checkpoint)
    assert evaluate(tagger, train_articles).report.strict.micro.f1 == 1.0
    assert evaluate(tagger, held_out).report.strict.micro.f1 > 0.9


def test_a_run_directory_says_what_was_done(trained_run, articles):
    record = json.loads((trained_run / "run.json").read_text())
    assert record["seed"] == 42
    assert record["data"]["train"]["articles"] == 16
    assert record["versions"]["torch"] == torch.__version__
    metrics = json.loads((trained_run / "metrics.json").read_text())
    assert len(metrics["epochs"]) == 12
    assert metrics["tokens_per_second"] > 0
    assert 0 <= metrics["padding_share"] < 0.5
    assert {p.name for p in trained_run.iterdir()} == {
        "run.json", "settings.yaml", "losses.jsonl", "checkpoint", "report.json", "report.md", "report.html",
        "predictions.jsonl", "errors.jsonl", "metrics.json",
    }  # fmt: skip


def test_evaluating_the_checkpoint_gives_the_figures_of_training_to_the_last_digit(trained_run, checkpoint, articles):
    validation = [article for article in articles if article.meta["split"] == "validation"]
    report = evaluate(Tagger.load(checkpoint), validation).report.to_json()
    written = json.loads((trained_run / "report.json").read_text())
    assert {k: report[k] for k in ("labels", "micro", "macro", "articles")} == {
        k: written[k] for k in ("labels", "micro", "macro", "articles")
    }
    best = json.loads((trained_run / "metrics.json").read_text())
    assert max(epoch["eval_micro_f1"] for epoch in best["epochs"]) == written["micro"]["f1"]


def test_predictions_beside_the_report_score_the_same(trained_run, articles):
    from eventtag.scoring.report import score_articles

    gold = {article.id: article for article in articles}
    predicted = list(read_jsonl(trained_run / "predictions.jsonl", ledger=LossLedger()))
    report = score_articles([(gold[p.id], p.spans) for p in predicted], LabelSet())
    assert report.strict.micro.f1 == json.loads((trained_run / "report.json").read_text())["micro"]["f1"]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(corpus_file, tmp_path):
    digests = []
    for number, seed in enumerate((1, 1, 2)):
        result = train(settings_of(corpus_file, tmp_path / str(number), seed=seed, trainer={"epochs": 1}))
        digests.append(sha256_of(result.checkpoint / "model.safetensors"))
    assert digests[0] == digests[1] != digests[2]


RUN = """
import sys, json
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_run import settings_of
from eventtag.training.run import train
train(settings_of(Path(sys.argv[2]), Path(sys.argv[3]), resume=True, trainer={"epochs": 4}))
"""


def test_a_killed_run_resumes_to_the_same_weights(corpus_file, tmp_path):
    whole = train(settings_of(corpus_file, tmp_path / "whole", resume=True, trainer={"epochs": 4}))
    command = [warm_programs() / "python", "-c", RUN, str(Path(__file__).parent), str(corpus_file), str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    process = WarmPopen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    saved = tmp_path / "killed" / "trainer" / "checkpoint-12"
    while not saved.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not (tmp_path / "killed" / "checkpoint").exists()
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    resumed = tmp_path / "killed" / "checkpoint" / "model.safetensors"
    assert sha256_of(resumed) == sha256_of(whole.checkpoint / "model.safetensors")


def test_a_run_that_was_stopped_while_it_finished_can_be_resumed(corpus_file, tmp_path, monkeypatch):
    from eventtag.training import finish as finish_module

    def stop(*_, **__):
        raise KeyboardInterrupt

    settings = settings_of(corpus_file, tmp_path / "run", resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(finish_module, "write_evaluation", stop)
        with pytest.raises(KeyboardInterrupt):
            train(settings)
    assert (tmp_path / "run" / "checkpoint").exists()
    before = sha256_of(tmp_path / "run" / "checkpoint" / "model.safetensors")
    train(settings)
    assert sha256_of(tmp_path / "run" / "checkpoint" / "model.safetensors") == before
    assert (tmp_path / "run" / "metrics.json").exists()


def test_a_finished_run_is_not_overwritten(corpus_file, trained_run):
    before = {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")}
    with pytest.raises(OutputError, match="this run is finished"):
        train(settings_of(corpus_file, trained_run, resume=True))
    assert before == {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")}


def test_an_unfinished_run_needs_resume_and_the_same_settings(corpus_file, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise TrainingError("stopped")

    run = tmp_path / "run"
    monkeypatch.setattr(trainer_module.ArticleTrainer, "train", stop)
    with pytest.raises(TrainingError, match="stopped"):
        train(settings_of(corpus_file, run))
    with pytest.raises(OutputError, match="continue it with resume=true"):
        train(settings_of(corpus_file, run))
    with pytest.raises(TrainingError, match=r"settings.trainer.learning_rate was 0.005 and is 0.1 now"):
        train(settings_of(corpus_file, run, resume=True, trainer={"learning_rate": 0.1}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: replace(a, spans=tuple(s for s in a.spans if s.label != "EVENT" or a.meta["split"] == "train")),
            "split validation has no span with the label EVENT",
        ),
        (lambda a: replace(a, meta={"split": "train"}), "has no validation articles"),
        (lambda a: replace(a, meta={}), "does not say the split of 24 articles"),
        (lambda a: replace(a, spans=(replace(a.spans[0], label="THING"),)), "labels that are not configured"),
        (lambda a: replace(a, annotated=(), spans=()), "has no span with the label"),
    ],
    ids=["label missing", "no validation", "no split", "unknown label", "nothing annotated"],
)
def test_unusable_data_stops_a_run_before_it_starts(articles, tmp_path, change, message):
    path = tmp_path / "articles.jsonl"
    path.write_text("".join(json_line(change(article)) + "\n" for article in articles))
    with pytest.raises(DataError, match=message):
        train(settings_of(path, tmp_path / "run", data={"labels": ["ACTOR", "EVENT", "LOCATION"]}))
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_a_span_that_would_get_lost_stops_a_run_unless_it_is_allowed(articles, tmp_path):
    article = articles[2]
    size = len(article.text)
    lost = replace(article, text=article.text + "\u200b", spans=(*article.spans, Span(size, size + 1, "EVENT")))
    path = tmp_path / "articles.jsonl"
    path.write_text("".join(json_line(lost if article.id == lost.id else article) + "\n" for article in articles))
    with pytest.raises(
        DataError,
        match=r"(?s)1 of \d+ spans would be dropped, the first at aligning in article 'a2' \(EVENT .*allow it: data.max_loss=0.0",
    ):
        train(settings_of(path, tmp_path / "run"))
    assert not (tmp_path / "run" / "run.json").exists()
    train(settings_of(path, tmp_path / "run", data={"max_loss": 0.01}, trainer={"epochs": 1}))
    (entry,) = [json.loads(line) for line in (tmp_path / "run" / "losses.jsonl").read_text().splitlines() if "no word" in line]
    assert (entry["article_id"], entry["stage"], entry["outcome"], entry["asked"]) == ("a2", "aligning", "dropped", False)


def test_a_mix_is_resumed_with_the_same_weights_only(corpus_file, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise TrainingError("stopped")

    def mixed(weight: float) -> TrainSettings:
        one = MixedCorpusSettings(path=str(corpus_file), split_field="split", weight=weight)
        settings = settings_of(corpus_file, tmp_path / "run", resume=True)
        return replace(settings, data=DataSettings(path=None, corpora={"one": one, "two": replace(one, weight=1.0)}))

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module.ArticleTrainer, "train", stop)
        with pytest.raises(TrainingError, match="stopped"):
            train(mixed(0.5))
        with pytest.raises(TrainingError, match=r"settings.data.corpora.one.weight was 0.5 and is 0.7 now"):
            train(mixed(0.7))


def test_an_empty_corpus_is_named(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(EventtagError, match=r"empty.jsonl: holds no article"):
        train(settings_of(tmp_path / "empty.jsonl", tmp_path / "run", data={"format": "jsonl"}))


def test_windows_longer_than_the_model_reads_are_refused(corpus_file, tmp_path):
    with pytest.raises(SettingsError, match=r"window.max_length=600 is not allowed: tiny reads at most 512"):
        train(settings_of(corpus_file, tmp_path / "run", window={"max_length": 600}))


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"num_train_epochs": 3}, "use trainer.epochs="),
        ({"train_sampling_strategy": "group_by_length"}, "cannot be changed"),
        ({"dataloader_persistent_workers": True}, "cannot be changed: workers would continue"),
        ({"eval_on_start": True}, "cannot be changed"),
        ({"data_seed": 3}, "use seed="),
        ({"label_smoothing_factor": 0.1}, "cannot be changed: it has no effect"),
        ({"max_gradient_norm": 1.0}, "no such argument; near to it: max_grad_norm"),
        ({"lr_scheduler_type": "wobbly"}, "transformers refuses these arguments"),
    ],
)
def test_further_arguments_are_checked_before_the_model_loads(tmp_path, extra, message):
    with pytest.raises(SettingsError, match=message):
        build_arguments(TrainerSettings(epochs=1, learning_rate=1e-4, extra=extra), seed=1, output_dir=tmp_path)


def test_further_arguments_reach_the_trainer(tmp_path):
    arguments = build_arguments(
        TrainerSettings(epochs=1, learning_rate=1e-4, extra={"max_grad_norm": 0.5, "lr_scheduler_type": "cosine"}),
        seed=7,
        output_dir=tmp_path,
    )
    assert (arguments.max_grad_norm, arguments.lr_scheduler_type, arguments.seed) == (0.5, "cosine", 7)


def test_one_process_uses_one_of_several_devices(tmp_path, monkeypatch, caplog):
    def two_devices(arguments: TrainingArguments) -> torch.device:
        arguments._n_gpu = 2
        return torch.device("cpu")

    monkeypatch.setattr(TrainingArguments, "_setup_devices", property(two_devices))
    with caplog.at_level("INFO"):
        arguments = build_arguments(TrainerSettings(epochs=1, learning_rate=1e-4, batch_size=3), seed=1, output_dir=tmp_path)
    assert "one of 2 GPUs is used" in caplog.text
    assert arguments._n_gpu == 1


def test_a_setting_that_is_found_wrong_leaves_no_run_behind(corpus_file, tmp_path):
    """So that the corrected command works with the same run_dir."""
    for wrong in ({"window": {"max_length": 600}}, {"trainer": {"extra": {"nonsense": 1}}}):
        with pytest.raises(SettingsError):
            train(settings_of(corpus_file, tmp_path / "run", **wrong))
    assert not (tmp_path / "run" / "run.json").exists()
    train(settings_of(corpus_file, tmp_path / "run", trainer={"epochs": 1}))


def test_a_run_writes_into_its_checkpoint_that_spans_cut_no_strings(corpus_file, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("eventtag.training.learnt.ENOUGH_SPANS", 0)
    with caplog.at_level("INFO"):
        made = train(settings_of(corpus_file, tmp_path / "run", trainer={"epochs": 1})).checkpoint
    assert Tagger.load(made).cuts_strings is False
    assert "no span of the training articles begins or ends inside a string between blanks" in caplog.text


def test_a_finished_run_started_again_changes_nothing_and_says_so(trained_run, corpus_file):
    settings = TrainSettings(**trained_settings(corpus_file), run_dir=str(trained_run))
    before = {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")}
    with pytest.raises(RunFinishedError, match=r"this run is finished; nothing to do$"):
        train(replace(settings, resume=True))
    with pytest.raises(OutputError, match=r"this run is finished and is not overwritten; give another run_dir$") as refused:
        train(settings)
    assert not isinstance(refused.value, RunFinishedError)
    with pytest.raises(
        OutputError, match=r"(?s)this run is finished and is not overwritten.*seed was 42 and is 7 now"
    ) as refused:
        train(replace(settings, resume=True, seed=7))
    assert not isinstance(refused.value, RunFinishedError)
    assert before == {path: path.stat().st_mtime_ns for path in trained_run.rglob("*")}


def interrupted(corpus: Path, run: Path, monkeypatch) -> TrainSettings:
    """A run that stopped after its last state was saved."""
    from eventtag.training import run as run_module

    def stop(*_, **__):
        raise KeyboardInterrupt

    settings = settings_of(corpus, run, resume=True)
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            train(settings)
    return settings


def test_a_resumed_run_leaves_the_same_checkpoint_to_the_last_byte(corpus_file, tmp_path, monkeypatch):
    whole = train(settings_of(corpus_file, tmp_path / "whole" / "run", resume=True)).checkpoint
    resumed = train(interrupted(corpus_file, tmp_path / "resumed" / "run", monkeypatch)).checkpoint
    for name in ("manifest.json", "eventtag.json", "README.md"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes(), name


def test_states_without_the_record_of_their_run_are_not_gone_on_with(corpus_file, tmp_path, monkeypatch):
    run = tmp_path / "run"
    settings = interrupted(corpus_file, run, monkeypatch)
    (run / "run.json").unlink()
    names = {path.name for path in run.iterdir()}
    with pytest.raises(OutputError, match=r"was not made by eventtag train, which knows its folders by their run\.json"):
        train(settings)
    (run / ".eventtag").write_text('{"command": "train", "process": 0}')  # what a killed process leaves
    with pytest.raises(TrainingError, match=r"holds settings\.yaml, losses\.jsonl, trainer, but no run\.json, which would say"):
        train(settings)
    assert {path.name for path in run.iterdir()} == names | {".eventtag"}


def test_a_run_that_was_killed_before_it_had_a_record_is_begun_again(corpus_file, tmp_path):
    run = tmp_path / "run"
    (run / "trainer").mkdir(parents=True)  # transformers makes it
    (run / ".eventtag").write_text('{"command": "train", "process": 0}')
    assert train(settings_of(corpus_file, run, resume=True)).checkpoint.is_dir()


def test_a_run_removes_nothing_that_it_has_not_written(corpus_file, tmp_path, monkeypatch):
    run = tmp_path / "run"
    settings = interrupted(corpus_file, run, monkeypatch)
    mine = [run / "notes.txt", run / ".notes.partial", run / "trainer" / "notes.txt", run / "report.md"]
    for path in mine:
        path.write_text("mine")
    with pytest.raises(OutputError, match=r"report\.md exists already and is not overwritten"):
        train(settings)
    mine.pop().unlink()
    train(settings)
    assert all(path.read_text() == "mine" for path in mine)
    assert {path.name for path in (run / "trainer").iterdir()} == {"notes.txt"}


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_somebody_else_is_neither_trained_in_nor_changed(corpus_file, tmp_path, resume):
    mine = tmp_path / "mine"
    for name in (
        "report.md",
        "predictions.jsonl",
        "trainer/notes.txt",
        "intermediate/notes.txt",
        ".draft.partial",
        "metrics.json",
    ):
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / name).write_text("mine")
    with pytest.raises(OutputError, match="was not made by eventtag train"):
        train(settings_of(corpus_file, mine, resume=resume))
    assert {path.name: path.read_text() for path in mine.rglob("*") if path.is_file()} == {
        "report.md": "mine", "predictions.jsonl": "mine", "notes.txt": "mine", ".draft.partial": "mine", "metrics.json": "mine",
    }  # fmt: skip


def test_a_second_training_in_a_directory_is_refused(corpus_file, tmp_path, monkeypatch):
    run = tmp_path / "run"
    program = "import sys\nfrom pathlib import Path\nfrom eventtag.run_folder import claimed_folder\n"
    program += "with claimed_folder(Path(sys.argv[1]), 'train'):\n    print('ready', flush=True)\n    sys.stdin.read()"
    command = [sys.executable, "-c", program, str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(OutputError, match=rf"process {process.pid} is working in this folder already"):
            train(settings_of(corpus_file, run))
        process.stdin.close()
    assert not (run / "run.json").exists()


def test_a_checkpoint_says_where_its_spans_begin_and_end(checkpoint):
    info, tagger = read_info(checkpoint)[0], Tagger.load(checkpoint)
    assert (info.crosses_lines, info.cuts_strings) == (False, True)
    assert (tagger.crosses_lines, tagger.cuts_strings) == (False, True)
