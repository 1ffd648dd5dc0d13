"""Exported architectures compute what torch computes; those that cannot be exported say so."""

import shutil

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModel, BertForTokenClassification

from eventtag.encoding.casing import CASINGS
from eventtag.engines.onnx_backend import OnnxBackend
from eventtag.engines.torch_backend import TorchBackend
from eventtag.errors import ExportError
from eventtag.exporting.export import export_checkpoint
from eventtag.exporting.onnx_export import export_fp32
from eventtag.labels import LabelSet
from eventtag.models.encoders import build_network

pytestmark = pytest.mark.slow

LABELS = LabelSet()
WORDS = 60
KINDS = {
    "roberta": {"num_hidden_layers": 1, "pad_token_id": 1},
    "deberta-v2": {
        "num_hidden_layers": 1,
        "relative_attention": True,
        "pos_att_type": ["c2p", "p2c"],
        "position_buckets": 16,
        "share_att_key": True,
    },
    "modernbert": {"num_hidden_layers": 2, "pad_token_id": 1, "global_attn_every_n_layers": 2, "local_attention": 8}
    | dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_computes_what_torch_computes(kind, tmp_path):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "vocab_size": WORDS}
    config = AutoConfig.for_model(kind, **sizes, **KINDS[kind], max_position_embeddings=80)
    network = build_network(AutoModel.from_config(config), LABELS, casing=True, layer_mix=True).eval()
    for name, weights in network.named_parameters():
        if weights.dim() > 1 and "norm" not in name.lower():
            torch.nn.init.normal_(weights, std=0.3)  # large enough that positions and masks matter
    export_fp32(network, tmp_path / "model.onnx", max_length=64)
    exported, plain = OnnxBackend(tmp_path / "model.onnx", precision="fp32", threads=1), TorchBackend(network)
    draw = np.random.default_rng(0)
    for shape in ((1, 3), (2, 16), (3, 37), (1, 64)):
        ids, casing = draw.integers(5, WORDS, shape), draw.integers(0, len(CASINGS), shape)
        places = np.tile(np.arange(shape[1]), (shape[0], 1))
        expected = plain.emissions(ids, casing, places)
        assert np.ptp(expected) > 1
        assert np.abs(exported.emissions(ids, casing, places) - expected).max() < 1e-4


def test_a_model_that_cannot_be_exported_is_named_and_nothing_is_written(checkpoint, articles, tmp_path, monkeypatch):
    read = BertForTokenClassification.forward

    def read_by_what_it_sees(self, **given):
        found = read(self, **given)
        if found.logits.max() > 0:
            found.logits = found.logits * 1.0
        return found

    path = tmp_path / "checkpoint"
    shutil.copytree(checkpoint, path)
    monkeypatch.setattr(BertForTokenClassification, "forward", read_by_what_it_sees)
    with pytest.raises(ExportError, match="fp32: this model cannot be exported with torch") as raised:
        export_checkpoint(path, "fp32", articles, LABELS)
    assert "\x1b" not in str(raised.value)
    assert not (path / "export_fp32").exists()
