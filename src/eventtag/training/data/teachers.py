"""Other taggers as teachers: the student learns their probabilities of every word's tags (soft targets), with gold or without it.

The mean of several taggers with different seeds is better than each of them. A model that learns their mean probabilities keeps most of
that gain and costs as much as one (knowledge distillation: Hinton et al. 2015, https://arxiv.org/abs/1503.02531). On words that nobody
annotated only the teachers' probabilities are learnt (self-training: Yarowsky 1995, https://aclanthology.org/P95-1026/).

Letters for shapes: W words of an article, C tags.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerBase

from eventtag.article import Article
from eventtag.encoding.align import words_inside
from eventtag.encoding.tokens import TokenisedText, tokenise
from eventtag.errors import CheckpointError, SettingsError
from eventtag.jobs.reading.inputs import read_rows
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.manifest import MANIFEST_FILE, sha256_of
from eventtag.settings.teacher import TeacherSettings
from eventtag.tagging.tagger import Tagger

log = logging.getLogger(__name__)

ASKED_AT_ONCE = 64
"""Articles that go through a teacher together; bounds memory."""


@dataclass(frozen=True, slots=True)
class SoftTargets:
    """The teachers' `probabilities` [W, C] of each word's tags in an article, and the `share` [W] of the word's loss that follows them:
    0 the gold alone, 1 the teachers alone.
    """

    probabilities: npt.NDArray[np.float16]
    share: npt.NDArray[np.float32]


def read_unlabelled(settings: TeacherSettings, *, ledger: LossLedger) -> Iterator[Article]:
    """The articles of `teacher.articles`, with nothing annotated; the ledger names rows that cannot be read."""
    if settings.articles is None:
        return
    for row in read_rows(settings.articles):
        if row.article is None:
            ledger.remark(f"{row.place.file}:{row.place.line or 0}: not used for teaching, {row.problem}")
        else:
            yield Article(f"unlabelled:{row.article.id}", row.article.text, annotated=())


def ask_teachers(
    articles: Sequence[Article], settings: TeacherSettings, labels: LabelSet, tokenizer: PreTrainedTokenizerBase
) -> dict[str, SoftTargets]:
    """By article id, the teachers' mean probabilities and how much of each word's loss follows them.

    Words of annotated regions follow the teachers by `teacher.share`. With `teacher.unannotated`, other words follow them alone if the most
    probable tag has at least `teacher.confidence`; without it teachers do not read them. Raises CheckpointError for a checkpoint that
    cannot be loaded, SettingsError for one with other labels, with a head that gives no probabilities of tags, or whose encoder divides a
    text into other words than the student's `tokenizer`.
    """
    words = {article.id: tokenise(article.text, tokenizer).words for article in articles}
    sums = {article.id: np.zeros((len(words[article.id]), len(labels.tags)), dtype=np.float32) for article in articles}
    for path in settings.checkpoints:
        tagger = Tagger.load(path)
        require_teacher(tagger, path, labels)
        log.info("asking the teacher %s about %d articles", path, len(articles))
        for start in range(0, len(articles), ASKED_AT_ONCE):
            chunk = articles[start : start + ASKED_AT_ONCE]
            texts = [tokenise(article.text, tagger.tokenizer) for article in chunk]
            asked = (
                None if settings.unannotated else [_annotated(tokens, item) for item, tokens in zip(chunk, texts, strict=True)]
            )
            for article, tokens, emissions in zip(chunk, texts, tagger.emissions(texts, asked), strict=True):
                if not np.array_equal(words[article.id], tokens.words):
                    raise SettingsError(
                        f"teacher.checkpoints: {path} divides article {article.id!r} into other words than model.name does; "
                        "give teachers with a tokenizer of its kind"
                    )
                sums[article.id] += np.nan_to_num(tagger.decoder.soft_targets(emissions, labels))
    return {
        article.id: _soft_targets(article, words[article.id], sums[article.id] / np.float32(len(settings.checkpoints)), settings)
        for article in articles
    }


def require_teacher(tagger: Tagger, path: str | Path, labels: LabelSet) -> None:
    """Raise SettingsError if a tagger cannot teach a student with `labels`."""
    if tagger.labels != labels:
        raise SettingsError(
            f"teacher.checkpoints: {path} knows the labels {', '.join(tagger.labels.labels)}, in this order; "
            f"data.labels are {', '.join(labels.labels)}"
        )
    if not tagger.decoder.tags_words:
        raise SettingsError(
            f"teacher.checkpoints: {path} has a head that does not tag single words; train the teachers with model.head=crf or softmax"
        )


def _annotated(tokens: TokenisedText, article: Article) -> npt.NDArray[np.int64]:
    """The first tokens of the words in annotated regions."""
    return tokens.first_token[words_inside(tokens.words, article)]


def _soft_targets(
    article: Article, words: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float32], settings: TeacherSettings
) -> SoftTargets:
    inside = words_inside(words, article)
    sure = probabilities.max(axis=1, initial=0) >= settings.confidence
    alone = (sure & settings.unannotated).astype(np.float32)
    return SoftTargets(probabilities.astype(np.float16), np.where(inside, np.float32(settings.share), alone))


def teacher_fingerprints(checkpoints: Sequence[str]) -> dict[str, str]:
    """sha256 of each teacher's manifest, for the record of a run. Raises CheckpointError for a folder without one."""
    found = {}
    for path in checkpoints:
        manifest = Path(path) / MANIFEST_FILE
        if not manifest.is_file():
            raise CheckpointError(
                f"teacher.checkpoints: {path} has no {MANIFEST_FILE}; give checkpoint directories of finished runs"
            )
        found[path] = sha256_of(manifest)
    return found
