"""A run continues only with the settings, the data and the models with which it was begun."""

import json
from dataclasses import replace

import pytest
from test_run import settings_of

from eventtag.corpus.loading import load_corpus
from eventtag.errors import TrainingError
from eventtag.models.tiny import build_tiny_model, build_tiny_tokenizer
from eventtag.settings import DataSettings, IntermediateSettings, TeacherSettings
from eventtag.training.record import build_record, claim_folder, require_same_run

KEPT = {"ACTOR": "ACTOR", "EVENT": "EVENT", "LOCATION": "LOCATION"}


def record_of(settings):
    return build_record(settings, load_corpus(settings.data))


def changed(settings, part, **values):
    return replace(settings, **{part: replace(getattr(settings, part), **values)})


@pytest.mark.parametrize(
    ("part", "before", "after", "message"),
    [
        ("trainer", {"extra": {"lr_scheduler_type": "cosine"}}, {"extra": {}}, r"extra was not there and is {} now"),
        (
            "trainer",
            {"extra": {"max_grad_norm": 0.5, "weight_decay_rate": 2}},
            {"extra": {"max_grad_norm": 0.5}},
            r"extra.weight_decay_rate was 2 and is not",
        ),
        ("trainer", {"extra": {"max_grad_norm": 2}}, {"extra": {}}, r"extra was not there and is {} now"),
        ("data", {"label_map": {**KEPT, "TIME": None}}, {"label_map": KEPT}, r"label_map.TIME was None and is not there now"),
        ("evaluation", {"target_recall": {"EVENT": 0.9}}, {"target_recall": {}}, r"target_recall was not there"),
        (
            "model",
            {"intermediate": IntermediateSettings(DataSettings(path="x"))},
            {"intermediate": IntermediateSettings(data=None)},
            r"intermediate.data was not there",
        ),
    ],
)
def test_what_was_taken_away_differs_as_what_was_added(corpus_file, tmp_path, part, before, after, message):
    settings = settings_of(corpus_file, tmp_path / "run")
    file = tmp_path / "run.json"
    one, other = (record_of(changed(settings, part, **values)) for values in (before, after))
    for begun, now in ((one, other), (other, one)):
        file.write_text(json.dumps({**begun, "arithmetic": {"precision": "bf16", "attention": "eager"}}))
        require_same_run(file, begun)
        with pytest.raises(TrainingError, match=message if begun is one else "cannot be resumed"):
            require_same_run(file, now)


def test_a_folder_is_claimed_again_only_with_all_that_it_was_claimed_with(tmp_path):
    space = {"lr": {"low": 1e-5, "high": 1e-3, "log": True}, "epochs": [3, 5]}
    how = {"free": (), "resume": True, "what": "a sweep"}
    claim_folder(tmp_path / "sweep.json", {"settings": {"space": space}}, **how)
    claim_folder(tmp_path / "sweep.json", {"settings": {"space": space}}, **how)
    with pytest.raises(TrainingError, match=r"space.epochs was \[3, 5\] and is not there now"):
        claim_folder(tmp_path / "sweep.json", {"settings": {"space": {"lr": space["lr"]}}}, **how)


def test_other_unlabelled_articles_or_another_encoder_in_the_folder_are_another_run(corpus_file, tmp_path):
    tokenizer = build_tiny_tokenizer(["Police arrested Miners"])
    corpus = load_corpus(DataSettings(path=str(corpus_file), split_field="split"))
    for folder in (tmp_path / "model", tmp_path / "teacher"):
        build_tiny_model(tokenizer, corpus.labels).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    (tmp_path / "teacher" / "manifest.json").write_text("{}")
    more = tmp_path / "more.jsonl"
    more.write_text('{"id": "a", "text": "Police in Kyiv ."}\n')
    settings = changed(settings_of(corpus_file, tmp_path / "run"), "model", name=str(tmp_path / "model"))
    teacher = TeacherSettings(checkpoints=[str(tmp_path / "teacher")], unannotated=True, articles=str(more))
    settings = replace(settings, teacher=teacher)
    file = tmp_path / "run.json"
    file.write_text(json.dumps(record_of(settings)))
    require_same_run(file, record_of(settings))
    with more.open("a") as stream:
        stream.write('{"id": "b", "text": "Rain in Oslo ."}\n')
    with pytest.raises(TrainingError, match=r"cannot be resumed, unlabelled was"):
        require_same_run(file, record_of(settings))
    file.write_text(json.dumps(record_of(settings)))
    (tmp_path / "model" / "model.safetensors").write_bytes(b"another")
    with pytest.raises(TrainingError, match=r"cannot be resumed, encoder.model.safetensors was"):
        require_same_run(file, record_of(settings))
