"""MPNet under all that is done with an encoder.

It computes one bias by relative position for all its layers, has no token types, positions that begin behind the padding id, attention
and layers of its own kind, and other control tokens than BERT.
"""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import plain_trainer, trained_settings

from eventtag.corpus.loading import load_corpus
from eventtag.encoding.casing import CASINGS
from eventtag.encoding.tokens import read_tokenizer, special_tokens, tokenise
from eventtag.engines.onnx_backend import OnnxBackend
from eventtag.engines.torch_backend import TorchBackend
from eventtag.exporting import export, onnx_export
from eventtag.exporting.onnx_export import export_fp32, export_int8
from eventtag.exporting.plain import export_plain
from eventtag.labels import LabelSet
from eventtag.models.checkpoint import load_checkpoint
from eventtag.models.encoders import load_encoder, longest_input
from eventtag.models.lora import add_lora, merge_lora
from eventtag.pretraining.masked import load_masked_encoder
from eventtag.settings import IntermediateSettings, LoraSettings, ModelSettings, Precision, TrainSettings, WindowSettings
from eventtag.tagging.tagger import Tagger
from eventtag.training.data.features import collate
from eventtag.training.loop.optimizer import freeze
from eventtag.training.loop.precision import Arithmetic, choose_arithmetic, run_model
from eventtag.training.run import _build_trainer, train

LABELS = LabelSet()


def model_settings(folder: Path, **chosen) -> ModelSettings:
    """The defaults (a CRF, a scalar mix, casing), without intermediate fine-tuning."""
    return ModelSettings(name=str(folder), intermediate=IntermediateSettings(data=None), **chosen)


def load(folder: Path, **chosen):
    model, tokenizer = load_encoder(model_settings(folder, **chosen), LABELS, seed=1)
    return model.eval(), tokenizer


def spread_out(model) -> None:
    """Weights so large that positions, relative and absolute, casing and layers matter."""
    torch.manual_seed(3)
    for name, weights in model.named_parameters():
        if weights.dim() > 1 and "LayerNorm" not in name:
            torch.nn.init.normal_(weights, std=0.3)


@pytest.fixture(scope="module")
def run(corpus_file, mpnet_folder, tmp_path_factory) -> Path:
    """A finished run with all parts of the default model and a link head."""
    path = tmp_path_factory.mktemp("mpnet") / "run"
    settings = {
        **trained_settings(corpus_file),
        "model": model_settings(mpnet_folder, links=True),
        "trainer": plain_trainer(epochs=8, batch_size=4, learning_rate=5e-3, head_learning_rate=2e-2, patience=None),
    }
    train(TrainSettings(**settings, run_dir=str(path)))
    return path


def test_it_reads_512_tokens_at_positions_behind_the_padding_id(mpnet_folder):
    model, tokenizer = load(mpnet_folder)
    assert longest_input(model, tokenizer) == 512
    tokenizer.model_max_length = 10**9
    assert longest_input(model, tokenizer) == 512
    ids = torch.full((1, 512), 5)
    assert torch.isfinite(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits).all()


def test_its_control_tokens_frame_windows_and_are_text_in_texts(mpnet_folder):
    _, tokenizer = load(mpnet_folder)
    for one in (tokenizer, read_tokenizer(mpnet_folder)):
        assert [part.tolist() for part in special_tokens(one)] == [[0], [2]]
        tokens = tokenise("Police <s> met <mask> Nurses </s> <pad> .", one)
        assert not set(tokens.input_ids.tolist()) & {0, 1, 2, tokenizer.mask_token_id}


def test_padding_and_company_change_nothing(mpnet_folder):
    model, _ = load(mpnet_folder)
    spread_out(model)
    ids = torch.randint(5, 40, (1, 9), generator=torch.Generator().manual_seed(0))
    alone = model(input_ids=ids, attention_mask=torch.ones_like(ids), casing_ids=torch.ones_like(ids)).logits
    padded = torch.nn.functional.pad(ids, (0, 6), value=1).repeat(3, 1)
    read = {"input_ids": padded, "attention_mask": (padded != 1).long(), "casing_ids": torch.ones_like(padded)}
    torch.testing.assert_close(model(**read).logits[1, :9], alone[0], atol=1e-5, rtol=1e-5)
    moved = ids.roll(1, dims=1)
    assert (model(input_ids=moved, casing_ids=torch.ones_like(ids)).logits.roll(-1, dims=1) - alone).abs().max() > 0.1


def test_training_learns_spans_and_links_and_the_checkpoint_is_the_trained_model(run, articles):
    epochs = json.loads((run / "metrics.json").read_text())["epochs"]
    loaded = load_checkpoint(run / "checkpoint")
    assert loaded.model.config.encoder.model_type == "mpnet"
    assert loaded.model.casing is not None
    report = json.loads((run / "report.json").read_text())
    assert report["schemes"]["strict"]["micro"]["f1"] == pytest.approx(max(epoch["eval_micro_f1"] for epoch in epochs))
    assert report["schemes"]["strict"]["micro"]["f1"] > 0.9
    (tagged,) = Tagger.load(run, device="cpu").tag_many([articles[0].text])
    assert tagged.links


def test_a_text_in_one_window_is_tagged_as_the_model_reads_it(run, articles):
    tagger = Tagger.load(run, device="cpu")
    whole = dataclasses.replace(tagger, window=WindowSettings(max_length=128, stride=6))
    texts = [article.text for article in articles[:6]]
    spans = [[(s.start, s.end, s.label) for s in item.spans] for item in whole.tag_many(texts)]
    assert any(spans)
    for text, expected in zip(texts, spans, strict=True):
        (alone,) = whole.tag_many([text])
        assert [(s.start, s.end, s.label) for s in alone.spans] == expected


@pytest.mark.parametrize("parts", ["own", "plain"])
def test_recomputed_activations_give_the_same_gradients(corpus_file, mpnet_folder, tmp_path, parts):
    """Under our classifier, and under that of transformers itself."""
    plain = {"casing": False, "layer_mix": False, "head": trained_settings(corpus_file)["model"].head} if parts == "plain" else {}

    def gradients(**trainer) -> tuple[dict[str, torch.Tensor], int]:
        settings = trained_settings(corpus_file) | {
            "model": model_settings(mpnet_folder, **plain),
            "trainer": plain_trainer(epochs=1, learning_rate=1e-4, **trainer),
        }
        made = _build_trainer(TrainSettings(**settings, run_dir=str(tmp_path)), load_corpus(settings["data"]))
        read: list[int] = []
        layer = (made.network.encoder if parts == "own" else made.network.mpnet).encoder.layer[1].attention
        layer.register_forward_hook(lambda *_: read.append(1))
        made.network.eval().train()
        for module in made.network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        batch = collate(sorted(made.features, key=lambda feature: len(feature.input_ids))[::3], pad_token_id=1)
        made.compute_loss(made.network, batch).backward()
        return {name: p.grad.clone() for name, p in made.network.named_parameters() if p.grad is not None}, len(read)

    expected, once = gradients()
    found, twice = gradients(gradient_checkpointing=True)
    assert (once, twice) == (1, 2)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4, msg=name)


def test_freezing_keeps_the_bias_by_relative_position_that_the_lowest_layer_reads(mpnet_folder):
    model, _ = load(mpnet_folder)
    freeze(model, 1)
    trained = {name for name, weights in model.named_parameters() if weights.requires_grad}
    assert "encoder.encoder.relative_attention_bias.weight" not in trained
    assert not any(name.startswith(("encoder.embeddings", "encoder.encoder.layer.0.")) for name in trained)
    assert "encoder.encoder.layer.1.attention.attn.q.weight" in trained


def test_adapters_stand_beside_all_its_linear_layers_or_those_that_are_named(mpnet_folder):
    for targets, count in ((None, 2 * 6), (["q", "v"], 2 * 2)):
        model, _ = load(mpnet_folder)
        ids = torch.randint(5, 40, (2, 8), generator=torch.Generator().manual_seed(0))
        names = list(model.state_dict())
        add_lora(model, LoraSettings(rank=2, targets=targets))
        trained = [name for name, weights in model.named_parameters() if weights.requires_grad and name.startswith("encoder.")]
        assert sum("lora_A" in name for name in trained) == count
        assert all("lora_" in name for name in trained)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if "lora_" in name:
                    weights.normal_(std=0.3)
        adapted = model(input_ids=ids).logits
        merge_lora(model)
        assert list(model.state_dict()) == names
        torch.testing.assert_close(model(input_ids=ids).logits, adapted, atol=1e-4, rtol=1e-4)


def test_attention_is_named_as_it_is_and_steps_in_bfloat16_reach_all_weights(mpnet_folder):
    model, _ = load(mpnet_folder)
    assert choose_arithmetic(model, {}, Precision.fp32) == Arithmetic("fp32", "eager")
    ids = torch.randint(5, 40, (2, 8), generator=torch.Generator().manual_seed(0))
    read = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "casing_ids": torch.ones_like(ids)}
    found = {}
    for precision in ("fp32", "bf16"):
        model.zero_grad()
        run_model(model, read, Arithmetic(precision, "eager")).logits.float().logsumexp(-1).mean().backward()
        found[precision] = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    assert "encoder.encoder.relative_attention_bias.weight" in found["bf16"]
    assert found["bf16"].keys() == found["fp32"].keys()
    for name, gradient in found["bf16"].items():
        if found["fp32"][name].norm() > 1e-4:
            assert torch.cosine_similarity(gradient.flatten(), found["fp32"][name].flatten(), dim=0) > 0.95, name


@pytest.fixture(scope="module")
def graph(run, tmp_path_factory) -> Path:
    """The trained model as an ONNX file, from which each export is made."""
    file = tmp_path_factory.mktemp("graph") / "model.onnx"
    export_fp32(load_checkpoint(run / "checkpoint").model, file, max_length=24)
    return file


def test_onnx_runtime_computes_what_torch_computes(run, graph, tmp_path):
    model = load_checkpoint(run / "checkpoint").model
    plain = TorchBackend(model)
    export_int8(graph, tmp_path / "int8.onnx")
    engines = {
        1e-4: OnnxBackend(graph, precision="fp32", threads=1),
        2.0: OnnxBackend(tmp_path / "int8.onnx", precision="int8", threads=1),
    }
    draw = np.random.default_rng(0)
    read = []
    for shape in ((1, 3), (3, 37), (1, 200)):  # 200: relative positions beyond the last bucket
        ids, casing = draw.integers(5, 40, shape), draw.integers(0, len(CASINGS), shape)
        places = np.tile(np.arange(shape[1]), (shape[0], 1))
        read.append((ids, casing, places))
        expected = plain.emissions(ids, casing, places)
        assert np.ptp(expected) > 3
        for allowed, backend in engines.items():
            assert np.abs(backend.emissions(ids, casing, places) - expected).max() < allowed, (backend.engine, shape)
    torch.nn.init.zeros_(model.encoder.encoder.relative_attention_bias.weight)
    assert np.abs(plain.emissions(*read[-1]) - expected).max() > 1e-3  # an export without them would have been noticed


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_its_exports_pass_the_gate_and_find_the_same_spans_and_links(run, graph, articles, tmp_path, monkeypatch, precision):
    monkeypatch.setattr(onnx_export, "export_fp32", lambda _, file, **__: shutil.copyfile(graph, file))
    monkeypatch.setattr(export, "_speeds", lambda *_: [100.0, 101.0])  # those of so small a model depend on the machine
    path = tmp_path / "checkpoint"
    shutil.copytree(run / "checkpoint", path)
    validation = [article for article in articles if article.meta["split"] == "validation"]
    export.export_checkpoint(path, precision, validation, LABELS)

    def found(tagger) -> list:
        texts = [article.text for article in articles]
        return [
            ([(s.start, s.end, s.label) for s in item.spans], sorted(map(str, item.links))) for item in tagger.tag_many(texts)
        ]

    exported = Tagger.load(path, precision=precision)
    assert "torch" not in exported.about["engine"]
    assert found(exported) == found(Tagger.load(path, device="cpu"))


def test_the_plain_form_is_transformers_own_classifier(run, articles, tmp_path):
    validation = [article for article in articles if article.meta["split"] == "validation"]
    loss = export_plain(run / "checkpoint", tmp_path / "plain", validation, LABELS, seen=articles)
    assert loss.articles == len(validation)
    assert json.loads((tmp_path / "plain" / "config.json").read_text())["architectures"] == ["MPNetForTokenClassification"]


def test_masked_words_are_learnt_with_its_own_mask_token(mpnet_folder):
    encoder = load_masked_encoder(str(mpnet_folder), revision=None, attention_dropout=0.0, seed=1)
    assert encoder.new_head
    assert encoder.tokenizer.convert_ids_to_tokens(encoder.tokenizer.mask_token_id) == "<mask>"
    assert encoder.model.get_output_embeddings().weight is encoder.model.get_input_embeddings().weight
