"""Statistics of a corpus: sizes, labels, surfaces, and the share of a split's mentions that occur in train.

Label distinctiveness is the Kullback-Leibler divergence, in bits, of the words inside a label's spans from all words of the
corpus, and of the words at its boundaries (one on each side): high values mean that the words give the label away (Papay et al.
2020, https://aclanthology.org/2020.emnlp-main.396/).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from eventtag.article import Article
from eventtag.span import STATUSES
from eventtag.text.words import find_words

MOST_FREQUENT = 10
"""Surfaces that are listed for a label."""

LONGEST_COUNTED = 10
"""Spans of so many words and more are counted together."""


@dataclass(frozen=True)
class LabelStatistics:
    """One label in one split. Lengths are in words; shares are None if there is nothing to divide by."""

    spans: int
    articles: int
    distinct_surfaces: int
    mean_length: float | None
    median_length: float | None
    longest: int
    lengths: tuple[int, ...]
    """Spans of 1, 2, ... words; the last number is all that are longer."""
    most_frequent: tuple[tuple[str, int], ...]
    span_distinctiveness: float | None
    boundary_distinctiveness: float | None
    unseen_share: float | None
    """Share of mentions whose surface does not carry this label in train, letter case aside; None in train itself."""


@dataclass(frozen=True)
class SplitStatistics:
    """One split. `annotated_share`: the share of its words that lie in annotated regions.

    `links` by role, of the `articles_with_links`, in which somebody marked them; `status` of spans that have one.
    """

    articles: int
    words: int
    median_words: float | None
    longest_words: int
    annotated_share: float | None
    spans: int
    articles_without_spans: int
    overlapping_spans: int
    labels: Mapping[str, LabelStatistics]
    articles_with_links: int = 0
    links: Mapping[str, int] = field(default_factory=dict)
    status: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class CorpusStatistics:
    """Every split, in the order in which it was met."""

    splits: Mapping[str, SplitStatistics]

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON-like data."""
        return asdict(self)


@dataclass
class _LabelCounts:
    spans: int = 0
    articles: int = 0
    lengths: list[int] = field(default_factory=list)
    surfaces: Counter[str] = field(default_factory=Counter)
    inside: Counter[str] = field(default_factory=Counter)
    boundary: Counter[str] = field(default_factory=Counter)


@dataclass
class _SplitCounts:
    lengths: list[int] = field(default_factory=list)
    annotated: int = 0
    without: int = 0
    overlapping: int = 0
    words: Counter[str] = field(default_factory=Counter)
    labels: dict[str, _LabelCounts] = field(default_factory=dict)
    with_links: int = 0
    links: Counter[str] = field(default_factory=Counter)
    status: Counter[str] = field(default_factory=Counter)


def corpus_statistics(articles: Iterable[Article], *, split_field: str = "split") -> CorpusStatistics:
    """Count the articles by the metadata `split_field`; those without it are the split `all`.

    Only spans that count are counted: in annotated regions, of annotated labels.
    """
    splits: dict[str, _SplitCounts] = {}
    for article in articles:
        split = article.meta.get(split_field)
        _count(article, splits.setdefault("all" if split in (None, "") else str(split), _SplitCounts()))
    train = splits.get("train")
    known = (
        {label: {surface.casefold() for surface in counts.surfaces} for label, counts in train.labels.items()} if train else None
    )
    return CorpusStatistics({name: _finish(counts, None if name == "train" else known) for name, counts in splits.items()})


def _count(article: Article, split: _SplitCounts) -> None:
    words = [(start, end, article.text[start:end].casefold()) for start, end in find_words(article.text).tolist()]
    split.lengths.append(len(words))
    split.words.update(word for _, _, word in words)
    split.annotated += sum(1 for start, end, _ in words if article.all_annotated(start, end))
    spans = [span for span in sorted(set(article.spans)) if article.counts(span)]
    split.without += not spans
    split.with_links += article.links is not None
    split.links.update(
        link.role for link in article.links or () if article.counts(link.event) and article.counts(link.participant)
    )
    split.status.update(span.status for span in spans if span.status is not None)
    reach = 0
    touched = set()
    first = 0
    for span in spans:
        counts = split.labels.setdefault(span.label, _LabelCounts())
        split.overlapping += span.start < reach
        reach = max(reach, span.end)
        while first < len(words) and words[first][1] <= span.start:
            first += 1
        last = first
        while last < len(words) and words[last][0] < span.end:
            last += 1
        counts.spans += 1
        touched.add(span.label)
        counts.lengths.append(last - first)
        counts.surfaces[" ".join(article.mention(span).split())] += 1
        counts.inside.update(word for _, _, word in words[first:last])
        counts.boundary.update(words[position][2] for position in (first - 1, last) if 0 <= position < len(words))
    for label in touched:
        split.labels[label].articles += 1


def _finish(split: _SplitCounts, known: Mapping[str, set[str]] | None) -> SplitStatistics:
    total = sum(split.lengths)
    labels = {}
    for label, counts in sorted(split.labels.items()):
        seen = known.get(label, set()) if known is not None else None
        unseen = None if seen is None else sum(n for surface, n in counts.surfaces.items() if surface.casefold() not in seen)
        labels[label] = LabelStatistics(
            spans=counts.spans,
            articles=counts.articles,
            distinct_surfaces=len(counts.surfaces),
            mean_length=sum(counts.lengths) / counts.spans,
            median_length=median(counts.lengths),
            longest=max(counts.lengths),
            lengths=tuple(
                sum(min(max(n, 1), LONGEST_COUNTED) == size for n in counts.lengths) for size in range(1, LONGEST_COUNTED + 1)
            ),
            most_frequent=tuple(sorted(counts.surfaces.items(), key=lambda item: (-item[1], item[0]))[:MOST_FREQUENT]),
            span_distinctiveness=_divergence(counts.inside, split.words),
            boundary_distinctiveness=_divergence(counts.boundary, split.words),
            unseen_share=None if unseen is None else unseen / counts.spans,
        )
    return SplitStatistics(
        articles=len(split.lengths),
        words=total,
        median_words=median(split.lengths) if split.lengths else None,
        longest_words=max(split.lengths, default=0),
        annotated_share=split.annotated / total if total else None,
        spans=sum(counts.spans for counts in split.labels.values()),
        articles_without_spans=split.without,
        overlapping_spans=split.overlapping,
        labels=labels,
        articles_with_links=split.with_links,
        links=dict(sorted(split.links.items(), key=lambda item: (-item[1], item[0]))),
        status={status: split.status[status] for status in STATUSES if split.status[status]},
    )


def link_rows(splits: Mapping[str, SplitStatistics]) -> list[tuple[str, str, str, int]]:
    """(split, what is counted, its name, count) of links and status; none where nobody marked them."""
    rows = []
    for name, split in splits.items():
        if split.articles_with_links:
            rows.append((name, "articles", "with links marked", split.articles_with_links))
        rows += ((name, "links", role, count) for role, count in split.links.items())
        rows += ((name, "status", status, count) for status, count in split.status.items())
    return rows


def _divergence(words: Counter[str], background: Counter[str]) -> float | None:
    """Kullback-Leibler divergence in bits; every word is in the background."""
    total, everything = words.total(), background.total()
    if not total:
        return None
    return sum(count / total * math.log2(count / total * everything / background[word]) for word, count in words.items())
