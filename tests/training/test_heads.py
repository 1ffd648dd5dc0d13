"""Runs with another head than softmax: they learn, and their checkpoints are whole."""

import hashlib
import json
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import plain_model, plain_trainer

from eventtag.article import Article
from eventtag.errors import CheckpointError, SettingsError
from eventtag.evaluation import evaluate
from eventtag.formats.jsonl import json_line
from eventtag.heads.registry import head_of
from eventtag.models.checkpoint import Calibration, load_checkpoint, save_checkpoint
from eventtag.settings import DataSettings, Head, ModelSettings, Overlaps, TrainSettings, WindowSettings
from eventtag.span import Span
from eventtag.tagging.tagger import Tagger
from eventtag.training.run import train

pytestmark = pytest.mark.slow


def settings_of(corpus, run, *, epochs=12, data=None, **model) -> TrainSettings:
    return TrainSettings(
        data=DataSettings(path=str(corpus), split_field="split", **(data or {})),
        model=plain_model(name="tiny", attention_dropout=None, **model),
        window=WindowSettings(max_length=24, stride=6),
        trainer=plain_trainer(epochs=epochs, batch_size=4, learning_rate=1e-2, head_learning_rate=1e-2, patience=None),
        run_dir=str(run),
    )


@pytest.fixture(scope="module")
def crf_run(corpus_file, tmp_path_factory):
    run = tmp_path_factory.mktemp("crf") / "run"
    train(settings_of(corpus_file, run, head=Head.crf))
    return run


def test_a_crf_learns_its_articles(crf_run, articles):
    tagger = Tagger.load(crf_run / "checkpoint")
    assert evaluate(tagger, [a for a in articles if a.meta["split"] == "train"]).report.strict.micro.f1 == 1.0
    assert evaluate(tagger, [a for a in articles if a.meta["split"] == "test"]).report.strict.micro.f1 > 0.9


def test_the_transitions_of_a_crf_are_learnt_and_stand_in_the_checkpoint(crf_run):
    checkpoint = load_checkpoint(crf_run / "checkpoint")
    transitions = checkpoint.info.transitions
    legal = checkpoint.info.labels.legal_transitions
    assert np.abs(transitions[legal]).max() > 0.01
    np.testing.assert_array_equal(transitions, head_of(checkpoint.model.config).decoder(checkpoint.model).transitions)


def test_a_crf_checkpoint_scores_as_its_run_did(crf_run, articles):
    validation = [article for article in articles if article.meta["split"] == "validation"]
    report = evaluate(Tagger.load(crf_run / "checkpoint"), validation).report.to_json()
    assert report["micro"] == json.loads((crf_run / "report.json").read_text())["micro"]


def test_transitions_of_another_size_are_refused(crf_run, tmp_path):
    copy = tmp_path / "checkpoint"
    shutil.copytree(crf_run / "checkpoint", copy)
    content = json.loads((copy / "eventtag.json").read_text())
    content["transitions"] = [[0.0]]
    (copy / "eventtag.json").write_text(json.dumps(content))
    manifest = json.loads((copy / "manifest.json").read_text())
    written = (copy / "eventtag.json").read_bytes()
    manifest["files"]["eventtag.json"] = {"sha256": hashlib.sha256(written).hexdigest(), "size": len(written)}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="transitions are not a finite number for each pair of the 7 tags"):
        load_checkpoint(copy)


def test_the_model_card_says_whether_a_pipeline_reads_the_checkpoint(crf_run, nested_run):
    assert "leaves out the learnt scores of neighbouring tags" in (crf_run / "checkpoint" / "README.md").read_text()
    assert "only eventtag reads it" in (nested_run / "checkpoint" / "README.md").read_text()


def test_a_plain_checkpoint_has_no_transitions(checkpoint):
    assert load_checkpoint(checkpoint).info.transitions is None


def nested_article(number: int) -> Article:
    """An actor with a place in it, an event, and an actor."""
    places, actors, events = ("Paris", "Lima", "Mosul", "Accra"), ("police", "army", "council"), ("praised", "met", "warned")
    place, actor, event = places[number % 4], actors[number % 3], events[(number * 2) % 3]
    text = f"The {place} {actor} {event} Kigali in {places[(number + 1) % 4]} ."
    ends = [4, 4 + len(place)]
    whole = ends[1] + 1 + len(actor)
    split = "validation" if number % 6 == 0 else "test" if number % 6 == 1 else "train"
    return Article(
        f"n{number}",
        text,
        (
            Span(*ends, "LOCATION"),
            Span(0, whole, "ACTOR"),
            Span(whole + 1, whole + 1 + len(event), "EVENT"),
            Span(text.index("Kigali"), text.index("Kigali") + 6, "ACTOR"),
            Span(text.rindex(places[(number + 1) % 4]), len(text) - 2, "LOCATION"),
        ),
        meta={"split": split},
    )


NESTED = tuple(nested_article(number) for number in range(36))


@pytest.fixture(scope="module")
def nested_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("nested") / "articles.jsonl"
    path.write_text("".join(json_line(article) + "\n" for article in NESTED), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def nested_run(nested_file, tmp_path_factory):
    run = tmp_path_factory.mktemp("span") / "run"
    train(settings_of(nested_file, run, epochs=20, head=Head.span, overlap=True, max_span_width=4))
    return run


def of_split(split: str) -> list[Article]:
    return [article for article in NESTED if article.meta["split"] == split]


def test_a_span_head_learns_nested_spans(nested_run):
    tagger = Tagger.load(nested_run / "checkpoint")
    assert evaluate(tagger, of_split("train")).report.strict.micro.f1 == 1.0
    assert evaluate(tagger, of_split("test")).report.strict.micro.f1 > 0.9
    article = of_split("train")[0]
    assert [(s.start, s.end, s.label) for s in tagger.tag(article.text)] == [(s.start, s.end, s.label) for s in article.spans]


def test_no_gold_span_is_lost_where_overlaps_are_learnt(nested_run):
    assert (nested_run / "losses.jsonl").read_text() == ""


def test_a_span_checkpoint_scores_as_its_run_did_and_is_calibrated(nested_run):
    tagger = Tagger.load(nested_run / "checkpoint")
    assert set(tagger.calibration.temperatures) == {"ACTOR", "EVENT", "LOCATION"}
    report = evaluate(tagger, of_split("validation")).report.to_json()
    of_run = json.loads((nested_run / "report.json").read_text())
    assert report["micro"] == of_run["micro"]
    assert all(
        0.1 <= threshold < 1.0 for threshold in tagger.calibration.overlapping.values()
    )  # names within names are right here
    assert tagger.with_thresholds({"ACTOR": 0.0}).calibration.overlapping.keys() == {"EVENT", "LOCATION"}
    assert of_run["calibration"]["overlapping"] == tagger.calibration.overlapping
    assert "overlap a more probable one" in (nested_run / "checkpoint" / "README.md").read_text()


def test_a_span_checkpoint_without_thresholds_takes_what_is_more_probable_than_not(nested_run, tmp_path):
    checkpoint = load_checkpoint(nested_run / "checkpoint")
    bare = replace(checkpoint.info, calibration=Calibration())
    save_checkpoint(tmp_path / "bare", checkpoint.model, checkpoint.tokenizer, bare, model_card="")
    tagger = Tagger.load(tmp_path / "bare")
    text = "Police in Paris arrested men of Kyiv ."
    assert all(span.score >= 0.5 for span in tagger.tag(text))
    lower = tagger.with_thresholds(dict.fromkeys(tagger.labels.labels, 0.0)).tag(text)
    assert set(tagger.tag(text)) <= set(lower)
    assert all(span.score >= 0.1 - 1e-6 for span in lower)


def test_without_overlap_a_span_head_finds_one_layer(nested_file, tmp_path, caplog):
    settings = settings_of(nested_file, tmp_path / "run", data={"overlaps": Overlaps.longest}, head=Head.span, max_span_width=4)
    with caplog.at_level("INFO"):
        train(settings)
    assert "model.head=span model.overlap=true would learn and find the 24 spans that overlap others, too" in caplog.text
    for item in Tagger.load(tmp_path / "run" / "checkpoint").tag_many(of_split("train")):
        assert item.spans
        for one, other in pairwise(item.spans):
            assert one.end <= other.start


def test_overlap_needs_a_span_head():
    with pytest.raises(SettingsError, match=r"needs model\.head=span"):
        ModelSettings(name="tiny", overlap=True)
