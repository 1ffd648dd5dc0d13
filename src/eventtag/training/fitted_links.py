"""Calibration of a trained link head on the validation articles."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from eventtag.article import Article
from eventtag.ledger import LossLedger
from eventtag.links.calibration import LinkInfo, fit_links
from eventtag.links.scheme import scheme_from_json
from eventtag.respan import respan
from eventtag.span import STATUSES
from eventtag.tagging.tagger import Tagger

log = logging.getLogger(__name__)


def calibrated_links(tagger: Tagger, articles: Sequence[Article], *, fitted_on: Mapping[str, Any]) -> LinkInfo | None:
    """The record of the model's link head, with temperatures and thresholds from the articles that were marked, given their gold spans;
    None for a model without one.
    """
    written = getattr(tagger.model.config, "links", None)
    if written is None:
        return None
    scheme = scheme_from_json(written)
    marked = [article for article in articles if article.links is not None or any(span.status for span in article.spans)]
    if not marked:
        log.warning("no validation article has links or status, so the scores of links and status are not calibrated")
    with_head = replace(tagger, links=LinkInfo(scheme))
    known = [
        respan(article, [s for s in article.spans if s.label in tagger.labels.labels], stage="", ledger=LossLedger())
        for article in marked
    ]
    scored = ((item.article, found, scores) for item, found, scores in with_head.link_given(known))
    calibration = fit_links(scored, scheme, fitted_on=fitted_on)
    log.info(
        "links: temperature %.2f, threshold %s; status of %d kinds: temperature %.2f (%d validation articles)",
        calibration.temperature,
        ", ".join(f"{role} {least:.2f}" for role, least in calibration.thresholds.items()),
        len(STATUSES),
        calibration.status_temperature,
        len(marked),
    )
    return LinkInfo(scheme, calibration)
