"""JSON in files that this project has written, and that somebody may have changed or damaged since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def parse_stored(text: str | bytes) -> Any:
    """The value of a JSON text; raises ValueError for anything else, nesting that is too deep included."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("brackets are nested too deep") from error


def read_stored(path: Path) -> Any:
    """The value in a UTF-8 file; raises OSError, and ValueError as `parse_stored` does."""
    return parse_stored(path.read_text(encoding="utf-8"))
