"""What every head of the registry must do, whatever is added to it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_article, plain_model

import eventtag
from eventtag.article import Article
from eventtag.encoding.tokens import tokenise
from eventtag.heads.registry import HEADS, head_of
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.models.encoders import load_encoder
from eventtag.settings import Head, ModelSettings, WindowSettings
from eventtag.span import Span
from eventtag.training.data.features import build_features, collate
from eventtag.training.loop.trainer import model_inputs

LABELS = LabelSet()
ARTICLES = (
    make_article("a", "Police/ACTOR met/EVENT men/ACTOR in Lima/LOCATION and in Quito/LOCATION ."),
    make_article("b", "Rebels/ACTOR fled/EVENT ."),
    Article("c", "The Lima police met .", (Span(0, 15, "ACTOR"), Span(16, 19, "EVENT"))),
    make_article("d", "Nothing happened ."),
)
WINDOW = WindowSettings(max_length=64, stride=8)


def settings_of(head: Head, **options) -> ModelSettings:
    return plain_model(name="tiny", attention_dropout=None, head=head, **options)


@pytest.fixture(params=list(Head))
def loaded(request):
    model, tokenizer = load_encoder(settings_of(request.param), LABELS, seed=1, texts=[article.text for article in ARTICLES])
    return model, tokenizer, head_of(model.config)


def features_of(loaded, articles=ARTICLES):
    _, tokenizer, head = loaded
    return build_features(articles, tokenizer, LABELS, WINDOW, ledger=LossLedger(), head=head)


def loss_of(loaded, batch, scores=None):
    model, _, head = loaded
    if scores is None:
        scores = model(**model_inputs(model, batch)).logits
    return head.loss(model, scores, batch, LABELS, positions=None)


def fitted_scores(loaded, batch):
    """Scores with next to no loss, found by descent on the head's own loss, so that nothing here knows what they look like."""
    model, _, _ = loaded
    scores = model(**model_inputs(model, batch)).logits.detach().requires_grad_()
    optimizer = torch.optim.Adam([scores], lr=1.0)
    for _ in range(60):
        optimizer.zero_grad()
        loss_of(loaded, batch, scores).backward()
        optimizer.step()
    return scores.detach()


def test_every_head_of_the_settings_is_registered():
    assert set(HEADS) == {head.value for head in Head}


def test_a_head_learns_with_finite_gradients_for_all_of_its_weights(loaded):
    model, _, head = loaded
    loss = loss_of(loaded, collate(features_of(loaded), pad_token_id=0))
    loss.backward()
    own = [(name, weight) for name, weight in model.named_parameters() if not name.startswith(f"{model.base_model_prefix}.")]
    assert loss.item() > 0
    assert own
    for name, weight in own:
        assert name.startswith(head.weights)
        assert weight.grad is not None
        assert torch.isfinite(weight.grad).all()


def test_scores_that_fit_the_gold_have_no_loss_and_decode_to_it(loaded):
    model, tokenizer, head = loaded
    features = features_of(loaded)
    assert [feature.article_id for feature in features] == [article.id for article in ARTICLES]
    batch = collate(features, pad_token_id=0)
    scores = fitted_scores(loaded, batch)
    assert loss_of(loaded, batch, scores).item() < 1e-3
    texts = [tokenise(article.text, tokenizer) for article in ARTICLES]
    positions = np.full((len(texts), max(len(tokens.words) for tokens in texts)), -1, dtype=np.int64)
    for row, tokens in enumerate(texts):
        positions[row, : len(tokens.words)] = tokens.first_token + 1  # behind the special token
    decoder, found = head.decoder(model), head.emissions(scores, positions)
    emissions = [found[row, : len(tokens.words)] for row, tokens in enumerate(texts)]
    assert all(item.shape[1:] == decoder.shape(LABELS) for item in emissions)
    spans = decoder.decode(emissions, [tokens.words for tokens in texts], LABELS)
    assert [set(item) for item in spans] == [set(article.spans) for article in ARTICLES]
    assert all(span.score > 0.9 for item in spans for span in item)


def test_a_checkpoint_says_which_head_it_has(loaded, tmp_path):
    from transformers import AutoModelForTokenClassification

    model, _, head = loaded
    model.save_pretrained(tmp_path)
    again = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert head_of(again.config) == head
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in model.state_dict().items())


def test_a_label_that_nobody_annotated_may_be_found_anywhere(loaded):
    marked = make_article("e", "Police/ACTOR fled/EVENT .")
    scores = fitted_scores(loaded, collate(features_of(loaded, [marked]), pad_token_id=0))
    without = Article("e", marked.text, marked.spans[:1])
    missing, unannotated = (
        loss_of(loaded, collate(features_of(loaded, [article]), pad_token_id=0), scores).item()
        for article in (without, replace(without, labels=("ACTOR", "LOCATION")))
    )
    assert unannotated < 1e-3 < 1 < missing


def test_nothing_but_heads_and_settings_asks_which_head_it_is():
    source = Path(eventtag.__file__).parent
    asking = [
        file.relative_to(source).as_posix()
        for file in source.rglob("*.py")
        if file.relative_to(source).parts[0] not in ("heads", "settings")
        and any(
            sign in file.read_text(encoding="utf-8")
            for sign in ("Head.", '== "span"', '== "crf"', '"softmax"', "model.head=span")
        )
    ]
    assert asking == []
