r"""What brat's standoff lines say of links and status, and the lines that say it.

    R1	AGENT Arg1:T2 Arg2:T1        a link from the event T2 (the first argument) to T1
    E1	Attack:T2 AGENT:T1 PLACE2:T3  links from the trigger T2; brat numbers roles that repeat
    A1	Status T2 negated             a status; so do `Negation` (negated) and `Speculation` (possible), of mentions or events

Where several attributes fit, `possible` stands before `negated`, and that before the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from eventtag.formats.links import Relation
from eventtag.link import Link
from eventtag.span import STATUSES, Span

_RELATION = re.compile(r"(R\S*)\t(\S+) \S+:(\S+) \S+:(\S+)\s*")
_EVENT = re.compile(r"(E\S*)\t[^\s:]+:(\S+)((?: [^\s:]+:\S+)*)\s*")
_ARGUMENT = re.compile(r" ([^\s:]+?)\d*:(\S+)")
_ATTRIBUTE = re.compile(r"[AM]\S*\t(\S+) (\S+)(?: (\S+))?\s*")
_OURS = re.compile(rf"R\d+\t\S+ Arg1:T\S+ Arg2:T\S+|A\d+\tStatus T\S+ (?:{'|'.join(STATUSES)})")
_BINARY = {"negation": "negated", "negated": "negated", "speculation": "possible"}
_STRONGEST = ("possible", "negated", "future", "asserted")


def is_ours(line: str) -> bool:
    """Whether the line says nothing but a link or a status, as the writer writes it."""
    return _OURS.fullmatch(line) is not None


@dataclass
class Statements:
    """What lines say; `of` are the lines that are no mentions."""

    of: Sequence[str]
    triggers: dict[str, str] = field(default_factory=dict)
    """By event, its trigger."""

    def __post_init__(self) -> None:
        self.triggers = {match[1]: match[2] for line in self.of if (match := _EVENT.fullmatch(line))}

    def relations(self, line: str) -> list[Relation]:
        """The relations of one line, between mentions."""
        if match := _RELATION.fullmatch(line):
            found = [(match[3], match[4], match[2])]
        elif match := _EVENT.fullmatch(line):
            found = [(match[2], other, role) for role, other in _ARGUMENT.findall(match[3])]
        else:
            return []
        return [
            Relation(self.triggers.get(event, event), self.triggers.get(other, other), role, detail=line.split("\t", 1)[0])
            for event, other, role in found
        ]

    def status(self, line: str) -> tuple[str, str] | None:
        """(mention, status) that one line says; None where it says none."""
        match = _ATTRIBUTE.fullmatch(line)
        if match is None:
            return None
        name, value = match[1].casefold(), (match[3] or "").casefold()
        said = value if name == "status" and value in STATUSES else None if value == "false" else _BINARY.get(name)
        return None if said is None else (self.triggers.get(match[2], match[2]), said)

    def scored(self, scores: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        """(line, mention) of each status with a score; `scores` are by what the line is called."""
        for line in self.of:
            if line.split("\t", 1)[0] in scores and (said := self.status(line)):
                yield line, said[0]

    def statuses(self) -> dict[str, str]:
        """By mention, the status that the lines say together."""
        found: dict[str, set[str]] = {}
        for line in self.of:
            if said := self.status(line):
                found.setdefault(said[0], set()).add(said[1])
        return {key: next(status for status in _STRONGEST if status in several) for key, several in found.items()}


def lines_in_force(
    lines: Sequence[str], spans: Mapping[str, Span], links: Sequence[Link] | None
) -> tuple[list[str], set[Link], set[str]]:
    """(the lines that do not contradict the spans and links, the links that they say, the mentions of which they say the status).

    `spans` are the mentions by what they are called. An event keeps its line, with the arguments that are still true.
    """
    statements = Statements(lines)
    statuses = statements.statuses()
    right = {key for key, status in statuses.items() if key in spans and spans[key].status == status}
    there = None if links is None else set(links)
    kept: list[str] = []
    said: set[Link] = set()
    for line in lines:
        status = statements.status(line)
        if status is not None and status[0] in spans and spans[status[0]].status is not None and status[0] not in right:
            continue
        relations = statements.relations(line)
        true = [_is_true(relation, spans, there) for relation in relations]
        if line.startswith("E") and not all(true):
            kept.append(_without(line, true))
        elif all(true):
            kept.append(line)
        said |= {link for relation, holds in zip(relations, true, strict=True) if holds and (link := _link(relation, spans))}
    return kept, said, right


def _link(relation: Relation, spans: Mapping[str, Span]) -> Link | None:
    event, participant = spans.get(str(relation.event)), spans.get(str(relation.participant))
    return None if event is None or participant is None else Link(event, participant, relation.role)


def _is_true(relation: Relation, spans: Mapping[str, Span], links: set[Link] | None) -> bool:
    """Whether the article has the link; where nobody marked links, or it is not between mentions, the line stays as it is."""
    link = _link(relation, spans)
    return links is None or link is None or link in links


def _without(line: str, true: Iterable[bool]) -> str:
    head, *arguments = line.split(" ")
    return " ".join([head, *(argument for argument, holds in zip(arguments, true, strict=False) if holds)])
