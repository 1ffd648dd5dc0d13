import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import plain_model, plain_trainer

from eventtag.errors import DataError, OutputError, SettingsError, TrainingError
from eventtag.experiments import learning_curve
from eventtag.experiments.learning_curve import choose_sizes, draw_subset, run_learning_curve
from eventtag.reporting.learning_curve import render_curve, render_curve_page
from eventtag.settings import (
    CurveSplit,
    DataSettings,
    EvaluationSettings,
    LearningCurveSettings,
    WindowSettings,
)

pytestmark = pytest.mark.slow


def settings_of(corpus: Path, run: Path, **changes) -> LearningCurveSettings:
    return LearningCurveSettings(
        data=DataSettings(path=str(corpus), split_field="split"),
        model=plain_model(name="tiny", attention_dropout=None),
        window=WindowSettings(max_length=24, stride=6),
        trainer=plain_trainer(epochs=4, batch_size=4, learning_rate=1e-2, head_learning_rate=1e-2, patience=None),
        evaluation=EvaluationSettings(resamples=100),
        run_dir=str(run),
        **{"sizes": [2, 6, 16], **changes},
    )


def test_sizes_are_halves_unless_named():
    assert choose_sizes(210, None) == [13, 26, 52, 105, 210]
    assert choose_sizes(24, None) == [6, 12, 24]
    assert choose_sizes(24, [20, 5, 10, 5]) == [5, 10, 20]
    with pytest.raises(SettingsError, match=r"sizes=\[5, 10, 30\]: there are 24 training articles"):
        choose_sizes(24, [30, 5, 10])
    with pytest.raises(DataError, match="16 training articles are too few"):
        choose_sizes(16, None)


def test_a_larger_subset_holds_every_smaller_one_and_a_seed_draws_others(articles):
    small, large = draw_subset(articles, 5, seed=1), draw_subset(articles, 11, seed=1)
    assert {a.id for a in small} < {a.id for a in large}
    assert [a.id for a in articles if a in large] == [a.id for a in large]
    assert draw_subset(articles, 5, seed=2) != small


@pytest.mark.parametrize(
    "changes", [{"sizes": [1, 2]}, {"sizes": [0, 1, 2]}, {"repeats": 0}, {"more": 0}], ids=lambda changes: next(iter(changes))
)
def test_impossible_settings_are_refused(corpus_file, tmp_path, changes):
    with pytest.raises(SettingsError, match="is not allowed"):
        settings_of(corpus_file, tmp_path, **changes)


@pytest.fixture(scope="module")
def curve_run(corpus_file, tmp_path_factory) -> Path:
    """The directory of a finished curve."""
    run = tmp_path_factory.mktemp("curves") / "curve"
    run_learning_curve(settings_of(corpus_file, run))
    return run


@pytest.fixture
def copy(curve_run, tmp_path) -> Path:
    shutil.copytree(curve_run, tmp_path / "curve")
    return tmp_path / "curve"


def count_training(monkeypatch) -> list[int]:
    """The sizes that are trained from now on."""
    trained: list[int] = []
    train = learning_curve.train

    def counted(settings, *, corpus, **options):
        trained.append(len(corpus.splits["train"]))
        return train(settings, corpus=corpus, **options)

    monkeypatch.setattr(learning_curve, "train", counted)
    return trained


def test_finished_sizes_are_not_trained_again(corpus_file, copy, monkeypatch):
    trained = count_training(monkeypatch)
    again = run_learning_curve(settings_of(corpus_file, copy, resume=True, more=50))
    assert trained == []
    assert [run.articles for run in again.runs] == [2, 6, 16]
    assert again.curves["micro"].more == 50
    shutil.rmtree(copy / "runs" / "00006-0")
    wider = run_learning_curve(settings_of(corpus_file, copy, resume=True, sizes=[2, 4, 6, 16]))
    assert trained == [4, 6]
    assert [run.f1["micro"].f1 for run in wider.runs if run.articles != 4] == [run.f1["micro"].f1 for run in again.runs]


def test_more_articles_score_better_on_the_same_articles(curve_run, corpus_file, copy):
    report = run_learning_curve(settings_of(corpus_file, copy, resume=True))
    first, *_, last = report.runs
    assert set(report.curves) == {"ACTOR", "EVENT", "LOCATION", "micro", "macro"}
    assert last.f1["micro"].f1 > first.f1["micro"].f1
    assert sum(last.spans.values()) > sum(first.spans.values())
    assert report.data["split"] == "validation"
    reports = [json.loads((curve_run / "runs" / name / "report.json").read_text()) for name in ("00002-0", "00016-0")]
    assert reports[0]["data"]["sha256"] == reports[1]["data"]["sha256"]
    assert not list(curve_run.rglob("checkpoint"))
    for curve in report.curves.values():
        assert 0 <= curve.low <= curve.gain <= curve.high <= 1


def test_a_curve_is_gone_on_with_only_when_asked_and_only_under_the_same_settings(corpus_file, copy):
    with pytest.raises(OutputError, match="continue it with resume=true"):
        run_learning_curve(settings_of(corpus_file, copy))
    with pytest.raises(TrainingError, match=r"settings\.split was 'validation' and is 'test' now"):
        run_learning_curve(settings_of(corpus_file, copy, resume=True, split=CurveSplit.test))
    (copy / "runs" / "00006-0" / "score.json").write_text("{")
    with pytest.raises(TrainingError, match=r"score.json: cannot be read .*; remove .*00006-0 to train"):
        run_learning_curve(settings_of(corpus_file, copy, resume=True))


def test_a_size_without_its_checkpoint_and_its_scores_is_trained_again(corpus_file, copy, monkeypatch):
    trained = count_training(monkeypatch)
    (copy / "runs" / "00002-0" / "score.json").unlink()
    run_learning_curve(settings_of(corpus_file, copy, resume=True))
    assert trained == [2]


@pytest.mark.parametrize("split", list(CurveSplit))
def test_a_size_stopped_before_its_scores_is_scored_and_not_trained(corpus_file, tmp_path, monkeypatch, split):
    settings = settings_of(corpus_file, tmp_path / "curve", sizes=[2, 4, 16], keep_checkpoints=True, resume=True, split=split)
    whole = run_learning_curve(settings)
    (tmp_path / "curve" / "runs" / "00004-0" / "score.json").unlink()
    trained = count_training(monkeypatch)
    assert run_learning_curve(settings).runs == whole.runs
    assert trained == []


def test_text_and_page_state_the_gain_with_its_interval(corpus_file, copy):
    report = run_learning_curve(settings_of(corpus_file, copy, resume=True))
    text = render_curve(report)
    assert "100 more articles (16 -> 116) would add, in points of F1:" in text
    assert len([line for line in text.splitlines() if line.startswith("  ")]) == 5
    assert "strict F1 on the same 4 validation articles each time, with 95 % intervals" in text
    hostile = replace(report, data={**report.data, "name": "<script>alert(1)</script>"})
    page = render_curve_page(hostile)
    assert page.count("<svg") == 5
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert "src=" not in page.replace("-src", "")
    assert "href=" not in page


def test_fewer_articles_are_trained_for_more_epochs(curve_run):
    epochs = [
        json.loads((curve_run / "runs" / name / "run.json").read_text())["settings"]["trainer"]["epochs"]
        for name in ("00002-0", "00006-0", "00016-0")
    ]
    assert epochs == [16, pytest.approx(4 * 16 / 6), 4]
