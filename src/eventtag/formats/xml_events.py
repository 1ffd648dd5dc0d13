"""Streaming XML without its dangers: no document type, no entities, no recursion, errors with file and line.

Parsing is defusedxml's (https://pypi.org/project/defusedxml/): a document type declaration, and with it every entity bomb, is
refused before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, ErrorHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from defusedxml import DefusedXmlException
from defusedxml.sax import make_parser

from eventtag.errors import FormatError

Attributes = Mapping[str, str]


_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """The text with U+FFFD for each character that XML cannot hold."""
    return _UNWRITABLE.sub("\ufffd", text)


def _nothing(name: str, content: object, line: int) -> None:
    """The file is parsed only to see that it is safe."""


class _Forwarder(ContentHandler):
    """Calls `begin` and `end` as `parse_xml` says."""

    def __init__(self, begin: Callable[[str, Attributes, int], None], end: Callable[[str, str, int], None]) -> None:
        super().__init__()
        self._begin = begin
        self._end = end
        self._texts: list[list[str]] = []
        self._locator_seen: Locator | None = None

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - the name is SAX's
        self._locator_seen = locator

    @property
    def line(self) -> int:
        return (self._locator_seen.getLineNumber() if self._locator_seen else None) or 1

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        self._texts.append([])
        self._begin(name, dict(attrs.items()), self.line)

    def characters(self, content: str) -> None:
        if self._texts:
            self._texts[-1].append(content)

    def endElement(self, name: str) -> None:  # noqa: N802
        self._end(name, "".join(self._texts.pop()), self.line)


def parse_xml(
    path: Path, *, begin: Callable[[str, Attributes, int], None] = _nothing, end: Callable[[str, str, int], None] = _nothing
) -> None:
    """Call `begin(name, attributes, line)` and `end(name, text, line)` for every element of the file, in its order; text is the element's
    own, without its children's.

    Raises FormatError, with the line where it is known, for anything that is not well-formed XML without a document type.
    """
    parser = make_parser()
    parser.forbid_dtd = True
    parser.setContentHandler(_Forwarder(begin, end))
    parser.setErrorHandler(ErrorHandler())
    try:
        with path.open("rb") as file:
            parser.parse(file)
    except SAXParseException as error:
        line = error.getLineNumber()
        raise FormatError(f"not well-formed XML ({error.getMessage()}); export the file again", path=path, line=line) from error
    except DefusedXmlException as error:
        raise FormatError(
            f"has a document type or entities ({type(error).__name__}), which are not read for safety; export it without them",
            path=path,
        ) from error
    except (OSError, ValueError, LookupError) as error:
        raise FormatError(f"cannot be read ({error}); check the path and the encoding that it declares", path=path) from error
