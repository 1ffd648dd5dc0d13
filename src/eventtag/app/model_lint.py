"""What models say of annotated articles, for `eventtag lint`."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eventtag.app.hydra_task import compose_training
from eventtag.app.terminal import log_to_terminal, print_message
from eventtag.articles import Article
from eventtag.corpus.lint import RARE, Finding
from eventtag.corpus.loading import fingerprint, learnt_from
from eventtag.corpus.splits import split_articles
from eventtag.errors import DataError, EventtagError
from eventtag.labels import LabelSet
from eventtag.tagging.tagger import Tagger
from eventtag.training.cross_validation import cross_validate
from eventtag.training.likely_errors import find_likely_errors


def judge_by_checkpoint(articles: Sequence[Article], path: str) -> list[Finding]:
    """The likely errors that a checkpoint finds; says on the error output what limits its judgement."""
    tagger = Tagger.load(path)
    counts = _counts(articles)
    unknown = {label: count for label, count in counts.items() if label not in tagger.labels.labels}
    if unknown:
        named = ", ".join(f"{label} ({count})" for label, count in unknown.items())
        print_message(f"not judged, the checkpoint does not know these labels: {named}; map them with --map")
    if _was_trained_on(articles, tagger.about or {}):
        print_message(
            f"{path} was trained on articles of these, errors included, and will defend many of them; "
            "--cross-validate judges each article by a model that did not see it"
        )
    return find_likely_errors(tagger.judge_words(articles), tagger.labels)


def judge_by_folds(articles: Sequence[Article], folds: int, overrides: Sequence[str]) -> list[Finding]:
    """The likely errors by cross-validation with the settings of `eventtag train`; rare labels are left out."""
    counts = _counts(articles)
    rare = [label for label, count in counts.items() if count < RARE]
    if rare:
        print_message(f"not judged, with fewer than {RARE} spans: {', '.join(rare)}")
    known = [label for label in counts if label not in rare]
    if not known:
        raise DataError(f"no label has {RARE} spans or more, which is too few to learn from")
    labels = LabelSet(tuple(sorted(known)))
    settings = compose_training(["data=corpus", "data.path=unused", *overrides])
    log_to_terminal()
    learnt = [_without(article, rare) for article in articles]
    return find_likely_errors(cross_validate(learnt, labels, settings, folds=folds), labels)


def _without(article: Article, rare: Sequence[str]) -> Article:
    """The article as if nobody had marked the rare labels."""
    if not rare:
        return article
    spans = tuple(span for span in article.spans if span.label not in rare)
    return replace(article, spans=spans, labels=None if article.labels is None else tuple(set(article.labels) - set(rare)))


def _counts(articles: Sequence[Article]) -> Counter[str]:
    return Counter(span.label for article in articles for span in article.spans if article.counts(span))


def _was_trained_on(articles: Sequence[Article], about: dict[str, Any]) -> bool:
    """Whether the checkpoint's training articles are these, those with the split `train`, or those that a draw would have given."""
    known = learnt_from(about)
    candidates = [list(articles), [article for article in articles if article.meta.get("split") == "train"]]
    with contextlib.suppress(EventtagError):  # too few to draw from
        candidates.append(list(split_articles(articles).articles(articles, "train")))
    return any(chosen and fingerprint(chosen) in known for chosen in candidates)
