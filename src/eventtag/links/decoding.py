"""From the scores of candidate pairs to links and status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eventtag.link import Link
from eventtag.links.calibration import LinkInfo
from eventtag.links.candidates import Candidates
from eventtag.links.network import PairScores, softmax
from eventtag.span import STATUSES, Span


def decode_links(
    spans: Sequence[Span], found: Candidates, scores: PairScores, info: LinkInfo
) -> tuple[tuple[Span, ...], tuple[Link, ...]]:
    """The spans, those of events with status and its score, and the links between them, sorted.

    A pair has the link of its most probable role, unless that is below the role's threshold. A link's score is the probability that it is
    right as a whole: that of its role given both spans, times the scores of the two spans (1 for gold spans). A status's score is its
    probability given the event; below the threshold the status is None. Status and links that the spans had are replaced.
    """
    told = [replace(span, status=None, status_score=None) for span in spans]
    status = softmax(scores.status.astype(np.float64) / info.calibration.status_temperature)
    for event, row in zip(found.events.tolist(), status, strict=True):
        best = int(row.argmax())
        if row[best] >= info.calibration.status_threshold:
            place = int(found.places[event])
            told[place] = replace(told[place], status=STATUSES[best], status_score=float(row[best]))
    links = []
    if len(found.pairs):
        probabilities = softmax(scores.roles.astype(np.float64) / info.calibration.temperature)
        chosen = probabilities[:, 1:].argmax(axis=1)
        best_score = probabilities[np.arange(len(chosen)), chosen + 1]
        least = np.array([info.calibration.thresholds.get(role, 0.5) for role in info.scheme.roles])
        for row in np.flatnonzero((best_score >= least[chosen]) & (best_score > 0)).tolist():
            event_span, other = (told[found.places[end]] for end in found.pairs[row])
            whole = float(best_score[row]) * _given(event_span) * _given(other)
            links.append(Link(event_span, other, info.scheme.roles[chosen[row]], whole))
    return tuple(told), tuple(sorted(links))


def _given(span: Span) -> float:
    return 1.0 if span.score is None else span.score
