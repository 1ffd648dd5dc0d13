"""Runs that continue from the checkpoint of an earlier one."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import make_article, plain_model, trained_settings, with_links

from eventtag.api.evaluate import evaluate
from eventtag.api.predict import names_of_run
from eventtag.api.train import train as train_api
from eventtag.article import Article
from eventtag.corpus.loading import fingerprint
from eventtag.corpus.seen import Seen, read_seen, seen_articles
from eventtag.errors import CheckpointError, DataError, SettingsError
from eventtag.formats.jsonl import json_line
from eventtag.labels import LabelSet
from eventtag.links.scheme import learnt_scheme
from eventtag.models.checkpoint import Calibration, read_info
from eventtag.models.encoders import add_link_head, load_encoder
from eventtag.settings import DataSettings, EvaluationSettings, Head, TrainSettings, WindowSettings
from eventtag.span import Span, score_of
from eventtag.tagging.tagger import Tagger
from eventtag.training import run as run_module
from eventtag.training.comparing import compare_taggers
from eventtag.training.continued import add_articles, corpus_of, corpus_of_run, require_promises, settings_of_run, with_base
from eventtag.training.run import train

NEW = make_article("n1", " ".join(f"new{part}" for part in range(20)) + " Police/ACTOR met/EVENT in Lima/LOCATION .")


def write(articles: list[Article], file: Path) -> str:
    file.write_text("".join(json_line(article) + "\n" for article in articles), encoding="utf-8")
    return str(file)


Make = Callable[..., TrainSettings]


@pytest.fixture(scope="module")
def make(trained_run: Path, articles: tuple[Article, ...], tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Settings of a run of one epoch on a new article and an export of all the earlier ones, the first of which was corrected."""
    folder = tmp_path_factory.mktemp("continued")
    learnt = next(article for article in articles if article.meta["split"] == "train")
    corrected = replace(learnt, spans=learnt.spans[1:], meta={})
    others = [replace(article, meta={}) for article in articles if article is not learnt]
    file = write([NEW, corrected, *others], folder / "corrected.jsonl")
    trainer = replace(trained_settings(Path("unused"))["trainer"], epochs=1)

    def made(**chosen: Any) -> TrainSettings:
        usual: dict[str, Any] = {"data": DataSettings(path=file), "trainer": trainer, "run_dir": str(folder / "run")}
        return TrainSettings(**{**usual, "base": str(trained_run), "evaluation": EvaluationSettings(resamples=100), **chosen})

    return made


@pytest.fixture(scope="module")
def continued(make: Make) -> Path:
    settings = make()
    train(settings)
    return Path(settings.run_dir)


def test_model_and_test_articles_stay_and_both_checkpoints_are_compared(
    continued: Path, trained_run: Path, articles: tuple[Article, ...]
) -> None:
    info, before = (read_info(run / "checkpoint")[0] for run in (continued, trained_run))
    assert (info.labels, info.window) == (before.labels, before.window)
    assert info.training["base"]["sha256"] == read_info(trained_run / "checkpoint")[1]
    corpus, earlier = corpus_of_run(continued), corpus_of_run(trained_run)
    assert corpus.splits["test"] == earlier.splits["test"]
    assert corpus.splits["validation"] == earlier.splits["validation"]
    learnt = {article.text: article for article in corpus.splits["train"]}
    assert learnt[NEW.text].spans == NEW.spans
    first = next(article for article in articles if article.meta["split"] == "train")
    assert learnt[first.text].spans == first.spans[1:]
    assert len(learnt) == len(earlier.splits["train"]) + 1
    seen, knew = read_seen(continued / "checkpoint"), read_seen(trained_run / "checkpoint")
    assert seen.learnt > knew.learnt
    report = json.loads((continued / "report.json").read_text(encoding="utf-8"))
    compared = report["data"]["base"]
    assert (compared["split"], compared["articles"]) == ("test", 4)
    assert compared["sha256"] == fingerprint(earlier.splits["test"])
    for name, run in (("base", trained_run), ("new", continued)):
        scored = evaluate(run, {"path": write(list(earlier.splits["test"]), continued.parent / f"{name}.jsonl")}).f1
        assert compared["scores"][name]["f1"] == pytest.approx(scored)
    assert compared["difference"]["value"] == pytest.approx(compared["scores"]["new"]["f1"] - compared["scores"]["base"]["f1"])
    for name in ("report.md", "report.html"):
        text = (continued / name).read_text(encoding="utf-8")
        assert "on the 4 test articles, before" in text
    assert "It continues from a checkpoint" in (continued / "checkpoint" / "README.md").read_text(encoding="utf-8")


def test_evaluate_takes_the_articles_in_the_splits_of_the_continued_run(continued: Path) -> None:
    result = evaluate(continued, evaluation={"resamples": 100})
    assert (result.split, result.report.articles) == ("test", 4)


def test_a_run_continues_from_one_that_continued(continued: Path, make: Make, tmp_path: Path) -> None:
    third = replace(NEW, id="n2", text=NEW.text.replace("new", "third"), spans=())
    corpus = corpus_of(make(base=str(continued), data=DataSettings(path=write([third], tmp_path / "third.jsonl"))))
    assert corpus.splits["test"] == corpus_of_run(continued).splits["test"]
    assert [article.id for article in corpus.splits["train"]][-1] == "n2"
    assert settings_of_run(continued).base is not None


def test_an_interrupted_run_resumes_from_the_base_and_ends_with_the_same_weights(
    make: Make, continued: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppedError(Exception):
        pass

    def stop(*_: Any) -> None:
        raise StoppedError

    settings = make(run_dir=str(tmp_path / "run"))
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "finish", stop)
        with pytest.raises(StoppedError):
            train(settings)
    train(replace(settings, resume=True))
    weights = [(run / "checkpoint" / "model.safetensors").read_bytes() for run in (tmp_path / "run", continued)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("chosen", "given", "message"),
    [
        ({"model": plain_model(name="tiny", head=Head.crf)}, ["model.head"], r"model.head=crf is not allowed.* has head softmax"),
        ({"model": plain_model(head=Head.span)}, None, r"model.head=span is not allowed.* has head softmax"),
        ({"model": plain_model(name="roberta-base")}, None, r"model.name=roberta-base is not allowed.* has name tiny"),
        ({"model": plain_model(layer_mix=True)}, ["model.layer_mix"], r"model.layer_mix=True .* has layer_mix False"),
        ({"base": "nowhere"}, None, "base=nowhere: there is no checkpoint"),
        ({"base": " "}, None, "base=' ' is not allowed"),
    ],
)
def test_what_contradicts_the_base_is_refused_with_both_values(
    make: Make, chosen: dict[str, Any], given: list[str] | None, message: str
) -> None:
    with pytest.raises((SettingsError, CheckpointError), match=message):
        with_base(make(**chosen), given)


def test_defaults_do_not_contradict_the_base(make: Make) -> None:
    found = with_base(make(model=plain_model(head=Head.crf, layer_mix=True)), [])
    assert (found.model.head, found.model.layer_mix, found.window) == (
        Head.softmax,
        False,
        WindowSettings(max_length=24, stride=6),
    )
    assert with_base(make(window=WindowSettings(max_length=96))).window == WindowSettings(max_length=96, stride=6)
    assert with_base(found) == found


def test_a_base_without_a_link_head_gets_one_and_a_base_with_one_keeps_it(
    make: Make, corpus_file: Path, linked_run: Path, tmp_path: Path
) -> None:
    data = DataSettings(path=str(corpus_file), split_field="split")
    wanted = with_base(make(model=plain_model(links=True), data=data, run_dir=str(tmp_path / "run")), ["model.links"])
    assert wanted.model.links
    train(wanted)
    info, _ = read_info(tmp_path / "run" / "checkpoint")
    assert info.links is not None
    assert info.links.scheme == read_info(linked_run / "checkpoint")[0].links.scheme  # type: ignore[union-attr]
    assert info.links.calibration.fitted_on["articles"] == 4
    assert settings_of_run(tmp_path / "run").model.links
    with pytest.raises(SettingsError, match=r"model.links=False is not allowed: the model of base=.* has links True"):
        with_base(make(base=str(linked_run), model=plain_model(links=False)), ["model.links"])
    assert with_base(make(base=str(linked_run))).model.links


@pytest.mark.parametrize("chosen", [{}, {"head": Head.crf, "layer_mix": True}])
def test_a_new_link_head_leaves_the_tags_as_they_are(articles: tuple[Article, ...], chosen: dict[str, Any]) -> None:
    labels = LabelSet()
    texts = [article.text for article in articles]
    model, tokenizer = load_encoder(plain_model(name="tiny", **chosen), labels, seed=1, texts=texts)
    scheme, _ = learnt_scheme([with_links(article) for article in articles], labels)
    assert scheme is not None
    linked = add_link_head(model, tokenizer, labels, scheme, seed=2)
    assert linked.link_layers is not None
    before, after = (
        [
            item.spans
            for item in Tagger(net.eval(), tokenizer, labels, WindowSettings(max_length=24, stride=6)).tag_many(articles[:5])
        ]
        for net in (model, linked)
    )
    assert before == after
    assert any(before)
    assert [span.score for spans in before for span in spans] == pytest.approx(
        [s.score for spans in after for s in spans], abs=1e-5
    )


def test_labels_that_the_base_does_not_know_are_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"data.labels=\['ACTOR'\] is not allowed: .* has the labels \['ACTOR', 'EVENT'"):
        corpus_of(make(data=DataSettings(path="x", labels=["ACTOR"])))
    strange = make_article("s", "Odd/WEAPON fell")
    with pytest.raises(DataError, match=r"have the labels WEAPON, and base=.* has ACTOR, EVENT, LOCATION"):
        train_api([strange], tmp_path / "run", base=make().base)


def test_a_split_of_ones_own_keeps_the_earlier_test_articles(
    make: Make, articles: tuple[Article, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = DataSettings(path=write([*articles, replace(NEW, meta={"split": "test"})], tmp_path / "a.jsonl"), split_field="split")
    assert len(corpus_of(make(data=data)).splits["test"]) == 5
    tested = next(article for article in articles if article.meta["split"] == "test")
    moved = [replace(a, meta={"split": "train"}) if a is tested else a for a in articles]
    moved_data = DataSettings(path=write(moved, tmp_path / "b.jsonl"), split_field="split")
    with pytest.raises(DataError, match=f"1 test articles of base=.* are in split train now, '{tested.id}'"):
        corpus_of(make(data=moved_data))
    alone = shutil.copytree(Path(str(make().base)) / "checkpoint", tmp_path / "alone")
    with pytest.raises(DataError, match=r"which articles test it is not known .*no run beside the checkpoint"):
        corpus_of(make(base=str(alone)))
    with caplog.at_level(logging.WARNING):
        assert corpus_of(make(base=str(alone), data=data)).splits["test"]
    assert "which articles tested it is not known" in caplog.text


def test_articles_of_the_earlier_run_that_changed_are_refused(make: Make, trained_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained_run, tmp_path / "run")
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    record["data"]["test"]["sha256"] = "0" * 64
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(DataError, match="its test articles are not those that the run recorded"):
        corpus_of(make(base=str(run)))


def test_validation_articles_that_chose_the_base_promise_nothing(make: Make, trained_run: Path) -> None:
    settings = make(evaluation=EvaluationSettings(confidence=0.9, target_precision={"ACTOR": 0.5}))
    held = corpus_of_run(trained_run).splits["validation"][:2]
    with pytest.raises(SettingsError, match="2 of the 2 validation articles that would be held apart chose or taught base="):
        require_promises(settings, held)
    require_promises(settings, [NEW])


def test_rejected_spans_join_what_is_known_of_their_text(trained_run: Path) -> None:
    corpus = corpus_of_run(trained_run)
    train = corpus.splits["train"]
    partly = replace(train[1], annotated=((0, 6),), spans=(), links=None)
    corpus = replace(corpus, splits={**corpus.splits, "train": (train[0], partly, *train[2:])})
    no = (Span(0, 6, "EVENT"), Span(7, 9, "ACTOR"))
    binary = [Article(f"b{n}", NEW.text, annotated=(), rejected=(span,)) for n, span in enumerate(no)]
    known = replace(train[0], id="x", spans=(), links=None, annotated=(), rejected=(train[0].spans[0], no[0]))
    more = replace(partly, id="y", spans=(), annotated=(), rejected=no[1:])
    added = add_articles(corpus, [*binary, NEW, known, more], what="corrections")
    learnt = {article.text: article for article in added.corpus.splits["train"]}
    assert (learnt[NEW.text].spans, learnt[NEW.text].rejected) == (NEW.spans, no)
    assert (learnt[train[0].text].spans, learnt[train[0].text].rejected) == (train[0].spans, no[:1])
    assert (learnt[partly.text].annotated, learnt[partly.text].rejected) == (((0, 6),), no[1:])
    assert len(learnt) == len(train) + 1
    assert {article.id for article in added.corpus.splits["train"]} >= {article.id for article in train}


def test_rejections_alone_make_the_tagger_less_sure_of_them(make: Make, trained_run: Path, tmp_path: Path) -> None:
    text = NEW.text
    before = {(span.start, span.end, span.label): score_of(span) for span in Tagger.load(trained_run / "checkpoint").tag(text)}
    assert before
    rejected = tuple(Span(*key) for key in before)
    unsure = [Article("r", text, annotated=(), rejected=rejected)]
    micro = replace(make().trainer, micro_batch_tokens=64)
    settings = make(data=DataSettings(path=write(unsure, tmp_path / "a.jsonl")), trainer=micro, run_dir=str(tmp_path / "run"))
    tagger = Tagger.load(train(settings).checkpoint)
    after = {(s.start, s.end, s.label): score_of(s) for s in replace(tagger, calibration=Calibration()).tag(text)}
    assert sum(after.get(key, 0.0) for key in before) < 0.7 * sum(before.values())


def test_a_held_out_article_is_not_learnt_whatever_its_blanks_and_punctuation(make: Make, tmp_path: Path) -> None:
    tested = corpus_of_run(Path(str(make().base)))
    held = [tested.splits[split][0] for split in ("test", "validation")]
    hidden = [Article(f"h{n}", article.text.replace(" ", "").upper()) for n, article in enumerate(held)]
    added = add_articles(tested, [NEW, *hidden], what="articles")
    assert added.count == 1
    assert "2 articles are of articles that score or choose the checkpoints, and are not learnt" in added.notes


def test_runs_that_continue_themselves_are_named_and_end(make: Make, trained_run: Path, tmp_path: Path) -> None:
    """As it is where `first` was removed and `second`, which continued it, got its name."""
    first, second = (shutil.copytree(trained_run, tmp_path / name) for name in ("first", "second"))
    for run, base in ((first, second), (second, first)):
        values = yaml.safe_load((run / "settings.yaml").read_text(encoding="utf-8"))
        (run / "settings.yaml").write_text(yaml.safe_dump({**values, "base": str(base)}), encoding="utf-8")
    with pytest.raises(DataError, match=r"first/settings\.yaml: by its base= this run continues itself") as caught:
        corpus_of(make(base=str(first)))
    assert str(caught.value).count("continues itself") == 1
    assert names_of_run(first / "checkpoint", ["ACTOR"]) == {}


def test_what_the_test_articles_of_the_base_become_is_said(
    make: Make, articles: tuple[Article, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tested = [article for article in articles if article.meta["split"] == "test"]
    update = replace(tested[0], id="update", text=tested[0].text + " Indeed so .", meta={"split": "train"})
    given = [article for article in articles if article is not tested[0]]
    data = DataSettings(path=write([update, *given], tmp_path / "a.jsonl"), split_field="split")
    with caplog.at_level(logging.WARNING):
        corpus_of(make(data=data))
    assert f"1 of 4 test articles of base={make().base} are in no split now, '{tested[0].id}' among them" in caplog.text
    assert "1 training and validation articles are near-duplicates of these, 'update' among them" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        corpus_of(make(data=DataSettings(path=write([NEW], tmp_path / "b.jsonl"), test_share=0.3, split_seed=9)))
    assert "data.test_share and data.split_seed are not used, as the splits are those of the earlier run" in caplog.text


def test_a_comparison_says_what_of_its_articles_is_known_and_what_is_not(
    trained_run: Path, articles: tuple[Article, ...]
) -> None:
    corpus = corpus_of_run(trained_run)
    tagger = Tagger.load(trained_run / "checkpoint")
    learnt, chose = (seen_articles(learnt=corpus.splits["test"][:1]), seen_articles(chose=corpus.splits["test"][1:2]))
    compared = compare_taggers(
        {"base": tagger, "new": tagger},
        corpus,
        EvaluationSettings(resamples=100),
        seen=learnt | chose | Seen(unknown=("the base b",)),
    )
    assert compared["articles"] == 3
    assert compared["notes"] == [
        "1 test articles were learnt before, and are left out",
        "1 test articles chose epoch and thresholds of one of the two checkpoints, whose score is somewhat too high",
        "it is not known which articles the base b learnt from; scores on these are too high",
    ]
