"""A token classifier small enough for tests, built in code with random weights: no file, no hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordPiece
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from eventtag.labels import LabelSet
from eventtag.text.words import find_words

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = 4000
TINY_WIDTH = 48


def build_tiny_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerBase:
    """A word-piece tokenizer whose vocabulary is the letters and the most frequent words of `texts`, case kept."""
    words = Counter(text[start:end] for text in texts for start, end in find_words(text))
    letters = sorted(
        {letter for word in words for letter in word} | set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,")
    )
    frequent = [word for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0])) if len(word) > 1][:VOCABULARY]
    pieces = [*SPECIAL, *letters, *(f"##{letter}" for letter in letters), *frequent]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of the vocabulary, not a secret
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",  # noqa: S106
        pad_token="[PAD]",  # noqa: S106
        cls_token="[CLS]",  # noqa: S106
        sep_token="[SEP]",  # noqa: S106
        mask_token="[MASK]",  # noqa: S106
        model_max_length=512,
    )


def build_tiny_model(tokenizer: PreTrainedTokenizerBase, labels: LabelSet) -> BertForTokenClassification:
    """A token classifier of the tiny size with random weights (drawn from torch's current seed)."""
    config = tiny_config(
        tokenizer, id2label=dict(enumerate(labels.tags)), label2id={tag: tag_id for tag_id, tag in enumerate(labels.tags)}
    )
    return BertForTokenClassification(config)


def tiny_config(tokenizer: PreTrainedTokenizerBase, **options: Any) -> BertConfig:
    """A BERT of 2 layers and no dropout."""
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=TINY_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=512,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        **options,
    )
