"""From scores of spans to spans: all that are more probable than not, or the best of them that do not overlap.

Scores are log-odds [W, M, L] of an article's spans: first word, number of words - 1, label. They never stand in a [W, W] array: M is
small. A span's score is its probability in the model's own opinion, as in `eventtag.decoding.decode`.

Letters for shapes: W words, M widths, L labels, N spans.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from eventtag.labels import LabelSet
from eventtag.spans import ScoredSpan

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


def decode_spans(scores: FloatArray, words: IntArray, labels: LabelSet, *, overlap: bool) -> tuple[ScoredSpan, ...]:
    """The spans of one article with log-odds above 0, sorted; without `overlap` the best set of them that do not overlap.

    `words` [W, 2] are character offsets. NaN marks a first word that no model looked at; spans beyond the last word have log-odds below
    0. The best set has the greatest sum of log-odds, which makes it the most probable one if spans are taken as independent apart from
    not overlapping.
    """
    found = np.argwhere(scores > 0)
    odds = scores[tuple(found.T)].astype(np.float64)
    if not overlap:
        kept = best_disjoint(found[:, 0], found[:, 0] + found[:, 1], odds)
        found, odds = found[kept], odds[kept]
    return tuple(
        sorted(
            ScoredSpan(int(words[first, 0]), int(words[first + more, 1]), labels.labels[label], float(1 / (1 + np.exp(-odd))))
            for (first, more, label), odd in zip(found.tolist(), odds, strict=True)
        )
    )


def best_disjoint(first: IntArray, last: IntArray, gains: npt.NDArray[np.float64]) -> list[int]:
    """Indices of the spans of words [first, last] that do not overlap and have the greatest sum of gains (all above 0), sorted.

    Weighted interval scheduling by dynamic programming (Kleinberg and Tardos 2005, section 6.1), O(N log N).
    """
    order = np.lexsort((first, last)).tolist()
    ends = last[order].tolist()
    best = [0.0]  # the greatest sum of the first n spans in this order
    for place, span in enumerate(order):
        before = bisect_left(ends, int(first[span]))
        best.append(max(best[place], best[before] + float(gains[span])))
    kept, place = [], len(order)
    while place:
        span = order[place - 1]
        if best[place] == best[place - 1]:
            place -= 1
        else:
            kept.append(span)
            place = bisect_left(ends, int(first[span]))
    return sorted(kept)
