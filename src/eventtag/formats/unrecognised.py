"""What a file holds that no format recognises, and what would be needed, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping

from eventtag.formats.json_shapes import first_value

MAX_NAMES = 12


def describe(head: str) -> str:
    """What the beginning of a JSON file or of a table holds and lacks; empty for anything else."""
    if re.match(r"\s*[\[{]", head):
        value = first_value(head)
        if value is None:
            return "it begins like JSON but is not valid JSON"
        if not isinstance(value, Mapping):
            return f"it holds a JSON {type(value).__name__} where an object is needed"
        return (
            f"its first object has the keys {_names(value)}; an article in JSON needs `text` and `spans` "
            '([{"start": 0, "end": 4, "label": "LOC"}], or [[0, 4, "LOC"]]), or `tokens` and `ner_tags`'
        )
    first = re.split(r"\r\n|\r|\n", head, maxsplit=1)[0]
    delimiter = max(",;\t|", key=first.count)
    names = first.split(delimiter)
    if len(names) > 1 and all(len(name) <= 40 for name in names):
        return (
            f"its first line has the columns {_names(names)}; a table needs a column `text` and a column `spans`: name them "
            "(--from csv --read-option text_column=... --read-option spans_column=...)"
        )
    return ""


def _names(names: object) -> str:
    found = [repr(str(name).strip().strip('"')) for name in list(names)]  # type: ignore[call-overload]
    return ", ".join(found[:MAX_NAMES]) + (", ..." if len(found) > MAX_NAMES else "")
