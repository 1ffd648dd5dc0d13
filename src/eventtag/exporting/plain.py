"""Our own model as a token classifier of plain transformers, and what that costs.

A pipeline gives a model token ids alone, its classifier reads the last layer, and it uses no transition scores. So a CRF's scores and a
scalar mix of layers are left out, and the casing embedding is added to the word embeddings: each token gets the mean casing of its words in
the training articles, shrunk to the mean of all tokens if it is rare there.
"""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForTokenClassification, PreTrainedModel

from eventtag.article import Article
from eventtag.corpus.seen import SEEN_FILE
from eventtag.encoding.casing import CASINGS
from eventtag.encoding.tokens import tokenise
from eventtag.errors import ExportError
from eventtag.evaluation import evaluate
from eventtag.exporting.gate import agreement
from eventtag.labels import LabelSet
from eventtag.manifest import is_listed
from eventtag.models.checkpoint import load_checkpoint, save_tokenizer
from eventtag.models.encoders import set_labels
from eventtag.models.network import EventtagForTokenClassification
from eventtag.staging import require_absent, staged_folder, write_json
from eventtag.tagging.tagger import Tagger

RECORD_FILE = "eventtag_export.json"
PRIOR = 1.0
"""Occurrences of the mean casing that are added to each token's own."""


@dataclass(frozen=True, slots=True)
class PlainLoss:
    """What a plain form loses: strict micro F1 on the validation articles before and after, and the share of spans that stay."""

    articles: int
    f1: float
    plain_f1: float
    agreement: float


def export_plain(
    path: Path, output: Path, articles: Sequence[Article], labels: LabelSet, *, seen: Sequence[Article] = ()
) -> PlainLoss:
    """Write a checkpoint as a folder that `transformers.pipeline("token-classification", output)` loads without eventtag.

    `articles` are validation articles with gold of `labels`; casings are counted on `seen`. Raises ExportError for a model that is plain
    already, whose head is not a token classifier, or whose architecture has another classifier in transformers; OutputError if `output`
    exists.
    """
    require_absent(output)
    checkpoint = load_checkpoint(path)
    model, info = checkpoint.model, checkpoint.info
    if not isinstance(model, EventtagForTokenClassification):
        raise ExportError(f"{path}: is a plain {type(model).__name__} already; a pipeline loads it as it is")
    if not model.head.tags_words:
        raise ExportError(f"{path}: its head is no token classifier; use eventtag.Tagger")
    plain = _plain_model(model, info.labels)
    if model.casing is not None:
        _fold_casing(plain, model, seen, checkpoint.tokenizer)
    before, after = (
        evaluate(
            Tagger(
                network,
                checkpoint.tokenizer,
                info.labels,
                info.window,
                calibration=info.calibration,
                crosses_lines=info.crosses_lines,
                cuts_strings=info.cuts_strings,
            ),
            articles,
            labels=labels,
        )
        for network in (model, plain)
    )
    loss = PlainLoss(
        len(before.tagged),
        before.report.strict.micro.f1,
        after.report.strict.micro.f1,
        agreement(before.tagged, after.tagged),
    )
    record: Mapping[str, Any] = {"checkpoint": checkpoint.sha256, "loss": asdict(loss)}
    with staged_folder(output) as folder:
        plain.save_pretrained(folder)
        save_tokenizer(checkpoint.tokenizer, folder)
        if is_listed(path, SEEN_FILE):
            shutil.copyfile(path / SEEN_FILE, folder / SEEN_FILE)
        write_json(folder / RECORD_FILE, record)
    return loss


def _plain_model(model: EventtagForTokenClassification, labels: LabelSet) -> PreTrainedModel:
    """The same encoder and classifier in transformers' own class, without casing and reading the last layer alone; raises ExportError
    where that computes otherwise.
    """
    config = copy.deepcopy(model.config.encoder)
    set_labels(config, labels)
    try:
        plain: Any = AutoModelForTokenClassification.from_config(config, trust_remote_code=False)
        plain.eval()
        base: Any = getattr(plain, plain.base_model_prefix)
        base.load_state_dict(model.encoder.state_dict(), strict=False)
        classifier: Any = model.classifier
        plain.classifier.load_state_dict(classifier.state_dict())
        ids = torch.randint(1, 50, (2, 12), generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            expected = classifier(model.encoder(input_ids=ids).last_hidden_state)
            same = torch.allclose(plain(input_ids=ids).logits, expected, atol=1e-4)
    except (ValueError, AttributeError, RuntimeError):
        same = False
    if not same:
        raise ExportError(
            f"transformers' token classifier over {config.model_type} is built in another way than this checkpoint's model, "
            "so its weights do not fit; use eventtag.Tagger"
        )
    return plain  # type: ignore[no-any-return]


def _fold_casing(plain: PreTrainedModel, model: EventtagForTokenClassification, seen: Sequence[Article], tokenizer: Any) -> None:
    """Add to each word embedding the mean casing embedding of its token."""
    words: Any = plain.get_input_embeddings()
    counts = np.zeros((words.num_embeddings, len(CASINGS)))
    for article in seen:
        tokens = tokenise(article.text, tokenizer)
        np.add.at(counts, (tokens.input_ids, tokens.casing), 1.0)
    total = counts.sum(axis=0)
    mean = total / total.sum() if total.any() else np.eye(len(CASINGS))[CASINGS.index("lower")]
    shares = (counts + PRIOR * mean) / (counts.sum(axis=1, keepdims=True) + PRIOR)
    special = [number for number in tokenizer.all_special_ids if number is not None]
    shares[special] = np.eye(len(CASINGS))[0]
    assert model.casing is not None
    with torch.no_grad():
        words.weight += torch.from_numpy(shares).to(words.weight.dtype) @ model.casing.weight
