"""Which systems find links, and the status of events, better than others.

Links are compared on the articles annotated for links. Status is compared on the events with a gold status that each system found,
so each system is judged on its own events. The method is that of `eventtag.scoring.compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from eventtag.labels import LabelSet
from eventtag.scoring.bootstrap import METRICS, figure_sums, figures
from eventtag.scoring.compare import Comparison, compare_systems
from eventtag.scoring.event_report import links_to_score, status_to_score
from eventtag.scoring.links import LinkTally, PredictedLinks, event_labels, sort_roles, tally_links
from eventtag.scoring.status import ASSERTED
from eventtag.scoring.tally import Pair, Tally
from eventtag.span import STATUSES


@dataclass(frozen=True, slots=True)
class EventTallies:
    """The counts of one set of predictions, None if gold or predictions have no links or no status, and remarks."""

    links: LinkTally | None
    status: Tally | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class EventComparison:
    """The comparisons of links, with one row `micro` for each measure, of strict links by role, and of status, whose recall of all
    together (`micro`) is the accuracy. None if fewer than two systems have them; `notes` says which have none.
    """

    links: Comparison | None
    roles: Comparison | None
    status: Comparison | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON-like values."""
        return asdict(self)


def tally_events(pairs: Sequence[Pair], links: PredictedLinks, labels: LabelSet) -> EventTallies:
    """The counts of predicted links and status. Raises DataError as `scored_links` does."""
    events = event_labels([article for article, _ in pairs])
    linked, notes = links_to_score(pairs, links, labels)
    counts, said = status_to_score(pairs, events)
    return EventTallies(
        tally_links(linked, events) if linked else None, None if counts is None else counts.tally, (*notes, *said)
    )


def headline_scores(found: EventTallies) -> dict[str, float]:
    """F1 of every measure of links (`links.strict`, ...), and of status the accuracy and F1 of "asserted", where there are such counts."""
    scores: dict[str, float] = {}
    if found.links is not None:
        overall = figures(figure_sums(found.links.overall).sum(axis=0))
        scores |= {
            f"links.{name}": float(overall[place, 0, METRICS.index("f1")])
            for place, name in enumerate(found.links.overall.schemes)
        }
    if found.status is not None:
        status = figures(figure_sums(found.status).sum(axis=0))[0]
        scores["status.accuracy"] = float(status[len(STATUSES), METRICS.index("recall")])  # of all together
        scores["status.asserted"] = float(status[STATUSES.index(ASSERTED), METRICS.index("f1")])
    return scores


def compare_events(
    systems: Mapping[str, EventTallies | tuple[EventTallies, ...]],
    *,
    clusters: Mapping[str, Hashable] | None,
    level: float,
    trials: int,
    seed: int,
) -> EventComparison | None:
    """Compare the systems that have links, and those that have a status; a tuple is a recipe with a run per seed.

    None if no system has either and nothing is to be said.
    """
    how: dict[str, Any] = {"clusters": clusters, "level": level, "trials": trials, "seed": seed}
    runs = {name: found if isinstance(found, tuple) else (found,) for name, found in systems.items()}
    said = {name: list(dict.fromkeys(note for run in found for note in run.notes)) for name, found in runs.items()}
    sayers: dict[str, list[str]] = {}
    for name, own in said.items():
        for note in own:
            sayers.setdefault(note, []).append(name)
    notes = [note if len(names) == len(said) else f"{', '.join(names)}: {note}" for note, names in sayers.items()]

    def compared(what: str, pick: Callable[[EventTallies], Tally | None], rows: Sequence[str]) -> Comparison | None:
        found = {name: [pick(run) for run in own] for name, own in runs.items()}
        known = {name: tuple(tally for tally in own if tally is not None) for name, own in found.items()}
        lacking = [name for name in known if len(known[name]) < len(found[name])]
        if lacking and len(lacking) < len(known) and what:
            notes.append(f"{what} compared only between systems that predict {what.split()[0]}, not {', '.join(lacking)}")
        if len(known) - len(lacking) < 2:
            return None
        chosen = {name: own for name, own in known.items() if name not in lacking}
        comparison = compare_systems(
            {name: own if isinstance(systems[name], tuple) else own[0] for name, own in chosen.items()}, **how
        )
        return _with_rows(comparison, rows)

    roles = sort_roles({role for own in runs.values() for run in own if run.links is not None for role in run.links.roles.labels})
    links = compared("links are", lambda run: None if run.links is None else run.links.overall, ("micro",))
    by_role = compared(
        "", lambda run: None if run.links is None else run.links.with_roles(roles).roles, (*roles, "micro", "macro")
    )
    status = compared("status is", lambda run: run.status, (*STATUSES, "micro", "macro"))
    if links is None and status is None and not notes:
        return None
    return EventComparison(links, by_role, status, tuple(notes))


def _with_rows(found: Comparison, rows: Sequence[str]) -> Comparison:
    """The comparison with the differences of these rows alone."""
    pairs = (replace(pair, differences=tuple(d for d in pair.differences if d.row in rows)) for pair in found.pairs)
    return replace(found, pairs=tuple(pairs))
