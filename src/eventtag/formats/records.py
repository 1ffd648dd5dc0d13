"""Articles that stand in one record each (a row of a table, a JSON object), from the records of a file to placed spans.

What the unit of a file's offsets is shows only in all its records together: they are read twice where it is to be found.

What a tool's own format has no field for is carried along in one field of ours: tools pass on fields that they do not know. The field
`eventtag` holds an article's id, annotated regions, annotated labels, metadata, rejected spans, links and status of spans. In a table the
spans stand in one column, as JSON or Python's way of writing it, or as a list of the table's own types (`formats.span_lists`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from eventtag.article import Article, Region
from eventtag.errors import DataError
from eventtag.formats.json_file import parse_value, whole
from eventtag.formats.links import Relation, link_from_record, link_record, links_between, status_record, with_status
from eventtag.formats.offsets import ForeignSpan, Offsets, Unit, file_unit, place_spans
from eventtag.formats.span_lists import SPAN_FIELDS, UnreadSpans, foreign_spans
from eventtag.formats.text_file import at_line
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.span import Span

FIELD = "eventtag"
TO_ANNOTATE = "to_annotate"
"""Metadata field with the sentences that are to be annotated, which annotation tools show beside the text; an empty line stands between
two, as there is none in a sentence.
"""
WHOLE = "the whole article"
"""What the field says where all of the text is to be annotated."""
Raw = TypeVar("Raw")
TEXT_COLUMNS = ("text", "body", "content", "article", "sentence")
SPANS_COLUMNS = SPAN_FIELDS
MISSING = frozenset({"nan", "NaN", "NA", "N/A", "<NA>", "None", "null", "NULL"})
"""How pandas, R, Python and databases write that there is no value."""


def carry(article: Article, *, links: bool = True, status: bool = True) -> dict[str, Any]:
    """The article without text and spans, JSON-like.

    `links`, `status`: also them; a format that has relations of its own carries of the links only that they were being marked.
    """
    record: dict[str, Any] = {"id": article.id}
    if article.annotated is not None:
        record["annotated"] = [list(region) for region in article.annotated]
    if article.labels is not None:
        record["labels"] = list(article.labels)
    if article.meta:
        record["meta"] = dict(article.meta)
    if article.rejected:
        record["rejected"] = [{"start": span.start, "end": span.end, "label": span.label} for span in article.rejected]
    if article.links is not None:
        record["links"] = [link_record(link) for link in article.links] if links else []
    if status and (marked := [[s.start, s.end, s.label, found] for s in article.spans if (found := status_record(s))]):
        record["status"] = marked
    return record


def carried_id(record: object) -> str | None:
    """The id that was carried along; None where there is none."""
    return record["id"] if isinstance(record, Mapping) and isinstance(record.get("id"), str) else None


def uncarry(article: Article, record: object, *, ledger: LossLedger) -> Article:
    """The article with what was carried along instead of its own; itself where nothing was.

    Metadata that the article has besides (a column that somebody added) stays, and so do links and status of its own. The ledger names
    the links and counts the status of spans that are no longer there. Where nothing was carried, the annotated regions are the sentences of
    the metadata field TO_ANNOTATE, if there is one.

    Raises DataError when the field is not as `carry` makes it, or does not fit the text.
    """
    if not isinstance(record, Mapping):
        return _only_to_annotate(article, ledger)
    try:
        annotated: Sequence[Any] | None = record.get("annotated")
        labels: Sequence[Any] | None = record.get("labels")
        regions: tuple[Region, ...] | None = (
            None
            if annotated is None
            else tuple((whole(s, "a region's start"), whole(e, "a region's end")) for s, e in _list(annotated))
        )
        return replace(
            article,
            spans=_with_status(article, record.get("status") or (), ledger),
            links=_carried_links(article, record.get("links"), ledger),
            annotated=regions,
            labels=None if labels is None else tuple(map(str, _list(labels))),
            meta={**article.meta, **(record.get("meta") or {})},
            rejected=rejected_spans(article, record.get("rejected") or ()),
        )
    except (TypeError, ValueError) as error:
        raise DataError(f"article {article.id!r}: the field `{FIELD}` is damaged ({error}); remove it") from error


def _only_to_annotate(article: Article, ledger: LossLedger) -> Article:
    """The article with the sentences that were to be annotated as its annotated regions, where it says no others."""
    said = article.meta.get(TO_ANNOTATE)
    if article.annotated is not None or not isinstance(said, str) or said == WHOLE:
        return article
    regions: list[Region] = []
    for sentence in said.split("\n\n"):
        start = article.text.find(sentence, regions[-1][1] if regions else 0)
        if start < 0 or not sentence:
            raise DataError(
                f"article {article.id!r}: `{TO_ANNOTATE}` has {sentence[:60]!r}, which is not in its text, so nothing says which part was "
                "annotated; export with all fields (Label Studio: JSON), or take the field away if all of the text was annotated"
            )
        regions.append((start, start + len(sentence)))
    ledger.remark(f"what was annotated is taken from `{TO_ANNOTATE}`, as the export lacks the field `{FIELD}`")
    return replace(article, annotated=tuple(regions))


def rejected_spans(article: Article, records: Any) -> tuple[Span, ...]:
    """The rejected spans of records with start, end and label, without those that have become spans of the article since.

    Raises TypeError or ValueError for a record that is none.
    """
    found = (
        Span(whole(item["start"], "a rejected span's start"), whole(item["end"], "a rejected span's end"), str(item["label"]))
        for item in map(_record_of_span, _list(records))
    )
    return tuple(span for span in found if span not in article.spans)


def _record_of_span(item: Any) -> Mapping[str, Any]:
    if not isinstance(item, Mapping) or not item.keys() >= {"start", "end", "label"}:
        raise TypeError(f"{str(item)[:40]!r} is no rejected span with start, end and label")
    return item


def _with_status(article: Article, marked: Sequence[Any], ledger: LossLedger) -> tuple[Span, ...]:
    if not marked:
        return article.spans
    found = {Span(start, end, label): status for start, end, label, status in _list(marked)}
    if gone := len(found.keys() - set(article.spans)):
        ledger.note(article.id, "reading", "status", "spans with a status are not there any more", detail=f"{gone} spans")
    return tuple(with_status(span, found[span]) if span.status is None and span in found else span for span in article.spans)


def _carried_links(article: Article, carried: Any, ledger: LossLedger) -> tuple[Link, ...] | None:
    if article.links is not None or carried is None:
        return article.links
    there = {span: span for span in article.spans}
    try:
        found = [link_from_record(item) for item in _list(carried)]
    except DataError as error:
        raise ValueError(str(error)) from error  # which `uncarry` explains
    relations = [Relation(link.event, link.participant, link.role, link.score) for link in found]
    return links_between(article.id, relations, there, ledger=ledger) or ()


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{str(value)[:40]!r} is no list")
    return value


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
    tokens: Iterable[ForeignSpan] = ()
    placed: tuple[Span, ...] | None = None
    others: Mapping[str, object] = field(default_factory=dict)
    annotated: tuple[Region, ...] | None = None
    labels: tuple[str, ...] | None = None
    relations: Sequence[Relation] = ()
    """Between spans, by their places in `spans`."""
    links: tuple[Link, ...] | None = None
    number: int = 0
    """Its place among the file's records, from 1."""

    def article(self, spans: Iterable[Span], *, ledger: LossLedger) -> Article:
        """The article with these spans and what was carried along."""
        article = Article(self.id, self.text, tuple(spans), self.annotated, self.labels, self.meta, links=self.links)
        return uncarry(article, self.carried, ledger=ledger)


Build: TypeAlias = Callable[[Raw, str, LossLedger], Record | None]


def read_placed(
    path: Path,
    rows: Callable[[], Iterable[tuple[int | str, Raw]]],
    build: Build[Raw],
    *,
    offsets: Offsets,
    ledger: LossLedger,
    finish: Callable[[Raw, Record, tuple[Span, ...]], Article] | None = None,
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
                    spans, placed = place_spans(record.id, record.text, record.spans, ledger=ledger, unit=own, assumed=unit)
                    record.links = links_between(record.id, record.relations, dict(enumerate(placed)), ledger=ledger)
                article = finish(row, record, spans) if finish else record.article(spans, ledger=ledger)
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


def find_column(columns: Sequence[str], usual: Sequence[str]) -> str | None:
    """The first of the usual names that is there, in capitals or not."""
    for name in usual:
        for column in (name, *columns):
            if column in columns and (column == name or column.strip().casefold() == name.casefold()):
                return column
    return None


def choose_column(columns: Sequence[str], wanted: str | None, usual: Sequence[str], what: str) -> str:
    """The column that the user names, or the first of the usual names; raises DataError naming all columns."""
    found = find_column(columns, usual) if wanted is None else wanted if wanted in columns else None
    if found is not None:
        return found
    there = f"there are: {', '.join(columns)}"
    if wanted is not None:
        raise DataError(f"there is no column {wanted!r}; {there}")
    raise DataError(f"which column holds the {what}? {there}; name it with {what}_column")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold the text, the spans and the id."""

    text: str
    spans: str
    id: str | None

    @classmethod
    def choose(
        cls, columns: Sequence[str], text_column: str | None = None, spans_column: str | None = None, id_column: str = "id"
    ) -> Columns:
        """The columns that the user names or the usual ones; raises DataError naming all columns."""
        text = choose_column(columns, text_column, TEXT_COLUMNS, "text")
        spans = choose_column(columns, spans_column, SPANS_COLUMNS, "spans")
        return cls(text, spans, find_column(columns, [id_column]))

    def record(self, row: Mapping[str, Any], default: str, ledger: LossLedger) -> Record:
        """The row as a record; every other column that is not empty becomes metadata. Raises DataError."""
        text, cell, given = row[self.text], row[self.spans], None if self.id is None else row[self.id]
        if not isinstance(text, str):
            raise DataError(f"column {self.text!r} is {str(text)[:40]!r}; it must be a text")
        name = default if given is None or str(given) == "" else str(given)
        missing = cell != cell or (isinstance(cell, str) and cell.strip() in MISSING)
        if missing:
            ledger.note(
                name, "reading", "spans", "its spans are a missing value (nan), which is read as no span", detail=str(cell)
            )
        empty = missing or cell is None or (isinstance(cell, str) and not cell.strip())
        carried = row.get(FIELD)
        return Record(
            name,
            text,
            [] if empty else foreign_spans(parse_value(cell) if isinstance(cell, str) else cell),
            {
                key: value
                for key, value in row.items()
                if key not in (self.text, self.spans, self.id, FIELD) and value is not None and value != ""
            },
            parse_value(carried) if isinstance(carried, str) and carried else carried,
            unit="codepoints" if is_as_written(row) else None,
            others={key: _value(row[key]) for key in row if key != self.spans and key.strip().casefold() in SPANS_COLUMNS},
        )


def _value(cell: object) -> object:
    """What a cell holds that is not read; itself where it is not a list."""
    if isinstance(cell, str) and cell.lstrip().startswith(("[", "{")):
        with suppress(DataError):
            return parse_value(cell)
    return cell


def is_as_written(row: Mapping[str, Any]) -> bool:
    """Whether eventtag wrote the row, whose offsets then count code points."""
    return isinstance(row.get(FIELD), str) and row[FIELD].startswith("{")
