"""What `train` leaves for faster tagging: where it tries, what it says, and what it judges by."""

import logging
from dataclasses import replace

import pytest
from test_export import GOOD

import eventtag
from eventtag.errors import ExportError
from eventtag.exporting import fastest
from eventtag.labels import LabelSet
from eventtag.training import finish


@pytest.fixture
def tried(monkeypatch):
    """Where exports were tried, on a processor with bfloat16 and without a GPU."""
    calls = []

    def export(path, precision, articles, labels, *, data):
        calls.append((path.name, precision, [article.id for article in articles], labels))
        return replace(GOOD, agreement=0.998, exported_speed=270.0)

    monkeypatch.setattr(fastest, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(fastest, "may_have_gpu", lambda: False)
    monkeypatch.setattr(fastest, "export_checkpoint", export)
    return calls


def leave(path, articles, **options):
    fastest.export_fastest(path, articles[:2], LabelSet(), data={}, **{"wanted": None, "width": 384} | options)


@pytest.mark.parametrize(
    ("wanted", "width", "bf16", "gpu", "expected"),
    [
        (None, 384, True, False, True), (None, 768, True, False, True), (None, 48, True, False, False), (None, 1024, True, False, False),
        (None, 384, False, False, False), (None, 384, True, True, False), (False, 384, True, False, False), (True, 48, False, True, True),
    ],
)  # fmt: skip
def test_it_is_tried_where_it_is_of_use(tried, monkeypatch, tmp_path, articles, wanted, width, bf16, gpu, expected):
    monkeypatch.setattr(fastest, "cpu_has_bf16", lambda: bf16)
    monkeypatch.setattr(fastest, "may_have_gpu", lambda: gpu)
    leave(tmp_path, articles, wanted=wanted, width=width)
    assert bool(tried) == expected


def test_what_it_gains_is_said(tried, tmp_path, articles, caplog):
    with caplog.at_level(logging.INFO):
        leave(tmp_path, articles)
    assert "99.8 % of the spans are the same; 2.7 times as many tokens a second of CPU time" in caplog.text


def test_a_refusal_is_said_and_an_error_only_where_the_export_was_asked_for(tried, monkeypatch, tmp_path, articles, caplog):
    def refuse(*_, **__):
        raise ExportError("bf16: strict micro F1 falls by 0.30 points\nnothing is written; choose another precision")

    monkeypatch.setattr(fastest, "export_checkpoint", refuse)
    with caplog.at_level(logging.INFO):
        leave(tmp_path, articles)
    assert "not exported: bf16: strict micro F1 falls by 0.30 points" in caplog.text
    with pytest.raises(ExportError, match=r"export=true: bf16: strict micro F1 falls by 0.30 points\nthe run is finished"):
        leave(tmp_path, articles, wanted=True)


def test_training_has_it_judged_by_the_validation_articles(tried, monkeypatch, tmp_path, articles, corpus_file):
    monkeypatch.setattr(finish, "checkpoint_width", lambda _: 384)
    data = {"path": str(corpus_file), "split_field": "split"}
    settings = {"model": {"name": "tiny"}, "window": {"max_length": 24, "stride": 6}, "trainer": {"epochs": 1, "adversarial": 0}}
    eventtag.train(data, tmp_path / "run", evaluation={"resamples": 100}, **settings)
    validation = [article.id for article in articles if article.meta["split"] == "validation"]
    assert tried == [("checkpoint", "bf16", validation, LabelSet())]
