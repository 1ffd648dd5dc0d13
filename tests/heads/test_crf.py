"""The CRF's loss against every tag sequence written out, and its gradient against finite differences."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from eventtag.heads.crf import crf_loss
from eventtag.heads.partition import find_runs
from eventtag.heads.softmax import tag_loss
from eventtag.labels import LabelSet

LABELS = LabelSet(("A", "B"))
LEGAL = torch.from_numpy(LABELS.legal_transitions)
NO = -100
# Window 0: a word of two tokens, a word without gold between two runs, a mention that goes on from before. Window 1: short.
TAGS = torch.tensor([[NO, 0, NO, 1, 2, NO, 4, 0, NO], [NO, 0, 3, 0, NO, NO, NO, NO, NO]])
WORDS = torch.tensor([[0, 1, 0, 1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 0, 0, 0, 0, 0]]).bool()
RUNS = {0: [[1, 3, 4], [6, 7]], 1: [[1, 2, 3]]}


def scores(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    draw = {"generator": random, "dtype": torch.float64}
    return torch.randn((2, 9, 5), **draw) * 2, torch.randn((5, 5), **draw)


def unannotated(*tags: int) -> torch.Tensor:
    result = torch.zeros((2, 5), dtype=torch.bool)
    result[1, list(tags)] = True
    return result


def brute_force(emissions: torch.Tensor, transitions: torch.Tensor, open_tags: torch.Tensor) -> float:
    """All legal sequences of every run against those that gold allows."""
    total = 0.0
    log_probabilities = torch.log_softmax(emissions, dim=-1).numpy()
    for row, runs in RUNS.items():
        for run in runs:
            every, right = [], []
            for tags in product(range(5), repeat=len(run)):
                if not all(LABELS.legal_transitions[pair] for pair in pairwise(tags)):
                    continue
                score = sum(log_probabilities[row, token, tag] for token, tag in zip(run, tags, strict=True))
                score += sum(float(transitions[pair]) for pair in pairwise(tags))
                every.append(score)
                gold = [int(TAGS[row, token]) for token in run]
                if all(tag == g or (g == 0 and open_tags[row, tag]) for tag, g in zip(tags, gold, strict=True)):
                    right.append(score)
            total += np.logaddexp.reduce(every) - np.logaddexp.reduce(right)
    return total / 8


def test_runs_end_at_words_without_gold_and_go_on_over_the_tokens_of_a_word():
    places, inside = find_runs(TAGS >= 0, WORDS)
    found = [[int(place) for place, kept in zip(*row, strict=True) if kept] for row in zip(places, inside, strict=True)]
    assert found == [[1, 3, 4], [6, 7], [9 + 1, 9 + 2, 9 + 3]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("open_tags", [unannotated(), unannotated(1, 2)])
def test_loss_equals_brute_force(seed, open_tags):
    emissions, transitions = scores(seed)
    found = crf_loss(emissions, transitions, TAGS, WORDS, open_tags, LEGAL)
    assert float(found) == pytest.approx(brute_force(emissions, transitions, open_tags), rel=1e-9)


def test_gradient_is_that_of_finite_differences():
    emissions, transitions = scores(0)
    assert torch.autograd.gradcheck(
        lambda e, t: crf_loss(e, t, TAGS, WORDS, unannotated(1, 2), LEGAL),
        (emissions.requires_grad_(), transitions.requires_grad_()),
    )


def test_illegal_transitions_learn_nothing():
    emissions, transitions = scores(1)
    transitions.requires_grad_()
    crf_loss(emissions, transitions, TAGS, WORDS, unannotated(), LEGAL).backward()
    assert (transitions.grad[~LEGAL] == 0).all()
    assert (transitions.grad[LEGAL] != 0).any()


def test_words_alone_are_plain_cross_entropy():
    """Runs of one word each: no transition takes part."""
    tags, words = torch.tensor([[0, NO, 1, NO, 3]]), torch.ones((1, 5), dtype=torch.bool)
    emissions, transitions = scores(2)
    none = torch.zeros((1, 5), dtype=torch.bool)
    found = crf_loss(emissions[:1, :5], transitions, tags, words, none, LEGAL)
    assert torch.allclose(found, tag_loss(emissions[:1, :5], tags, none))


def posteriors(emissions: torch.Tensor, transitions: torch.Tensor, row: int, run: list[int]) -> np.ndarray:
    """[W, C]: the share of every tag at every word of a run, from all its legal sequences."""
    log_probabilities = torch.log_softmax(emissions, dim=-1).numpy()
    shares = np.zeros((len(run), 5))
    for tags in product(range(5), repeat=len(run)):
        if all(LABELS.legal_transitions[pair] for pair in pairwise(tags)):
            score = sum(log_probabilities[row, token, tag] for token, tag in zip(run, tags, strict=True))
            shares[range(len(run)), tags] += np.exp(score + sum(float(transitions[pair]) for pair in pairwise(tags)))
    return shares / shares.sum(axis=1, keepdims=True)


def probabilities(seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(100 + seed)
    return torch.randn((2, 9, 5), generator=random, dtype=torch.float64).softmax(-1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_teachers_have_their_share_of_the_loss(seed, share):
    emissions, transitions = scores(seed)
    teachers = probabilities(seed)
    soft_targets = (teachers, torch.full((2, 9), share, dtype=torch.float64))
    found = crf_loss(emissions, transitions, TAGS, WORDS, unannotated(1, 2), LEGAL, soft_targets=soft_targets)
    apart = -sum(
        (teachers[row, run].numpy() * np.log(posteriors(emissions, transitions, row, run))).sum()
        for row, runs in RUNS.items()
        for run in runs
    )
    wanted = (1 - share) * brute_force(emissions, transitions, unannotated(1, 2)) + share * apart / 8
    assert float(found) == pytest.approx(wanted)


def test_a_word_that_only_teachers_decide_leaves_the_gold_of_its_neighbours():
    emissions, transitions = scores(4)
    share = torch.zeros((2, 9), dtype=torch.float64)
    share[1, 2] = 1.0
    teachers = probabilities(4)
    found = crf_loss(emissions, transitions, TAGS, WORDS, unannotated(), LEGAL, soft_targets=(teachers, share))
    total = 8 * float(crf_loss(emissions, transitions, TAGS, WORDS, unannotated(), LEGAL))
    log_probabilities = torch.log_softmax(emissions, dim=-1).numpy()
    every, right, gold = [], [], []
    for tags in product(range(5), repeat=3):
        if all(LABELS.legal_transitions[pair] for pair in pairwise(tags)):
            score = sum(log_probabilities[1, token, tag] for token, tag in zip([1, 2, 3], tags, strict=True))
            every.append(score + sum(float(transitions[pair]) for pair in pairwise(tags)))
            right += [every[-1]] if (tags[0], tags[2]) == (0, 0) else []
            gold += [every[-1]] if tags == (0, 3, 0) else []
    total += np.logaddexp.reduce(gold) - np.logaddexp.reduce(right)
    total -= (teachers[1, 2].numpy() * np.log(posteriors(emissions, transitions, 1, [1, 2, 3])[1])).sum()
    assert float(found) == pytest.approx(total / 8)


def test_the_best_answer_to_teachers_is_what_they_say():
    """Also where they are not sure of the same sequence: a loss that could fall for ever would move the scores away."""
    tags, words = torch.tensor([[0, 0]]), torch.tensor([[True, True]])
    teachers = torch.zeros((1, 2, 5), dtype=torch.float64)
    teachers[0, 0, [0, 1]] = 0.5
    teachers[0, 1, [0, 2]] = 0.5
    emissions, transitions = (torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in ((1, 2, 5), (5, 5)))
    share = torch.ones((1, 2), dtype=torch.float64)
    optimizer = torch.optim.Adam([emissions, transitions], lr=0.05)
    for _ in range(1500):
        optimizer.zero_grad()
        loss = crf_loss(
            emissions, transitions, tags, words, torch.zeros((1, 5), dtype=torch.bool), LEGAL, soft_targets=(teachers, share)
        )
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) == pytest.approx(np.log(2), abs=1e-2)
    found = posteriors(emissions.detach(), transitions.detach(), 0, [0, 1])
    np.testing.assert_allclose(found, teachers[0].numpy(), atol=2e-2)


def test_divided_by_the_positions_of_the_whole_step_and_weighted_by_window():
    emissions, transitions = scores(3)
    parts = [
        crf_loss(emissions[[row]], transitions, TAGS[[row]], WORDS[[row]], unannotated()[[row]], LEGAL, positions=torch.tensor(8))
        for row in (0, 1)
    ]
    whole = crf_loss(emissions, transitions, TAGS, WORDS, unannotated(), LEGAL, weights=torch.tensor([3.0, 0.5]))
    assert torch.allclose(whole, 3 * parts[0] + 0.5 * parts[1])


def test_a_batch_without_gold_has_the_loss_0():
    emissions, transitions = scores(0)
    loss = crf_loss(
        emissions.requires_grad_(), transitions.requires_grad_(), torch.full_like(TAGS, NO), WORDS, unannotated(), LEGAL
    )
    loss.backward()
    assert float(loss.detach()) == 0
    assert (emissions.grad == 0).all()
    assert (transitions.grad == 0).all()  # and not None: processes that train together wait for it
