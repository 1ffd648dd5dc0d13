"""What a run's checkpoint will have learnt from, and where its spans may begin and end.

It has seen its own articles, those of intermediate fine-tuning, and those that its base, encoder and teachers had seen. Its training spans
show whether spans may cross lines or begin and end inside strings.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from eventtag.corpus.loading import Corpus
from eventtag.corpus.seen import LEARNT_FROM, Seen, read_seen, seen_articles
from eventtag.ledger import LossLedger
from eventtag.models.checkpoint import checkpoint_folder
from eventtag.settings import TrainSettings
from eventtag.text.lines import begins_line
from eventtag.text.strings import inside_string
from eventtag.text.words import find_words
from eventtag.training.data.teachers import read_unlabelled
from eventtag.training.intermediate import IntermediateRun

log = logging.getLogger(__name__)

ENOUGH_SPANS = 20
"""If none of as many spans cuts a string, at most one in seven does, at a confidence of 95 % (rule of three: Hanley and Lippman-Hand 1983,
https://doi.org/10.1001/jama.1983.03330370053031).
"""
OURS = ("seen.json", "eventtag.json", "pretraining.json", "eventtag_export.json")
"""A folder with one of these files was made by eventtag, so its encoder may have learnt from the present articles."""


def seen_before(settings: TrainSettings) -> Seen:
    """The articles that the base, the encoder, the teachers and `teacher.articles` add; raises CheckpointError for a damaged file."""
    seen = Seen()
    if settings.base is not None:
        seen |= read_seen(checkpoint_folder(settings.base)).named(f"the base {settings.base}")
    for path in settings.teacher.checkpoints:
        seen |= read_seen(Path(path)).named(f"the teacher {path}")
    unlabelled = read_unlabelled(settings.teacher, ledger=LossLedger())
    return seen | seen_articles(read=unlabelled) | seen_by_encoder(settings.model.name)


def seen_by_encoder(name: str) -> Seen:
    """The articles that an encoder adds; nothing is known of an encoder that eventtag did not make."""
    folder = Path(name)
    if not any((folder / file).is_file() for file in OURS):
        return Seen()
    return read_seen(folder).named(f"the encoder {name}")


def seen_in_run(settings: TrainSettings, corpus: Corpus, intermediate: IntermediateRun | None) -> Seen:
    """All that the checkpoint of a run will have seen. A warning counts validation and test articles that were learnt before."""
    seen = seen_before(settings)
    if intermediate is not None:
        seen |= _seen_in_corpus(intermediate.corpus)
    for split in ("validation", "test"):
        articles = corpus.splits.get(split, ())
        known = sum(seen.kind_of(article) in LEARNT_FROM for article in articles)
        if known:
            log.warning(
                "%d of %d %s articles were learnt by the base, the encoder or the teachers, or in intermediate fine-tuning; scores are "
                "too high",
                known, len(articles), split,
            )  # fmt: skip
    return seen | _seen_in_corpus(corpus)


def learns_across_lines(corpus: Corpus) -> bool:
    """Whether a span of a training article goes on in the next line (`eventtag.text.lines`)."""
    for article in corpus.splits["train"]:
        words = find_words(article.text)
        beginnings = words[begins_line(article.text, words), 0]
        for span in article.spans:
            if article.counts(span) and np.searchsorted(beginnings, span.start, "right") < np.searchsorted(beginnings, span.end):
                return True
    return False


def learns_cut_strings(corpus: Corpus) -> bool:
    """Whether spans may begin or end inside a string of a text whose strings are words (`eventtag.text.strings`): a training article has
    such a span, or fewer than ENOUGH_SPANS of them hold a string in which one could.
    """
    holding = 0
    for article in corpus.splits["train"]:
        words = find_words(article.text)
        inside = words[inside_string(article.text, words), 0]
        for span in article.spans:
            if article.counts(span):
                first, behind = np.searchsorted(inside, span.start), np.searchsorted(inside, span.end)
                if span.start in inside[first : first + 1] or span.end in inside[behind : behind + 1]:
                    return True
                holding += int(first < behind)
    return holding < ENOUGH_SPANS


def _seen_in_corpus(corpus: Corpus) -> Seen:
    return seen_articles(learnt=corpus.splits["train"], chose=corpus.splits["validation"])
