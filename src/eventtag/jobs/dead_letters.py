"""Dead letters: the rows of an input that could not be tagged, each with its stage, reason and place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from eventtag.formats.json_file import dump_json
from eventtag.jobs.reading.rows import RAW_BYTES, InputRow, Place

Stage = Literal["read", "tag"]

_DETAIL = re.compile(r"'[^']*'|\"[^\"]*\"|`|0x[0-9a-f]{2}|U\+[0-9A-F]{4,6}|\d[\d,.]*")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A row that is in no output. `row` counts the rows of the whole input from 0; `raw` is the beginning of what was read."""

    row: int
    stage: Stage
    reason: str
    place: Place
    id: str | None = None
    raw: str | None = None


def unreadable(number: int, row: InputRow) -> DeadLetter:
    """The dead letter of a row without an article."""
    raw = None if row.raw is None else row.raw[:RAW_BYTES].decode("utf-8", errors="backslashreplace")
    return DeadLetter(number, "read", row.problem or "holds no article", row.place, raw=raw)


def untaggable(number: int, row: InputRow, reason: str) -> DeadLetter:
    """The dead letter of a row on which the model failed."""
    assert row.article is not None
    return DeadLetter(number, "tag", reason, row.place, row.article.id, row.article.text[:RAW_BYTES])


def letter_line(letter: DeadLetter) -> str:
    """The dead letter as a JSON object, without the line end; lone surrogates are escaped, so that it is valid UTF-8."""
    record = {
        "row": letter.row,
        "stage": letter.stage,
        "reason": letter.reason,
        "file": letter.place.file,
        "line": letter.place.line,
        "offset": letter.place.offset,
        "id": letter.id,
        "raw": letter.raw,
    }
    return dump_json(record)


def letter_kind(stage: str, reason: str) -> str:
    """The kind of a bad row: its reason without numbers, names and details, so that kinds can be counted."""
    phrase = _DETAIL.sub("", reason.split(" (")[0].split(";")[0])
    return f"{stage}: {' '.join(phrase.split())}"[:100]
