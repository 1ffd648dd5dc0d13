"""From the scores of candidate pairs to links and status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from eventtag.link import ROLES, Link
from eventtag.links.calibration import LinkInfo
from eventtag.links.candidates import Candidates
from eventtag.links.choosing import best_of_roles, choose_pairs
from eventtag.links.network import PairScores, softmax
from eventtag.span import STATUSES, Span


def decode_links(
    text: str, spans: Sequence[Span], found: Candidates, scores: PairScores, info: LinkInfo
) -> tuple[tuple[Span, ...], tuple[Link, ...]]:
    """The spans, those of events with status and its score and with unsure roles, and the links between them, sorted.

    `eventtag.links.choosing` says which pairs become links. A link's score is the probability that it is right as a whole: that of its role
    given both spans, times the scores of the two spans (1 for gold spans); links below the lowest score of their role are left out. A
    status's score is its probability given the event; below the status's threshold it is None. A role that no link of an event has is
    unsure if its best candidate is more probable than `LinkCalibration.absent` says, or if the link head does not know the role. Status,
    unsure roles and links that the spans had are replaced.
    """
    told = [replace(span, status=None, status_score=None, unsure_roles=()) for span in spans]
    status = softmax(scores.status.astype(np.float64) / info.calibration.status_temperature)
    for event, row in zip(found.events.tolist(), status, strict=True):
        best = int(row.argmax())
        if row[best] >= info.calibration.status_thresholds.get(STATUSES[best], 0.0):
            place = int(found.places[event])
            told[place] = replace(told[place], status=STATUSES[best], status_score=float(row[best]))
    roles, used = info.scheme.roles, info.calibration
    probabilities = role_probabilities(scores, used.temperature)
    least = np.array([used.thresholds.get(role, 0.5) for role in roles])
    rows, chosen = choose_pairs(text, spans, found, probabilities, least, used.further)
    kept = []
    for row, role in zip(rows.tolist(), chosen.tolist(), strict=True):
        event, other = (int(found.places[end]) for end in found.pairs[row])
        whole = float(probabilities[row, 1 + role]) * _given(told[event]) * _given(told[other])
        if whole >= used.least.get(roles[role], 0.0):
            kept.append((event, other, roles[role], whole))
    had = {(event, role) for event, _, role, _ in kept}
    best_candidates = best_of_roles(found, probabilities)
    for event in found.events.tolist():
        place = int(found.places[event])
        best_of = dict(zip(roles, best_candidates[event].tolist(), strict=True))
        unsure = tuple(
            role
            for role in ROLES
            if (place, role) not in had and (role not in best_of or best_of[role] > used.absent.get(role, 0.0))
        )
        told[place] = replace(told[place], unsure_roles=unsure)
    return tuple(told), tuple(sorted(Link(told[event], told[other], role, whole) for event, other, role, whole in kept))


def role_probabilities(scores: PairScores, temperature: float) -> npt.NDArray[np.float64]:
    """[P, 1 + R]: the probability of no link and of each role, given that both spans are right."""
    logits = scores.roles.astype(np.float64) / temperature
    return softmax(logits) if len(logits) else logits


def _given(span: Span) -> float:
    return 1.0 if span.score is None else span.score
