"""What other scorers would print for the same predictions, and which articles make the difference.

These figures are only for comparison with published results.

* seqeval in its default mode and conlleval read word tags leniently: `I-X` after anything but `X` opens a chunk
  (https://www.clips.uantwerpen.be/conll2000/chunking/conlleval.txt). Tags made of spans are always legal, so both equal seqeval's
  strict mode here, and all differ from character spans where word tags cannot hold a span (see `eventtag.scoring.crosscheck`).
* nervaluate gives predicted spans, in order of position, the first gold span that fits. It ignores an overlap of less than 1 % of the gold
  span (https://github.com/MantisAI/nervaluate). Its ends are inclusive; here they are converted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from eventtag.scoring.counts import Counts
from eventtag.scoring.crosscheck import SHOWN_ARTICLES, WordTags
from eventtag.scoring.matching import SCHEMES, Scheme, judge, overlap_components, overlapping_pairs
from eventtag.scoring.tally import Tally
from eventtag.span import Span

SMALLEST_OVERLAP = 0.01
"""nervaluate's default `min_overlap_percentage`, as a share of the gold span."""

WORD_TAG_CAUSE = "word tags cannot hold every span as it is"
FIRST_COME_CAUSE = "spans compete for a partner and get it in their order, or share less than 1 % of the gold span"


@dataclass(frozen=True, slots=True)
class ConventionalScore:
    """Micro figures of another scorer, the scheme of ours that they compare with, and why they differ.

    `articles` is the number of articles whose counts differ from ours, and `first_articles` names some. `cause` is empty if none
    differs.
    """

    scorer: str
    scheme: str
    precision: float
    recall: float
    f1: float
    articles: int
    first_articles: tuple[str, ...]
    cause: str


@dataclass
class FirstComeTally:
    """Counts of each article by scheme, matched as nervaluate does."""

    counts: dict[Scheme, list[Counts]] = field(default_factory=lambda: {scheme: [] for scheme in SCHEMES})

    def add(self, gold: Sequence[Span], predicted: Sequence[Span]) -> None:
        """Count one article; both lists sorted."""
        for scheme in SCHEMES:
            self.counts[scheme].append(first_come_counts(gold, predicted, scheme))


def first_come_counts(gold: Sequence[Span], predicted: Sequence[Span], scheme: Scheme) -> Counts:
    """The counts of nervaluate 1.2.1 over all labels, for spans in order of position."""
    total: Counter[str] = Counter()
    for component in overlap_components(gold, predicted):
        total += _serve(*component, scheme)
    correct, incorrect, partial = total["correct"], total["incorrect"], total["partial"]
    return Counts(correct, incorrect, partial, total["missed"], correct, incorrect, partial, total["spurious"])


def _serve(gold: Sequence[Span], predicted: Sequence[Span], scheme: Scheme) -> Counter[str]:
    free = [True] * len(gold)
    reached: list[list[int]] = [[] for _ in predicted]
    for place, number in overlapping_pairs(gold, predicted):
        reached[number].append(place)
    outcomes: Counter[str] = Counter()
    for span, places in zip(predicted, reached, strict=True):
        near = [place for place in sorted(places) if free[place] and _enough(gold[place], span)]
        if not near:
            outcomes["spurious"] += 1
            continue
        correct = (place for place in near if judge(gold[place], span, scheme) == "correct")
        # Only the type strategy looks for the closest of several; the others take the first.
        best = (
            min(correct, key=lambda place: _distance(gold[place], span), default=None)
            if scheme == "type"
            else next(correct, None)
        )
        outcome = judge(gold[near[0] if best is None else best], span, scheme)
        assert outcome is not None  # they share a character
        outcomes[outcome] += 1
        free[near[0] if best is None else best] = False
    outcomes["missed"] = sum(free)
    return outcomes


def _distance(gold: Span, predicted: Span) -> int:
    return abs(gold.start - predicted.start) + abs(gold.end - predicted.end)


def _enough(gold: Span, predicted: Span) -> bool:
    shared = min(gold.end, predicted.end) - max(gold.start, predicted.start)
    return shared >= SMALLEST_OVERLAP * (gold.end - gold.start)


def lenient_chunks(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Chunks of a tag sequence as conlleval and seqeval's default mode see them: (first, last + 1, label)."""
    chunks = set()
    start, open_label = 0, ""
    for position, tag in enumerate((*tags, "O")):
        prefix, _, label = tag.partition("-")
        if open_label and (prefix != "I" or label != open_label):
            chunks.add((start, position, open_label))
            open_label = ""
        if label and not open_label:
            start, open_label = position, label
    return chunks


def conventional_scores(tally: Tally, first_come: FirstComeTally, tags: WordTags | None) -> tuple[ConventionalScore, ...]:
    """Figures of the other scorers; those on word tags only where there are words."""
    scores = []
    if tags is not None:
        by_article = _chunk_counts(tags)
        words = [by_article.get(article_id, Counts()) for article_id in tally.article_ids]
        for scorer in ("seqeval default mode", "conlleval"):
            scores.append(_compare(scorer, "strict", words, tally, WORD_TAG_CAUSE))
    scores += [_compare("nervaluate", scheme, first_come.counts[scheme], tally, FIRST_COME_CAUSE) for scheme in SCHEMES]
    return tuple(scores)


def _chunk_counts(tags: WordTags) -> dict[str, Counts]:
    found: dict[str, Counts] = {}
    for article_id, gold_tags, predicted_tags in zip(tags.article_ids, tags.gold, tags.predicted, strict=True):
        gold, predicted = lenient_chunks(gold_tags), lenient_chunks(predicted_tags)
        correct = len(gold & predicted)
        counts = Counts(correct, 0, 0, len(gold) - correct, correct, 0, 0, len(predicted) - correct)
        found[article_id] = found.get(article_id, Counts()) + counts
    return found


def _compare(scorer: str, scheme: Scheme, counts: Sequence[Counts], tally: Tally, cause: str) -> ConventionalScore:
    ours = tally.values[:, tally.schemes.index(scheme)].sum(axis=1)
    differing = [
        article_id
        for article_id, theirs, vector in zip(tally.article_ids, counts, ours, strict=True)
        if _figures(theirs) != _figures(Counts.from_vector(vector))
    ]
    total = sum(counts, Counts())
    shown = tuple(sorted(differing)[:SHOWN_ARTICLES])
    figures = (total.precision, total.recall, total.f1)
    return ConventionalScore(scorer, scheme, *figures, len(differing), shown, cause if differing else "")


def _figures(counts: Counts) -> tuple[int, int, int, int]:
    return counts.gold_correct, counts.gold_partial, counts.support, counts.predicted
