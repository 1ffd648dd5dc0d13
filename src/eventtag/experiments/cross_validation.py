"""Cross-validation: every article is judged by a model that was trained on the others."""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from eventtag.article import Article
from eventtag.corpus.loading import Corpus, Handling
from eventtag.corpus.near_duplicates import find_near_duplicates
from eventtag.corpus.seen import leave_out_seen
from eventtag.corpus.splits import fold_articles, split_articles
from eventtag.errors import SettingsError
from eventtag.heads.registry import wanted_head
from eventtag.labels import LabelSet
from eventtag.settings import TrainSettings
from eventtag.tagging.tagged import JudgedArticle
from eventtag.tagging.tagger import Tagger
from eventtag.training.intermediate import INTERMEDIATE
from eventtag.training.learnt import seen_before
from eventtag.training.run import require_trainable, train

log = logging.getLogger(__name__)

VALIDATION_SHARE = 0.15
"""Share of a model's training articles that choose its epoch."""


def cross_validate(
    articles: Sequence[Article], labels: LabelSet, settings: TrainSettings, *, folds: int, include_seen: bool = False
) -> Iterator[JudgedArticle]:
    """Train `folds` models, each on the articles outside one fold, and let it judge the words of those inside; fold by fold.

    Near-duplicates are in one fold. The longest of overlapping spans are learnt. `settings.data` and `run_dir` are not used, and the models
    are not kept. Intermediate fine-tuning leaves out the articles that are to be judged. Articles that the encoder or teachers learnt from
    are not judged unless `include_seen`. Raises what `train` raises, for all folds before the first is trained; SettingsError for a head
    that does not tag words; DataError if no article is left to judge.
    """
    if not wanted_head(settings.model).tags_words:
        raise SettingsError(
            f"model.head={settings.model.head.value} gives no probabilities for single words; use model.head=crf or softmax"
        )
    judged = leave_out_seen(
        articles, seen_before(settings), include=include_seen, who="the encoder or a teacher", remedy="--seen include"
    )
    for note in judged.notes:
        log.warning("%s", note)
    to_judge = {article.id for article in judged.articles}
    duplicates = find_near_duplicates(articles)
    parts = fold_articles(articles, folds, seed=settings.data.split_seed, duplicates=duplicates)
    corpora = []
    for part in parts:
        held_out = {article.id for article in part}
        rest = [article for article in articles if article.id not in held_out]
        split = split_articles(
            rest, validation_share=VALIDATION_SHARE, test_share=0.0, seed=settings.data.split_seed, duplicates=duplicates
        )
        corpora.append(
            Corpus(
                settings.data.name,
                labels,
                {name: split.articles(rest, name) for name in ("train", "validation")},
                split.rule,
                allowed_loss=math.inf,
                handling=Handling(overlaps="longest"),
            )
        )
        require_trainable(corpora[-1])
    with tempfile.TemporaryDirectory() as scratch:
        for number, (part, corpus) in enumerate(zip(parts, corpora, strict=True), start=1):
            log.info(
                "fold %d of %d: %d articles to judge, which choose nothing; %d others choose the epoch and the thresholds",
                number, folds, len(part), len(corpus.splits["validation"]),
            )  # fmt: skip
            run_dir = Path(scratch) / str(number)
            own = replace(settings, run_dir=str(run_dir), resume=False)
            whole = replace(corpus, splits={**corpus.splits, "test": part})
            result = train(own, corpus=corpus, whole=whole, shared=Path(scratch) / INTERMEDIATE)
            yield from Tagger.load(result.checkpoint).judge_words(article for article in part if article.id in to_judge)
            shutil.rmtree(run_dir)
