"""Articles to event records.

A record holds what is sure enough. A role is None, which means unknown, in three cases: its links are all too unsure, it is among the
unsure roles of the event, or no annotator looked for it. If everything was looked at and nobody takes part, the role is empty.

Only what a tagger found is put in order; links by people and by the naive rule stay as they are. If a role has several mentions of one
actor or place, the one with the highest score stays (`eventtag.event_records.names`). A place that contains another place of the event is
named with it (`eventtag.event_records.containing`). A light verb has no row of its own (`eventtag.event_records.light_verbs`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.event_records.categories import Categories
from eventtag.event_records.containing import holding_places
from eventtag.event_records.dates import EventDates, EventInSentence
from eventtag.event_records.light_verbs import merged_events
from eventtag.event_records.linking import AGENT, EVENT, LINKINGS, LOCATION, PLACE, TARGET, Linking, find_links, role_is_known
from eventtag.event_records.names import names_of
from eventtag.event_records.places import PlaceLookup
from eventtag.event_records.record import EventRecord, Participant
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import STATUSES, Span
from eventtag.text.sentences import MOST_SHOWN, sentences_of_spans, shown_with

STAGE = "making records"
ROLES = (AGENT, TARGET, PLACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSettings:
    """Which records are made.

    `linking`: see `eventtag.event_records.linking`. `status`: only events of these statuses; none: all events. `thresholds`: the least
    score of spans of a label; `link_thresholds` that of links of a role; `status_threshold` that of a status, below which it is unknown.
    What has no score passes.

    Raises SettingsError for another linking, status, role or threshold than there are.
    """

    linking: Linking = "given"
    status: Sequence[str] = ()
    thresholds: Mapping[str, float] = field(default_factory=dict)
    link_thresholds: Mapping[str, float] = field(default_factory=dict)
    status_threshold: float = 0.0

    def __post_init__(self) -> None:
        for key, values, allowed in (
            ("linking", [self.linking], LINKINGS),
            ("status", self.status, STATUSES),
            ("link_threshold", self.link_thresholds, ROLES),
        ):
            for value in values:
                if value not in allowed:
                    raise SettingsError(f"{key}: {value!r} is not allowed; choose of {', '.join(allowed)}")
        shares = {f"threshold: {label}=": least for label, least in self.thresholds.items()}
        shares |= {f"link_threshold: {role}=": least for role, least in self.link_thresholds.items()}
        for what, least in (*shares.items(), ("status_threshold: ", self.status_threshold)):
            if not 0 <= least <= 1:
                raise SettingsError(f"{what}{least} is not a share; give a number from 0 to 1")


@dataclass(frozen=True, slots=True)
class _Context:
    """An article, its spans that are sure enough, the name of each, and the places that hold each place."""

    article: Article
    sure: set[Span]
    names: Mapping[Span, str]
    held: Mapping[Span, tuple[Span, ...]]


def _score(link: Link) -> float:
    return 1.0 if link.score is None else link.score


@dataclass(slots=True)
class RecordMaker:
    """Makes the records of articles, and counts what the notes say. Dates, places and categories are looked up where there is what does it.

    The ledger names links that no record has a column for, and what was merged.
    """

    settings: RecordSettings
    ledger: LossLedger
    dates: EventDates | None = None
    places: PlaceLookup | None = None
    categories: Categories | None = None
    articles: int = 0
    rows: int = 0
    status_counts: Counter[str | None] = field(default_factory=Counter)
    """Events by status, those too that have no row because of it."""
    _labels: dict[str, None] = field(default_factory=dict)
    _unlinked: int = 0
    _unsure: Counter[str] = field(default_factory=Counter)
    _open: Counter[str] = field(default_factory=Counter)
    """Rows in which it is unknown whether anybody has the role."""
    _tidied: Counter[str] = field(default_factory=Counter)
    _below: Counter[str] = field(default_factory=Counter)
    _unscored: Counter[str] = field(default_factory=Counter)
    """Spans and links without a score, of labels and roles that have a threshold, and such statuses."""
    _cut: int = 0
    """Rows with a part of their sentence."""

    def __call__(self, article: Article) -> Iterator[EventRecord]:
        """The records of an article, in the order of its events."""
        self.articles += 1
        self._labels.update(dict.fromkeys(span.label for span in article.spans))
        sure = {span for span in article.spans if self._is_sure(span)}
        self._unscored.update(s.label for s in article.spans if s.score is None and s.label in self.settings.thresholds)
        sentences = sentences_of_spans(article)
        links = find_links(article, self.settings.linking, sentences, sure)
        self._unlinked += links is None
        by_event = self._by_event(article, links or ())
        linked = {link.participant for found in by_event.values() for link in found}
        names = names_of(article, (span for span in sure if span.label != EVENT or span in linked))
        countries: frozenset[str] = (
            frozenset() if self.places is None else self.places.countries(article.mention(span) for span in sure)
        )
        events = [(span, self._status(span)) for span in article.spans if span.label == EVENT and span in sure]
        self._below[EVENT] += sum(span.label == EVENT for span in article.spans) - len(events)
        verbs = {} if self.settings.linking == "nearest" else merged_events(article, [event for event, _ in events], sentences)
        events = [(event, status) for event, status in events if event not in verbs]
        verbs_of: dict[Span, list[Span]] = {}
        for verb, noun in verbs.items():
            verbs_of.setdefault(noun, []).append(verb)
            self._tidied["events that are light verbs"] += 1
            self.ledger.add_span(
                article.id,
                STAGE,
                "merged",
                f"is a light verb before its event, whose row it belongs to ({article.mention(noun)})",
                verb,
            )
        held = holding_places(article, [span for span in article.spans if span.label == LOCATION and span in sure], sentences)
        context = _Context(article, sure, names, held)
        together: dict[tuple[int, int], list[EventInSentence]] = {}
        for event, status in events:
            together.setdefault(sentences[event], []).append(EventInSentence(event.start, event.end, status))
        for event, status in events:
            self.status_counts[status] += 1
            if self.settings.status and status not in self.settings.status:
                continue
            self.rows += 1
            start, end = sentences[event]
            first, last = shown_with(event, (start, end))
            self._cut += (first, last) != (start, end)
            mentions = [event, *verbs_of.get(event, ())]
            agents, targets, places = (
                None if links is None else self._role(context, role, mentions, by_event, (start, end)) for role in ROLES
            )
            yield EventRecord(
                article_id=article.id,
                sentence=article.text[first:last],
                sentence_start=first,
                sentence_end=last,
                event=article.mention(event),
                start=event.start,
                end=event.end,
                score=event.score,
                status=status,
                status_score=event.status_score if status is not None else None,
                linking=None if agents is targets is places is None else self.settings.linking,
                agents=agents,
                targets=targets,
                places=places,
                date=None
                if self.dates is None
                else self.dates(article.text, (start, end), status, article.meta, events=together[start, end]),
                locations=None
                if self.places is None or places is None
                else self.places([p.text for p in places], countries, within=[p.within for p in places]),
                category=None if self.categories is None else self.categories(article.mention(event)),
                meta=article.meta,
            )

    @property
    def events(self) -> int:
        """The events of the articles so far that are not below the threshold of their label."""
        return sum(self.status_counts.values())

    def _is_sure(self, span: Span) -> bool:
        return span.score is None or span.score >= self.settings.thresholds.get(span.label, 0.0)

    def _status(self, event: Span) -> str | None:
        if event.status is None or (event.status_score is not None and event.status_score < self.settings.status_threshold):
            self._unsure["status"] += event.status is not None
            return None
        self._unscored["status"] += event.status_score is None and self.settings.status_threshold > 0
        return event.status

    def _by_event(self, article: Article, links: Iterable[Link]) -> dict[Span, list[Link]]:
        """The links of each event; the ledger names those that no column holds."""
        found: dict[Span, list[Link]] = {}
        for link in links:
            if link.event.label == EVENT and link.role in ROLES:
                found.setdefault(link.event, []).append(link)
                continue
            reason = f"have a role that has no column ({', '.join(ROLES)} have one)"
            if link.event.label != EVENT:
                reason = f"start at a span that is not {EVENT}"
            self.ledger.add_link(article.id, STAGE, "dropped", reason, link.role, link.event, link.participant)
        return found

    def _role(
        self,
        context: _Context,
        role: str,
        mentions: Sequence[Span],
        by_event: Mapping[Span, Sequence[Link]],
        sentence: tuple[int, int],
    ) -> tuple[Participant, ...] | None:
        """Who has the role in an event, the first of `mentions`; the others are its light verbs."""
        found = [self._links(context, role, mention, by_event.get(mention, ()), sentence) for mention in mentions]
        kept = max((links for links in found if links), key=lambda links: max(_score(link) for link in links), default=())
        for links in found:
            if links and links is not kept:
                for link in links:
                    self._drop(context, link, "are less sure than those that its event has by a light verb, or without it")
        if not kept:
            if None not in found:
                return ()
            self._open[role] += any(role in mention.unsure_roles for mention in mentions)
            return None
        article = context.article
        return tuple(
            Participant(
                one.start, one.end, article.mention(one), link.score, context.names[one],
                tuple(article.mention(outer) for outer in context.held.get(one, ())),
            )
            for link in kept
            for one in (link.participant,)
        )  # fmt: skip

    def _links(
        self, context: _Context, role: str, event: Span, links: Iterable[Link], sentence: tuple[int, int]
    ) -> Sequence[Link] | None:
        """The links of a role that are sure enough; None where that is unknown."""
        mine = [link for link in links if link.role == role]
        least = self.settings.link_thresholds.get(role, 0.0)
        kept = [link for link in mine if link.participant in context.sure and (link.score is None or link.score >= least)]
        self._unsure[role] += len(mine) - len(kept)
        self._unscored[f"links of {role}"] += least > 0 and sum(link.score is None for link in mine)
        unsure = self.settings.linking != "nearest" and role in event.unsure_roles
        if not kept and (mine or unsure or not role_is_known(context.article, role, sentence)):
            return None
        left: list[Link] = []
        names: set[str] = set()
        held = {outer for link in kept for outer in context.held.get(link.participant, ())}
        for link in sorted(kept, key=lambda link: (-_score(link), link)):
            if link.score is not None and link.participant in held:
                self._drop(context, link, "are of a place that holds another place of the event, and stand with that")
            elif link.score is not None and context.names[link.participant] in names:
                self._drop(context, link, "are of an actor or place that the role has already, by a surer link")
            else:
                left.append(link)
                names.add(context.names[link.participant])
        return sorted(left)

    def _drop(self, context: _Context, link: Link, reason: str) -> None:
        self._tidied[f"links that {reason}"] += 1
        self.ledger.add_link(context.article.id, STAGE, "merged", reason, link.role, link.event, link.participant)

    def notes(self) -> list[str]:
        """What is unknown, left out or taken for granted, and that not all events happened."""
        said = []
        if not self._labels:
            said.append("no article has a span, so there is no row; tag the articles with eventtag predict, or by --checkpoint")
        elif EVENT not in self._labels:
            near = get_close_matches(EVENT, [label.upper() for label in self._labels], n=1)
            meant = next((label for label in self._labels if near and label.upper() == near[0]), "YOURS")
            said.append(
                f"no span has the label {EVENT}, so there is no row; found: {', '.join(self._labels)} (--map {meant}={EVENT})"
            )
        said += [
            f"no span has the label {label!r}, for which there is a threshold; found: {', '.join(self._labels) or 'none'}"
            for label in self.settings.thresholds
            if label not in self._labels
        ]
        if self.settings.linking == "nearest":
            said.append(
                "agents, targets and places are by the naive rule `nearest`: every actor and place is given to the nearest event of its "
                "sentence, right or wrong"
            )
        elif self._unlinked:
            said.append(
                f"articles without links: {self._unlinked:,} of {self.articles:,}; their agents, targets and places are unknown (null)"
                + ("; --linking nearest gives them by a naive rule" if self._unlinked == self.articles else "")
            )
        said += [
            f"{role}: {count:,} links left out, which are less sure than the thresholds"
            for role, count in self._unsure.items()
            if count and role != "status"
        ]
        if self._open.total():
            listed = ", ".join(f"{role} {self._open[role]:,}" for role in ROLES)
            said.append(
                f"rows in which it is unknown (null) who has a role, or whether anybody has, as the tagger is unsure: {listed}"
            )
        said += [f"{what}: {count:,} (merged; the ledger names them)" for what, count in self._tidied.items()]
        if self._below[EVENT]:
            said.append(f"events below the threshold of {EVENT}: {self._below[EVENT]:,}, left out")
        said += [
            f"{what}: {count:,} without a score, which pass whatever the threshold is"
            for what, count in self._unscored.items()
            if count
        ]
        if self._cut:
            said.append(
                f"rows whose sentence is longer than {MOST_SHOWN:,} characters: {self._cut:,}; they hold the part around the event"
            )
        if self._unsure["status"]:
            said.append(
                f"events whose status is less sure than the threshold: {self._unsure['status']:,}; their status is unknown (null)"
            )
        counts = ", ".join(
            f"{self.status_counts[status]:,} {status or 'of unknown status'}"
            for status in (*STATUSES, None)
            if self.status_counts[status]
        )
        if self.settings.status:
            said.append(f"events: {counts or 'none'}; rows are those that are {' or '.join(self.settings.status)}")
        elif self.events:
            said.append(
                f"rows are events of any status ({counts}); counting them all as events that happened gives too high a figure "
                "(--status asserted keeps those that happened)"
            )
        for part in (self.dates, self.places, self.categories):
            said += [] if part is None else part.notes()
        return said
