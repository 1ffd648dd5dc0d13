"""Agreement of two annotators (or an annotator and a system) on the same articles.

Spans: strict F1 (same offsets and label) and partial F1 (same offsets, with any label; an overlap counts a half), both as
`evaluate` counts them with one annotator as gold (`eventtag.scoring.matching`, SemEval-2013 task 9.1); either may be gold. F1 does
not need the number of spans that nobody marked, which is not defined (Hripcsak and Rothschild 2005,
https://doi.org/10.1197/jamia.M1733). Words: Cohen's kappa and Krippendorff's alpha (nominal, two coders, Krippendorff 2011,
https://repository.upenn.edu/handle/20.500.14332/2089) per label, on whether a word is in a span of that label.

Links and status: `link_agreement`. Only what both have looked at counts: the regions and the labels that both were annotating.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from eventtag.article import Article, Region
from eventtag.corpus.link_agreement import LinkAgreement
from eventtag.errors import DataError, summarise_problems
from eventtag.scoring.counts import STATISTICS, Counts
from eventtag.scoring.matching import Match, Scheme, match_spans
from eventtag.scoring.tally import GOLD_COLUMN, PREDICTED_COLUMN, words_by_region, words_of
from eventtag.span import Span

SHOWN_SCHEMES: tuple[Scheme, ...] = ("strict", "partial")


@dataclass
class WordTable:
    """Counts of words by two annotators' judgements: in a span of the label for both, one, or neither."""

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
        """Cohen's kappa; None if both mark every word alike or there is none (chance agreement is then complete)."""
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
        """Krippendorff's alpha; None if all judgements are the same value, or there is none."""
        ones = 2 * self.both + self.only_a + self.only_b
        values = 2 * self.words
        if ones in (0, values):
            return None
        expected = 2 * ones * (values - ones) / (values - 1)
        return 1 - 2 * (self.only_a + self.only_b) / expected


@dataclass
class LabelAgreement:
    """Agreement on one label: counts under the schemes `strict` and `partial` with A's spans as gold and B's as predicted, and words."""

    strict: Counts = field(default_factory=Counts)
    partial: Counts = field(default_factory=Counts)
    words: WordTable = field(default_factory=WordTable)

    @property
    def a(self) -> int:
        """Spans of A."""
        return self.strict.support

    @property
    def b(self) -> int:
        """Spans of B."""
        return self.strict.predicted

    @property
    def same(self) -> int:
        """Spans that both have, with the same offsets and label."""
        return self.strict.gold_correct

    @property
    def overlapping(self) -> int:
        """Further spans of A that have a partner in B: with other offsets, or another label."""
        return self.partial.gold_correct + self.partial.gold_partial - self.same

    @property
    def strict_f1(self) -> float | None:
        """2 x same spans / all spans; None if nobody marked any."""
        return self.strict.f1 if self.a + self.b else None

    @property
    def partial_f1(self) -> float | None:
        """F1 of `partial`; None if nobody marked any."""
        return self.partial.f1 if self.a + self.b else None


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Spans of one article on which the two annotators differ; one of them is None if the other has no partner."""

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
    links: LinkAgreement = field(default_factory=LinkAgreement)


def measure_agreement(a: Iterable[Article], b: Iterable[Article], *, labels: Sequence[str] | None = None) -> Agreement:
    """Compare the articles that both have, by id; `labels` (default: all that occur) are those compared, whether or not one occurs.

    Raises DataError if no article is in both, or the texts of one differ.
    """
    of_a = {article.id: article for article in a}
    of_b = {article.id: article for article in b}
    common = [name for name in of_a if name in of_b]
    if not common:
        raise DataError("the two have no article in common; articles are matched by id")
    require_same_texts([(of_a[name], of_b[name]) for name in common])
    if labels is None:
        both = [article for name in common for article in (of_a[name], of_b[name])]
        labels = sorted({span.label for article in both for span in article.spans})
    found = {label: LabelAgreement() for label in labels}
    micro = LabelAgreement()
    disagreements: list[Disagreement] = []
    links = LinkAgreement()
    for name in common:
        first, second = comparable(of_a[name], of_b[name], labels)
        _count_spans(first, second, found, micro)
        _count_words(first, second, found, micro)
        disagreements += _disagreements(first, second)
        links.add(of_a[name], of_b[name], first, second)
    return Agreement(
        articles=len(common),
        only_in_a=tuple(name for name in of_a if name not in of_b),
        only_in_b=tuple(name for name in of_b if name not in of_a),
        labels=found,
        micro=micro,
        disagreements=tuple(disagreements),
        links=links,
    )


def require_same_texts(pairs: Iterable[tuple[Article, Article]]) -> None:
    """Raise DataError for pairs of articles of which the texts differ."""
    different = [f"article {a.id!r}" for a, b in pairs if a.text != b.text]
    if different:
        raise DataError(summarise_problems("the two have different texts, so offsets cannot be compared:", different, shown=3))


def comparable(a: Article, b: Article, labels: Sequence[str]) -> tuple[Article, Article]:
    """Both with only the spans that count, and with the labels and regions that both annotated."""
    both = set(a.annotated_labels(labels)) & set(b.annotated_labels(labels))
    regions = _common_regions(a.regions, b.regions)
    looked_at = replace(a, spans=(), links=None, annotated=regions, labels=tuple(sorted(both)))

    def reduced(article: Article) -> Article:
        spans = {Span(span.start, span.end, span.label) for span in article.spans if looked_at.counts(span)}
        return replace(looked_at, spans=tuple(spans))

    return reduced(a), reduced(b)


def _common_regions(a: Sequence[Region], b: Sequence[Region]) -> tuple[Region, ...]:
    found = []
    one = other = 0
    while one < len(a) and other < len(b):
        start, end = max(a[one][0], b[other][0]), min(a[one][1], b[other][1])
        if start < end:
            found.append((start, end))
        if a[one][1] <= b[other][1]:
            one += 1
        else:
            other += 1
    return tuple(found)


def _count_spans(a: Article, b: Article, found: dict[str, LabelAgreement], micro: LabelAgreement) -> None:
    for scheme in SHOWN_SCHEMES:
        vectors = {label: [0] * len(STATISTICS) for label in found}
        for match in match_spans(a.spans, b.spans, scheme):
            if match.gold is not None:
                vectors[match.gold.label][GOLD_COLUMN[match.outcome]] += 1
            if match.predicted is not None:
                vectors[match.predicted.label][PREDICTED_COLUMN[match.outcome]] += 1
        for label, vector in vectors.items():
            for target in (found[label], micro):
                setattr(target, scheme, getattr(target, scheme) + Counts.from_vector(vector))


def _count_words(a: Article, b: Article, found: dict[str, LabelAgreement], micro: LabelAgreement) -> None:
    words = [word for region in words_by_region(words_of(a), a.regions) for word in region]
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
