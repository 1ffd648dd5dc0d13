"""Dropout that draws fewer random numbers."""

import pytest
import torch
from test_micro_batches import trainer_of
from torch import nn

from eventtag.training.loop.dropout import QuickDropout, quicken_dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_share_is_dropped_and_the_mean_stays(share, dtype):
    torch.manual_seed(1)
    given = torch.ones(1001, 333, dtype=dtype)  # not a multiple of the four decisions of a number
    found = QuickDropout(share).train()(given)
    error = 5 * (share * (1 - share) / given.numel()) ** 0.5
    assert float((found == 0).float().mean()) == pytest.approx(share, abs=error)
    assert found.dtype is dtype
    torch.testing.assert_close(found[found != 0].float().unique(), torch.tensor([1 / (1 - share)]), rtol=5e-3, atol=0)


def test_decisions_are_independent_of_each_other_and_of_those_before():
    torch.manual_seed(2)
    drop = QuickDropout(0.3).train()
    first, second = (drop(torch.ones(400_000)) == 0 for _ in range(2))
    for other in (second, first.roll(1), first.roll(2), first.roll(3), first.roll(4)):
        assert float((first & other).float().mean()) == pytest.approx(0.09, abs=0.003)


def test_the_gradient_is_zero_where_the_activation_was_dropped():
    torch.manual_seed(3)
    given = torch.randn(50, 70, requires_grad=True)
    found = QuickDropout(0.4).train()(given)
    found.sum().backward()
    assert torch.equal(given.grad == 0, found == 0)
    torch.testing.assert_close(given.grad * given, found)


def test_the_same_seed_drops_the_same_and_nothing_is_dropped_outside_training():
    drop, given = QuickDropout(0.2), torch.randn(30, 30)
    assert drop.eval()(given) is given
    assert torch.equal(QuickDropout(0.0).train()(given), given)
    assert not QuickDropout(1.0).train()(given).any()
    drop.train()
    torch.manual_seed(4)
    first = drop(given)
    torch.manual_seed(4)
    assert torch.equal(drop(given), first)


def test_a_run_drops_in_this_way(corpus_file, tmp_path):
    kinds = {type(module) for module in trainer_of(corpus_file, tmp_path).network.modules() if isinstance(module, nn.Dropout)}
    assert kinds == {QuickDropout}


def test_a_model_keeps_its_weights_and_their_names():
    class Own(nn.Dropout):
        """Somebody's own kind of dropout."""

    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.1), Own(0.1))
    names = list(model.state_dict())
    quicken_dropout(model)
    assert list(model.state_dict()) == names
    assert [type(module) for module in model][1:] == [QuickDropout, Own]
    assert model[1].p == 0.1
