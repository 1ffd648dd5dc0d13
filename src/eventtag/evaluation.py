"""Evaluation of a tagger on gold articles: the one function behind checkpoint selection, the final report and `evaluate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from eventtag.articles import Article
from eventtag.labels import LabelSet
from eventtag.scoring.report import EvaluationReport, score_articles
from eventtag.tagging.tagger import TaggedArticle, Tagger


@dataclass(frozen=True)
class Evaluation:
    """A report and the predictions that it was computed from, in the articles' order."""

    report: EvaluationReport
    tagged: tuple[TaggedArticle, ...]


def evaluate(
    tagger: Tagger, articles: Iterable[Article], *, labels: LabelSet | None = None, data: Mapping[str, Any] | None = None
) -> Evaluation:
    """Tag the annotated regions of the articles and score the spans against all of their gold.

    `labels` are those to score, the tagger's by default; predictions of other labels are left out. Articles without any annotated
    region are left out too: nothing is known about them. `data` is what the report says of the articles. Raises DataError when no
    article remains or a gold label is not among `labels`.
    """
    labels = labels or tagger.labels
    annotated = (article for article in articles if article.annotated is None or article.annotated)
    tagged = tuple(
        replace(item, spans=tuple(span for span in item.spans if span.label in labels.labels))
        for item in tagger.tag_many(annotated, only_annotated=True)
    )
    words = {item.article.id: [(int(start), int(end)) for start, end in item.words] for item in tagged}
    report = score_articles(((item.article, item.spans) for item in tagged), labels, words=lambda article: words[article.id])
    return Evaluation(report.described(checkpoint=tagger.about or {}, data=data or {}), tagged)
