"""Intermediate fine-tuning: a model learns from other annotated articles with the same labels before those of the run.

A few hundred articles that somebody else annotated teach an encoder what actors, events and places look like. The articles of the run then
teach it the rules of their annotators (Phang et al. 2018, https://arxiv.org/abs/1811.01088). It is a run of its own, in RUN/intermediate,
and the actual run begins from its checkpoint. Several runs can share that checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from eventtag.article import Article
from eventtag.corpus.loading import Corpus, load_corpus
from eventtag.corpus.near_duplicates import find_near_duplicates
from eventtag.heads.registry import head_of
from eventtag.links.scheme import learnt_scheme
from eventtag.models.checkpoint import load_checkpoint
from eventtag.models.encoders import TINY
from eventtag.settings import (
    DataSettings,
    EvaluationSettings,
    IntermediateSettings,
    TeacherSettings,
    TrainSettings,
)
from eventtag.staging import remove_known, remove_partial
from eventtag.text.scripts import main_script
from eventtag.training.loop.precision import Arithmetic
from eventtag.training.record import plain

log = logging.getLogger(__name__)

INTERMEDIATE = "intermediate"
"""Folder of such a run in the actual run's folder; in a sweep or learning curve, the folder of shared checkpoints."""


@dataclass(frozen=True)
class IntermediateRun:
    """A run of intermediate fine-tuning."""

    settings: TrainSettings
    corpus: Corpus

    def describe(self) -> dict[str, Any]:
        """For the record of the actual run."""
        return {**self.corpus.describe("train"), "epochs": self.settings.trainer.epochs}

    def key(self, arithmetic: Arithmetic) -> str:
        """A hash of articles, arithmetic and settings; runs with the same key have the same weights."""
        settings = replace(self.settings, run_dir=INTERMEDIATE, trainer=replace(self.settings.trainer, save_every_steps=None))
        teaching = [plain(settings), arithmetic.to_json(), self.corpus.describe("train"), self.corpus.describe("validation")]
        return hashlib.sha256(json.dumps(teaching, sort_keys=True).encode()).hexdigest()[:16]


def plan_intermediate(settings: TrainSettings, corpus: Corpus) -> IntermediateRun | None:
    """The run that `model.intermediate` asks for before that on `corpus`; None if it is left out.

    It is left out if its articles have none of the corpus's labels or are mostly those of the corpus, and for the model `tiny`, whose
    vocabulary comes from the corpus; the log says so. The log warns if both corpora are written in different scripts. Articles that are
    also in the corpus, or are near-duplicates of its validation or test articles, are left out. Raises what `load_corpus` raises for its
    articles.
    """
    intermediate = settings.model.intermediate
    if intermediate.data is None:
        return None
    if settings.model.name == TINY:
        log.info("intermediate fine-tuning: model.name=tiny makes its vocabulary from each corpus, so it is left out")
        return None
    source = load_corpus(intermediate.data)
    if not set(source.labels.labels) & set(corpus.labels.labels):
        log.info(
            "intermediate fine-tuning: %s has none of the labels %s, so it is left out",
            source.name,
            ", ".join(corpus.labels.labels),
        )
        return None
    articles = source.articles("train")
    kept = _apart(articles, corpus)
    if len(kept) < len(articles) / 2:
        log.info(
            "intermediate fine-tuning: %d of %d articles are in the corpus itself, so it is left out",
            len(articles) - len(kept),
            len(articles),
        )
        return None
    _warn_of_script(source, kept, corpus)
    first = intermediate_settings(settings, intermediate.data)
    if first.model.links and learnt_scheme(kept, source.labels)[0] is None:
        log.info("intermediate fine-tuning: %s has no links, so it teaches tags alone", source.name)
        first = replace(first, model=replace(first.model, links=False))
    return IntermediateRun(first, replace(source, splits={"train": kept, "validation": source.articles("validation")}))


def _warn_of_script(source: Corpus, kept: Sequence[Article], corpus: Corpus) -> None:
    theirs, ours = (main_script(article.text for article in articles) for articles in (kept, corpus.articles("train")))
    if None not in (theirs, ours) and theirs != ours:
        log.warning(
            "intermediate fine-tuning: the articles of %s are mostly in %s letters, those of %s in %s; "
            "model.intermediate.data=null goes without it, and model.name must be an encoder that knows both",
            source.name, theirs, corpus.name, ours,
        )  # fmt: skip


def intermediate_settings(settings: TrainSettings, data: DataSettings) -> TrainSettings:
    """The settings of intermediate fine-tuning on `data`: those of the run, without those about the run's own articles."""
    return replace(
        settings,
        data=data,
        model=replace(settings.model, intermediate=IntermediateSettings(data=None)),
        trainer=replace(
            settings.trainer, epochs=settings.model.intermediate.epochs, patience=None, adversarial=0.0, tracking=[],
        ),
        teacher=TeacherSettings(),
        base=None,
        evaluation=EvaluationSettings(resamples=100, f1_threshold=False),
        resume=True,
        run_dir=str(Path(settings.run_dir) / INTERMEDIATE),
    )  # fmt: skip


def _apart(articles: Sequence[Article], corpus: Corpus) -> tuple[Article, ...]:
    """The articles that are not in the corpus and are not near-duplicates of its validation or test articles."""
    texts = {article.text for article in corpus.articles("all")}
    held_out = [
        replace(article, id=f"corpus/{article.id}")
        for split, chosen in corpus.splits.items()
        if split != "train"
        for article in chosen
    ]
    others = [replace(article, id=f"{INTERMEDIATE}/{article.id}") for article in articles]
    copies: set[str] = set()
    for cluster in find_near_duplicates([*held_out, *others]).clusters:
        if any(name.startswith("corpus/") for name in cluster):
            copies |= set(cluster)
    return tuple(article for article in articles if article.text not in texts and f"{INTERMEDIATE}/{article.id}" not in copies)


def share(checkpoint: Path, place: Path) -> None:
    """Move the checkpoint of intermediate fine-tuning to the `place` where other runs look for it; another process may have been faster."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        checkpoint.rename(place)
    except OSError:
        if not place.exists():
            raise


def remove_shared(run_dir: Path) -> None:
    """Remove the checkpoints that the runs below `run_dir` shared; the log names other files there."""
    left = remove_known(run_dir / INTERMEDIATE, ("[0-9a-f]" * 16,))
    if left:
        log.warning("%s: is left with what no run has written there: %s", run_dir / INTERMEDIATE, ", ".join(left))
    remove_partial(run_dir, (INTERMEDIATE,))


def take_weights(model: PreTrainedModel, checkpoint: Path) -> None:
    """Give a model the weights of a checkpoint of its kind: those of the head only where both have the same tags, those of a link head only
    where both have the same roles too.

    Raises CheckpointError for a checkpoint that cannot be loaded.
    """
    tuned = load_checkpoint(checkpoint).model
    weights, head = tuned.state_dict(), head_of(model.config)
    same_tags = tuned.config.id2label == model.config.id2label
    roles, known = ((getattr(some.config, "links", None) or {}).get("roles") for some in (tuned, model))
    own_only = ("link_layers.",) if roles != known or not same_tags else ()
    with torch.no_grad():
        for name, own in model.state_dict().items():
            given = weights.get(name.replace(".base_layer.", "."))  # a layer with an adapter
            kept = name.startswith(own_only) or not (same_tags or not name.startswith(head.weights))
            if given is not None and given.shape == own.shape and not kept:
                own.copy_(given)
