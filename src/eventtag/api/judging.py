"""Which annotations are likely errors, according to models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from eventtag.article import Article
from eventtag.corpus.lint import RARE, Finding
from eventtag.corpus.seen import leave_out_seen, read_seen
from eventtag.errors import DataError
from eventtag.experiments.cross_validation import cross_validate
from eventtag.experiments.likely_errors import find_likely_errors
from eventtag.labels import LabelSet
from eventtag.models.checkpoint import checkpoint_folder
from eventtag.settings import TrainSettings
from eventtag.tagging.tagger import Tagger

Say = Callable[[str], None]
"""Takes a remark about the limits of a judgement."""


def judge_by_checkpoint(articles: Sequence[Article], path: str, *, say: Say, include_seen: bool = False) -> list[Finding]:
    """The likely errors that a checkpoint finds in articles that it did not learn from (in all with `include_seen`)."""
    tagger = Tagger.load(path)
    counts = _counts(articles)
    unknown = {label: count for label, count in counts.items() if label not in tagger.labels.labels}
    if unknown:
        named = ", ".join(f"{label} ({count})" for label, count in unknown.items())
        say(f"not judged, the checkpoint does not know these labels: {named}; map them with --map")
    judged = leave_out_seen(
        articles, read_seen(checkpoint_folder(path)), include=include_seen, remedy="--seen include; --cross-validate judges all"
    )
    if judged.about["scored"]["learnt"]:
        say(
            f"{path} learnt from {judged.about['scored']['learnt']} of these articles, errors included, and will defend many of them; "
            "--cross-validate judges each article by a model that did not see it"
        )
    left_out = len(articles) - len(judged.articles)
    if left_out:
        say(f"not judged: {left_out} articles that {path} learnt from; --cross-validate judges all")
    for name in judged.about["unknown"]:
        say(f"it is not known which articles {name} learnt from; errors in these are defended")
    return find_likely_errors(tagger.judge_words(judged.articles), tagger.labels)


def judge_by_folds(
    articles: Sequence[Article], folds: int, settings: TrainSettings, *, say: Say, include_seen: bool = False
) -> list[Finding]:
    """The likely errors by cross-validation with the settings of `eventtag train`; rare labels are left out."""
    counts = _counts(articles)
    rare = [label for label, count in counts.items() if count < RARE]
    if rare:
        say(f"not judged, with fewer than {RARE} spans: {', '.join(rare)}")
    known = [label for label in counts if label not in rare]
    if not known:
        raise DataError(f"no label has {RARE} spans or more, which is too few to learn from")
    labels = LabelSet(tuple(sorted(known)))
    learnt = [_without(article, rare) for article in articles]
    return find_likely_errors(cross_validate(learnt, labels, settings, folds=folds, include_seen=include_seen), labels)


def _without(article: Article, rare: Sequence[str]) -> Article:
    """The article as if nobody had marked the rare labels."""
    if not rare:
        return article
    spans = tuple(span for span in article.spans if span.label not in rare)
    return replace(
        article, spans=spans, links=None, labels=None if article.labels is None else tuple(set(article.labels) - set(rare))
    )


def _counts(articles: Sequence[Article]) -> Counter[str]:
    return Counter(span.label for article in articles for span in article.spans if article.counts(span))
