from dataclasses import replace

import pytest
import torch
from conftest import make_article, plain_model, plain_trainer

from eventtag.article import Article
from eventtag.corpus.loading import Corpus, load_corpus
from eventtag.corpus.seen import Seen, seen_articles
from eventtag.errors import DataError, SettingsError
from eventtag.evaluation import evaluate
from eventtag.formats.jsonl import json_line
from eventtag.heads.softmax import tag_loss
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.settings import (
    DataSettings,
    MixedCorpusSettings,
    TrainSettings,
    WindowSettings,
)
from eventtag.tagging.tagger import Tagger
from eventtag.training.data.features import build_features, collate
from eventtag.training.run import train

NO_EVENTS = ["ACTOR", "LOCATION"]


def without_events(article: Article) -> Article:
    return replace(article, spans=tuple(span for span in article.spans if span.label != "EVENT"))


@pytest.fixture(scope="module")
def files(articles, tmp_path_factory):
    """Two corpora with the same ids: a small one with all labels, a large one whose annotators marked no events."""
    folder = tmp_path_factory.mktemp("mixed")
    training = [article for article in articles if article.meta["split"] == "train"]
    rest = [article for article in articles if article.meta["split"] != "train"]
    chosen = {"full": [*training[:3], *rest], "half": [without_events(article) for article in training]}
    for name, part in chosen.items():
        (folder / f"{name}.jsonl").write_text("".join(json_line(article) + "\n" for article in part))
    return folder


def settings_of(folder, *, half: dict | None = None, **more) -> DataSettings:
    marked = {"labels": NO_EVENTS} if half is None else half
    return DataSettings(
        path=None,
        corpora={
            "full": MixedCorpusSettings(path=str(folder / "full.jsonl"), split_field="split"),
            "half": MixedCorpusSettings(path=str(folder / "half.jsonl"), validation_share=0.2, test_share=0.0, **marked),
        },
        **more,
    )


def ids(corpus: Corpus, split: str) -> set[str]:
    return {article.id for article in corpus.splits[split]}


def test_every_corpus_is_split_by_its_own_rule_and_equal_ids_do_not_collide(files):
    mixed = load_corpus(settings_of(files))
    assert ids(mixed, "test") == {f"full/a{n}" for n in (1, 7, 13, 19)}
    assert {name.split("/")[0] for name in ids(mixed, "train")} == {"full", "half"}
    assert len(ids(mixed, "train") | ids(mixed, "validation")) == 3 + 4 + 16
    assert all(article.id.startswith(article.meta["corpus"] + "/") for article in mixed.articles("all"))
    assert "full: by meta field 'split'; half: drawn with seed 13" in mixed.rule


def test_a_label_that_a_corpus_does_not_know_was_not_marked_there(files):
    mixed = load_corpus(settings_of(files))
    assert {article.meta["corpus"]: article.labels for article in mixed.splits["train"]} == {
        "full": ("ACTOR", "EVENT", "LOCATION"),
        "half": ("ACTOR", "LOCATION"),
    }


def test_the_labels_of_a_mix_are_those_of_its_corpora_where_none_are_named(articles, tmp_path):
    parts = {}
    for name, labels in (("one", {"EVENT": "CLAIM", "*": None}), ("two", {"ACTOR": "ACTOR", "*": None})):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(json_line(article) + "\n" for article in articles))
        parts[name] = MixedCorpusSettings(path=str(path), label_map=labels)
    mixed = load_corpus(DataSettings(path=None, corpora=parts))
    assert mixed.labels.labels == ("ACTOR", "CLAIM")
    assert {a.meta["corpus"]: a.labels for a in mixed.articles("all")} == {"one": ("CLAIM",), "two": ("ACTOR",)}


def test_which_corpora_choose_the_checkpoint_is_a_setting(files):
    assert {name.split("/")[0] for name in ids(load_corpus(settings_of(files)), "validation")} == {"full", "half"}
    chosen = load_corpus(settings_of(files, scored=["full"]))
    assert ids(chosen, "validation") == {f"full/a{n}" for n in (0, 6, 12, 18)}
    assert {name.split("/")[0] for name in ids(chosen, "train")} == {"full", "half"}


def test_a_corpus_of_a_mix_is_known_again_on_its_own(files):
    """So that `evaluate data=half` of a checkpoint that was trained on the mix leaves out what it was trained on."""
    settings = settings_of(files)
    mixed = load_corpus(settings)
    half = settings.corpora["half"]
    known = seen_articles(learnt=[a for a in mixed.splits["train"] if a.meta["corpus"] == "half"])
    alone = load_corpus(DataSettings(path=half.path, labels=half.labels), seen=known)
    assert {f"half/{article.id}" for article in alone.splits["train"]} == {i for i in ids(mixed, "train") if i[:4] == "half"}
    assert len(alone.splits["test"]) == 16 - len(known.learnt)
    assert "all" in load_corpus(DataSettings(path=half.path, labels=half.labels), seen=Seen()).splits


def test_what_was_lost_names_the_article_of_its_corpus(files, tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_text('{"text": "Kyiv fell", "label": [[0, 4, "LOCATION"], [90, 95, "ACTOR"]], "id": 1}\n' * 1)
    settings = settings_of(files)
    settings.corpora["odd"] = MixedCorpusSettings(path=str(path), format="doccano", validation_share=0.0, test_share=0.0)
    with pytest.raises(DataError, match=r"1 of 2 spans would be dropped, the first at reading in article '1' \(ACTOR"):
        load_corpus(settings)
    settings.corpora["odd"] = replace(settings.corpora["odd"], max_loss=0.5)
    assert load_corpus(settings).ledger.first_drop.article_id == "odd/1"


def test_a_copy_in_another_corpus_and_split_is_warned_of(tmp_path, caplog):
    words = " ".join(f"word{n}" for n in range(60))
    for name, more in (("one", ""), ("two", " again")):
        made = [make_article(f"{n}", f"Police/ACTOR met {words if n == 0 else n}{more}") for n in range(4)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json_line(article) + "\n" for article in made))
    lone = tmp_path / "lone.jsonl"
    lone.write_text(json_line(make_article("x", "Rebels/ACTOR fled")) + "\n")
    one = MixedCorpusSettings(path=str(tmp_path / "one.jsonl"), validation_share=0.0, test_share=0.0)
    two = MixedCorpusSettings(path=str(lone), validation=str(tmp_path / "two.jsonl"))
    load_corpus(DataSettings(path=None, corpora={"one": one, "two": two}))
    assert "1 pairs of near-duplicates are in two splits, the first one/0 (train) and two/0" in caplog.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split_field": "split"}, r"data.split_field=split is not allowed: several corpora have their own"),
        ({"labels": ["ACTOR"]}, r"data.corpora.half.labels="),
        ({"scored": ["none"]}, r"data.scored=\['none'\] is not allowed: name some of full, half"),
        ({"scored": []}, r"data.scored=\[\] is not allowed"),
    ],
)
def test_settings_of_a_mix_are_checked(files, change, message):
    with pytest.raises(SettingsError, match=message):
        settings_of(files, **change)


def test_a_weight_of_nothing_is_refused(files):
    with pytest.raises(SettingsError, match=r"data.corpora.full.weight=0 is not allowed: above 0"):
        DataSettings(path=None, corpora={"full": MixedCorpusSettings(path="x", weight=0)})


def features_of(mixed: Corpus) -> list:
    tokenizer = build_tiny_tokenizer([article.text for article in mixed.splits["train"]])
    window = WindowSettings(max_length=24, stride=6)
    return build_features(mixed.splits["train"], tokenizer, mixed.labels, window, ledger=LossLedger(), handling=mixed.handling_of)


def test_weights_keep_their_ratio_and_a_mean_of_one(files):
    settings = settings_of(files)
    settings.corpora["half"] = replace(settings.corpora["half"], weight=0.25)
    features = features_of(load_corpus(settings))
    weights = {feature.article_id.split("/")[0]: feature.weight for feature in features}
    assert weights["full"] / weights["half"] == pytest.approx(4)
    positions = [int((feature.tag_ids >= 0).sum()) for feature in features]
    weighted = sum(n * feature.weight for n, feature in zip(positions, features, strict=True))
    assert weighted == pytest.approx(sum(positions))


def test_equal_weights_change_nothing(files):
    settings = settings_of(files)
    for name in settings.corpora:
        settings.corpora[name] = replace(settings.corpora[name], weight=0.3)
    assert {feature.weight for feature in features_of(load_corpus(settings))} == {1.0}


def test_what_nobody_marked_gets_no_gradient_of_its_own(files):
    """In the corpus without events every word outside may as well be one: its event tags are pushed as `O` is."""
    labels = LabelSet()
    half = [feature for feature in features_of(load_corpus(settings_of(files))) if feature.article_id.startswith("half/")]
    batch = collate(half, pad_token_id=0)
    scores = torch.zeros((*batch["labels"].shape, len(labels.tags)), requires_grad=True)
    tag_loss(scores, batch["labels"], batch["unannotated"], weights=batch["weights"]).backward()
    outside = scores.grad[batch["labels"] == 0]
    event = [labels.begin_id("EVENT"), labels.begin_id("EVENT") + 1]
    assert len(outside) > 50
    assert (outside[:, event] < 0).all()
    assert torch.allclose(outside[:, event], outside[:, :1].expand(-1, 2))


def test_a_corpus_without_events_does_not_teach_that_nothing_is_one(files, articles, tmp_path):
    """The same articles, once with EVENT open and once as if their annotators had looked for events and found none."""
    recall = {}
    for name, half in (("open", {"labels": NO_EVENTS}), ("closed", {"labels": ["ACTOR", "EVENT", "LOCATION"]})):
        result = train(
            TrainSettings(
                data=settings_of(files, half=half, scored=["full"]),
                model=plain_model(name="tiny", attention_dropout=None),
                window=WindowSettings(max_length=64, stride=8),
                trainer=plain_trainer(epochs=14, batch_size=4, learning_rate=1e-2, head_learning_rate=1e-2, patience=None),
                run_dir=str(tmp_path / name),
            )
        )
        held_out = [article for article in articles if article.meta["split"] == "test"]
        report = evaluate(Tagger.load(result.checkpoint), held_out).report
        recall[name] = {label: counts.recall for label, counts in report.strict.labels.items()}
    assert recall["open"]["EVENT"] > 0.9
    assert recall["closed"]["EVENT"] < 0.5
    assert recall["open"]["ACTOR"] > 0.9
