"""XML without its dangers: no document type, no entities, no recursion, errors with file and line.

Parsing is defusedxml's (https://pypi.org/project/defusedxml/): a document type declaration, and with it every entity bomb, is
refused before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, ErrorHandler
from xml.sax.xmlreader import AttributesImpl, Locator

from defusedxml import DefusedXmlException
from defusedxml.sax import make_parser

from eventtag.errors import FormatError

_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """The text with U+FFFD for each character that XML cannot hold."""
    return _UNWRITABLE.sub("\ufffd", text)


@dataclass(slots=True)
class Element:
    """An element; `text` is its own, without its children's."""

    name: str
    attributes: Mapping[str, str]
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def walk(self) -> Iterator[Element]:
        """All elements below it, in no order."""
        waiting = [*self.children]
        while waiting:
            yield (element := waiting.pop())
            waiting += element.children


class _Builder(ContentHandler):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {}, 1)
        self._open: list[tuple[Element, list[str]]] = [(self.root, [])]
        self._locator: Locator | None = None

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - the name is SAX's
        self._locator = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802
        line = (self._locator.getLineNumber() if self._locator else None) or 1
        element = Element(name, dict(attrs.items()), line)
        self._open[-1][0].children.append(element)
        self._open.append((element, []))

    def characters(self, content: str) -> None:
        self._open[-1][1].append(content)

    def endElement(self, name: str) -> None:  # noqa: ARG002, N802
        element, texts = self._open.pop()
        element.text = "".join(texts)


def read_xml(path: Path) -> Element:
    """The root of a file.

    Raises FormatError, with the line where it is known, for anything that is not well-formed XML without a document type.
    """
    builder = _Builder()
    parser = make_parser()
    parser.forbid_dtd = True
    parser.setContentHandler(builder)
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
    return builder.root.children[0]
