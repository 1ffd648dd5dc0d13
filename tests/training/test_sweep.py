import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import plain_model, plain_trainer

from eventtag.errors import OutputError, SettingsError, TrainingError
from eventtag.experiments import candidate as candidate_module
from eventtag.experiments.sweep import JOURNAL_FILE, load_learnable, run_sweep
from eventtag.formats.jsonl import json_line
from eventtag.formats.registry import read_articles
from eventtag.jobs import lock as lock_module
from eventtag.reporting.sweep_report import render_sweep, render_sweep_page
from eventtag.settings import DataSettings, EvaluationSettings, Precision, WindowSettings
from eventtag.settings.sweep import SweepSettings
from eventtag.span import Span

SPACE = {"trainer": {"learning_rate": {"low": 1e-3, "high": 3e-2, "log": True}, "batch_size": [4, 8]}}


def settings_of(corpus: Path, run: Path, **changes) -> SweepSettings:
    return SweepSettings(
        data=DataSettings(path=str(corpus), split_field="split"),
        model=plain_model(name="tiny", attention_dropout=None),
        window=WindowSettings(max_length=24, stride=6),
        trainer=plain_trainer(epochs=3, head_learning_rate=1e-2, patience=None, precision=Precision.fp32),
        evaluation=EvaluationSettings(resamples=100),
        run_dir=str(run),
        **{"space": SPACE, "trials": 8, "seeds": 2, "resume": True, **changes},
    )


@pytest.fixture
def trained(monkeypatch) -> list[tuple[str, float]]:
    """Training replaced by a rule: a higher learning rate scores better, a seed shifts the score; lists the runs as they are done."""
    runs: list[tuple[str, float]] = []

    def train(settings, *, corpus, shared, after_epoch):
        assert shared is None  # there is no intermediate fine-tuning to share
        if settings.trainer.learning_rate > 0.025:
            raise TrainingError("the loss is nan at step 3")
        history = []
        for epoch in (1, 2, 3):
            score = settings.trainer.learning_rate * 10 * epoch + settings.seed / 10_000
            history.append({"eval_micro_f1": score})
            after_epoch(float(epoch), history[-1])
        runs.append((Path(settings.run_dir).parent.name, settings.trainer.learning_rate))
        Path(settings.run_dir).mkdir(parents=True)
        (Path(settings.run_dir) / "metrics.json").write_text(json.dumps({"epochs": history}))

    monkeypatch.setattr(candidate_module, "train", train)
    return runs


def told(report) -> list[tuple]:
    return [(c.number, dict(c.values), c.state, c.scores, c.note) for c in report.candidates]


def test_candidates_are_ranked_by_their_mean_over_seeds(corpus_file, tmp_path, trained):
    report = run_sweep(
        settings_of(corpus_file, tmp_path / "run", prune_below=None, space={"trainer.learning_rate": [0.01, 0.02]})
    )
    assert report.best.values == {"trainer.learning_rate": 0.02}
    assert report.best.scores == (pytest.approx(0.6 + 0.0042), pytest.approx(0.6 + 0.0043))
    score = report.score(report.best)
    assert score.low < score.mean < score.high
    assert score.mean == pytest.approx(0.60425)
    assert [c.number for c in report.candidates] == list(range(8))
    # The same values are trained once, and their scores taken over.
    assert sorted(rate for _, rate in trained) == [0.01, 0.01, 0.02, 0.02]
    assert sum("same values as candidate" in c.note for c in report.candidates) == 6
    worse = next(c for c in report.ranked() if c.values["trainer.learning_rate"] == 0.01)
    assert report.gap(worse).mean == pytest.approx(0.3)
    assert report.gap(report.best) is None


def test_the_first_candidate_is_the_settings_as_they_are(corpus_file, tmp_path, trained):
    settings = settings_of(corpus_file, tmp_path / "run", trials=3)
    settings.trainer = replace(settings.trainer, learning_rate=2e-3, batch_size=4)
    first, *others = run_sweep(settings).candidates
    assert first.values == {"trainer.learning_rate": 2e-3, "trainer.batch_size": 4}
    assert all(other.values != first.values for other in others)


def test_hopeless_candidates_are_stopped_and_failing_ones_named(corpus_file, tmp_path, trained):
    report = run_sweep(settings_of(corpus_file, tmp_path / "run", trials=24))
    states = {state: [c for c in report.candidates if c.state == state] for state in ("finished", "pruned", "failed")}
    assert len(states["finished"]) + len(states["pruned"]) + len(states["failed"]) == 24
    assert states["pruned"]
    # Nobody is stopped before four have finished.
    assert states["pruned"][0].number > [c.number for c in states["finished"]][3]
    median = sorted(c.values["trainer.learning_rate"] for c in states["finished"])[len(states["finished"]) // 2]
    assert all(c.values["trainer.learning_rate"] <= median for c in states["pruned"])
    assert all(c.note.startswith("stopped after epoch 2 of seed 42") and c.scores == () for c in states["pruned"])
    assert report.best.values["trainer.learning_rate"] == max(c.values["trainer.learning_rate"] for c in states["finished"])
    for failed in states["failed"]:
        assert failed.note == "the loss is nan at step 3"
        assert failed.values["trainer.learning_rate"] > 0.025


@pytest.mark.parametrize("stop", [(0, 1), (3, 2), (5, 1)], ids=["first run", "second seed", "sixth candidate"])
def test_a_stopped_sweep_ends_as_one_that_was_not(corpus_file, tmp_path, trained, monkeypatch, stop):
    whole = run_sweep(settings_of(corpus_file, tmp_path / "whole"))
    stopped = settings_of(corpus_file, tmp_path / "stopped")
    number, seed = stop
    train = candidate_module.train

    def interrupted(settings, *, corpus, shared, after_epoch):
        if Path(settings.run_dir).parts[-2:] == (f"{number:04d}", f"seed-{41 + seed}"):
            raise KeyboardInterrupt
        train(settings, corpus=corpus, shared=shared, after_epoch=after_epoch)

    with monkeypatch.context() as patch:
        patch.setattr(candidate_module, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(stopped)
    before = len(trained)
    with (tmp_path / "stopped" / JOURNAL_FILE).open("ab") as journal:
        journal.write(b'{"op_code":6,"worker_')  # a line cut by a kill
    assert told(run_sweep(stopped)) == told(whole)
    again = len(trained)
    assert again > before
    assert told(run_sweep(stopped)) == told(whole)
    assert len(trained) == again


def test_an_outcome_that_optuna_was_not_told_is_not_trained_again(corpus_file, tmp_path, trained, monkeypatch):
    from eventtag.experiments import sweep as sweep_module

    settings = settings_of(corpus_file, tmp_path / "run", trials=3)
    tell = sweep_module._tell
    with monkeypatch.context() as patch:
        patch.setattr(
            sweep_module, "_tell", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt) if given[2] == 1 else tell(*given)
        )
        with pytest.raises(KeyboardInterrupt):
            run_sweep(settings)
    report = run_sweep(settings)
    assert [c.number for c in report.candidates] == [0, 1, 2]
    assert [name for name, _ in trained] == ["0000"] * 2 + ["0001"] * 2 + ["0002"] * 2


def test_more_trials_may_be_asked_for_and_nothing_else_may_change(corpus_file, tmp_path, trained, monkeypatch):
    settings = settings_of(corpus_file, tmp_path / "run", trials=2)
    first = run_sweep(settings)
    more = run_sweep(replace(settings, trials=4))
    assert told(more)[:2] == told(first)
    assert len(more.candidates) == 4
    with pytest.raises(TrainingError, match=r"settings\.seeds was 2 and is 3 now"):
        run_sweep(replace(settings, seeds=3))
    with pytest.raises(OutputError, match="holds a sweep; continue it with resume=true"):
        run_sweep(replace(settings, resume=False))
    monkeypatch.setattr(lock_module, "PATIENCE", 0.0)
    with lock_module.JobLock(tmp_path / "run" / ".lock"), pytest.raises(OutputError, match=r"works on this job already.*run_dir"):
        run_sweep(settings)


def test_what_is_wrong_shows_before_anything_is_written(corpus_file, tmp_path, monkeypatch):
    for wrong, message in [
        ({"space": {}}, "name at least one key of train"),
        ({"space": {"trainer": {"epoch": [1]}}}, "no such key of train"),
        ({"trials": 0}, "trials=0 is not allowed"),
        ({"prune_below": 1.0}, r"prune_below=1.0 is not allowed"),
    ]:
        with pytest.raises(SettingsError, match=message):
            run_sweep(settings_of(corpus_file, tmp_path / "run", **wrong))
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SettingsError, match=r"runs in one process \(found: 2\)"):
        run_sweep(settings_of(corpus_file, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_test_articles_have_no_part_in_it(corpus_file, tmp_path):
    """Real training: whatever the test articles say, the sweep says the same."""
    settings = settings_of(corpus_file, tmp_path / "one", trials=1, seeds=1)
    assert set(load_learnable(settings).splits) == {"train", "validation"}
    one = run_sweep(settings)
    others = tmp_path / "others.jsonl"
    nonsense = {"text": "Nonsense here", "spans": (Span(0, 8, "EVENT"),), "links": None}
    wrong = [replace(a, **nonsense) if a.meta["split"] == "test" else a for a in read_articles(corpus_file)]
    others.write_text("".join(json_line(article) + "\n" for article in wrong))
    other = run_sweep(replace(settings_of(others, tmp_path / "other", trials=1, seeds=1)))
    assert told(one) == told(other)
    assert one.data["sha256"] == other.data["sha256"]
    for record in (tmp_path / "one").rglob("*.json"):
        assert '"split": "test"' not in record.read_text()
    run = tmp_path / "one" / "candidates" / "0000" / "seed-42"
    assert (run / "metrics.json").exists()
    assert not (run / "checkpoint").exists()
    shutil.rmtree(tmp_path / "one")


def test_text_and_page_show_every_candidate(corpus_file, tmp_path, trained):
    report = run_sweep(settings_of(corpus_file, tmp_path / "run", trials=12))
    text = render_sweep(report)
    assert text.splitlines()[2].startswith(f"{report.best.number} ")
    assert sum(line[:2].strip().isdigit() for line in text.splitlines()) == 12
    assert "on 4 validation articles, with 95 % intervals over seeds" in text
    hostile = replace(report, data={**report.data, "name": "<script>alert(1)</script>"})
    page = render_sweep_page(hostile)
    assert page.count('role="img"') == 3
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "href=" not in page
    content = report.to_json()
    assert json.loads(json.dumps(content)) == content
    assert content["best"] == report.best.number
    none = replace(report, candidates=tuple(replace(c, state="failed", scores=()) for c in report.candidates))
    assert "None has finished" in render_sweep_page(none)
    assert none.best is None
