"""Calibrates the scores of links and status on validation articles, and chooses their thresholds.

Temperatures and the thresholds with the best F1 come from the pairs of gold spans, because there are more of them. Thresholds for a wanted
precision or recall, and the bounds below which nobody has a role, come from predicted spans, because they must hold for the output.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.link import ROLES, Link
from eventtag.links.calibration import LinkCalibration, LinkInfo
from eventtag.links.candidates import Candidates
from eventtag.links.choosing import best_of_roles, choose_pairs
from eventtag.links.decoding import decode_links, role_probabilities
from eventtag.links.network import PairScores, softmax
from eventtag.links.scheme import LinkScheme, is_learnt
from eventtag.scoring.calibration import ScoredPredictions, choose_thresholds, lowered
from eventtag.span import STATUSES, Span

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(8), 101))
THRESHOLDS = np.arange(0.05, 1, 0.05)
SURE = 0.95
"""If the output says that nobody has a role in an event, this share of such events must be right, among the predicted events of the
validation articles, with one wrong event added.
"""


@dataclass(frozen=True)
class ScoredPairs:
    """A gold article, spans in it (gold or predicted), and the scores of their pairs and events."""

    article: Article
    spans: tuple[Span, ...]
    found: Candidates
    scores: PairScores

    def decoded(self, info: LinkInfo) -> tuple[tuple[Span, ...], tuple[Link, ...]]:
        """The spans with status, and the links between them."""
        return decode_links(self.article.text, self.spans, self.found, self.scores, info)


@dataclass(frozen=True)
class Targets:
    """The wanted precision or recall of roles and statuses; a role or status has at most one of them."""

    precision: Mapping[str, float]
    recall: Mapping[str, float]

    @property
    def names(self) -> frozenset[str]:
        """The roles and statuses with a target."""
        return frozenset({*self.precision, *self.recall})


def fit_links(
    given: Iterable[ScoredPairs],
    predicted: Sequence[ScoredPairs],
    scheme: LinkScheme,
    *,
    targets: Targets = Targets({}, {}),
    fitted_on: Mapping[str, Any],
) -> LinkCalibration:
    """The calibration that fits annotated articles, `given` with their gold spans and `predicted` with those that a tagger found.

    Temperatures minimise the loss. The common threshold of all roles is chosen first, then that of further participants, each for the best
    F1 of links. A role or status with a target gets the threshold of its whole score that reaches the target on the predicted spans; a
    warning names those that no threshold reaches. Without annotation to learn from, temperatures are 1 and thresholds one half.
    """
    pairs, roles, status, said = [], [], [], []
    marked: list[ScoredPairs] = []
    missed = 0
    for item in given:
        article, found = item.article, item.found
        gold = {(link.event, link.participant): link.role for link in reversed(article.links or ()) if is_learnt(link, scheme)}
        if article.links is not None:
            names = [gold.get((item.spans[found.places[event]], item.spans[found.places[other]])) for event, other in found.pairs]
            missed += len(gold) - sum(name is not None for name in names)
            pairs.append(item.scores.roles)
            roles += [0 if name is None else 1 + scheme.roles.index(name) for name in names]
            marked.append(item)
        for event, row in zip(found.events, item.scores.status, strict=True):
            if (name := item.spans[found.places[event]].status) is not None:
                status.append(row)
                said.append(STATUSES.index(name))
    logits = np.concatenate(pairs).astype(np.float64) if pairs else np.zeros((0, 1 + len(scheme.roles)))
    gold_roles = np.array(roles, dtype=np.int64)
    temperature = _temperature(logits, gold_roles)
    threshold, further = 0.5, 0.0
    if gold_roles.any():
        threshold = _threshold(softmax(logits / temperature), gold_roles, missed)
        further = _further(marked, gold_roles, missed, temperature, threshold)
    fitted = LinkCalibration(
        temperature,
        _temperature(np.array(status, dtype=np.float64).reshape(-1, len(STATUSES)), np.array(said, dtype=np.int64)),
        dict.fromkeys(scheme.roles, threshold),
        further,
        fitted_on=dict(fitted_on),
    )
    fitted = _with_targets(fitted, predicted, scheme, targets)
    return replace(fitted, absent=_absent(predicted, LinkInfo(scheme, fitted)))


def _temperature(logits: Floats, gold: Whole) -> float:
    """The temperature among TEMPERATURES with the lowest cross-entropy; 1 without gold."""
    if not len(gold):
        return 1.0
    rows = np.arange(len(gold))
    possible = np.isfinite(logits[rows, gold])
    losses = [-np.log(softmax(logits / t)[rows, gold][possible] + 1e-12).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def _threshold(probabilities: Floats, gold: Whole, missed: int) -> float:
    """The threshold among THRESHOLDS with the best F1."""
    role = probabilities[:, 1:].argmax(axis=1) + 1
    score = probabilities[np.arange(len(role)), role]
    total = int((gold > 0).sum()) + missed
    return _best_of(lambda least: _f1(int(((score >= least) & (role == gold)).sum()), int((score >= least).sum()), total))


def _further(items: Sequence[ScoredPairs], gold: Whole, missed: int, temperature: float, threshold: float) -> float:
    """The lowest probability of further participants, among THRESHOLDS, with the best F1 of links; `gold` are the roles of all pairs."""
    ends = np.cumsum([len(item.found.pairs) for item in items])[:-1]
    by_item = np.split(gold, ends)
    probabilities = [role_probabilities(item.scores, temperature) for item in items]
    least = np.full(probabilities[0].shape[1] - 1, threshold)
    total = int((gold > 0).sum()) + missed

    def reached(further: float) -> float:
        right = said = 0
        for item, chances, wanted in zip(items, probabilities, by_item, strict=True):
            rows, roles = choose_pairs(item.article.text, item.spans, item.found, chances, least, further)
            right, said = right + int((wanted[rows] == roles + 1).sum()), said + len(rows)
        return _f1(right, said, total)

    return _best_of(reached)


def _f1(right: int, said: int, total: int) -> float:
    return 2 * right / (said + total) if said + total else 0.0


def _best_of(reached: Callable[[float], float]) -> float:
    """The threshold among THRESHOLDS with the best F1. Each F1 is averaged with its neighbours', because few articles choose it."""
    smooth = np.convolve(np.pad([reached(least) for least in THRESHOLDS], 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    return round(float(THRESHOLDS[int(np.argmax(smooth))]), 4)


def _with_targets(
    fitted: LinkCalibration, predicted: Sequence[ScoredPairs], scheme: LinkScheme, targets: Targets
) -> LinkCalibration:
    """The calibration in which roles and statuses with a target have the thresholds that reach it."""
    wanted = [role for role in ROLES if role in targets.names]
    open_ended = replace(fitted, thresholds={role: 0.0 if role in wanted else least for role, least in fitted.thresholds.items()})
    decoded = [(item.article, *item.decoded(LinkInfo(scheme, open_ended))) for item in predicted]
    found = _scored_links(decoded, wanted) | _scored_status(decoded, [name for name in STATUSES if name in targets.names])
    least: dict[str, float] = {}
    status: dict[str, float] = {}
    reached = {}
    for key, aims in (("target_precision", targets.precision), ("target_recall", targets.recall)):
        for name, target in aims.items():
            try:
                point = choose_thresholds(found, **{key: {name: target}})[name]
            except SettingsError as error:
                log.warning("no threshold is saved for %s: evaluation.%s", name, error)
                continue
            saved = max(0.0, lowered(point.threshold, found[name].scores))
            (status if name in STATUSES else least)[name] = saved
            reached[name] = {key: target, **asdict(replace(point, threshold=saved))}
            log.info(
                "threshold of %s: %.4f, with precision %.3f and recall %.3f on the validation articles that chose it",
                name, saved, point.precision, point.recall,
            )  # fmt: skip
    thresholds = {role: 0.0 if role in least else value for role, value in fitted.thresholds.items()}
    return replace(fitted, thresholds=thresholds, least=least, status_thresholds=status, targets=reached)


Decoded = tuple[Article, tuple[Span, ...], tuple[Link, ...]]


def _scored_links(decoded: Sequence[Decoded], roles: Sequence[str]) -> dict[str, ScoredPredictions]:
    """The predicted links of each role in articles whose links are annotated."""
    marked = [(article, links) for article, _, links in decoded if article.links is not None]
    found = {}
    for role in roles:
        mine = [(link, article) for article, links in marked for link in links if link.role == role]
        gold = {article.id: set(article.links or ()) for article, _ in marked}
        support = sum(link.role == role for links in gold.values() for link in links)
        scores = np.array([link.score for link, _ in mine], dtype=np.float64)
        found[role] = ScoredPredictions(scores, np.array([link in gold[a.id] for link, a in mine], dtype=np.bool_), support)
    return found


def _scored_status(decoded: Sequence[Decoded], statuses: Sequence[str]) -> dict[str, ScoredPredictions]:
    """The predicted status of the events that are right and whose status is annotated."""
    pairs = [
        (span, own[span].status)
        for article, spans, _ in decoded
        for own in ({span: span for span in article.spans if span.status is not None},)
        for span in spans
        if span in own
    ]
    found = {}
    for status in statuses:
        mine = [(span.status_score or 0.0, gold == status) for span, gold in pairs if span.status == status]
        scores, right = np.array([score for score, _ in mine], dtype=np.float64), np.array([ok for _, ok in mine], dtype=np.bool_)
        found[status] = ScoredPredictions(scores, right, sum(gold == status for _, gold in pairs))
    return found


def _absent(predicted: Sequence[ScoredPairs], info: LinkInfo) -> dict[str, float]:
    """By role, the highest probability of an event's best candidate up to which the role counts as held by nobody; 0 if there is none.

    Of the right events without a link of the role and with a best candidate up to this bound, at least the share SURE have nobody in gold.
    """
    rows = list(_without_role(predicted, info))
    found = {}
    for role in info.scheme.roles:
        mine = sorted((best, has) for name, best, has in rows if name == role)
        wrong, bound = 0, 0.0
        for number, (best, has) in enumerate(mine, start=1):
            wrong += has
            last = number == len(mine) or mine[number][0] > best
            if last and wrong + 1 <= (1 - SURE) * (number + 1):
                bound = best
        found[role] = bound
    return found


def _without_role(predicted: Sequence[ScoredPairs], info: LinkInfo) -> Iterator[tuple[str, float, bool]]:
    """For each event that is right and each role that no link gives it: the role, its best candidate, and whether gold has somebody."""
    for item in predicted:
        if item.article.links is None:
            continue
        own = set(item.article.spans)
        best = best_of_roles(item.found, role_probabilities(item.scores, info.calibration.temperature))
        _, links = item.decoded(info)
        said = {(link.event, link.role) for link in links}
        gold = {(link.event, link.role) for link in item.article.links}
        for event in item.found.events.tolist():
            span = item.spans[item.found.places[event]]
            for place, role in enumerate(info.scheme.roles):
                if span in own and (span, role) not in said:
                    yield role, float(best[event, place]), (span, role) in gold
