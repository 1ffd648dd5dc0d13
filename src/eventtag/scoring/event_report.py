"""The report's part about links, whole records and the status of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eventtag.labels import LabelSet
from eventtag.scoring.bootstrap import Interval
from eventtag.scoring.compare import Difference, compare_systems
from eventtag.scoring.link_errors import LinkErrors, find_link_errors
from eventtag.scoring.link_slices import link_slicers
from eventtag.scoring.links import ArticleLinks, PredictedLinks, event_labels, scored_links, tally_links
from eventtag.scoring.scored_rows import Resampling, ScoredRow, score_rows
from eventtag.scoring.slices import Slice, slice_items
from eventtag.scoring.status import ASSERTED, SCHEME, StatusCounts, count_status
from eventtag.scoring.tally import Pair
from eventtag.span import STATUSES

NONE = "none"
"""Stands for an event without a predicted status."""


@dataclass(frozen=True)
class LinkScores:
    """Scores of links and of whole records on the articles that were annotated for links.

    `measures` holds those of `scoring.links` for all roles together, `roles` the strict ones by role, with micro and macro.
    `on_gold_spans`: the predicted spans are the gold spans, so the scores do not include finding them. `units` are the articles or
    clusters that were resampled.
    """

    measures: dict[str, ScoredRow]
    roles: dict[str, dict[str, ScoredRow]]
    slices: tuple[Slice, ...]
    errors: LinkErrors
    articles: int
    units: int
    level: float
    on_gold_spans: bool

    def to_json(self) -> dict[str, Any]:
        """JSON-like values."""
        return {
            "articles": self.articles,
            "units": self.units,
            "level": self.level,
            "on_gold_spans": self.on_gold_spans,
            "measures": {name: row.to_json() for name, row in self.measures.items()},
            "roles": {name: {role: row.to_json() for role, row in rows.items()} for name, rows in self.roles.items()},
            "slices": [asdict(part) for part in self.slices],
            "errors": self.errors.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The share of the events that were found whose status is right, with its interval, and F1 of "asserted" with its own."""

    accuracy: float
    accuracy_interval: Interval | None
    asserted_f1: float
    asserted_f1_interval: Interval | None


@dataclass(frozen=True)
class StatusScores:
    """Scores of status on the gold events that have one and were found.

    `rows` are the statuses and macro, over those that occur; `confusion` by gold status and predicted status (or none).
    `baseline` are the scores of always saying "asserted" on the same events; `gains` are the differences to it, of accuracy and F1
    of "asserted".
    """

    accuracy: Accuracy
    baseline: Accuracy
    gains: dict[str, Difference]
    rows: dict[str, ScoredRow]
    confusion: dict[str, dict[str, int]]
    articles: int
    events: int
    found: int
    level: float

    def to_json(self) -> dict[str, Any]:
        """JSON-like values."""
        return {**asdict(self), "rows": {name: row.to_json() for name, row in self.rows.items()}}


@dataclass(frozen=True)
class EventScores:
    """Scores of links and of status, None if gold or predictions have none, and `notes`, a sentence each."""

    links: LinkScores | None
    status: StatusScores | None
    notes: tuple[str, ...]

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """Of every score: what it is, role or status, precision, recall, F1 and how many there are in gold."""
        named: list[tuple[str, str, ScoredRow]] = []
        if self.links is not None:
            for measure, row in self.links.measures.items():
                own = self.links.roles.get(measure, {})
                named += [(f"links, {measure}", role, found) for role, found in own.items() if role != "micro"]
                named.append((f"links, {measure}", "micro", row))
        if self.status is not None:
            named += [("status", name, row) for name, row in self.status.rows.items()]
        return [(what, name, row.precision, row.recall, row.f1, row.support) for what, name, row in named]

    def to_json(self) -> dict[str, Any]:
        """JSON-like values."""
        return {
            "links": None if self.links is None else self.links.to_json(),
            "status": None if self.status is None else self.status.to_json(),
            "notes": list(self.notes),
        }


def score_events(
    pairs: Sequence[Pair], links: PredictedLinks, labels: LabelSet, how: Resampling, *, fields: Sequence[str] | None = None
) -> EventScores | None:
    """Score predicted links and status against those of the gold articles; None if neither has any.

    `fields` are metadata fields to slice links by (None: those that suit). Raises DataError as `scored_links` does.
    """
    events = event_labels([article for article, _ in pairs])
    linked, notes = links_to_score(pairs, links, labels)
    found_links = _score_links(linked, pairs, events, how, fields) if linked else None
    counts, said = status_to_score(pairs, events)
    found_status = None if counts is None else _score_status(counts, how)
    if found_links is None and found_status is None and not (notes or said):
        return None
    return EventScores(found_links, found_status, (*notes, *said))


def links_to_score(pairs: Sequence[Pair], links: PredictedLinks, labels: LabelSet) -> tuple[list[ArticleLinks], list[str]]:
    """The articles annotated for links, with the links that count, and remarks; none if the predictions have no links."""
    marked = [(article, spans) for article, spans in pairs if article.links is not None]
    spoken = any(found is not None for found in links.values())
    if not marked:
        number = sum(len(found or ()) for found in links.values())
        return [], [
            f"no gold article was marked for links, so that the {number} predicted links are not scored"
        ] if spoken else []
    if not spoken:
        number = sum(len(article.links or ()) for article, _ in marked)
        return [], [
            f"no score for links: {len(marked)} gold articles have {number} links, the predictions have none (a tagger finds links "
            "if it was trained with model.links=true)"
        ]
    linked = [scored_links(pair, links.get(pair[0].id), labels) for pair in marked]
    notes = []
    if len(marked) < len(pairs):
        notes.append(f"links: {len(pairs) - len(marked)} of {len(pairs)} articles were not marked for links and are not scored")
    if silent := sum(links.get(article.id) is None for article, _ in marked):
        notes.append(
            f"links: the predictions say nothing of links in {silent} of {len(marked)} articles, which counts as no link"
        )
    if outside := sum(len(item.article.links or ()) - len(item.gold) for item in linked):
        total = sum(len(item.article.links or ()) for item in linked)
        notes.append(
            f"links: {outside} of {total} gold links are not scored, because one of their spans is not in an annotated region"
        )
    return linked, notes


def status_to_score(pairs: Sequence[Pair], events: frozenset[str]) -> tuple[StatusCounts | None, list[str]]:
    """The counts of status and remarks; None if gold or predictions have no status, or no event with a status was found."""
    spoken = any(span.status is not None for _, spans in pairs for span in spans)
    counts = count_status(pairs, events=events)
    if counts is None:
        return None, ["no gold event has a status, so that the predicted ones are not scored"] if spoken else []
    total, found = int(counts.events.sum()), int(counts.confusion.sum())
    if not spoken:
        return None, [
            f"no score for status: {total} gold events have a status, the predictions have none (a tagger predicts "
            "it if it was trained with model.links=true)"
        ]
    if not found:
        return None, [f"no score for status: none of the {total} gold events with a status was found exactly"]
    notes = []
    if counts.unmarked:
        notes.append(f"status: {counts.unmarked} of {counts.unmarked + total} gold events have no status and are not scored")
    if found < total:
        notes.append(f"status: {total - found} of {total} gold events with a status were not found exactly and are not scored")
    if silent := int(counts.confusion[:, :, -1].sum()):
        notes.append(f"status: the predictions say none for {silent} of {found} events that were found, which counts as wrong")
    return counts, notes


def _score_links(
    linked: Sequence[ArticleLinks],
    pairs: Sequence[Pair],
    events: frozenset[str],
    how: Resampling,
    fields: Sequence[str] | None,
) -> LinkScores:
    tally = tally_links(linked, events)
    slices = slice_items(
        [(item.article, item.gold, item.predicted) for item in linked],
        link_slicers([article for article, _ in pairs], fields=fields),
        clusters=how.clusters,
        within=how.within,
        resamples=how.resamples,
        level=how.level,
        seed=how.seed,
    )
    clusters = {item.article.id if how.clusters is None else how.clusters[item.article.id] for item in linked}
    return LinkScores(
        {name: rows["micro"] for name, rows in score_rows(tally.overall, how).items()},
        score_rows(tally.roles, how),
        slices,
        find_link_errors(linked, tally.roles.labels),
        articles=len(linked),
        units=len(clusters),
        level=how.level,
        on_gold_spans=all(item.gold_spans == item.predicted_spans for item in linked),
    )


def _score_status(counts: StatusCounts, how: Resampling) -> StatusScores:
    comparison = compare_systems(
        {"always asserted": counts.always_asserted, "predictions": counts.tally},
        clusters=how.clusters,
        level=how.level,
        trials=how.resamples,
        seed=how.seed,
    ).pairs[0]
    rows, fixed = (score_rows(tally, how)[SCHEME] for tally in (counts.tally, counts.always_asserted))
    table = counts.confusion.sum(axis=0)
    return StatusScores(
        _accuracy(rows),
        _accuracy(fixed),
        {
            "accuracy": comparison.difference(SCHEME, "micro", "recall"),
            "asserted_f1": comparison.difference(SCHEME, ASSERTED),
        },
        {name: row for name, row in rows.items() if name != "micro"},
        {
            gold: {said: int(count) for said, count in zip((*STATUSES, NONE), row, strict=True)}
            for gold, row in zip(STATUSES, table, strict=True)
        },
        articles=len(counts.article_ids),
        events=int(counts.events.sum()),
        found=int(table.sum()),
        level=how.level,
    )


def _accuracy(rows: dict[str, ScoredRow]) -> Accuracy:
    whole, asserted = rows["micro"], rows[ASSERTED]
    return Accuracy(whole.recall, whole.intervals["recall"], asserted.f1, asserted.intervals["f1"])
