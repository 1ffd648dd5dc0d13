from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from eventtag.article import Article
from eventtag.encoding.tokens import special_tokens, tokenise
from eventtag.encoding.windows import Window
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.links.candidates import find_candidates
from eventtag.links.scheme import LinkScheme
from eventtag.models.link_layers import WIDTH, LinkLayers
from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.span import Span
from eventtag.training.data.link_targets import UNKNOWN, link_targets

LABELS = LabelSet()
SCHEME = LinkScheme(("AGENT", "TARGET", "PLACE"), ("EVENT",), {"AGENT": ("ACTOR",), "TARGET": ("ACTOR",), "PLACE": ("LOCATION",)})
TEXT = 'Police arrested Miners in Lima. "Rebels were met by Nurses", Police said in Lima. Then Moscow voted.'


def span(word: str, label: str, nth: int = 0, **fields: object) -> Span:
    at = -1
    for _ in range(nth + 1):
        at = TEXT.index(word, at + 1)
    return Span(at, at + len(word), label, **fields)  # type: ignore[arg-type]


POLICE, ARREST, MINERS = span("Police", "ACTOR"), span("arrested", "EVENT", status="asserted"), span("Miners", "ACTOR")
LIMA, SAID = span("Lima", "LOCATION"), span("said", "EVENT", status="negated")
SPANS = (POLICE, ARREST, MINERS, LIMA, span("Rebels", "ACTOR"), span("Nurses", "ACTOR"), span("Police", "ACTOR", 1), SAID,
         span("Moscow", "ACTOR"))  # fmt: skip
ARTICLE = Article(
    "a", TEXT, SPANS, links=(Link(ARREST, POLICE, "AGENT"), Link(ARREST, LIMA, "PLACE"), Link(SAID, MINERS, "TARGET"))
)
TOKENIZER = build_tiny_tokenizer([TEXT])
TOKENS = tokenise(TEXT, TOKENIZER)
SPECIAL = special_tokens(TOKENIZER)


def layers() -> LinkLayers:
    torch.manual_seed(0)
    return LinkLayers(SCHEME, LABELS, width=48, depth=2).eval()


def targets(article: Article = ARTICLE, windows: list[Window] | None = None, ledger: LossLedger | None = None):
    size = len(TOKENS.input_ids)
    return link_targets(
        article, TOKENS, windows or [Window(0, size, 0, size)], LABELS, SCHEME, special=SPECIAL, ledger=ledger or LossLedger()
    )


def test_the_numpy_network_gives_the_scores_of_the_torch_layers() -> None:
    model = layers()
    states = torch.randn(1, len(TOKENS.input_ids) + 2, WIDTH, generator=torch.Generator().manual_seed(1))
    window = targets()[0]
    with torch.inference_mode():
        _, roles, status = model(states, [window])
    found = find_candidates(TEXT, TOKENS, SPANS, LABELS, SCHEME)
    scores = model.pair_network(SCHEME.allowed(LABELS))(states[0, 1:-1].numpy(), found)
    np.testing.assert_allclose(scores.roles, roles.numpy(), atol=1e-5)
    np.testing.assert_allclose(scores.status, status.numpy(), atol=1e-5)
    assert np.isfinite(scores.roles).any()


def test_windows_of_other_lengths_in_the_batch_change_no_score() -> None:
    model, (window,) = layers(), targets()
    states = torch.randn(2, 60, WIDTH)
    with torch.inference_mode():
        alone = model(states[:1, : len(window.tags)], [window])
        both = model(states, [window, window])
    for one, two in zip(alone, both, strict=True):
        torch.testing.assert_close(one, two[: len(one)])


def test_the_loss_counts_owned_pairs_of_marked_articles_and_known_status_alone() -> None:
    window = targets()[0]
    assert sorted(window.roles[window.roles > 0]) == [1, 2, 3]
    assert window.status.tolist() == [0, 1]
    unmarked = targets(replace(ARTICLE, links=None))[0]
    assert (unmarked.roles == UNKNOWN).all()
    nothing = replace(ARTICLE, links=None, spans=tuple(replace(s, status=None) for s in SPANS))
    assert targets(nothing) == [None]
    states = torch.randn(1, len(window.tags), WIDTH, requires_grad=True)
    model = layers()
    model.loss(states, [None], positions=3).backward()
    assert all(weight.grad is not None and not weight.grad.any() for weight in model.parameters())
    model.loss(states, [unmarked], positions=3).backward()
    assert model.status.weight.grad.any()
    assert not model.second.weight.grad.any()


def test_a_link_is_learnt_in_the_window_that_owns_its_event_and_said_where_no_window_holds_it() -> None:
    size, cut, ledger = len(TOKENS.input_ids), int(np.searchsorted(TOKENS.sentence_of[TOKENS.word_of], 2)), LossLedger()
    first, second = targets(windows=[Window(0, cut, 0, cut), Window(cut, size, cut, size)], ledger=ledger)
    assert sorted(first.roles[first.roles > 0]) == [1, 3]
    assert not (second.roles > 0).any()
    assert [(entry.role, entry.outcome) for entry in ledger.links] == [("TARGET", "dropped")]


def test_the_layers_learn_an_article() -> None:
    model, (window,) = layers().train(), targets()
    states = torch.randn(1, len(window.tags), WIDTH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(25):
        optimizer.zero_grad()
        loss = model.loss(states, [window], positions=1)
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        _, roles, status = model.eval()(states, [window])
    assert roles.argmax(1).tolist() == window.roles.tolist()
    assert status.argmax(1).tolist() == window.status.tolist()


@pytest.mark.parametrize("positions", [1, 7])
def test_the_loss_is_divided_by_the_positions(positions: int) -> None:
    model, (window,) = layers(), targets()
    states = torch.randn(1, len(window.tags), WIDTH, generator=torch.Generator().manual_seed(2))
    whole = model.loss(states, [window], positions=1).item()
    assert model.loss(states, [window], positions=positions).item() == pytest.approx(whole / positions)
