"""Which predicted span answers which gold span, under each matching scheme.

Schemes of SemEval-2013 task 9.1 (https://aclanthology.org/S13-2056/), on half-open character spans; two spans are a pair only if
they share at least one character:

    strict   correct: same offsets and label; any other pair: incorrect
    exact    correct: same offsets, whatever the label; any other pair: incorrect
    partial  correct: same offsets, whatever the label; any other pair: partial
    type     correct: same label, whatever the overlap; any other pair: incorrect

Every span is in one pair at most. Of all such matchings the one with the most credit is taken (correct 1, partial 1/2), then the
one with the most correct pairs, the most pairs, the most pairs of one label, and the most shared characters. So no score depends
on the order of spans.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from eventtag.spans import Span

Scheme = Literal["strict", "exact", "partial", "type"]
SCHEMES: tuple[Scheme, ...] = ("strict", "exact", "partial", "type")
Outcome = Literal["correct", "incorrect", "partial", "missed", "spurious"]

EXACT_INTEGERS = 2**52
"""Sums of integers below this are exact in float64, so a weighted assignment has no rounding."""


@dataclass(frozen=True, slots=True)
class Match:
    """A gold span, the predicted span that answers it, and how well. `missed` has no predicted span, `spurious` no gold span."""

    gold: Span | None
    predicted: Span | None
    outcome: Outcome


def judge(gold: Span, predicted: Span, scheme: Scheme) -> Outcome | None:
    """The outcome of a pair; None where the two share no character."""
    if gold.start >= predicted.end or predicted.start >= gold.end:
        return None
    same_offsets = gold.start == predicted.start and gold.end == predicted.end
    if scheme == "strict":
        return "correct" if same_offsets and gold.label == predicted.label else "incorrect"
    if scheme == "exact":
        return "correct" if same_offsets else "incorrect"
    if scheme == "partial":
        return "correct" if same_offsets else "partial"
    return "correct" if gold.label == predicted.label else "incorrect"


def match_spans(gold: Iterable[Span], predicted: Iterable[Span], scheme: Scheme = "strict") -> list[Match]:
    """Match two sets of spans of one article; every distinct span is in exactly one Match.

    A span that occurs twice on one side counts once. Sorted by position.
    """
    return [match for component in overlap_components(gold, predicted) for match in match_component(*component, scheme)]


def overlap_components(gold: Iterable[Span], predicted: Iterable[Span]) -> Iterator[tuple[list[Span], list[Span]]]:
    """Groups of (gold, predicted) spans such that spans of different groups share no character; both sorted, duplicates
    removed.
    """
    entries = sorted({(s.start, s.end, s.label, 0) for s in gold} | {(s.start, s.end, s.label, 1) for s in predicted})
    sides: tuple[list[Span], list[Span]] = ([], [])
    reach = -1
    for start, end, label, side in entries:
        if start >= reach and (sides[0] or sides[1]):
            yield sides
            sides = ([], [])
        sides[side].append(Span(start, end, label))
        reach = max(reach, end)
    if sides[0] or sides[1]:
        yield sides


def match_component(gold: Sequence[Span], predicted: Sequence[Span], scheme: Scheme) -> list[Match]:
    """Match the spans of one overlap component."""
    if not predicted:
        return [Match(span, None, "missed") for span in gold]
    if not gold:
        return [Match(None, span, "spurious") for span in predicted]
    if len(gold) == len(predicted) == 1:
        outcome = judge(gold[0], predicted[0], scheme)
        if outcome is not None:
            return [Match(gold[0], predicted[0], outcome)]
    outcomes = [[judge(g, p, scheme) for p in predicted] for g in gold]
    rows, columns = linear_sum_assignment(_weights(gold, predicted, outcomes), maximize=True)
    matches = []
    partner = dict(zip(rows.tolist(), columns.tolist(), strict=True))
    answered = set()
    for row, span in enumerate(gold):
        column = partner.get(row)
        outcome = None if column is None else outcomes[row][column]
        if column is None or outcome is None:
            matches.append(Match(span, None, "missed"))
        else:
            answered.add(column)
            matches.append(Match(span, predicted[column], outcome))
    matches += [Match(None, span, "spurious") for column, span in enumerate(predicted) if column not in answered]
    return matches


def _weights(
    gold: Sequence[Span], predicted: Sequence[Span], outcomes: Sequence[Sequence[Outcome | None]]
) -> npt.NDArray[np.float64]:
    """[G, P]: integers whose sum over a matching orders matchings by credit, correct pairs, pairs, same labels, shared
    characters.
    """
    pairs = min(len(gold), len(predicted))
    reach = max(span.end for span in (*gold, *predicted)) - gold[0].start
    characters = pairs * reach + 1
    if 2 * (pairs + 1) ** 4 * characters > EXACT_INTEGERS:
        characters = 1
    same_label = characters
    pair = same_label * (pairs + 1)
    correct = pair * (pairs + 1)
    half = correct * (pairs + 1)
    weights = np.zeros((len(gold), len(predicted)))
    for row, g in enumerate(gold):
        for column, p in enumerate(predicted):
            outcome = outcomes[row][column]
            if outcome is None:
                continue
            weight = pair + (same_label if g.label == p.label else 0)
            weight += {"correct": 2 * half + correct, "partial": half}.get(outcome, 0)
            if characters > 1:
                weight += min(g.end, p.end) - max(g.start, p.start)
            weights[row, column] = weight
    return weights
