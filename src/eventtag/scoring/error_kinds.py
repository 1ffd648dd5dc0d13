"""Every error in exactly one kind, so that the sums reconcile with the strict counts.

An error is a gold span that no identical predicted span answers, or a predicted span that answers no identical gold span. Errors
that share characters are looked at together, in this order:

    wrong label         same offsets, other label
    split               one gold span, two or more predicted spans of its label in its place
    merged              one predicted span, two or more gold spans of its label in its place
    too short           same label, the predicted span lies inside the gold span
    too long            same label, the gold span lies inside the predicted span
    shifted             same label, each has characters that the other has not
    label and boundary  other label, other offsets
    missed              a gold span that is left
    spurious            a predicted span that is left
    likely gold error   a spurious span or wrong label of which the model is sure, where like mentions are annotated elsewhere as
    it
                        says: the annotation may be what is wrong

What is left is paired one to one as the `type` scheme pairs spans (`eventtag.scoring.matching`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.scoring.matching import match_component, overlap_components, overlapping_pairs
from eventtag.scoring.mentions import Mentions, count_mentions, surface
from eventtag.scoring.tally import Pair, scored_spans
from eventtag.span import Span

Kind = Literal[
    "missed",
    "spurious",
    "wrong label",
    "too short",
    "too long",
    "shifted",
    "split",
    "merged",
    "label and boundary",
    "likely gold error",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
NONE = "none"
"""Stands for the absence of a span in the confusion matrix; no label can collide with it, for its row and column are the last."""

SURE = 0.9
"""From this score on the model counts as sure."""
LIKE_MENTIONS = 2
"""How many other mentions of the same words must carry the predicted label for the annotation to be doubted."""


@dataclass(frozen=True, slots=True)
class ErrorCase:
    """One error: the gold and predicted spans that belong to it (either may be empty)."""

    kind: Kind
    article_id: str
    gold: tuple[Span, ...]
    predicted: tuple[Span, ...]


@dataclass(frozen=True)
class ErrorReport:
    """All errors, and how many gold and predicted spans of each label fall in each kind.

    For a label, the gold spans of all kinds add up to its support minus its correct spans, the predicted spans to those predicted
    minus its correct spans. `confusion` is [L + 1, L + 1]: rows gold labels then none, columns predicted labels then none, of
    spans paired by overlap (same label preferred).
    """

    labels: tuple[str, ...]
    cases: tuple[ErrorCase, ...]
    confusion: tuple[tuple[int, ...], ...]

    def gold_spans(self, kind: Kind, label: str) -> int:
        """Gold spans of a label whose error is of this kind."""
        return sum(span.label == label for case in self.cases if case.kind == kind for span in case.gold)

    def predicted_spans(self, kind: Kind, label: str) -> int:
        """Predicted spans of a label whose error is of this kind."""
        return sum(span.label == label for case in self.cases if case.kind == kind for span in case.predicted)

    def to_json(self) -> dict[str, Any]:
        """JSON-like values: cases, gold and predicted spans per kind and label, and the confusion matrix."""
        number = Counter(case.kind for case in self.cases)
        return {
            "kinds": {
                kind: {
                    "cases": number[kind],
                    "gold": {label: self.gold_spans(kind, label) for label in self.labels},
                    "predicted": {label: self.predicted_spans(kind, label) for label in self.labels},
                }
                for kind in KINDS
            },
            "confusion": {"labels": [*self.labels, NONE], "matrix": [list(row) for row in self.confusion]},
        }

    def json_lines(self) -> Iterator[str]:
        """Every error as a JSON object on one line, in the order of the articles."""
        for case in self.cases:
            yield json.dumps(asdict(case), ensure_ascii=False)


def find_errors(pairs: Sequence[Pair], labels: LabelSet, *, training: Mentions | None = None) -> ErrorReport:
    """Sort every error into its kind; `training` are further annotated mentions that may speak for the model.

    Raises DataError as `score_articles` does.
    """
    here = count_mentions([article for article, _ in pairs])

    def known(surface: str, label: str) -> int:
        return here[surface, label] + (0 if training is None else training.get((surface, label), 0))

    cases: list[ErrorCase] = []
    size = len(labels.labels)
    position = {label: number for number, label in enumerate(labels.labels)}
    confusion = [[0] * (size + 1) for _ in range(size + 1)]
    for article, predicted in pairs:
        gold, tagged = scored_spans(article, predicted, labels)
        scores = {span: span.score for span in predicted if span.score is not None}
        for component in overlap_components(gold, tagged):
            for match in match_component(*component, "type"):
                row = size if match.gold is None else position[match.gold.label]
                column = size if match.predicted is None else position[match.predicted.label]
                confusion[row][column] += 1
        correct = set(gold) & set(tagged)
        errors = [span for span in gold if span not in correct], [span for span in tagged if span not in correct]
        for component in overlap_components(*errors):
            for kind, gold_spans, predicted_spans in _sort_component(*component):
                found = kind
                if kind in ("spurious", "wrong label") and _doubtful(article, gold_spans, predicted_spans[0], scores, known):
                    found = "likely gold error"
                cases.append(ErrorCase(found, article.id, tuple(gold_spans), tuple(predicted_spans)))
    return ErrorReport(labels.labels, tuple(cases), tuple(tuple(row) for row in confusion))


_Sorted = tuple[Kind, list[Span], list[Span]]


def _sort_component(gold: Sequence[Span], predicted: Sequence[Span]) -> list[_Sorted]:
    found: list[_Sorted] = []
    at: dict[tuple[int, int], list[Span]] = {}
    for span in gold:
        at.setdefault((span.start, span.end), []).append(span)
    taken: set[Span] = set()
    gold_left, predicted_left = dict.fromkeys(gold), dict.fromkeys(predicted)
    for span in predicted:
        same = next((g for g in at.get((span.start, span.end), ()) if g not in taken), None)
        if same is not None:
            found.append(("wrong label", [same], [span]))
            taken.add(same)
            del gold_left[same], predicted_left[span]
    for whole, pieces in _taken_apart(gold_left, predicted_left):
        found.append(("split", [whole], pieces))
    for whole, pieces in _taken_apart(predicted_left, gold_left):
        found.append(("merged", pieces, [whole]))
    for component in overlap_components(gold_left, predicted_left):
        for match in match_component(*component, "type"):
            if match.gold is None or match.predicted is None:
                side = [] if match.gold is None else [match.gold], [] if match.predicted is None else [match.predicted]
                found.append(("spurious" if match.gold is None else "missed", *side))
            else:
                found.append((_boundary_kind(match.gold, match.predicted), [match.gold], [match.predicted]))
    return sorted(found, key=lambda item: min(span.start for side in item[1:] for span in side))


def _taken_apart(wholes: dict[Span, None], parts: dict[Span, None]) -> list[tuple[Span, list[Span]]]:
    """Every one of `wholes`, longest first, that is the closest to two or more of `parts` of its label, with these; both are taken out.

    The closest is that which shares most characters, one of the same label before any other, among those that are left. Each part keeps
    the wholes that it overlaps in that order, so that the work grows with the pairs that overlap, not with the square of the spans.
    """
    near: dict[Span, list[Span]] = {part: [] for part in parts}
    inner, outer = list(parts), list(wholes)
    for n, k in overlapping_pairs(inner, outer):
        near[inner[n]].append(outer[k])
    closest_to: dict[Span, list[Span]] = {whole: [] for whole in wholes}
    for part, those in near.items():
        # The closest last, so that taking it away is cheap.
        those.sort(key=lambda o: (o.label != part.label, max(o.start, part.start) - min(o.end, part.end), o), reverse=True)
        if those:
            closest_to[those[-1]].append(part)
    found = []
    for whole in sorted(wholes, key=_longest_first):
        pieces = [part for part in closest_to[whole] if part.label == whole.label and part in parts]
        if len(pieces) < 2:
            continue
        found.append((whole, sorted(pieces)))
        del wholes[whole]
        for part in pieces:
            del parts[part]
        for part in closest_to[whole]:
            those = near[part]
            while those and those[-1] not in wholes:
                those.pop()
            if part in parts and those:
                closest_to[those[-1]].append(part)
    return found


def _longest_first(span: Span) -> tuple[int, Span]:
    return span.start - span.end, span


def _boundary_kind(gold: Span, predicted: Span) -> Kind:
    if gold.label != predicted.label:
        return "label and boundary"
    if gold.start <= predicted.start and predicted.end <= gold.end:
        return "too short"
    if predicted.start <= gold.start and gold.end <= predicted.end:
        return "too long"
    return "shifted"


def _doubtful(
    article: Article,
    gold: Sequence[Span],
    predicted: Span,
    scores: Mapping[Span, float],
    known: Callable[[str, str], int],
) -> bool:
    if scores.get(predicted, 0.0) < SURE:
        return False
    words = surface(article, predicted)
    like = known(words, predicted.label)
    against = known(words, gold[0].label) - 1 if gold else 0
    return like >= LIKE_MENTIONS and like > against
