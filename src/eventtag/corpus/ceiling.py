"""A tagger's scores compared with the agreement of a second annotator of the same articles."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from eventtag.article import Article
from eventtag.corpus.agreement import comparable, require_same_texts
from eventtag.errors import DataError
from eventtag.labels import LabelSet
from eventtag.scoring.ceiling import Ceiling, compare_with_annotators
from eventtag.scoring.matching import SCHEMES
from eventtag.scoring.tally import Pair, Tally, marked_labels, scored_spans, tally_spans


def measure_ceiling(
    pairs: Sequence[Pair],
    second: Mapping[str, Article],
    labels: LabelSet,
    *,
    clusters: Mapping[str, Hashable] | None = None,
    resamples: int,
    level: float,
    seed: int,
) -> Ceiling:
    """The scores of the tagger and of the second annotator, both against the gold of `pairs`, on the text that both annotators read.

    `second` are the second annotator's articles by id. Raises DataError if no article is in common, or if texts differ.
    """
    common = [(article, spans) for article, spans in pairs if article.id in second]
    require_same_texts([(article, second[article.id]) for article, _ in common])
    reduced = [(*comparable(article, second[article.id], labels.labels), spans) for article, spans in common]
    reduced = [(gold, other, spans) for gold, other, spans in reduced if gold.may_be_scored(labels.labels)]
    if not reduced:
        raise DataError("the second annotation has no article and no region in common with the first; articles are matched by id")
    names = tuple(gold.id for gold, _, _ in reduced)
    marked = {label for gold, _, _ in reduced for label in marked_labels(gold, labels)}
    known = tuple(label for label in labels.labels if label in marked)
    tagger, annotators = (
        Tally(
            names,
            SCHEMES,
            labels.labels,
            np.stack([tally_spans(*scored_spans(gold, spans, labels), labels) for gold, spans in predicted]),
            known,
        )
        for predicted in ([(gold, spans) for gold, _, spans in reduced], [(gold, other.spans) for gold, other, _ in reduced])
    )
    return compare_with_annotators(tagger, annotators, clusters=clusters, resamples=resamples, level=level, seed=seed)
