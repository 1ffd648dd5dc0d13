"""Articles that stand in one record each (a row of a table, a JSON object), from the records of a file to placed spans.

What the unit of a file's offsets is shows only in all its records together: they are read twice where it is to be found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from eventtag.article import Article, Region
from eventtag.errors import DataError
from eventtag.formats.carried import uncarry
from eventtag.formats.offsets import ForeignSpan, Offsets, Unit, file_unit, place_spans
from eventtag.formats.span_lists import UnreadSpans
from eventtag.formats.text_file import at_line
from eventtag.ledger import LossLedger
from eventtag.span import Span

Raw = TypeVar("Raw")


@dataclass(slots=True)
class Record:
    """An article as a record holds it, its offsets still in the file's unit.

    `carried`: what eventtag stored in it when it wrote it. `unit`: that of its offsets, where the record itself tells. `tokens`: further
    pieces of the text at their offsets, which show the unit. `placed`: the spans where they are in code points already. `others`: fields
    that are not read, although they may hold spans.
    """

    id: str
    text: str
    spans: Sequence[ForeignSpan] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    carried: object = None
    unit: Unit | None = None
    tokens: Sequence[ForeignSpan] = ()
    placed: tuple[Span, ...] | None = None
    others: Mapping[str, object] = field(default_factory=dict)
    annotated: tuple[Region, ...] | None = None
    labels: tuple[str, ...] | None = None
    number: int = 0
    """Its place among the file's records, from 1."""

    def article(self, spans: Iterable[Span]) -> Article:
        """The article with these spans and what was carried along."""
        article = Article(self.id, self.text, tuple(spans), self.annotated, self.labels, self.meta)
        return uncarry(article, self.carried)


Build: TypeAlias = Callable[[Raw, str, LossLedger], Record | None]


def read_placed(
    path: Path,
    rows: Callable[[], Iterable[tuple[int | str, Raw]]],
    build: Build[Raw],
    *,
    offsets: Offsets,
    ledger: LossLedger,
    finish: Callable[[Raw, Record, tuple[Span, ...]], Article] = lambda _, record, spans: record.article(spans),
    stem: str | None = None,
) -> Iterator[Article]:
    """The articles of a file's records, streamed.

    `rows` gives all (line, or what else names the place, raw record). `build` makes a Record of one, or None to leave it out; it gets the
    id of a record without one (`stem` and its number), and a ledger. `finish` makes the article. Raises FormatError with the place; also
    where the file has spans and none is read.
    """
    with at_line(path, None):
        unit = file_unit(_evidence(rows(), build), offsets=offsets, ledger=ledger, path=path)
        unread = UnreadSpans(ledger)
        for number, (place, row) in enumerate(rows(), start=1):
            with at_line(path, place):
                record = build(row, f"{stem or path.stem}-{number}", ledger)
                if record is None:
                    continue
                record.number = number
                spans = record.placed
                if spans is None:
                    own = record.unit or offsets
                    spans = place_spans(record.id, record.text, record.spans, ledger=ledger, unit=own, assumed=unit)
                article = finish(row, record, spans)
            unread.look(record.others)
            yield article
        unread.require_none(path)


def _evidence(rows: Iterable[tuple[int | str, Raw]], build: Build[Raw]) -> Iterator[tuple[str, Sequence[ForeignSpan]]]:
    """Texts with what stands at which offsets of theirs; of a record that is wrong the second reading says so."""
    unused = LossLedger()
    with suppress(DataError):
        for _, row in rows:
            with suppress(DataError):
                record = build(row, "", unused)
                if record is not None and record.unit is None:
                    yield record.text, [*record.tokens, *record.spans]
