"""An encoder with a head that guesses masked tokens, for pre-training on unlabelled articles.

Letters for shapes: B windows, T tokens, M masked tokens of the batch, V tokens of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForMaskedLM, BertForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from eventtag.encoding.tokens import require_usable
from eventtag.errors import CheckpointError, EventtagError
from eventtag.models.encoders import (
    TINY,
    first_line,
    load_config,
    load_tokenizer,
    locate,
    quiet_loading,
    require_encoder,
    set_attention_dropout,
)
from eventtag.models.tiny import build_tiny_tokenizer, tiny_config


@dataclass(frozen=True)
class MaskedEncoder:
    """A model whose `base_model` is the encoder, its tokenizer, and whether its head is new (random) rather than loaded."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    new_head: bool


def load_masked_encoder(
    name: str, *, revision: str | None, attention_dropout: float | None, seed: int, texts: Sequence[str] = ()
) -> MaskedEncoder:
    """The encoder called `name` (as for `load_encoder`) with its masked-language head in float32, or a new one drawn with `seed`.

    A new head shares the encoder's word embeddings if the architecture ties them. Raises CheckpointError if the model cannot be loaded or
    its tokenizer has no mask token.
    """
    torch.manual_seed(seed)
    if name == TINY:
        tokenizer = build_tiny_tokenizer(texts)
        return MaskedEncoder(BertForMaskedLM(tiny_config(tokenizer)), tokenizer, new_head=True)
    source = str(locate(name))
    options: dict[str, Any] = {} if revision is None else {"revision": revision}
    try:
        config = load_config(source, **options)
        if attention_dropout is not None:
            set_attention_dropout(config, attention_dropout)
        tokenizer = load_tokenizer(source, **options)
        with quiet_loading():
            model, loading = AutoModelForMaskedLM.from_pretrained(
                source, config=config, dtype=torch.float32, use_safetensors=True, ignore_mismatched_sizes=True,
                output_loading_info=True, trust_remote_code=False, **options,
            )  # fmt: skip
        require_encoder(model, loading, f"model.name={name}")
        require_usable(tokenizer, vocabulary=config.vocab_size, where=f"model.name={name}")
    except EventtagError:
        raise
    except Exception as error:  # as in `load_encoder`
        raise CheckpointError(
            f"model.name={name}: cannot be loaded with a masked-language head ({first_line(error)}); "
            "give a folder or a hub name of an encoder such as BERT, RoBERTa or ModernBERT"
        ) from error
    if tokenizer.mask_token_id is None:
        raise CheckpointError(
            f"model.name={name}: its tokenizer has no mask token, which pre-training needs; choose another encoder"
        )
    return MaskedEncoder(model, tokenizer, new_head=bool(loading["missing_keys"]))


def masked_logits(model: nn.Module, encoder: nn.Module, inputs: Mapping[str, torch.Tensor], masked: torch.Tensor) -> torch.Tensor:
    """[M, V]: the guesses of `model` at the positions where `masked` [B, T] is true, in their order.

    Only those positions go through the head. With 15 % masked, the largest matrix multiplication and its memory shrink to a seventh.
    `encoder` is the model's own.
    """

    def keep_masked(_: nn.Module, __: Any, outputs: Any) -> Any:
        outputs.last_hidden_state = outputs.last_hidden_state[masked][None]
        return outputs

    handle = encoder.register_forward_hook(keep_masked)
    try:
        logits: torch.Tensor = model(**inputs).logits[0]
    finally:
        handle.remove()
    return logits


def start_from_frequencies(model: PreTrainedModel, counts: torch.Tensor) -> None:
    """Set the bias of a new head to the logarithm of each token's share of `counts` [V], so that training need not learn it."""
    bias = getattr(model.get_output_embeddings(), "bias", None)
    if bias is not None:
        with torch.no_grad():
            shares = (counts.to(bias) + 1) / (counts.sum() + len(counts))
            bias[: len(counts)].copy_(shares.log())
