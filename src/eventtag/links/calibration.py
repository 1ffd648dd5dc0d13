"""What makes the scores of links and status probabilities, and from which score on they are said: fitted on validation articles, given
their gold spans.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.links.candidates import Candidates
from eventtag.links.network import PairScores, softmax
from eventtag.links.scheme import LinkScheme, scheme_from_json
from eventtag.span import STATUSES

Floats = npt.NDArray[np.float64]

TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(8), 101))
THRESHOLDS = np.arange(0.05, 1, 0.05)


@dataclass(frozen=True)
class LinkCalibration:
    """The temperatures of roles and of status, and the least probability of a link of each role and of a status, given that the spans are
    right; below it there is no link, and the status is None. `fitted_on` describes the validation articles.
    """

    temperature: float = 1.0
    status_temperature: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    status_threshold: float = 0.0
    fitted_on: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not all(0 < value < math.inf for value in (self.temperature, self.status_temperature)):
            raise SettingsError("links: a temperature is not above 0")
        if not all(0 <= value <= 1 for value in (*self.thresholds.values(), self.status_threshold)):
            raise SettingsError("links: a threshold is not 0 to 1")


@dataclass(frozen=True)
class LinkInfo:
    """What a checkpoint records of its link head."""

    scheme: LinkScheme
    calibration: LinkCalibration = field(default_factory=LinkCalibration)

    def to_json(self) -> dict[str, Any]:
        """JSON-like values, which `info_from_json` reads."""
        return {"scheme": self.scheme.to_json(), "calibration": asdict(self.calibration)}


def info_from_json(value: Mapping[str, Any]) -> LinkInfo:
    """The record of a checkpoint; raises SettingsError, KeyError or TypeError for one that is none."""
    scheme, calibration = scheme_from_json(value["scheme"]), LinkCalibration(**value["calibration"])
    unknown = [role for role in calibration.thresholds if role not in scheme.roles]
    if unknown:
        raise SettingsError(
            f"links: there is a threshold for the role {unknown[0]!r}, which is not one of {', '.join(scheme.roles)}"
        )
    return LinkInfo(scheme, calibration)


def fit_links(
    scored: Iterable[tuple[Article, Candidates, PairScores]], scheme: LinkScheme, *, fitted_on: Mapping[str, Any]
) -> LinkCalibration:
    """Temperatures with the least loss, and the threshold of all roles with the best F1 of links, given the gold spans of articles that
    were marked. What nothing can be learnt of keeps temperature 1 and threshold one half.
    """
    pairs, roles, status, said = [], [], [], []
    missed = 0
    for article, found, scores in scored:
        gold = {(link.event, link.participant): link.role for link in reversed(article.links or ()) if link.role in scheme.roles}
        if article.links is not None:
            ends = [tuple(article.spans[found.places[end]] for end in pair) for pair in found.pairs]
            names = [gold.get(pair) for pair in ends]
            missed += len(gold) - sum(name is not None for name in names)
            pairs.append(scores.roles)
            roles += [0 if name is None else 1 + scheme.roles.index(name) for name in names]
        for event, row in zip(found.events, scores.status, strict=True):
            if (name := article.spans[found.places[event]].status) is not None:
                status.append(row)
                said.append(STATUSES.index(name))
    logits = np.concatenate(pairs).astype(np.float64) if pairs else np.zeros((0, 1 + len(scheme.roles)))
    gold_roles = np.array(roles, dtype=np.int64)
    temperature = _temperature(logits, gold_roles)
    threshold = 0.5
    if gold_roles.any():
        threshold = _threshold(softmax(logits / temperature), gold_roles, missed)
    return LinkCalibration(
        temperature,
        _temperature(np.array(status, dtype=np.float64).reshape(-1, len(STATUSES)), np.array(said, dtype=np.int64)),
        dict.fromkeys(scheme.roles, threshold),
        0.0,
        dict(fitted_on),
    )


def _temperature(logits: Floats, gold: npt.NDArray[np.int64]) -> float:
    """The temperature of TEMPERATURES with the least cross-entropy; 1 without gold."""
    if not len(gold):
        return 1.0
    rows = np.arange(len(gold))
    possible = np.isfinite(logits[rows, gold])
    losses = [-np.log(softmax(logits / t)[rows, gold][possible] + 1e-12).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def _threshold(probabilities: Floats, gold: npt.NDArray[np.int64], missed: int) -> float:
    """The threshold of THRESHOLDS with the best F1, each smoothed with its neighbours', as few articles choose it."""
    role = probabilities[:, 1:].argmax(axis=1) + 1
    score = probabilities[np.arange(len(role)), role]
    total = int((gold > 0).sum()) + missed
    f1: Sequence[float] = [
        2 * int(((score >= least) & (role == gold)).sum()) / (int((score >= least).sum()) + total) for least in THRESHOLDS
    ]
    smooth = np.convolve(np.pad(f1, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    return round(float(THRESHOLDS[int(np.argmax(smooth))]), 4)
