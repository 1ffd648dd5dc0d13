"""Pairs of gold and predicted spans under each matching scheme.

Schemes of SemEval-2013 task 9.1 (https://aclanthology.org/S13-2056/), on half-open character spans; two spans are a pair only if
they share at least one character:

    strict   correct: same offsets and label; any other pair: incorrect
    exact    correct: same offsets, with any label; any other pair: incorrect
    partial  correct: same offsets, with any label; any other pair: partial
    type     correct: same label, with any overlap; any other pair: incorrect

Every span is in one pair at most. Among all such matchings, the one with the most credit is taken (correct 1, partial 1/2). Ties are
decided by the most correct pairs, the most pairs, the most pairs of one label, and the most shared characters. No score therefore
depends on the order of spans. If spans with the same offsets and different labels are still tied (two gold spans, and one prediction of a
third label), a pseudo-random number from offsets and label decides, so that the scores of a label under `exact` and `partial` do
not depend on its place in the alphabet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from eventtag.span import Span

Scheme = Literal["strict", "exact", "partial", "type"]
SCHEMES: tuple[Scheme, ...] = ("strict", "exact", "partial", "type")
Outcome = Literal["correct", "incorrect", "partial", "missed", "spurious"]

EXACT_INTEGERS = 2**52
"""Sums of integers below this are exact in float64, so a weighted assignment has no rounding."""

MOST_CELLS = 10_000
"""Largest number of pairs, overlapping or not, that are held in a full table; more arise if thousands of spans lie under one long
span. A table of which every `FEWEST_PAIRS`th cell is a pair is always full: nested spans take a hundred times as long in a sparse one."""
FEWEST_PAIRS = 4


@dataclass(frozen=True, slots=True)
class Match:
    """A gold span, the predicted span that answers it, and how well. `missed` has no predicted span, `spurious` no gold span."""

    gold: Span | None
    predicted: Span | None
    outcome: Outcome


def judge(gold: Span, predicted: Span, scheme: Scheme) -> Outcome | None:
    """The outcome of a pair; None if the two share no character."""
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


def overlapping_pairs(first: Sequence[Span], second: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """The places of every span of `first` and of `second` that share a character, in time that grows with the number of such pairs."""
    sides = first, second
    order = sorted((span.start, side, place) for side in (0, 1) for place, span in enumerate(sides[side]))
    reaching: tuple[list[int], list[int]] = ([], [])  # places of spans that began and may not have ended
    for start, side, place in order:
        other = 1 - side
        reaching[other][:] = [n for n in reaching[other] if sides[other][n].end > start]
        for n in reaching[other]:
            yield (place, n) if side == 0 else (n, place)
        reaching[side].append(place)


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
    rows, columns = sorted(gold, key=_by_lot), sorted(predicted, key=_by_lot)
    places = np.array(list(overlapping_pairs(rows, columns)), dtype=np.int64).reshape(-1, 2)
    weights = _weights(rows, columns, places, scheme)
    partner = {rows[row]: columns[column] for row, column in _assign(len(rows), len(columns), places, weights)}
    answered = set(partner.values())
    matches = [Match(span, partner.get(span), _outcome(span, partner.get(span), scheme)) for span in gold]
    return matches + [Match(None, span, "spurious") for span in predicted if span not in answered]


def _outcome(gold: Span, predicted: Span | None, scheme: Scheme) -> Outcome:
    outcome: Outcome | None = "missed" if predicted is None else judge(gold, predicted, scheme)
    assert outcome is not None  # the pair shares a character
    return outcome


def _by_lot(span: Span) -> tuple[int, int, int, str]:
    """By place: the order of several spans with the same offsets if nothing else decides. It comes from a number made of offsets
    and label, so that no label is favoured.
    """
    return span.start, span.end, crc32(f"{span.start} {span.end} {span.label}".encode(errors="surrogatepass")), span.label


def _weights(
    gold: Sequence[Span], predicted: Sequence[Span], places: npt.NDArray[np.int64], scheme: Scheme
) -> npt.NDArray[np.float64]:
    """[P], of each pair in `places` [P, 2]: integers whose sum over a matching orders matchings by credit, correct pairs, pairs, same
    labels, shared characters.
    """
    label_of = {label: number for number, label in enumerate({span.label for span in (*gold, *predicted)})}
    sides = ([(span.start, span.end, label_of[span.label]) for span in side] for side in (gold, predicted))
    first, second = (np.array(side, dtype=np.int64)[places[:, at]] for at, side in enumerate(sides))
    same_offsets = (first[:, :2] == second[:, :2]).all(axis=1)
    same_label = first[:, 2] == second[:, 2]
    correct = {"strict": same_offsets & same_label, "exact": same_offsets, "partial": same_offsets, "type": same_label}[scheme]
    pairs = min(len(gold), len(predicted))
    reach = max(span.end for span in (*gold, *predicted)) - gold[0].start
    characters = pairs * reach + 1
    if 2 * (pairs + 1) ** 4 * characters > EXACT_INTEGERS:
        characters = 1
    of_pair = characters * (pairs + 1)
    of_correct = of_pair * (pairs + 1)
    half = of_correct * (pairs + 1)
    weights = of_pair + characters * same_label + (2 * half + of_correct) * correct
    if scheme == "partial":
        weights += half * ~correct
    if characters > 1:
        weights += np.minimum(first[:, 1], second[:, 1]) - np.maximum(first[:, 0], second[:, 0])
    return np.asarray(weights, dtype=np.float64)


def _assign(rows: int, columns: int, places: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """The one-to-one choice of `places` with the most weight."""
    places_of_rows, places_of_columns = places.T
    if rows * columns <= max(MOST_CELLS, FEWEST_PAIRS * len(places)):
        dense = np.zeros((rows, columns))
        dense[places_of_rows, places_of_columns] = weights
        chosen = zip(*(ends.tolist() for ends in linear_sum_assignment(dense, maximize=True)), strict=True)
        return [(row, column) for row, column in chosen if dense[row, column] > 0]
    # Only pairs that overlap are stored. Every row may also stay alone, in a column of its own, at a cost above that of any pair.
    alone = float(weights.max(initial=0.0)) + 1
    costs = np.concatenate([alone - weights, np.full(rows, alone)])
    across = np.concatenate([places_of_columns, columns + np.arange(rows)])
    down = np.concatenate([places_of_rows, np.arange(rows)])
    found = min_weight_full_bipartite_matching(csr_array((costs, (down, across)), shape=(rows, columns + rows)))
    return [(row, column) for row, column in zip(*(ends.tolist() for ends in found), strict=True) if column < columns]
