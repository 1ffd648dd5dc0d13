"""The loss of rejected spans, against sums over all sequences."""

from __future__ import annotations

import math
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_article

from eventtag.article import Article
from eventtag.encoding.tokens import tokenise
from eventtag.encoding.windows import plan_windows
from eventtag.heads.crf import CrfHead
from eventtag.heads.protocol import ModelHead
from eventtag.heads.rejected import KEY, less_than_one, rejected_in_windows
from eventtag.heads.softmax import SoftmaxHead
from eventtag.heads.span import span_loss
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.settings import WindowSettings
from eventtag.span import Span
from eventtag.training.data.features import build_features, collate

LABELS = LabelSet(("ACTOR", "EVENT"))
WORDS = torch.tensor([[0, 1, 1, 0, 1, 1, 0], [0, 1, 1, 1, 0, 0, 0]]).bool()
"""Four words in the first window, three in the second."""
REJECTED = torch.tensor([[[1, 1, 0], [3, 0, 1]], [[0, 0, 1], [-1, -1, -1]]])


class Network:
    def __init__(self, transitions: torch.Tensor) -> None:
        self.transitions = transitions


def batch(**chosen: Any) -> dict[str, Any]:
    gold = torch.full(WORDS.shape, -100)
    open_tags = torch.zeros(2, len(LABELS.tags)).bool()
    return {"labels": gold, "words": WORDS, "unannotated": open_tags, "weights": torch.tensor([1.0, 3.0]), KEY: REJECTED} | chosen


def drawn(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return 2 * torch.randn(*WORDS.shape, len(LABELS.tags), dtype=torch.float64), torch.randn(5, 5, dtype=torch.float64)


def probability(emissions: torch.Tensor, transitions: np.ndarray, row: int, span: tuple[int, int, int]) -> float:
    """Of exactly this mention, by counting all legal sequences of the window's words."""
    scores = torch.log_softmax(emissions[row][WORDS[row]], dim=-1).detach().numpy()
    first, more, label = span
    last, begin = first + more, 1 + 2 * label
    total = wanted = 0.0
    for tags in product(range(5), repeat=len(scores)):
        if not all(LABELS.legal_transitions[a, b] for a, b in pairwise(tags)):
            continue
        weight = math.exp(sum(scores[w, t] for w, t in enumerate(tags)) + sum(transitions[a, b] for a, b in pairwise(tags)))
        total += weight
        mention = tags[first] == begin and all(tag == begin + 1 for tag in tags[first + 1 : last + 1])
        if mention and (last + 1 == len(tags) or tags[last + 1] != begin + 1):
            wanted += weight
    return wanted / total


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("head", [SoftmaxHead(), CrfHead()], ids=["softmax", "crf"])
def test_loss_is_that_of_the_probability_over_all_sequences(head: ModelHead, seed: int) -> None:
    emissions, transitions = drawn(seed)
    found = head.loss(Network(transitions), emissions, batch(), LABELS, positions=torch.tensor(4))
    moves = transitions.numpy() if isinstance(head, CrfHead) else np.zeros((5, 5))
    spans = [(0, (1, 1, 0)), (0, (3, 0, 1)), (1, (0, 0, 1))]
    expected = sum((1.0, 3.0)[row] * -math.log(1 - probability(emissions, moves, row, span)) for row, span in spans)
    assert found.item() == pytest.approx(expected / 4, rel=1e-6)


@pytest.mark.parametrize("head", [SoftmaxHead(), CrfHead()], ids=["softmax", "crf"])
def test_gradient_is_that_of_finite_differences(head: ModelHead) -> None:
    emissions, transitions = (item.requires_grad_() for item in drawn(3))

    def loss(scores: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
        return head.loss(Network(moves), scores, batch(), LABELS, positions=None)

    assert torch.autograd.gradcheck(loss, (emissions, transitions), atol=1e-5)


def test_it_is_added_to_the_loss_of_gold() -> None:
    emissions, transitions = drawn(4)
    gold = torch.where(WORDS, torch.tensor([[-100] * 7, [0, 1, 0, 0, 0, 0, 0]]), -100)
    parts = [
        CrfHead().loss(Network(transitions), emissions, one, LABELS, positions=torch.tensor(3))
        for one in (batch(labels=gold), batch(), {k: v for k, v in batch(labels=gold).items() if k != KEY})
    ]
    assert parts[0].item() == pytest.approx((parts[1] + parts[2]).item())


def test_a_span_that_is_sure_has_a_finite_loss_and_a_gradient_that_lowers_it() -> None:
    log_p = torch.tensor([0.0, 1e-5, -1e-9, -20.0], requires_grad=True)
    less_than_one(log_p).sum().backward()
    assert log_p.grad is not None
    assert torch.isfinite(log_p.grad).all()
    assert (log_p.grad[:3] > 0).all()
    emissions = torch.zeros(*WORDS.shape, 5)
    emissions[0, 2, 1] = emissions[0, 4, 2] = emissions[0, 5, 0] = 40.0
    emissions.requires_grad_()
    loss = SoftmaxHead().loss(None, emissions, batch(**{KEY: REJECTED[:, :1]}), LABELS, positions=None)
    assert torch.isfinite(loss)
    loss.backward()
    assert emissions.grad is not None
    assert torch.isfinite(emissions.grad).all()


def test_a_span_head_counts_rejected_spans_as_no_mentions() -> None:
    torch.manual_seed(5)
    scores = torch.randn(2, 4, 2, 2, dtype=torch.float64, requires_grad=True)
    nothing = torch.zeros(2, 4).bool()
    rejected = torch.tensor([[[1, 1, 0], [2, 5, 0]], [[0, 0, 1], [-1, -1, -1]]])  # one is wider than the head's spans
    loss = span_loss(
        scores,
        torch.full((2, 1, 3), -1),
        nothing,
        nothing,
        torch.zeros(2, 5).bool(),
        positions=torch.tensor(2),
        rejected=rejected,
    )
    chosen = torch.stack([scores[0, 1, 1, 0], scores[1, 0, 0, 1]])
    assert loss.item() == pytest.approx((-torch.log(1 - torch.sigmoid(chosen))).sum().item() / 2)
    loss.backward()
    assert scores.grad is not None
    assert (scores.grad != 0).sum() == 2


def test_windows_learn_what_gold_does_not_say() -> None:
    article = make_article("a", "Police met men in Paris today and left again at night", annotated=((0, 6),), labels=("ACTOR",))
    tokenizer = build_tiny_tokenizer([article.text])
    spans = {"known": Span(0, 6, "ACTOR"), "label": Span(0, 6, "EVENT"), "open": Span(18, 23, "ACTOR")}
    odd = {"inside a word": Span(0, 3, "EVENT"), "unknown": Span(0, 6, "WEAPON")}
    full = Article("a", article.text, (), article.annotated, article.labels, rejected=tuple({**spans, **odd}.values()))
    tokens, ledger = tokenise(full.text, tokenizer), LossLedger()
    windows = plan_windows(tokens, capacity=len(tokens.input_ids), stride=0)
    [found] = rejected_in_windows(full, tokens, windows, LABELS, ledger=ledger)
    assert found.tolist() == [[0, 0, 1], [4, 0, 0]]
    assert [note.reason for note in ledger.notes] == ["a rejected span is not learnt: begins or ends inside a word"]


def test_an_article_with_rejections_alone_makes_the_windows_that_hold_them() -> None:
    text = " ".join(f"word{number}" for number in range(60))
    start = text.index("word40")
    article = Article("a", text, annotated=(), rejected=(Span(start, start + 13, "EVENT"),))
    tokenizer = build_tiny_tokenizer([text])
    features = build_features([article], tokenizer, LABELS, WindowSettings(max_length=24, stride=6), ledger=LossLedger())
    assert len(features) == 1
    together = collate(features, pad_token_id=0)
    first, more, label = together[KEY][0, 0].tolist()
    places = together["words"][0].nonzero()[:, 0]
    ids = together["input_ids"][0]
    assert tokenizer.decode(ids[places[first] : places[first + more]]).replace(" ", "").startswith("word40")
    assert (more, label) == (1, 1)
