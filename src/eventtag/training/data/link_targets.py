"""What the windows of an article teach of links and status: the pairs whose spans both lie in the window that owns the event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eventtag.article import Article
from eventtag.encoding.tokens import SpecialTokens, TokenisedText
from eventtag.encoding.windows import Window
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.links.candidates import find_candidates
from eventtag.links.scheme import LinkScheme, is_learnt
from eventtag.models.link_layers import WindowLinks
from eventtag.span import STATUSES

STAGE = "learning links"
UNKNOWN = -1
"""A role or status that nothing is learnt from."""


def link_targets(
    article: Article,
    tokens: TokenisedText,
    windows: Sequence[Window],
    labels: LabelSet,
    scheme: LinkScheme,
    *,
    special: SpecialTokens,
    ledger: LossLedger,
) -> list[WindowLinks | None]:
    """The targets of each window, None where it teaches nothing. The ledger names links that can be learnt but lie in no window whole, or
    that no candidate pair holds. Nothing is learnt of links where the article's are None, nor of the status of events without one.
    """
    if article.links is None and all(span.status is None for span in article.spans):
        return [None] * len(windows)
    found = find_candidates(article.text, tokens, article.spans, labels, scheme)
    of_span = {article.spans[place]: number for number, place in enumerate(found.places.tolist())}
    wanted: dict[tuple[int, int], int] = {}
    links = [link for link in article.links or () if is_learnt(link, scheme)]
    for link in links:
        if link.event in of_span and link.participant in of_span:
            wanted.setdefault((of_span[link.event], of_span[link.participant]), 1 + scheme.roles.index(link.role))
    missing = UNKNOWN if article.links is None else 0
    roles = np.array([wanted.get(pair, missing) for pair in map(tuple, found.pairs.tolist())], dtype=np.int64)
    status = np.array(
        [STATUSES.index(said) if (said := article.spans[found.places[event]].status) else UNKNOWN for event in found.events],
        dtype=np.int64,
    )
    allowed = scheme.allowed(labels)[found.labels[found.pairs[:, 1]]]
    learnt: set[tuple[int, int]] = set()
    targets: list[WindowLinks | None] = []
    for window in windows:
        inside = (found.spans[:, 0] >= window.start) & (found.spans[:, 1] <= window.end)
        owned = inside & (found.spans[:, 0] >= window.own_start) & (found.spans[:, 0] < window.own_end)
        kept, events = inside[found.pairs].all(axis=1), inside[found.events]
        renumbered = np.cumsum(inside) - 1
        own_pairs = owned[found.pairs[kept, 0]]
        learnt |= {pair for pair in map(tuple, found.pairs[kept][own_pairs].tolist()) if pair in wanted}
        before, behind = len(special.prefix), len(special.suffix)
        part = WindowLinks(
            found.spans[inside] - window.start + before,
            renumbered[found.events[events]],
            renumbered[found.pairs[kept]],
            found.features[kept],
            np.pad(found.tags[window.start : window.end], (before, behind)),
            np.pad(found.sentences[window.start : window.end], (before, behind), constant_values=-1),
            allowed[kept],
            np.where(own_pairs, roles[kept], UNKNOWN),
            np.where(owned[found.events[events]], status[events], UNKNOWN),
        )
        teaches = (part.roles >= 0).any() or (part.status >= 0).any()
        targets.append(part if teaches else None)
    for link in links:
        ends = tuple(of_span.get(span, -1) for span in (link.event, link.participant))
        if ends not in learnt:
            ledger.add_link(
                article.id, STAGE, "dropped", "no window, or no candidate pair, holds both of their spans",
                link.role, link.event, link.participant,
            )  # fmt: skip
    return targets
