"""Article ids as file names, for formats that hold one article a file."""

from __future__ import annotations

import re

from eventtag.errors import OutputError

MAX_BYTES = 200
"""A file name may have 255 bytes on every common file system; this leaves room for the suffix."""


def require_file_name(article_id: str) -> None:
    """Raise OutputError when the id cannot be a file name."""
    usable = re.fullmatch(r"[^/\\\x00-\x1f\ud800-\udfff]+", article_id) and not article_id.startswith(".")
    if not usable or len(article_id.encode("utf-8")) > MAX_BYTES:
        raise OutputError(f"article {article_id!r}: its id cannot be a file name; give it another, or use a format such as jsonl")
