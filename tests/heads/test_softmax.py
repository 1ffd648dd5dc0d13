import torch

from eventtag.heads.softmax import tag_loss

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
    unannotated = torch.zeros((2, 5), dtype=torch.bool)
    unannotated[1, [3, 4]] = True
    probabilities = torch.softmax(scores, dim=-1)
    expected = -(
        probabilities[0, 0, 0].log() + probabilities[0, 1, 1].log() + probabilities[0, 2, 2].log()
        + probabilities[1, 0, [0, 3, 4]].sum().log() + probabilities[1, 1, [0, 3, 4]].sum().log()
    ) / 5  # fmt: skip
    assert torch.allclose(tag_loss(scores, TAGS, unannotated), expected)


def test_an_unannotated_label_is_not_learnt_to_be_absent():
    """The gradient of the loss does not push probability between O and the tags of a label that nobody marked."""
    scores = torch.zeros((1, 1, 5), requires_grad=True)
    unannotated = torch.tensor([[False, False, False, True, True]])
    tag_loss(scores, torch.tensor([[0]]), unannotated).backward()
    gradient = scores.grad[0, 0]
    assert torch.allclose(gradient[[0, 3, 4]], gradient[0].expand(3))
    assert (gradient[[0, 3, 4]] < 0).all()
    assert (gradient[[1, 2]] > 0).all()


def test_loss_divides_by_the_positions_of_the_whole_step():
    scores = emissions()
    none = torch.zeros((2, 5), dtype=torch.bool)
    assert torch.allclose(tag_loss(scores, TAGS, none, positions=torch.tensor(10)), tag_loss(scores, TAGS, none) / 2)


def marked_partly() -> torch.Tensor:
    unannotated = torch.zeros((2, 5), dtype=torch.bool)
    unannotated[1, [3, 4]] = True
    return unannotated


def test_gradients_are_those_of_finite_differences():
    scores = emissions(3).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: tag_loss(s, TAGS, marked_partly()), (scores,))


def test_weights_of_windows():
    none = torch.zeros((2, 5), dtype=torch.bool)
    first, second = (tag_loss(emissions()[[row]], TAGS[[row]], none[[row]], positions=torch.tensor(5)) for row in (0, 1))
    weighted = tag_loss(emissions(), TAGS, none, weights=torch.tensor([2.0, 0.5]))
    assert torch.allclose(weighted, 2 * first + 0.5 * second)
