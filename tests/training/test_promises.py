"""In a run, articles that are held apart for a promised threshold choose nothing else."""

from dataclasses import replace

from conftest import make_distinct, trained_settings

from eventtag.formats.registry import write_articles
from eventtag.models.checkpoint import read_info
from eventtag.settings import EvaluationSettings, TrainSettings
from eventtag.training import finish, run
from eventtag.training.fitted_calibration import evaluate_calibrated


def test_epochs_are_chosen_by_the_other_half_of_the_validation_articles(tmp_path, monkeypatch):
    write_articles(make_distinct(12, train=8), tmp_path / "articles.jsonl")
    known = trained_settings(tmp_path / "articles.jsonl")
    calls = []

    def watched(tagger, articles, settings, **others):
        calls.append(({a.id for a in articles}, {a.id for a in others.get("held", ())}))
        return evaluate_calibrated(tagger, articles, settings, **others)

    monkeypatch.setattr(run, "evaluate_calibrated", watched)
    monkeypatch.setattr(finish, "evaluate_calibrated", watched)
    settings = TrainSettings(
        **{**known, "trainer": replace(known["trainer"], epochs=2)},
        evaluation=EvaluationSettings(resamples=100, target_precision={"EVENT": 0.9}, confidence=0.9),
        run_dir=str(tmp_path / "run"),
    )
    result = run.train(settings)
    *epochs, (choosing, held) = calls
    assert len(choosing) == len(held) == 2
    assert not choosing & held
    assert epochs == [(choosing, set())] * 2
    assert result.evaluation.report.articles == 4
    # Two articles can promise nothing, and the threshold that is saved says so.
    target = read_info(tmp_path / "run" / "checkpoint")[0].calibration.targets.get("EVENT", {})
    assert "confidence" not in target
