import math

import pytest
import torch

from eventtag.labels import LabelSet
from eventtag.modeling.loss import LossOptions, build_loss_options, pass_divergence, tag_loss
from eventtag.settings import Loss, TrainerSettings

TAGS = torch.tensor([[0, 1, 2, -100], [0, 0, -100, -100]])


def emissions(seed: int = 0) -> torch.Tensor:
    return torch.randn((2, 4, 5), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_loss_is_cross_entropy_where_every_label_was_marked():
    scores = emissions()
    expected = torch.nn.functional.cross_entropy(scores.reshape(-1, 5), TAGS.reshape(-1))
    assert torch.allclose(tag_loss(scores, TAGS, torch.zeros((2, 5), dtype=torch.bool)), expected)


def test_positions_without_gold_do_not_move_the_loss():
    scores = emissions()
    changed = scores.clone()
    changed[TAGS < 0] += 7
    none = torch.zeros((2, 5), dtype=torch.bool)
    assert tag_loss(scores, TAGS, none) == tag_loss(changed, TAGS, none)


def test_outside_means_any_tag_that_the_annotators_could_not_have_used():
    scores = emissions()
    unmarked = torch.zeros((2, 5), dtype=torch.bool)
    unmarked[1, [3, 4]] = True
    probabilities = torch.softmax(scores, dim=-1)
    expected = -(
        probabilities[0, 0, 0].log() + probabilities[0, 1, 1].log() + probabilities[0, 2, 2].log()
        + probabilities[1, 0, [0, 3, 4]].sum().log() + probabilities[1, 1, [0, 3, 4]].sum().log()
    ) / 5  # fmt: skip
    assert torch.allclose(tag_loss(scores, TAGS, unmarked), expected)


def test_an_unmarked_label_is_not_taught_to_be_absent():
    """The gradient of the loss does not push probability between O and the tags of a label that nobody marked."""
    scores = torch.zeros((1, 1, 5), requires_grad=True)
    unmarked = torch.tensor([[False, False, False, True, True]])
    tag_loss(scores, torch.tensor([[0]]), unmarked).backward()
    gradient = scores.grad[0, 0]
    assert torch.allclose(gradient[[0, 3, 4]], gradient[0].expand(3))
    assert (gradient[[0, 3, 4]] < 0).all()
    assert (gradient[[1, 2]] > 0).all()


def test_loss_divides_by_the_positions_of_the_whole_step():
    scores = emissions()
    none = torch.zeros((2, 5), dtype=torch.bool)
    assert torch.allclose(tag_loss(scores, TAGS, none, positions=torch.tensor(10)), tag_loss(scores, TAGS, none) / 2)


def marked_partly() -> torch.Tensor:
    unmarked = torch.zeros((2, 5), dtype=torch.bool)
    unmarked[1, [3, 4]] = True
    return unmarked


@pytest.mark.parametrize(
    "options",
    [LossOptions(Loss.focal, gamma=0.0), LossOptions(class_weights=(1.0,) * 5), LossOptions(Loss.focal, (1.0,) * 5, gamma=0.0)],
)
def test_options_that_say_nothing_leave_cross_entropy(options):
    plain = tag_loss(emissions(), TAGS, marked_partly())
    assert torch.allclose(tag_loss(emissions(), TAGS, marked_partly(), options=options), plain)


@pytest.mark.parametrize(
    "options",
    [
        LossOptions(),
        LossOptions(Loss.focal),
        LossOptions(Loss.focal, gamma=0.5, smoothing=0.1),
        LossOptions(Loss.dice, class_weights=(0.5, 2.0, 2.0, 1.0, 1.0)),
        LossOptions(smoothing=0.2),
    ],
)
def test_gradients_are_those_of_finite_differences(options):
    scores = emissions(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: tag_loss(s, TAGS, marked_partly(), options=options), (scores,))


def scores_of(*probabilities: float) -> torch.Tensor:
    """One position with these probabilities of the five tags."""
    return torch.tensor(probabilities, dtype=torch.float64).log()[None, None]


def of_one(probabilities: tuple[float, ...], gold: int, unmarked: tuple[int, ...] = (), **options: object) -> float:
    open_tags = torch.zeros((1, 5), dtype=torch.bool)
    open_tags[0, list(unmarked)] = True
    loss = tag_loss(scores_of(*probabilities), torch.tensor([[gold]]), open_tags, options=LossOptions(**options))  # type: ignore[arg-type]
    return float(loss)


P = (0.4, 0.3, 0.1, 0.15, 0.05)


def test_focal_by_hand():
    assert of_one(P, 1, kind=Loss.focal, gamma=2.0) == pytest.approx(-(0.7**2) * math.log(0.3))
    assert of_one(P, 0, (3, 4), kind=Loss.focal, gamma=2.0) == pytest.approx(-(0.4**2) * math.log(0.6))


def test_dice_by_hand():
    others = sum(1 - 1 / (p**2 + 1) for p in (0.1, 0.15, 0.05))
    assert of_one(P, 1, kind=Loss.dice) == pytest.approx(1 - 1.6 / (0.09 + 2) + others)
    assert of_one(P, 0, kind=Loss.dice) == pytest.approx(others + 1 - 1 / 1.09)
    assert of_one(P, 0, (3, 4), kind=Loss.dice) == pytest.approx((1 - 1 / 1.09) + (1 - 1 / 1.01))


def test_dice_is_0_where_the_gold_tag_is_certain_and_falls_towards_it():
    losses = [of_one((1 - p - 3e-9, p, 1e-9, 1e-9, 1e-9), 1, kind=Loss.dice) for p in (1e-9, 0.2, 0.5, 0.8, 1 - 1e-8)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == pytest.approx(0, abs=1e-6)


def test_smoothing_by_hand():
    uniform = -sum(map(math.log, P)) / 5
    assert of_one(P, 2, smoothing=0.1) == pytest.approx(-0.9 * math.log(0.1) + 0.1 * uniform)
    merged = -(math.log(0.6) + math.log(0.3) + math.log(0.1)) / 3
    assert of_one(P, 0, (3, 4), smoothing=0.1) == pytest.approx(-0.9 * math.log(0.6) + 0.1 * merged)


@pytest.mark.parametrize("kind", list(Loss))
def test_no_loss_pushes_probability_between_outside_and_the_tags_that_nobody_marked(kind):
    """Whichever way their probability is spread over them, the loss is the same."""
    one, other = (0.4, 0.3, 0.1, 0.15, 0.05), (0.1, 0.3, 0.1, 0.2, 0.3)
    assert of_one(one, 0, (3, 4), kind=kind) == pytest.approx(of_one(other, 0, (3, 4), kind=kind))


def test_class_weights_multiply_and_do_not_divide():
    weights = (0.5, 3.0, 3.0, 1.0, 1.0)
    assert of_one(P, 1, class_weights=weights) == pytest.approx(-3 * math.log(0.3))
    assert of_one(P, 0, class_weights=weights) == pytest.approx(-0.5 * math.log(0.4))


def test_weights_of_windows():
    none = torch.zeros((2, 5), dtype=torch.bool)
    first, second = (tag_loss(emissions()[[row]], TAGS[[row]], none[[row]], positions=torch.tensor(5)) for row in (0, 1))
    weighted = tag_loss(emissions(), TAGS, none, weights=torch.tensor([2.0, 0.5]))
    assert torch.allclose(weighted, 2 * first + 0.5 * second)


def test_balanced_weights_have_the_mean_1_over_positions():
    labels = LabelSet(("A", "B"))
    counts = (80, 6, 4, 10, 0)
    options = build_loss_options(TrainerSettings(class_weights="balanced"), labels, counts)
    assert options.class_weights == pytest.approx((100 / 240, 100 / 30, 100 / 30, 100 / 30, 100 / 30))
    assert sum(w * n for w, n in zip(options.class_weights, counts, strict=True)) == pytest.approx(100)


def test_weights_by_label():
    options = build_loss_options(TrainerSettings(class_weights={"B": 2, "O": 0.5}), LabelSet(("A", "B")), (1, 1, 1, 1, 1))
    assert options.class_weights == (0.5, 1.0, 1.0, 2, 2)


def test_the_divergence_of_two_passes_by_hand():
    """Of P = (1/2, 1/4, 1/4) and Q = (1/4, 1/4, 1/2): KL is (1/4) log 2 either way. The second position has no gold."""
    p, q = (
        torch.tensor([[row, [0.98, 0.01, 0.01]]], dtype=torch.float64).log() for row in ([0.5, 0.25, 0.25], [0.25, 0.25, 0.5])
    )
    tags = torch.tensor([[1, -100]])
    expected = torch.tensor(math.log(2) / 4, dtype=torch.float64)
    assert torch.allclose(pass_divergence(p, q, tags), expected)
    assert torch.allclose(pass_divergence(p, q, tags, positions=torch.tensor(4)), expected / 4)
    assert torch.allclose(pass_divergence(p + 3, q, tags, weights=torch.tensor([2.0])), 2 * expected)
    assert pass_divergence(p, p, tags) == 0


def test_the_divergence_of_two_passes_is_torch_s_in_both_directions():
    first, second = emissions(1), emissions(2)
    one, other = (scores.log_softmax(dim=-1)[TAGS >= 0] for scores in (first, second))
    divergence = torch.nn.functional.kl_div
    both = [divergence(a, b, reduction="sum", log_target=True) for a, b in ((one, other), (other, one))]
    assert torch.allclose(pass_divergence(first, second, TAGS), sum(both) / 2 / 5)
