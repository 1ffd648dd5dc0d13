"""Which articles hang together, so that intervals and tests resample them together."""

from __future__ import annotations

from collections.abc import Sequence

from eventtag.articles import Article
from eventtag.corpus.near_duplicates import find_near_duplicates
from eventtag.errors import DataError


def clusters_of(articles: Sequence[Article], field_name: str | None) -> tuple[dict[str, str] | None, str]:
    """(article id to cluster, how the clusters came about): by a `meta` field, else near-duplicates together.

    None where every article stands for itself. An article without the field stands for itself; raises DataError when all are without.
    Near-duplicates take about a millisecond an article.
    """
    if field_name is not None:
        if articles and all(field_name not in article.meta for article in articles):
            fields = ", ".join(articles[0].meta) or "none"
            raise DataError(f"no article has a metadata field {field_name!r} to resample by; the first has: {fields}")
        named = {article.id: str(article.meta.get(field_name, article.id)) for article in articles}
        return named, f"meta field {field_name!r}"
    duplicates = find_near_duplicates(articles)
    found = {article.id: article.id for article in articles}
    for cluster in duplicates.clusters:
        found |= dict.fromkeys(cluster, cluster[0])
    if not duplicates.clusters or len(set(found.values())) < 2:
        return None, "articles"
    together = sum(map(len, duplicates.clusters))
    return found, f"near-duplicates ({together} articles in {len(duplicates.clusters)} clusters)"
