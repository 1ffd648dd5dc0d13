"""Which articles depend on each other, so that intervals and tests resample them together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from eventtag.article import Article
from eventtag.corpus.near_duplicates import find_near_duplicates
from eventtag.errors import DataError


def clusters_of(articles: Sequence[Article], field_name: str | None) -> tuple[dict[str, Hashable] | None, str]:
    """Return (article id to cluster, how the clusters were made): by a `meta` field, or else near-duplicates together.

    None if every article is resampled alone. An article without the field (absent, null, blank) is resampled alone; raises
    DataError if no article has it. Near-duplicates take about a millisecond per article.
    """
    if field_name is not None:
        values = {article.id: article.meta.get(field_name) for article in articles}
        without = [name for name, value in values.items() if value is None or str(value).strip().lower() in ("", "nan")]
        if articles and len(without) == len(articles):
            fields = ", ".join(articles[0].meta) or "none"
            raise DataError(f"no article has a metadata field {field_name!r} to resample by; the first has: {fields}")
        named: dict[str, Hashable] = {name: str(value) for name, value in values.items()}
        named |= {name: ("article", name) for name in without}  # never the cluster of a value that reads like an id
        alone = f" ({len(without)} articles without it stand for themselves)" if without else ""
        return named, f"meta field {field_name!r}{alone}"
    duplicates = find_near_duplicates(articles)
    found: dict[str, Hashable] = {article.id: article.id for article in articles}
    for cluster in duplicates.clusters:
        found |= dict.fromkeys(cluster, cluster[0])
    if not duplicates.clusters:
        return None, "articles"
    together = sum(map(len, duplicates.clusters))
    return found, f"near-duplicates ({together} articles in {len(duplicates.clusters)} clusters)"
