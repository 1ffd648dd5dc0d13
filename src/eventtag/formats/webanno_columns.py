r"""The columns of a WebAnno TSV file: which layer and feature each holds, and what a row says in them.

`|` separates stacked annotations, `[n]` is the number of one, `\` escapes (`formats.webanno_tsv`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from eventtag.errors import DataError
from eventtag.formats.layers import Choice, role
from eventtag.formats.links import Relation, role_of
from eventtag.span import STATUSES

STACKED = re.compile(r"(?:[^\\|]|\\.)+", re.DOTALL)
_SOURCE = re.compile(r"(\d+-\d+(?:\.\d+)?)(?:\[(\d+)_(\d+)\])?")
_TARGET = re.compile(r"(\d+-\d+(?:\.\d+)?)(?:\[(\d+)\])?")
_SLOT = re.compile(r"(?:[^\\;]|\\.)+", re.DOTALL)
_STACK_ID = re.compile(r"((?:[^\\]|\\.)*?)(?:\[(\d+)\])?", re.DOTALL)
_ANY = "uima.tcas.Annotation"
"""The layer of what takes a role, where annotations of every layer may."""
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a layer of one document stands: all its columns, and those of the features that may hold labels."""

    layer: str
    columns: range
    features: Mapping[str, int]
    spans: bool
    """Whether it is a layer of spans, and not of relations or chains."""
    slots: tuple[int, ...] = ()
    """The columns of roles; behind each stands one of what takes the role."""
    targets: tuple[str, ...] = ()
    """Of each of these columns, the layer of what takes the role."""
    base: str = ""
    """The layer whose annotations a relation layer joins."""

    def annotations(self, cells: Sequence[str], choice: Choice) -> Iterator[tuple[str, str | None, str | None]]:
        """(label, number of the stack or None, status) of each annotation of the layer in a row.

        Raises DataError where columns are missing.
        """
        self._require(cells)
        column, of_status = (self.features.get(name or "") for name in (choice.feature, choice.status))
        filled = [cells[at] for at in self.columns if cells[at] != "_"]
        statuses = STACKED.findall(cells[of_status]) if of_status is not None else []
        for position, item in enumerate(STACKED.findall(filled[0] if column is None else cells[column]) if filled else ()):
            text, stack = value_of(item)
            status = value_of(statuses[position])[0].casefold() if position < len(statuses) else None
            label = choice.default_label if column is None or text in ("*", "_", "") else unescape(text)
            yield label, stack, status if status in STATUSES else None

    def relations(self, cells: Sequence[str], unit: str) -> Iterator[Relation]:
        """The relations of a relation layer whose target is in the row `unit`; their ends are (row, number of the stack)."""
        self._require(cells)
        sources = cells[self.columns.stop - 1]
        values = {name: STACKED.findall(cells[at]) for name, at in self.features.items() if at != self.columns.stop - 1}
        for position, item in enumerate(STACKED.findall(sources) if sources != "_" else ()):
            match = _SOURCE.fullmatch(item)
            if match is None:
                raise DataError(f"the relation {item[:40]!r} does not name the row of its source (1-2, or 1-2[3_4])")
            said = {name: value_of(found[position])[0] for name, found in values.items() if position < len(found)}
            plain = {name: None if text in ("*", "_") else unescape(text) for name, text in said.items()}
            yield Relation((match[1], match[2] or "0"), (unit, match[3] or "0"), role(plain, self.layer))

    def slot_relations(self, cells: Sequence[str], unit: str, stacks: Sequence[str | None]) -> Iterator[tuple[int, Relation]]:
        """(place in the stack, what takes a role of the annotation there) for the row `unit`; `stacks`: its annotations' numbers."""
        for column, layer in zip(self.slots, self.targets, strict=True):
            filled = zip(stacks, *(STACKED.findall(cells[at]) for at in (column, column + 1)), strict=False)
            for position, (stack, roles, targets) in enumerate(filled):
                if roles == "_" or targets in ("_", "*"):
                    continue
                names = map(unescape, _SLOT.findall(value_of(roles)[0]))
                for name, target in itertools.zip_longest(names, targets.split(";")):
                    match = _TARGET.fullmatch(target or "") if layer in (self.layer, _ANY) else None
                    where = (match[1], match[2] or "0") if match else None
                    role = role_of(None if name == "*" else name)
                    yield position, Relation((unit, stack or "0"), where, role, detail=f"row {unit}")

    def _require(self, cells: Sequence[str]) -> None:
        if len(cells) < self.columns.stop:
            raise DataError(f"{len(cells)} annotation columns where the header needs {self.columns.stop}")


def columns_of(line: str, position: int) -> Columns:
    """The columns that a header line names: a role of an event has two, the role and the type of what it points to."""
    kind, _, rest = line.partition("=")
    name, *names = (part.strip() for part in rest.split("|"))
    features = {
        feature: position + number
        for number, feature in enumerate(names)
        if feature and not feature.startswith("ROLE_") and not (number and names[number - 1].startswith("ROLE_"))
    }
    slots = [number for number, feature in enumerate(names[:-1]) if feature.startswith("ROLE_")]
    base = next((feature.removeprefix("BT_") for feature in names if feature.startswith("BT_")), "")
    return Columns(
        name,
        range(position, position + max(len(names), 1)),
        features,
        kind == "#T_SP",
        tuple(position + number for number in slots),
        tuple(names[number + 1] for number in slots),
        base,
    )


def value_of(item: str) -> tuple[str, str | None]:
    """(what an item of a stack says, its number or None)."""
    match = _STACK_ID.fullmatch(item)
    return (match[1], match[2]) if match else (item, None)


def unescape(text: str) -> str:
    """The text that an escaped one stands for."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL) if "\\" in text else text
