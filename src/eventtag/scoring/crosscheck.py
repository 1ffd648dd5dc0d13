"""seqeval, an independent scorer on word tags, compared with our scores, and the reasons for differences.

seqeval (mode="strict", scheme=IOB2) sees words, not characters, and one layer of spans. Gold and predicted spans are laid on
words: a word belongs to a span that shares a character with it, longer spans first. Every annotated region is a separate sequence,
so that mentions on both sides of unannotated text are never joined. A span that word tags cannot hold unchanged is named with its
reason; without such spans both scorers must agree.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Literal

from eventtag.article import Article, Region
from eventtag.labels import LabelSet
from eventtag.span import Span, flatten

Side = Literal["gold", "predicted"]

INSIDE_WORD = "an edge inside a word"
NO_WORD = "no word under the span"
OVERLAP = "overlaps a longer span"
REGION_EDGE = "crosses the edge of an annotated region"
SHARED_WORD = "shares a word with another span"
WHITE_SPACE = "an edge on white space"

SHOWN_ARTICLES = 5
"""How many article ids a reason names."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why word tags cannot hold some spans as they are: how many on one side, in how many articles, and which of them hold
    most.
    """

    reason: str
    side: Side
    spans: int
    articles: int
    first_articles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WordScores:
    """seqeval's figures for one label or for all."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """seqeval's strict IOB2 scores on word tags, and why they differ from the strict span scores, if they do.

    `agrees` compares precision, recall, F1 and support, per label and micro. `reasons` lists spans that word tags cannot hold
    even where the figures agree.
    """

    scorer: str
    labels: dict[str, WordScores]
    micro: WordScores
    agrees: bool
    reasons: tuple[Reason, ...]

    @property
    def note(self) -> str:
        """One or more sentences for the reader: agreement, or the causes of the difference with counts and articles."""
        if self.agrees:
            return f"{self.scorer} agrees."
        lines = [f"{self.scorer} on word tags gives micro F1 {self.micro.f1:.4f}; it differs because word tags cannot hold:"]
        for reason in self.reasons:
            more = ", ..." if reason.articles > len(reason.first_articles) else ""
            lines.append(
                f"  {reason.spans} {reason.side} span{'s' if reason.spans != 1 else ''} ({reason.reason}) "
                f"in {reason.articles} article{'s' if reason.articles != 1 else ''}: {', '.join(reason.first_articles)}{more}"
            )
        if not self.reasons:
            lines = [
                f"{self.scorer} gives micro F1 {self.micro.f1:.4f} and every span falls on words: one of both scorers is wrong."
            ]
        return "\n".join(lines)


@dataclass
class WordTags:
    """Word tags of all articles in seqeval's form, and the spans that they could not hold.

    Words that are `O` on both sides are left out except for one of each run: it separates chunks, and more of them change no score.
    Labels are replaced by `L0`, `L1`, ..., because seqeval strips hyphens from labels.
    """

    labels: LabelSet
    gold: list[list[str]] = field(default_factory=list)
    predicted: list[list[str]] = field(default_factory=list)
    article_ids: list[str] = field(default_factory=list)
    _losses: dict[tuple[str, Side], dict[str, int]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, article: Article, gold: Sequence[Span], predicted: Sequence[Span], groups: Sequence[Sequence[Region]]) -> None:
        """Tag one article's words, given by annotated region; both lists of spans hold only spans that count."""
        tagged = {side: self._tag(article, spans, groups, side) for side, spans in (("gold", gold), ("predicted", predicted))}
        for gold_tags, predicted_tags in zip(tagged["gold"], tagged["predicted"], strict=True):
            kept = [
                position
                for position, pair in enumerate(zip(gold_tags, predicted_tags, strict=True))
                if pair != ("O", "O") or (position and (gold_tags[position - 1], predicted_tags[position - 1]) != ("O", "O"))
            ]
            if kept:
                self.gold.append([gold_tags[position] for position in kept])
                self.predicted.append([predicted_tags[position] for position in kept])
                self.article_ids.append(article.id)

    def _tag(self, article: Article, spans: Iterable[Span], groups: Sequence[Sequence[Region]], side: str) -> list[list[str]]:
        tags = [["O"] * len(group) for group in groups]
        flat, dropped = flatten(spans)
        for _ in dropped:
            self._lose(OVERLAP, side, article.id)
        for span in flat:
            name = f"L{self.labels.labels.index(span.label)}"
            reasons = set()
            touched: list[Region] = []
            if not article.all_annotated(span.start, span.end):
                reasons.add(REGION_EDGE)
            # Regions are sorted and disjoint: those that the span touches follow each other.
            near = bisect_right(article.regions, span.start, key=lambda region: region[1])
            beyond = bisect_left(article.regions, span.end, key=lambda region: region[0])
            for group, group_tags in zip(groups[near:beyond], tags[near:beyond], strict=True):
                opening = "B"
                for position in _words_under(span, group):
                    touched.append(group[position])
                    if group_tags[position] == "O":
                        group_tags[position] = f"{opening}-{name}"
                        opening = "I"
                    else:
                        reasons.add(SHARED_WORD)
            if not touched:
                reasons.add(NO_WORD)
            elif REGION_EDGE not in reasons and (touched[0][0], touched[-1][1]) != (span.start, span.end):
                reasons.add(INSIDE_WORD if touched[0][0] < span.start or span.end < touched[-1][1] else WHITE_SPACE)
            for reason in reasons:
                self._lose(reason, side, article.id)
        return tags

    def _lose(self, reason: str, side: str, article_id: str) -> None:
        articles = self._losses[reason, "gold" if side == "gold" else "predicted"]
        articles[article_id] = articles.get(article_id, 0) + 1

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Why spans could not be held, most frequent first."""
        found = [
            Reason(reason, side, sum(articles.values()), len(articles), _most_affected(articles))
            for (reason, side), articles in self._losses.items()
        ]
        return tuple(sorted(found, key=lambda r: (-r.spans, r.side, r.reason)))


def _most_affected(articles: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(articles, key=lambda name: (-articles[name], name))[:SHOWN_ARTICLES])


def _words_under(span: Span, words: Sequence[Region]) -> Iterable[int]:
    low, high = 0, len(words)
    while low < high:
        middle = (low + high) // 2
        if words[middle][1] <= span.start:
            low = middle + 1
        else:
            high = middle
    while low < len(words) and words[low][0] < span.end:
        yield low
        low += 1


def seqeval_strict(tags: WordTags) -> tuple[dict[str, WordScores], WordScores]:
    """Seqeval's strict IOB2 scores, per label and micro; a label or corpus that it does not report has 0.0 and support 0."""
    # seqeval imports scikit-learn, which takes longer than scoring a corpus; commands that do not score must not pay for it.
    from seqeval.metrics import classification_report
    from seqeval.scheme import IOB2

    nothing = WordScores(0.0, 0.0, 0.0, 0)
    scored = any(tag != "O" for side in (tags.gold, tags.predicted) for sequence in side for tag in sequence)
    if not scored:
        return dict.fromkeys(tags.labels.labels, nothing), nothing
    report = classification_report(tags.gold, tags.predicted, mode="strict", scheme=IOB2, zero_division=0, output_dict=True)
    rows = {
        name: WordScores(float(row["precision"]), float(row["recall"]), float(row["f1-score"]), int(row["support"]))
        for name, row in report.items()
    }
    labels = {label: rows.get(f"L{position}", nothing) for position, label in enumerate(tags.labels.labels)}
    return labels, rows["micro avg"]


def cross_check(tags: WordTags, labels: dict[str, WordScores], micro: WordScores) -> CrossCheck:
    """Compare seqeval's scores on `tags` with our strict scores `labels` and `micro`."""
    word_labels, word_micro = seqeval_strict(tags)
    agrees = _close(word_micro, micro) and all(_close(word_labels[name], labels[name]) for name in labels)
    return CrossCheck(f"seqeval {version('seqeval')} (strict, IOB2)", word_labels, word_micro, agrees, tags.reasons)


def _close(one: WordScores, other: WordScores) -> bool:
    figures = zip((one.precision, one.recall, one.f1), (other.precision, other.recall, other.f1), strict=True)
    return one.support == other.support and all(abs(a - b) < 1e-9 for a, b in figures)
