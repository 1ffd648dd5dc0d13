"""Temperatures at work on span scores. Tagging needs this alone, and it imports fast; `eventtag.scoring.calibration` fits them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from eventtag.span import Span

Floats = npt.NDArray[np.float64]

SMALLEST = 1e-6
"""Scores are kept this far from 0 and 1 before log-odds are taken."""


def apply_temperature(scores: Floats, temperature: float | Floats) -> Floats:
    """[N] scores with their log-odds divided by `temperature`, one for all or [N]; above 1 it makes a tagger less sure of itself,
    below 1 more.
    """
    inside = np.clip(scores, SMALLEST, 1 - SMALLEST)
    return np.asarray(1 / (1 + np.exp(-np.log(inside / (1 - inside)) / temperature)))


def calibrate_spans(spans: Sequence[Span], temperatures: Mapping[str, float]) -> list[Span]:
    """Predicted spans with calibrated scores, in the order given; a label without a temperature keeps its scores."""
    if not spans or not temperatures:
        return list(spans)
    scores = np.array([span.score for span in spans])
    scaled = apply_temperature(scores, np.array([temperatures.get(span.label, 1.0) for span in spans]))
    return [
        Span(span.start, span.end, span.label, score, span.status, span.status_score, span.unsure_roles)
        if span.label in temperatures
        else span
        for span, score in zip(spans, scaled.tolist(), strict=True)
    ]
