"""A run with a link head: what it learns, and that everything that tags finds the same links."""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import torch
from conftest import trained_settings, with_links

from eventtag.api.evaluate import evaluate
from eventtag.api.predict import predict
from eventtag.api.records import records
from eventtag.article import Article
from eventtag.encoding.tokens import tokenise
from eventtag.errors import CheckpointError, DataError, SettingsError
from eventtag.formats.jsonl import json_line
from eventtag.heads.tag_decoding import TagDecoder
from eventtag.jobs.taggers import LoadTagger
from eventtag.links.candidates import find_candidates
from eventtag.links.decoding import decode_links
from eventtag.links.network import PairNetwork
from eventtag.manifest import write_manifest
from eventtag.models.checkpoint import load_checkpoint, read_info
from eventtag.settings import TrainSettings, WindowSettings
from eventtag.tagging.tagger import Tagger
from eventtag.training import finish
from eventtag.training.link_tuning import tune_links
from eventtag.training.run import train


@pytest.fixture(scope="module")
def tagger(linked_run: Path) -> Tagger:
    return Tagger.load(linked_run)


def test_it_finds_links_and_status_with_scores_between_its_spans(tagger: Tagger, articles: tuple[Article, ...]) -> None:
    for item in tagger.tag_many(articles[:6]):
        assert item.links
        assert {end for link in item.links for end in (link.event, link.participant)} <= set(item.spans)
        assert all(0 < link.score <= min(link.event.score, link.participant.score) for link in item.links)
        assert {span.status for span in item.spans if span.label == "EVENT"} == {"asserted"}
        assert all(span.status is None for span in item.spans if span.label != "EVENT")


def test_scores_of_links_on_the_articles_that_chose_their_thresholds_are_said_to_be_too_high(linked_run: Path) -> None:
    said = "chose the epoch, the temperatures of the scores and the temperatures and thresholds of links and status"
    for name in ("report.md", "report.html"):
        assert said in (linked_run / name).read_text()
    assert said in json.loads((linked_run / "report.json").read_text())["selection"]["note"]


def test_the_report_scores_links_on_predicted_and_given_gold_spans(linked_run: Path, corpus_file: Path) -> None:
    report = evaluate(linked_run, corpus_file, split="all", seen="include", evaluation={"resamples": 100}).report
    assert report.given_gold is not None
    given = report.given_gold.links
    assert given is not None
    assert given.on_gold_spans
    assert given.measures["strict"].f1 > 0.5
    assert report.events is not None
    assert report.events.links is not None
    assert report.events.links.measures["strict"].f1 <= given.measures["strict"].f1
    written = report.to_json()
    assert written["events_given_gold_spans"]["links"]["measures"]["strict"]["f1"] == given.measures["strict"].f1
    assert set(report.to_pandas()["scheme"]) >= {"links, strict, given gold spans", "status, given gold spans"}


class WordStates:
    """A backend whose states say which token it is, whatever stands around it."""

    engine, precision, batch_tokens = "test", "fp32", 512

    def __init__(self, network: PairNetwork, of: Tagger) -> None:
        self.pair_network, self.inner = network, of.backend
        self.decoder = TagDecoder()

    def emissions(self, input_ids, casing_ids, word_positions):
        return self.emissions_and_states(input_ids, casing_ids, word_positions)[0]

    def emissions_and_states(self, input_ids, casing_ids, word_positions):
        first = np.take_along_axis(input_ids, np.maximum(word_positions, 0), axis=1)
        scores = np.log(np.abs(np.sin(first[..., None] * np.arange(2, 9) * 1.7)) + 1e-3)
        states = np.sin(input_ids[..., None] * np.arange(1, 1 + self.pair_network.width) * 0.37)
        return scores.astype(np.float32), states.astype(np.float32)


def test_links_do_not_depend_on_how_an_article_is_cut(tagger: Tagger, articles: tuple[Article, ...]) -> None:
    long = " ".join(article.text for article in articles[:5])
    backend = WordStates(tagger.backend.pair_network, tagger)
    found = []
    for max_length, stride in ((400, 0), (24, 6), (16, 0)):
        cut = replace(tagger, model=backend, window=WindowSettings(max_length=max_length, stride=stride))
        found.append([(str(link), round(link.score, 5)) for item in cut.tag_many([long]) for link in item.links])
    assert found[0] == found[1] == found[2]
    assert found[0]


def test_words_that_were_not_read_count_nowhere(tagger: Tagger, articles: tuple[Article, ...]) -> None:
    text = articles[0].text
    tokens, spans = tokenise(text, tagger.tokenizer), articles[0].spans[:4]
    assert tagger.links is not None
    found = find_candidates(text, tokens, spans, tagger.labels, tagger.links.scheme)
    states = np.random.default_rng(0).normal(size=(len(tokens.input_ids), tagger.backend.pair_network.width)).astype(np.float32)
    whole = tagger.backend.pair_network(states, found)
    later = tokens.sentence_of[tokens.word_of] > tokens.sentence_of[0]
    states[later] = np.nan
    np.testing.assert_array_equal(tagger.backend.pair_network(states, found).roles, whole.roles)
    assert decode_links(text, spans, found, whole, tagger.links)[0] == spans


def test_a_checkpoint_without_a_link_head_says_nothing_of_links(checkpoint: Path, articles: tuple[Article, ...]) -> None:
    plain = Tagger.load(checkpoint)
    assert plain.links is None
    (item,) = plain.tag_many(articles[:1])
    assert item.links is None
    assert all(span.status is None for span in item.spans)
    assert "links" not in json.loads((checkpoint / "eventtag.json").read_text())
    with pytest.raises(SettingsError, match="has no link head"):
        list(plain.link_given(articles[:1]))


def test_jobs_write_links_and_records_take_them(
    linked_run: Path, checkpoint: Path, articles: tuple[Article, ...], tmp_path: Path
) -> None:
    new = tmp_path / "new.jsonl"
    new.write_text("".join(json_line(Article(a.id, a.text)) + "\n" for a in articles[:3]))
    predict(linked_run, new, tmp_path / "tagged.jsonl")
    written = [json.loads(line) for line in (tmp_path / "tagged.jsonl").read_text().splitlines()]
    assert all(row["links"] for row in written)
    assert any("status" in span for row in written for span in row["spans"])
    made = records(new, tmp_path / "records.jsonl", checkpoint=linked_run)
    rows = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert {row["linking"] for row in rows} == {"model"}
    assert any(row["agents"] for row in rows)
    assert made.rows == len(rows)
    with pytest.raises(SettingsError, match=r"has no link head; train one with model\.links=true"):
        records(new, tmp_path / "more.jsonl", checkpoint=checkpoint, linking="model")
    with pytest.raises(SettingsError, match="give its checkpoint"):
        records(tmp_path / "tagged.jsonl", linking="model")


def test_links_of_spans_that_are_left_out_go_with_them_and_are_counted(
    linked_run: Path, tagger: Tagger, articles: tuple[Article, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (item,) = LoadTagger(str(linked_run), labels=("ACTOR", "EVENT"))()(articles[:1])
    assert item.links
    assert {link.participant.label for link in item.links} == {"ACTOR"}
    (whole,) = tagger.tag_many(articles[:1])
    lost = [link for link in whole.links or () if link.participant.label == "LOCATION"]
    assert lost
    assert item.dropped_links == len(lost)
    unsure = {span for span in item.spans if "PLACE" in span.unsure_roles}
    assert unsure >= {link.event for link in lost}
    (strict,) = LoadTagger(str(linked_run), thresholds={"LOCATION": 1.0})()(articles[:1])
    assert strict.dropped_links == len(lost)
    assert {span for span in strict.spans if "PLACE" in span.unsure_roles} >= {link.event for link in lost}
    new = tmp_path / "new.jsonl"
    new.write_text(json_line(Article("a", articles[0].text)) + "\n")
    with caplog.at_level(logging.INFO):
        report = predict(linked_run, new, tmp_path / "tagged.jsonl", labels=["ACTOR", "EVENT"])
    assert report.manifest["dropped_links"] == len(lost)
    assert f"{len(lost)} links dropped at selecting spans: a span of theirs is left out" in caplog.text
    made = records(tmp_path / "tagged.jsonl").records
    assert all(row.places is None for row in made if any(link.event.start == row.start for link in lost))


def test_a_damaged_record_of_the_link_head_is_refused(linked_run: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    copytree(linked_run / "checkpoint", path)
    info, _ = read_info(path)
    assert info.links is not None
    assert info.links.calibration.fitted_on["articles"] == 4
    content = json.loads((path / "eventtag.json").read_text())
    for damage in ({"temperature": 0}, {"thresholds": {"WITNESS": 0.5}}, {"thresholds": {"AGENT": 2}}, {"absent": {"PLACE": -1}}):
        broken = json.loads(json.dumps(content))
        broken["links"]["calibration"] |= damage
        (path / "eventtag.json").write_text(json.dumps(broken))
        (path / "manifest.json").unlink()
        write_manifest(path)
        with pytest.raises((CheckpointError, SettingsError), match="links: "):
            read_info(path)


def test_nothing_is_learnt_without_links(corpus_file: Path, articles: tuple[Article, ...], tmp_path: Path) -> None:
    bare = tmp_path / "bare.jsonl"
    bare.write_text("".join(json_line(replace(with_links(a), links=None)) + "\n" for a in articles))
    settings = trained_settings(bare)
    settings["model"] = replace(settings["model"], links=True)
    with pytest.raises(DataError, match=r"model.links=true: no training article of .* has a link that can be learnt"):
        train(TrainSettings(**settings, run_dir=str(tmp_path / "run")))


def test_the_heads_own_epochs_change_no_tag_and_depend_on_the_seed_alone(linked_run: Path, articles: tuple[Article, ...]) -> None:
    loaded = load_checkpoint(linked_run / "checkpoint")
    tagger = Tagger(loaded.model, loaded.tokenizer, loaded.info.labels, loaded.info.window)
    taught = [(with_links(article), 1.0) for article in articles[:5]]
    before = {name: weight.clone() for name, weight in loaded.model.state_dict().items()}
    after = []
    for seed in (1, 1, 2):
        loaded.model.load_state_dict(before)
        tune_links(tagger, taught, seed=seed)
        after.append({name: weight.clone() for name, weight in loaded.model.state_dict().items()})
    changed = {name for name, weight in after[0].items() if not torch.equal(weight, before[name])}
    assert "link_layers.second.weight" in changed
    assert all(
        name.startswith("link_layers.") and not name.startswith(("link_layers.mix", "link_layers.project")) for name in changed
    )
    assert all(torch.equal(after[0][name], after[1][name]) for name in before)
    assert not torch.equal(after[0]["link_layers.second.weight"], after[2]["link_layers.second.weight"])
    bare = [(replace(article, links=None), 1.0) for article in articles[:5]]
    loaded.model.load_state_dict(before)
    tune_links(tagger, bare, seed=1)
    assert all(torch.equal(weight, before[name]) for name, weight in loaded.model.state_dict().items())


def kill_in_the_third_epoch(*args: Any, **options: Any) -> None:
    """`tune_links` of 16 training articles, which takes three updates an epoch, killed at the eighth update."""
    real, updates = torch.nn.utils.clip_grad_norm_, itertools.count(1)

    def clip(*of: Any, **how: Any) -> Any:
        if next(updates) == 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*of, **how)

    torch.nn.utils.clip_grad_norm_ = clip
    tune_links(*args, **options)


def test_a_run_that_is_killed_in_the_heads_own_epochs_ends_with_the_same_weights(corpus_file: Path, tmp_path: Path) -> None:
    """Tags and links are learnt adversarially here, as by default."""
    settings = trained_settings(corpus_file)
    settings["model"] = replace(settings["model"], links=True)
    settings["trainer"] = replace(settings["trainer"], epochs=1, adversarial=1.0)
    train(TrainSettings(**settings, run_dir=str(tmp_path / "whole")))
    killed = TrainSettings(**settings, run_dir=str(tmp_path / "killed"))
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            finish.tune_links = kill_in_the_third_epoch
            train(killed)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert not (tmp_path / "killed" / "checkpoint").exists()
    train(replace(killed, resume=True))
    weights = [(tmp_path / name / "checkpoint" / "model.safetensors").read_bytes() for name in ("whole", "killed")]
    assert weights[0] == weights[1]
    calibrations = [read_info(tmp_path / name / "checkpoint")[0].links for name in ("whole", "killed")]
    assert calibrations[0] == calibrations[1]
