"""A checkpoint of our own class as one of transformers' own."""

import json
import subprocess

import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, BertConfig, BertModel
from warm import FORGET, warm_programs

from eventtag.corpus.seen import read_seen, seen_articles
from eventtag.errors import ExportError
from eventtag.exporting.plain import export_plain
from eventtag.labels import LabelSet
from eventtag.models.checkpoint import CheckpointInfo, save_checkpoint
from eventtag.models.encoders import build_network
from eventtag.models.tiny import build_tiny_tokenizer
from eventtag.settings import WindowSettings

LABELS = LabelSet()


def save(path, articles, *, casing, layer_mix=False):
    """A checkpoint with random weights, and a casing embedding that matters if `casing`."""
    torch.manual_seed(0)
    tokenizer = build_tiny_tokenizer([article.text for article in articles])
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=1.0 if layer_mix else 0.02,  # else the layers are nearly the same
    )
    network = build_network(BertModel(config), LABELS, casing=casing, layer_mix=layer_mix).eval()
    if casing:
        torch.nn.init.normal_(network.casing.weight[1:])
    if layer_mix:
        with torch.no_grad():
            network.layer_weights[0] = 9.0  # little is left of the last layer
    save_checkpoint(
        path,
        network,
        tokenizer,
        CheckpointInfo(LABELS, WindowSettings(max_length=24, stride=6)),
        model_card="",
        seen=seen_articles(learnt=articles),
    )


def test_a_plain_export_loads_without_eventtag_and_says_what_it_loses(articles, tmp_path):
    save(tmp_path / "checkpoint", articles, casing=True)
    loss = export_plain(tmp_path / "checkpoint", tmp_path / "plain", articles[:4], LABELS, seen=articles * 100)
    # In these articles each word is always written in the same way, so that its token knows its casing.
    assert loss.agreement == 1.0
    assert loss.plain_f1 == loss.f1
    assert json.loads((tmp_path / "plain" / "eventtag_export.json").read_text())["loss"]["articles"] == 4
    assert read_seen(tmp_path / "plain") == seen_articles(learnt=articles)
    code = (
        f"{FORGET}from transformers import pipeline;"
        "print(type(pipeline('token-classification', sys.argv[1]).model).__name__, 'eventtag' in sys.modules)"
    )
    command = [warm_programs() / "python", "-c", code, tmp_path / "plain"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout == "BertForTokenClassification False\n"


def test_a_pipeline_reads_control_tokens_in_a_text_as_text(articles, tmp_path):
    save(tmp_path / "checkpoint", articles, casing=True)
    export_plain(tmp_path / "checkpoint", tmp_path / "plain", articles[:4], LABELS)
    for folder in ("checkpoint", "plain"):
        tokenizer = AutoTokenizer.from_pretrained(tmp_path / folder)
        ids = tokenizer("Police [SEP] in [MASK][CLS] [PAD]")["input_ids"]
        assert [number for number in ids if number in tokenizer.all_special_ids and number != tokenizer.unk_token_id] == [
            tokenizer.cls_token_id,
            tokenizer.sep_token_id,
        ]


def test_a_mean_of_layers_is_left_out_and_counted_as_a_loss(articles, tmp_path):
    save(tmp_path / "checkpoint", articles, casing=False, layer_mix=True)
    loss = export_plain(tmp_path / "checkpoint", tmp_path / "plain", articles, LABELS)
    assert 0 < loss.agreement < 1.0
    network = AutoModelForTokenClassification.from_pretrained(tmp_path / "checkpoint").eval()
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path / "plain").eval()
    ids = torch.tensor([[5, 6, 7, 8]])
    assert torch.allclose(plain(ids).logits, network.classifier(network.encoder(ids).last_hidden_state), atol=1e-5)


def test_unseen_tokens_are_taken_to_be_written_as_most_are(articles, tmp_path):
    save(tmp_path / "checkpoint", articles, casing=True)
    few = export_plain(tmp_path / "checkpoint", tmp_path / "few", articles, LABELS, seen=articles[:1])
    assert few.agreement < 1.0


def test_what_is_plain_already_is_refused(checkpoint, articles, tmp_path):
    with pytest.raises(ExportError, match="is a plain BertForTokenClassification already"):
        export_plain(checkpoint, tmp_path / "plain", articles, LABELS)
    assert not (tmp_path / "plain").exists()
