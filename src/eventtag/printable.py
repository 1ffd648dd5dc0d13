r"""Text of others (articles, ids, field names, file names) made safe for a terminal.

A terminal obeys control characters: `ESC ]52;...` writes the clipboard, `ESC [2J` and U+009B clear the screen, a carriage return
overwrites the line, U+202E turns the order of what follows (https://trojansource.codes). Whatever is printed or logged goes
through `printable`, which shows such characters as `\u009b`.
"""

from __future__ import annotations

import logging
import re

_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed, separators and overrides that change how other characters are shown, surrogates."""


def printable(text: str, *, one_line: bool = False) -> str:
    r"""The text with every character that a terminal obeys, or cannot show, written as `\uXXXX`.

    Tabs and line breaks stay, CR LF as LF; with `one_line` they are written as `\uXXXX` too, so that a name or a cell cannot begin a
    line of its own. JSON text keeps its meaning, as the same escapes stand for the same characters there. Made safe twice, a text
    is as after once.
    """
    safe = _UNSAFE.sub(_escaped, text.replace("\r\n", "\n"))
    return re.sub("[\t\n]", _escaped, safe) if one_line else safe


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


class PrintableFormatter(logging.Formatter):
    """Formats a record, tracebacks included, as `printable` text."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text that is safe for a terminal."""
        return printable(super().format(record))
