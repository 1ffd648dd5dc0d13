"""Mentions that are annotated in different ways: candidates for annotation errors, the most certain first.

Over all articles, how often does each surface carry each label, and how often none? A place is doubtful where the same words
nearly always carry another label, or where words that nearly always are a mention are not annotated. The idea is Dickinson and
Meurers' (2003, https://aclanthology.org/E03-1068/), without their contexts: the share itself ranks the candidates.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from eventtag.article import Article
from eventtag.text.words import NAME_PART

MIN_TIMES = 3
"""Places with the usual label from which a surface says anything."""
MIN_SHARE = 0.75
"""Share of places with the usual label from which the others are doubtful."""
MAX_WORDS = 6
"""Longer surfaces hardly repeat."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A place whose annotation may differ from that of the same words elsewhere; `label` is None if it is not annotated."""

    start: int
    end: int
    label: str | None
    surface: str


@dataclass(frozen=True, slots=True)
class Usage:
    """How the words of a doubtful place are annotated: `usual` in `times` of `total` places. A higher `rank` is more certain."""

    usual: str
    times: int
    total: int

    @property
    def rank(self) -> float:
        """The share, weighted by how often it was seen."""
        return self.times / self.total * math.log1p(self.times)


@dataclass
class Consistency:
    """Reads all articles twice: `learn` each, then take each one's `places`; then `usage` tells which places are doubtful."""

    labels: dict[str, Counter[str]] = field(default_factory=dict)
    unlabelled: Counter[str] = field(default_factory=Counter)

    def learn(self, article: Article) -> None:
        """Take the article's annotated mentions into account."""
        for span in article.spans:
            if article.counts(span):
                surface = _surface(article.mention(span))
                if surface:
                    self.labels.setdefault(surface, Counter())[span.label] += 1

    def places(self, article: Article) -> Iterator[Doubt]:
        """The article's places that are not annotated as is usual, once all articles are learned; counts those without a label."""
        covered = bytearray(len(article.text))
        for span in sorted(set(article.spans)):
            covered[span.start : span.end] = b"\x01" * (span.end - span.start)
            surface = _surface(article.mention(span))
            counts = self.labels.get(surface)
            if article.counts(span) and counts is not None and counts[span.label] < max(counts.values()):
                yield Doubt(span.start, span.end, span.label, surface)
        for start, end, surface in self._known(article):
            usual = self.labels[surface].most_common(1)[0][0]
            if 1 not in covered[start:end] and (article.labels is None or usual in article.labels):
                self.unlabelled[surface] += 1
                yield Doubt(start, end, None, surface)

    def usage(self, doubt: Doubt) -> Usage | None:
        """How the words are annotated over all places, once every article's were taken; None if that makes the place not doubtful."""
        counts = self.labels[doubt.surface]
        usual, times = counts.most_common(1)[0]
        total = counts.total() + self.unlabelled[doubt.surface]
        return Usage(usual, times, total) if times >= MIN_TIMES and times / total >= MIN_SHARE else None

    def _known(self, article: Article) -> Iterator[tuple[int, int, str]]:
        """The longest known names in the annotated regions: (start, end, surface). Names are told by their capital."""
        for region_start, region_end in article.regions:
            words = [match.span() for match in NAME_PART.finditer(article.text, region_start, region_end)]
            position = 0
            while position < len(words):
                step = 1
                if article.text[words[position][0]].isupper():
                    for size in range(min(MAX_WORDS, len(words) - position), 0, -1):
                        start, end = words[position][0], words[position + size - 1][1]
                        surface = _surface(article.text[start:end])
                        counts = self.labels.get(surface)
                        if counts is not None and counts.most_common(1)[0][1] >= MIN_TIMES and surface[:1].isupper():
                            yield start, end, surface
                            step = size
                            break
                position += step


def _surface(mention: str) -> str:
    return " ".join(mention.split())
