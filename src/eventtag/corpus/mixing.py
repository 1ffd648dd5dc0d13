"""Several corpora mixed: their articles get distinct ids, and labels that a corpus did not annotate are unknown there.

An article `a1` of the corpus `re3d` becomes `re3d/a1` and says so in its metadata, so that equal ids do not collide and scores can be
broken down by corpus. A label that a corpus does not know was not being annotated there: the loss leaves it open
(`eventtag.heads.softmax`) and no score counts it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from eventtag.article import Article
from eventtag.corpus.near_duplicates import warn_of_copies
from eventtag.labels import LabelSet
from eventtag.settings import SPLITS

CORPUS_FIELD = "corpus"
"""Metadata field with the name of an article's corpus."""
CLUSTER_FIELD = "cluster"
"""Metadata field with what an article belongs together with, where its corpus says so."""

Part = tuple[Mapping[str, Sequence[Article]], LabelSet, str | None]
"""A corpus to mix: its articles by split, its labels, and the metadata field whose values belong together."""


def mix_splits(parts: Mapping[str, Part], *, scored: Collection[str] | None) -> dict[str, tuple[Article, ...]]:
    """The articles of all parts by split; a split without articles is absent.

    `scored`: the corpora whose validation and test articles stay (None: all). A corpus that is not split (`all`) counts as test where
    another is split. Near-duplicates in two corpora that cross a split are warned of.
    """
    mixed: dict[str, list[Article]] = {split: [] for split in (*SPLITS, "all")}
    divided = any(split != "all" for splits, _, _ in parts.values() for split in splits)
    for name, (splits, labels, cluster_field) in parts.items():
        for split, articles in splits.items():
            target = "test" if split == "all" and divided else split
            if target == "train" or scored is None or name in scored:
                mixed[target].extend(_renamed(articles, name, labels, cluster_field))
    corpus_of = {article.id: article.meta[CORPUS_FIELD] for articles in mixed.values() for article in articles}
    warn_of_copies(mixed, lambda pair: corpus_of[pair.first] != corpus_of[pair.second])  # each corpus warned of its own
    return {split: tuple(articles) for split, articles in mixed.items() if articles}


def _renamed(articles: Sequence[Article], name: str, labels: LabelSet, cluster_field: str | None) -> Iterator[Article]:
    for article in articles:
        meta = {**article.meta, CORPUS_FIELD: name}
        if cluster_field is not None and cluster_field in article.meta:
            meta[CLUSTER_FIELD] = f"{name}: {article.meta[cluster_field]}"
        yield replace(article, id=f"{name}/{article.id}", labels=article.annotated_labels(labels.labels), meta=meta)
