"""Event records as an HTML page: each event's sentence, with the event and who takes part highlighted.

The page makes no request, runs no script, and shows article text escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from eventtag.event_records.record import EventRecord, Participant
from eventtag.reporting.highlight import COLOURS
from eventtag.reporting.page import read_template, stream_template
from eventtag.span import Span, flatten

KINDS = ("EVENT", "AGENT", "TARGET", "PLACE", "DATE")
_SURROGATE = re.compile("[\ud800-\udfff]")


def record_page(records: Iterable[EventRecord], *, title: str, notes: Callable[[], Sequence[str]]) -> Iterator[str]:
    """The page piece by piece, so that it can be written while records are made. `notes` are asked for after the last record."""
    style = read_template("articles.css") + "".join(f".l{at}{{--c:{COLOURS[at]}}}" for at in range(len(KINDS)))
    values = {"records": records, "kinds": KINDS, "title": title, "notes": notes, "pieces": pieces, "elsewhere": elsewhere}
    return (_SURROGATE.sub("\ufffd", piece) for piece in stream_template("records.html.j2", style=style, **values))


def _marks(record: EventRecord) -> Iterator[tuple[str, int, int, float | None]]:
    yield "EVENT", record.start, record.end, record.score
    for role, found in (("AGENT", record.agents), ("TARGET", record.targets), ("PLACE", record.places)):
        yield from ((role, one.start, one.end, one.score) for one in found or ())
    if record.date is not None:
        yield "DATE", record.date.start, record.date.end, None


def pieces(record: EventRecord) -> Iterator[tuple[str, int, str]]:
    """The sentence cut into (text, place in `KINDS`, what it is with its score), in order; (text, -1, "") between.

    What overlaps is shown by its longer part; one mention with two roles has both.
    """
    said: dict[tuple[int, int], list[tuple[str, str]]] = {}
    for kind, start, end, score in _marks(record):
        if record.sentence_start <= start and end <= record.sentence_end:
            said.setdefault((start, end), []).append((kind, kind if score is None else f"{kind} {score:.2f}"))
    position = record.sentence_start
    for span in flatten(Span(start, end, found[0][0]) for (start, end), found in said.items())[0]:
        if span.start > position:
            yield _part(record, position, span.start), -1, ""
        words = ", ".join(text for _, text in said[span.start, span.end])
        yield _part(record, span.start, span.end), KINDS.index(span.label), words
        position = span.end
    if position < record.sentence_end:
        yield _part(record, position, record.sentence_end), -1, ""


def _part(record: EventRecord, start: int, end: int) -> str:
    return record.sentence[start - record.sentence_start : end - record.sentence_start]


def elsewhere(record: EventRecord) -> Iterator[tuple[str, Participant]]:
    """(role, participant) of those who do not stand in the event's sentence."""
    for role, found in (("AGENT", record.agents), ("TARGET", record.targets), ("PLACE", record.places)):
        for one in found or ():
            if one.start < record.sentence_start or one.end > record.sentence_end:
                yield role, one
