"""What a run's checkpoint will have seen: its own articles, its primer's, and what its encoder and its teachers had seen before."""

from __future__ import annotations

import logging
from pathlib import Path

from eventtag.corpus.loading import Corpus
from eventtag.corpus.seen import TAUGHT, Seen, read_seen, seen_articles
from eventtag.ledger import LossLedger
from eventtag.settings import TrainSettings
from eventtag.training.data.teachers import read_unlabelled
from eventtag.training.primer import PrimerRun

log = logging.getLogger(__name__)

OURS = ("seen.json", "eventtag.json", "pretraining.json", "eventtag_export.json")
"""A folder with one of these was made by eventtag, so its encoder may have learnt from the articles at hand."""


def seen_before(settings: TrainSettings) -> Seen:
    """What the encoder, the teachers and the articles that teachers read bring along; raises CheckpointError for a damaged file."""
    seen = Seen()
    for path in settings.teacher.checkpoints:
        seen |= read_seen(Path(path)).named(f"the teacher {path}")
    unlabelled = read_unlabelled(settings.teacher, ledger=LossLedger())
    return seen | seen_articles(read=unlabelled) | seen_by_encoder(settings.model.name)


def seen_by_encoder(name: str) -> Seen:
    """What an encoder brings along: nothing that is known of one that eventtag did not make."""
    folder = Path(name)
    if not any((folder / file).is_file() for file in OURS):
        return Seen()
    return read_seen(folder).named(f"the encoder {name}")


def seen_in_run(settings: TrainSettings, corpus: Corpus, primer: PrimerRun | None) -> Seen:
    """All that the checkpoint of a run will have seen. Validation and test articles that were learnt from before are warned of."""
    seen = seen_before(settings)
    if primer is not None:
        seen |= _seen_in_corpus(primer.corpus)
    for split in ("validation", "test"):
        articles = corpus.splits.get(split, ())
        taught = sum(seen.kind_of(article) in TAUGHT for article in articles)
        if taught:
            log.warning(
                "%d of %d %s articles taught the encoder, the primer or the teachers already, so that scores on them flatter",
                taught, len(articles), split,
            )  # fmt: skip
    return seen | _seen_in_corpus(corpus)


def _seen_in_corpus(corpus: Corpus) -> Seen:
    return seen_articles(learnt=corpus.splits["train"], chose=corpus.splits["validation"])
