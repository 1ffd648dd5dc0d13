"""The span head's scores and loss against plain loops."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from eventtag.heads.span import IMPOSSIBLE, LABELS_AT_ONCE, SpanScorer, span_loss


def scorer(width: int = 6, labels: int = 2, max_width: int = 3) -> SpanScorer:
    torch.manual_seed(0)
    made = SpanScorer(width, labels, max_width=max_width, size=4, dropout=0.0).double()
    torch.nn.init.normal_(made.pairs)
    torch.nn.init.normal_(made.widths)
    return made


@pytest.mark.parametrize("labels", [2, LABELS_AT_ONCE + 3])
def test_scores_are_biaffine_in_the_first_and_the_last_word(labels):
    head = scorer(labels=labels)
    hidden = torch.randn((2, 7, 6), dtype=torch.float64)
    positions = torch.tensor([[1, 2, 4, 5], [1, 3, -1, -1]])
    found = head(hidden, positions)
    assert found.shape == (2, 4, 3, labels)
    one = torch.ones(1, dtype=torch.float64)
    for row, count in enumerate((4, 2)):
        for first in range(count):
            for more in range(3):
                if first + more >= count:
                    assert (found[row, first, more] == IMPOSSIBLE).all()
                    continue
                start = torch.cat([head.first(hidden[row, positions[row, first]]), one])
                end = torch.cat([head.last(hidden[row, positions[row, first + more]]), one])
                for label in range(labels):
                    expected = start @ head.pairs[label] @ end + head.widths[more, label]
                    assert torch.allclose(found[row, first, more, label], expected)


class Largest(TorchDispatchMode):
    """The largest tensor that is made."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.numbers = max(self.numbers, made.numel())
        return made


def test_forty_labels_need_no_more_memory_at_a_time_than_their_scores_and_one_label():
    largest = {}
    for labels in (1, 40):
        head = SpanScorer(8, labels, max_width=4, size=64, dropout=0.0)
        with torch.inference_mode(), Largest() as seen:
            found = head(torch.randn(1, 50, 8), torch.arange(50)[None])
        largest[labels] = seen.numbers - found.numel()
    assert largest[40] <= 2 * largest[1]


DECIDED = torch.tensor([[True, True, False, True], [True, True, False, False]])
INSIDE = torch.tensor([[True, True, True, True], [True, False, False, False]])
SPANS = torch.tensor([[[0, 1, 0], [1, 0, 1]], [[0, 0, 1], [-1, -1, -1]]])
UNANNOTATED = torch.tensor([[False] * 5, [False, True, True, False, False]])


def scores() -> torch.Tensor:
    head = scorer()
    return head(torch.randn((2, 7, 6), dtype=torch.float64), torch.tensor([[1, 2, 4, 5], [1, 3, -1, -1]])).detach()


def by_loops(found: torch.Tensor, weights=(1.0, 1.0)) -> float:
    gold = {(row, *span) for row, spans in enumerate(SPANS.tolist()) for span in spans}
    total = 0.0
    for row in range(2):
        for first in range(4):
            for more in range(3):
                words = range(first, first + more + 1)
                if not DECIDED[row, first] or any(word >= 4 or not INSIDE[row, word] for word in words):
                    continue
                for label in range(2):
                    if UNANNOTATED[row, 1 + 2 * label]:
                        continue
                    p = 1 / (1 + math.exp(-float(found[row, first, more, label])))
                    right = (row, first, more, label) in gold
                    total -= weights[row] * math.log(p if right else 1 - p)
    return total


def test_loss_is_that_of_annotated_spans_and_marked_labels():
    found = scores()
    assert float(span_loss(found, SPANS, DECIDED, INSIDE, UNANNOTATED)) == pytest.approx(by_loops(found) / 5)
    weighted = span_loss(found, SPANS, DECIDED, INSIDE, UNANNOTATED, positions=torch.tensor(10), weights=torch.tensor([2.0, 0.5]))
    assert float(weighted) == pytest.approx(by_loops(found, (2.0, 0.5)) / 10)


def test_gradient_is_that_of_finite_differences():
    found = scores().clamp(min=-5).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: span_loss(s, SPANS, DECIDED, INSIDE, UNANNOTATED), (found,))


def test_what_nobody_annotated_or_marked_has_no_gradient():
    found = scores().requires_grad_()
    span_loss(found, SPANS, DECIDED, INSIDE, UNANNOTATED).backward()
    assert (found.grad[0, 2] == 0).all()
    assert (found.grad[1, 0, :, 0] == 0).all()
    assert (found.grad[1, 0, 1:] == 0).all()
    assert (found.grad[0, :2, 0] != 0).all()
