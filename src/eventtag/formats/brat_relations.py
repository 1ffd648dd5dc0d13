r"""Links and status in brat's standoff lines: reading and writing them.

    R1	AGENT Arg1:T2 Arg2:T1        a link from the event T2 (the first argument) to T1
    E1	Attack:T2 AGENT:T1 AGENT2:T3  links from the trigger T2; brat numbers roles that repeat
    A1	Status T2 negated             a status; so do `Negation` (negated) and `Speculation` (possible), of mentions or events

If several attributes fit, `possible` takes precedence over `negated`, and `negated` over the others. Arguments called Arg1 and Arg2 may
come in any order. A number at a role's end is brat's own if an event of the file has the role without it. Otherwise it belongs to the name:
`ARG0` and `ARG1` are two roles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from eventtag.formats.links import Relation
from eventtag.link import Link
from eventtag.span import STATUSES, Span

_OURS = re.compile(rf"R\d+\t\S+ Arg1:T\S+ Arg2:T\S+|A\d+\tStatus T\S+ (?:{'|'.join(STATUSES)})")
_BINARY = {"negation": "negated", "negated": "negated", "speculation": "possible"}
_STRONGEST = ("possible", "negated", "future", "asserted")


def is_ours(line: str) -> bool:
    """Whether the line says nothing but a link or a status, as the writer writes it."""
    return _OURS.fullmatch(line) is not None


@dataclass
class Statements:
    """What lines say; `of` are the lines that are not mentions."""

    of: Sequence[str]
    triggers: dict[str, str] = field(default_factory=dict)
    """By event, its trigger."""
    roles: set[str] = field(default_factory=set)
    """The roles of events as they stand."""

    def __post_init__(self) -> None:
        for line in self.of:
            key, _, arguments = _words(line)
            if key.startswith("E") and arguments:
                self.triggers.setdefault(key, arguments[0][1])
                self.roles.update(role for role, _ in arguments[1:])

    def relations(self, line: str) -> list[Relation] | None:
        """The relations of one line, between mentions; None where the line should say relations and cannot be read."""
        key, name, arguments = _words(line)
        if key.startswith("R"):
            if len(arguments) != 2:
                return None
            if [role.casefold() for role, _ in arguments] == ["arg2", "arg1"]:
                arguments.reverse()
            found = [(arguments[0][1], arguments[1][1], name)]
        elif key.startswith("E"):
            if not arguments:
                return None
            found = [(arguments[0][1], other, self._role(role)) for role, other in arguments[1:]]
        else:
            return []
        return [
            Relation(self.triggers.get(event, event), self.triggers.get(other, other), role, detail=key)
            for event, other, role in found
        ]

    def _role(self, name: str) -> str:
        plain = name.rstrip("0123456789")
        return plain if plain in self.roles else name

    def status(self, line: str) -> tuple[str, str] | None:
        """(mention, status) that one line says; None where it says none."""
        key, _, content = line.partition("\t")
        words = content.split()
        if not key.startswith(("A", "M")) or not 2 <= len(words) <= 3:
            return None
        name, value = words[0].casefold(), words[2].casefold() if len(words) == 3 else ""
        said = value if name == "status" and value in STATUSES else None if value == "false" else _BINARY.get(name)
        return None if said is None else (self.triggers.get(words[1], words[1]), said)

    def unread(self, spans: Mapping[str, Span | None]) -> Iterator[tuple[str, str]]:
        """(line, what of it is not read) of what should say links or status and does not; `spans` are the mentions."""
        said: dict[str, str] = {}
        keys: set[str] = set()
        for line in self.of:
            key, _, content = line.partition("\t")
            if key[:1] in ("R", "E") and self.relations(line) is None:
                yield key, "a relation or event that is not as brat writes it is not read"
            if key[:1] in ("R", "E", "A", "M") and key in keys:
                yield key, "an id occurs twice"
            keys.add(key)
            words = content.split()
            if (status := self.status(line)) is None:
                if key[:1] in ("A", "M") and words[:1] and words[0].casefold() == "status":
                    yield key, f"a status is none of {', '.join(STATUSES)}, and not read"
            elif status[0] not in spans:
                yield key, "a status of what is not a span is not read"
            elif said.setdefault(*status) != status[1]:
                yield key, "a span has several statuses, of which one counts"

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


def _words(line: str) -> tuple[str, str, list[tuple[str, str]]]:
    """(what a line is called, the name of the relation, the (role, mention) of each argument, of which an event's first is its trigger);
    no arguments where one of them is none.
    """
    key, _, content = line.partition("\t")
    words = content.split()
    name = words.pop(0) if key.startswith("R") and words else ""
    arguments = [(role, other) for role, _, other in (word.partition(":") for word in words)]
    return key, name, arguments if all(map(all, arguments)) else []


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
        relations = statements.relations(line) or []
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
    key, _, content = line.partition("\t")
    trigger, *arguments = content.split()
    return f"{key}\t{' '.join([trigger, *(argument for argument, holds in zip(arguments, true, strict=True) if holds)])}"
