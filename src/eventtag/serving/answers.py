"""JSON answers that hold whatever people sent: half a surrogate pair is escaped, an infinity is a text."""

from __future__ import annotations

from starlette.responses import JSONResponse

from eventtag.formats.json_file import dump_json


class JSONAnswer(JSONResponse):
    """As starlette's, which fails on what is not UTF-8 or not JSON."""

    def render(self, content: object) -> bytes:
        """The body."""
        return dump_json(content).encode("utf-8")
