from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_article
from hypothesis import given
from hypothesis import strategies as st

from eventtag.article import Article
from eventtag.corpus.loading import Handling
from eventtag.encoding.align import IGNORED
from eventtag.errors import DataError
from eventtag.heads.softmax import tag_loss
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.models.tiny import build_tiny_model, build_tiny_tokenizer
from eventtag.settings import WindowSettings
from eventtag.span import Span
from eventtag.training.data.features import build_features, collate
from eventtag.training.loop.sampler import LengthPoolSampler

LABELS = LabelSet()


@pytest.fixture(scope="module")
def tokenizer(articles):
    return build_tiny_tokenizer([article.text for article in articles])


def features_of(articles, tokenizer, **window):
    return build_features(articles, tokenizer, LABELS, WindowSettings(**window), ledger=LossLedger())


@pytest.mark.parametrize(
    "window", [{"max_length": 12, "stride": 4}, {"max_length": 24, "stride": 6}, {"max_length": 256, "stride": 48}]
)
def test_every_word_is_learnt_from_once_whatever_the_windows(articles, tokenizer, window):
    features = features_of(articles, tokenizer, **window)
    counted = sum(int((feature.tag_ids != IGNORED).sum()) for feature in features)
    begun = sum(int((feature.tag_ids % 2 == 1).sum()) for feature in features)
    assert counted == sum(len(article.text.split()) for article in articles)
    assert begun == sum(len(article.spans) for article in articles)


def test_only_the_first_token_of_a_word_carries_its_tag(tokenizer):
    (feature,) = features_of([make_article("a", "Unheardofword/ACTOR met/EVENT")], tokenizer, max_length=64, stride=8)
    assert (feature.tag_ids != IGNORED).sum() == 2
    assert len(feature.input_ids) > 6


def test_windows_without_annotated_words_are_left_out(articles, tokenizer):
    masked = [replace(article, annotated=((0, 20),), spans=()) for article in articles]
    assert len(features_of(masked, tokenizer, max_length=12, stride=4)) <= 2 * len(articles)
    assert features_of([replace(articles[0], annotated=(), spans=())], tokenizer, max_length=12, stride=4) == []


@pytest.mark.parametrize("region", [(0, 30), (25, 60)])
def test_gold_outside_annotated_regions_does_not_change_the_loss(articles, tokenizer, region):
    torch.manual_seed(0)
    model = build_tiny_model(tokenizer, LABELS).eval()
    masked = [replace(a, annotated=(region,), spans=()) for a in articles[:6]]
    noisy = [
        replace(a, spans=tuple(Span(at, at + 1, "EVENT") for at in range(len(a.text)) if not region[0] <= at < region[1]))
        for a in masked
    ]
    losses = []
    for chosen in (masked, noisy):
        batch = collate(features_of(chosen, tokenizer, max_length=24, stride=6), pad_token_id=0)
        with torch.no_grad():
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        losses.append(tag_loss(logits, batch["labels"], batch["unannotated"]))
    assert torch.equal(*losses)


def test_labels_that_were_not_marked_are_handed_to_the_loss(articles, tokenizer):
    article = replace(articles[0], labels=("ACTOR", "LOCATION"), spans=tuple(s for s in articles[0].spans if s.label != "EVENT"))
    (feature, *_) = features_of([article], tokenizer, max_length=64, stride=8)
    assert [tag for tag, unannotated in zip(LABELS.tags, feature.unannotated, strict=True) if unannotated] == [
        "B-EVENT",
        "I-EVENT",
    ]


def test_padding_is_neither_attended_to_nor_learnt_from(articles, tokenizer):
    short = make_article("s", "Moscow/ACTOR")
    features = features_of([short, articles[0]], tokenizer, max_length=64, stride=8)
    batch = collate(features, pad_token_id=0)
    length = len(features[0].input_ids)
    assert batch["attention_mask"][0].tolist() == [1] * length + [0] * (batch["input_ids"].shape[1] - length)
    assert (batch["labels"][0, length:] == IGNORED).all()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=400), st.integers(1, 9), st.integers(0, 3), st.integers(0, 5))
def test_an_epoch_holds_every_window_once_in_an_order_of_seed_and_epoch_alone(lengths, batch_size, seed, epoch):
    sampler = LengthPoolSampler(lengths, batch_size=batch_size, seed=seed)
    sampler.set_epoch(epoch)
    order = list(sampler)
    np.random.default_rng().random()
    again = LengthPoolSampler(lengths, batch_size=batch_size, seed=seed)
    again.set_epoch(epoch)
    assert order == list(again)
    assert sorted(order) == list(range(len(lengths)))


def test_batches_hold_windows_of_like_length_and_epochs_differ():
    lengths = np.random.default_rng(0).integers(5, 200, size=800).tolist()
    sampler = LengthPoolSampler(lengths, batch_size=8, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler)
    batches = [[lengths[i] for i in first[at : at + 8]] for at in range(0, len(first), 8)]
    padded = sum(max(batch) * len(batch) for batch in batches)
    assert 1 - sum(lengths) / padded < 0.05


NESTED = Article("n", "Police of Paris fled .", (Span(0, 15, "ACTOR"), Span(10, 15, "LOCATION")))


@pytest.mark.parametrize(
    ("handling", "learnt"),
    [
        (Handling(overlaps="longest"), ["B-ACTOR", "I-ACTOR", "I-ACTOR", "O", "O"]),
        (Handling(overlaps="innermost"), ["O", "O", "B-LOCATION", "O", "O"]),
        (Handling(overlaps="priority", priority=("LOCATION", "ACTOR")), ["O", "O", "B-LOCATION", "O", "O"]),
    ],
)
def test_which_of_overlapping_spans_is_learnt_is_a_setting(tokenizer, handling, learnt):
    ledger = LossLedger()
    (feature,) = build_features([NESTED], tokenizer, LABELS, WindowSettings(), ledger=ledger, handling=lambda _: handling)
    assert [LABELS.tags[tag] for tag in feature.tag_ids if tag != IGNORED] == learnt
    assert [(entry.stage, entry.outcome, entry.asked) for entry in ledger.entries] == [("resolving overlaps", "dropped", True)]


def test_overlapping_spans_are_refused_unless_somebody_says_which_stays(tokenizer):
    with pytest.raises(DataError, match=r"article 'n': span LOCATION 10-15 overlaps ACTOR 0-15; choose which stays"):
        features_of([NESTED], tokenizer)


def test_a_span_that_stands_there_twice_is_learnt_once(tokenizer):
    ledger = LossLedger()
    double = Article("d", "Paris fled .", (Span(0, 5, "ACTOR"), Span(0, 5, "ACTOR")))
    (feature,) = build_features([double], tokenizer, LABELS, WindowSettings(), ledger=ledger)
    assert (feature.tag_ids > 0).sum() == 1
    assert [(entry.outcome, entry.reason) for entry in ledger.entries] == [("merged", "stands there twice")]


def test_spans_that_windows_cut_are_recorded(tokenizer):
    ledger = LossLedger()
    long = make_article("long", f"{'x' * 60}/ACTOR met")
    name = "alpha beta gamma delta epsilon zeta eta theta iota kappa"
    article = Article("wide", name, (Span(0, len(name), "EVENT"),))
    window = WindowSettings(max_length=24, stride=4)
    features = build_features([long, article], tokenizer, LABELS, window, ledger=ledger)
    assert [(entry.article_id, entry.stage, entry.outcome, entry.reason) for entry in ledger.entries] == [
        ("long", "windowing", "cut", "has a word longer than a window"),
        ("wide", "windowing", "cut", "learnt in parts by two windows"),
    ]
    assert sum(int((feature.tag_ids > 0).sum()) for feature in features) == 1 + 10


def test_spans_where_nobody_annotated_are_recorded_as_left_out(articles, tokenizer):
    ledger = LossLedger()
    masked = replace(articles[0], annotated=((0, articles[0].text.index(".")),))
    build_features([masked], tokenizer, LABELS, WindowSettings(), ledger=ledger)
    assert {(entry.stage, entry.reason, entry.asked) for entry in ledger.entries} == {
        ("aligning", "nobody annotated there", True)
    }
    assert ledger.dropped == 0
