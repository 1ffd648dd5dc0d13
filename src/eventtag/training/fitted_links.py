"""Calibration of a trained link head on the validation articles."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.link import ROLES
from eventtag.links.calibration import LinkInfo
from eventtag.links.fitting import ScoredPairs, Targets, fit_links
from eventtag.links.scheme import scheme_from_json
from eventtag.respan import respan
from eventtag.settings import EvaluationSettings
from eventtag.span import STATUSES
from eventtag.tagging.tagged import TaggedArticle
from eventtag.tagging.tagger import Tagger

log = logging.getLogger(__name__)


def calibrated_links(
    tagger: Tagger, tagged: Sequence[TaggedArticle], settings: EvaluationSettings, *, fitted_on: Mapping[str, Any]
) -> LinkInfo | None:
    """The record of the model's link head, with temperatures and thresholds from the articles that were marked, with their gold spans and
    with those that `tagged` has; None for a model without one. The targets of roles and statuses are those of the settings.
    """
    written = getattr(tagger.model.config, "links", None)
    if written is None:
        return None
    scheme = scheme_from_json(written)
    found = {
        item.article.id: item
        for item in tagged
        if item.article.links is not None or any(span.status for span in item.article.spans)
    }
    if not found:
        log.warning("no validation article has links or status, so the scores of links and status are not calibrated")
    with_head = replace(tagger, links=LinkInfo(scheme))
    known = [
        respan(item.article, [s for s in item.article.spans if s.label in tagger.labels.labels], stage="", ledger=LossLedger())
        for item in found.values()
    ]
    given: list[ScoredPairs] = []
    predicted: list[ScoredPairs] = []
    for article, tokens, states in with_head.link_states(known):
        for spans, items in ((article.spans, given), (found[article.id].spans, predicted)):
            items.append(ScoredPairs(article, spans, *with_head.scored_pairs(article.text, tokens, spans, states)))
    calibration = fit_links(given, predicted, scheme, targets=targets_of(settings, tagger.labels), fitted_on=fitted_on)
    log.info(
        "links: temperature %.2f, threshold %s, of further participants %.2f, nobody has a role up to %s; status of %d kinds: "
        "temperature %.2f (%d validation articles)",
        calibration.temperature,
        _listed(calibration.thresholds),
        calibration.further,
        _listed(calibration.absent),
        len(STATUSES),
        calibration.status_temperature,
        len(known),
    )
    return LinkInfo(scheme, calibration)


def targets_of(settings: EvaluationSettings, labels: LabelSet) -> Targets:
    """The targets of roles and statuses; a name that is a label's is that of the label."""
    names = {*ROLES, *STATUSES} - set(labels.labels)
    precision, recall = (
        {name: target for name, target in aims.items() if name in names}
        for aims in (settings.target_precision, settings.target_recall)
    )
    return Targets(precision, recall)


def _listed(thresholds: Mapping[str, float]) -> str:
    return ", ".join(f"{role} {least:.2f}" for role, least in thresholds.items())
