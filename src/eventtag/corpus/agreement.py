"""Agreement of two annotators (or an annotator and a system) on the same articles.

Spans: strict F1 (same offsets and label) and partial F1 (an overlap of the same label counts a half; SemEval-2013 task 9.1). F1
needs no count of what nobody marked, which for spans is not defined (Hripcsak and Rothschild 2005,
https://doi.org/10.1197/jamia.M1733). Words: Cohen's kappa and Krippendorff's alpha (nominal, two coders, Krippendorff 2011,
https://repository.upenn.edu/handle/20.500.14332/2089) per label, on whether a word is in a span of that label.

Only what both have looked at counts: the regions and the labels that both were annotating.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from eventtag.articles import Article, Region
from eventtag.errors import DataError, summarise_problems
from eventtag.scoring.matching import Match, match_spans
from eventtag.scoring.words import split_words
from eventtag.spans import Span


@dataclass
class WordTable:
    """How two annotators' judgements of words fall together: in a span of the label for both, one, or neither."""

    both: int = 0
    only_a: int = 0
    only_b: int = 0
    neither: int = 0

    @property
    def words(self) -> int:
        """All words."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None where both mark every word alike or there is none (chance agreement is then complete)."""
        total = self.words
        if not total:
            return None
        a, b = self.both + self.only_a, self.both + self.only_b
        # In whole numbers until the last division, so that complete chance agreement is seen as such.
        chance = a * b + (total - a) * (total - b)
        if chance == total * total:
            return None
        return ((self.both + self.neither) * total - chance) / (total * total - chance)

    @property
    def alpha(self) -> float | None:
        """Krippendorff's alpha; None where all judgements are the same value, or there is none."""
        ones = 2 * self.both + self.only_a + self.only_b
        values = 2 * self.words
        if ones in (0, values):
            return None
        expected = 2 * ones * (values - ones) / (values - 1)
        return 1 - 2 * (self.only_a + self.only_b) / expected


@dataclass
class LabelAgreement:
    """Agreement on one label."""

    a: int = 0
    b: int = 0
    """Spans of each annotator."""
    same: int = 0
    overlapping: int = 0
    """Pairs with the same offsets, and further pairs that overlap."""
    words: WordTable = field(default_factory=WordTable)

    @property
    def strict_f1(self) -> float | None:
        """2 x same spans / all spans; None where nobody marked any."""
        return 2 * self.same / (self.a + self.b) if self.a + self.b else None

    @property
    def partial_f1(self) -> float | None:
        """As strict, an overlap counting a half."""
        return (2 * self.same + self.overlapping) / (self.a + self.b) if self.a + self.b else None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Spans of one article that the two do not have alike; one of them is None where the other stands alone."""

    article_id: str
    a: Span | None
    b: Span | None
    kind: str
    """`only A`, `only B`, `label`, `boundary`, or `label and boundary`."""
    context: str


@dataclass(frozen=True)
class Agreement:
    """Agreement per label and over all labels (`micro`), with every disagreement."""

    articles: int
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    labels: dict[str, LabelAgreement]
    micro: LabelAgreement
    disagreements: tuple[Disagreement, ...]


def measure_agreement(a: Iterable[Article], b: Iterable[Article], *, labels: Sequence[str] | None = None) -> Agreement:
    """Compare the articles that both have, by id; `labels` (default: all that occur) are those compared.

    Raises DataError when no article is in both, or the texts of one differ.
    """
    of_a = {article.id: article for article in a}
    of_b = {article.id: article for article in b}
    common = [name for name in of_a if name in of_b]
    if not common:
        raise DataError("the two have no article in common; articles are matched by id")
    different = [f"article {name!r}" for name in common if of_a[name].text != of_b[name].text]
    if different:
        raise DataError(summarise_problems("the two have different texts, so offsets cannot be compared:", different, shown=3))
    if labels is None:
        labels = sorted({span.label for name in common for article in (of_a[name], of_b[name]) for span in article.spans})
    found = {label: LabelAgreement() for label in labels}
    micro = LabelAgreement()
    disagreements: list[Disagreement] = []
    for name in common:
        first, second, regions = _comparable(of_a[name], of_b[name], labels)
        _count_spans(first, second, found, micro)
        _count_words(first, second, regions, found, micro)
        disagreements += _disagreements(first, second)
    return Agreement(
        articles=len(common),
        only_in_a=tuple(name for name in of_a if name not in of_b),
        only_in_b=tuple(name for name in of_b if name not in of_a),
        labels=found,
        micro=micro,
        disagreements=tuple(disagreements),
    )


def _comparable(a: Article, b: Article, labels: Sequence[str]) -> tuple[Article, Article, list[Region]]:
    """Both with only the spans that count, and the regions that both annotated."""
    both = set(a.annotated_labels(labels)) & set(b.annotated_labels(labels))
    regions = [(max(s, t), min(e, f)) for s, e in a.regions for t, f in b.regions if max(s, t) < min(e, f)]

    def reduced(article: Article) -> Article:
        spans = {
            Span(span.start, span.end, span.label)
            for span in article.spans
            if span.label in both and any(start < span.end and span.start < end for start, end in regions)
        }
        return replace(article, spans=tuple(spans), annotated=None, labels=tuple(sorted(both)))

    return reduced(a), reduced(b), sorted(regions)


def _count_spans(a: Article, b: Article, found: dict[str, LabelAgreement], micro: LabelAgreement) -> None:
    for label, counts in found.items():
        of_a = [span for span in a.spans if span.label == label]
        of_b = [span for span in b.spans if span.label == label]
        outcomes = [match.outcome for match in match_spans(of_a, of_b, "partial")]
        for target in (counts, micro):
            target.a += len(of_a)
            target.b += len(of_b)
            target.same += outcomes.count("correct")
            target.overlapping += outcomes.count("partial")


def _count_words(
    a: Article, b: Article, regions: Sequence[Region], found: dict[str, LabelAgreement], micro: LabelAgreement
) -> None:
    words = [(s, e) for s, e in split_words(a) if any(start <= s and e <= end for start, end in regions)]
    for label in a.labels or ():
        marked = [_marked(article, words, label) for article in (a, b)]
        for in_a, in_b in zip(*marked, strict=True):
            for table in (found[label].words, micro.words):
                if in_a and in_b:
                    table.both += 1
                elif in_a:
                    table.only_a += 1
                elif in_b:
                    table.only_b += 1
                else:
                    table.neither += 1


def _marked(article: Article, words: Sequence[Region], label: str) -> list[bool]:
    """Whether each word touches a span of the label."""
    covered = bytearray(len(article.text))
    for span in article.spans:
        if span.label == label:
            covered[span.start : span.end] = b"\x01" * (span.end - span.start)
    return [1 in covered[start:end] for start, end in words]


def _disagreements(a: Article, b: Article) -> Iterable[Disagreement]:
    for match in match_spans(a.spans, b.spans, "strict"):
        if match.outcome != "correct":
            span = match.gold or match.predicted
            assert span is not None
            context = a.text[max(span.start - 30, 0) : span.end + 30]
            yield Disagreement(a.id, match.gold, match.predicted, _kind(match), " ".join(context.split()))


def _kind(match: Match) -> str:
    if match.gold is None or match.predicted is None:
        return "only A" if match.predicted is None else "only B"
    same_label = match.gold.label == match.predicted.label
    same_place = (match.gold.start, match.gold.end) == (match.predicted.start, match.predicted.end)
    return "label" if same_place else "boundary" if same_label else "label and boundary"
