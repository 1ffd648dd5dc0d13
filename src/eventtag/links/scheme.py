"""What a link head knows: its roles, the labels of events, and which labels may have which role."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.labels import LabelSet
from eventtag.link import ROLES, Link

EVENT = "EVENT"
IMPOSSIBLE = frozenset({("AGENT", "LOCATION"), ("PLACE", "ACTOR")})
"""Roles that the guidelines give to no span of these labels."""
RARE = 5
"""Fewer links of these than this are taken for slips; other people's guidelines may know them (MEANTIME's countries are LOC, and act)."""


@dataclass(frozen=True)
class LinkScheme:
    """`roles` in the order of their scores, after "no link"; `events`, the labels of events; `participants`, the labels that may have
    each role, none of which is an event's.

    Raises SettingsError where there is no role or event, or a role has no label.
    """

    roles: tuple[str, ...]
    events: tuple[str, ...]
    participants: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if not self.roles or not self.events or set(self.participants) != set(self.roles):
            raise SettingsError(f"links: the roles {list(self.roles)} or the events {list(self.events)} are incomplete")
        if not all(self.participants.values()) or {name for some in self.participants.values() for name in some} & set(
            self.events
        ):
            raise SettingsError(f"links: the labels that may have a role are not right: {dict(self.participants)}")

    def allowed(self, labels: LabelSet) -> npt.NDArray[np.bool_]:
        """[L, 1 + R]: whether a span of each label may have no link (always) and each role."""
        table = np.zeros((len(labels.labels), 1 + len(self.roles)), dtype=np.bool_)
        table[:, 0] = True
        for column, role in enumerate(self.roles, start=1):
            for label in self.participants[role]:
                if label in labels.labels:
                    table[labels.labels.index(label), column] = True
        return table

    def to_json(self) -> dict[str, Any]:
        """JSON-like values, which `scheme_from_json` reads."""
        return asdict(self)


def scheme_from_json(value: Mapping[str, Any]) -> LinkScheme:
    """The scheme of a checkpoint; raises SettingsError, KeyError or TypeError for a record that is none."""
    return LinkScheme(
        tuple(value["roles"]),
        tuple(value["events"]),
        {role: tuple(labels) for role, labels in value["participants"].items()},
    )


def learnt_scheme(articles: Iterable[Article], labels: LabelSet) -> tuple[LinkScheme | None, list[str]]:
    """The scheme that the links of training articles teach, and what of their links is left out, in words; None where none can be learnt.

    A link can be learnt if its role is one of the project's, its spans have labels of the tagger, and it starts at an event (EVENT, if
    that is a label; else whatever links start at) and does not end at one. A role that is impossible for its participant's label is
    learnt if at least RARE links have it.
    """
    marked = [article for article in articles if article.links is not None]
    started = {link.event.label for article in marked for link in article.links or ()}
    events = (EVENT,) if EVENT in labels.labels else tuple(label for label in labels.labels if label in started)
    kept: Counter[tuple[str, str]] = Counter()
    left_out: Counter[str] = Counter()
    odd: Counter[tuple[str, str]] = Counter()
    for article in marked:
        for link in article.links or ():
            reason = _why_not(link, events, labels)
            ends = (link.role, link.participant.label)
            if reason is not None:
                left_out[reason] += 1
            elif ends in IMPOSSIBLE:
                odd[ends] += 1
            else:
                kept[ends] += 1
    for (role, label), count in odd.items():
        if count >= RARE:
            kept[role, label] = count
        else:
            left_out[f"{role} cannot be a {label}"] = count
    roles = tuple(role for role in ROLES if any(role == found for found, _ in kept))
    said = [f"{count} links are not learnt: {reason}" for reason, count in left_out.most_common()]
    if not roles:
        return None, said
    takers = {role: tuple(label for label in labels.labels if kept[role, label]) for role in roles}
    return LinkScheme(roles, events, takers), said


def is_learnt(link: Link, scheme: LinkScheme) -> bool:
    """Whether a link is of the scheme's kinds."""
    return link.event.label in scheme.events and link.participant.label in scheme.participants.get(link.role, ())


def _why_not(link: Link, events: tuple[str, ...], labels: LabelSet) -> str | None:
    if link.role not in ROLES:
        return f"the role {link.role} is not one of {', '.join(ROLES)}"
    if link.event.label not in events:
        return f"they start at {link.event.label}, which is no event"
    if link.participant.label in events or link.participant.label not in labels.labels:
        return f"they end at {link.participant.label}"
    return None
