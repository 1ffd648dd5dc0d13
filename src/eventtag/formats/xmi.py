"""UIMA CAS XMI, as INCEpTION exports it: a folder with `*.xmi` and their `TypeSystem.xml`, one file an article.

    <xmi:XMI xmlns:type="http:///de/tudarmstadt/ukp/dkpro/core/api/ner/type.ecore" xmi:version="2.0" ...>
      <type:NamedEntity xmi:id="3" sofa="1" begin="0" end="4" value="LOC"/>
      <cas:Sofa xmi:id="1" sofaNum="1" sofaID="_InitialView" mimeType="text/plain" sofaString="Kyiv fell"/>
    </xmi:XMI>

Needs dkpro-cassis: `pip install 'eventtag[cas]'`. Files with a document type are refused before it sees them.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import FormatError
from eventtag.formats.cas import articles_of, cas_of, load, typesystem
from eventtag.formats.extras import load_extra
from eventtag.formats.file_names import file_for
from eventtag.formats.inception import exported_files
from eventtag.formats.xml_events import Attributes, parse_xml
from eventtag.ledger import LossLedger
from eventtag.staging import staged_folder

TYPE_SYSTEM = "TypeSystem.xml"


def read_xmi(
    path: Path,
    *,
    ledger: LossLedger,
    layer: str | None = None,
    feature: str | None = None,
    annotator: str | None = None,
    typesystem_file: str | None = None,
) -> Iterator[Article]:
    """Stream the articles of one file, or of all `*.xmi` under a folder; the id is the file's path relative to the folder.

    `layer` and `feature`: where the labels stand; by default what the annotations of all files show (`formats.layers`). `annotator`:
    of an INCEpTION export only this person's files. `typesystem_file`: by default the TypeSystem.xml beside each file or above it.
    Raises FormatError, SettingsError where dkpro-cassis is not installed.
    """
    cassis = load_extra("cassis", "cas")

    def load_file(file: Path) -> Any:
        system_file = Path(typesystem_file) if typesystem_file else _find_type_system(file, path)
        elements = _Elements()
        parse_xml(system_file, begin=_ignore, end=_ignore)
        parse_xml(file, begin=elements.begin, end=_ignore)
        system = load(system_file, cassis.load_typesystem)
        for name, count in elements.types().items():
            if not system.contains_type(name, match_exactly=True):
                ledger.remark(f"{file.name}: {count} annotations of {name} are not read, as {system_file.name} does not have it")
        return load(file, functools.partial(cassis.load_cas_from_xmi, typesystem=system, lenient=True))

    files = exported_files(path, ".xmi", annotator=annotator, ledger=ledger)
    yield from articles_of(files, load_file, path=path, layer=layer, feature=feature, ledger=ledger)


class _Elements:
    """Counts the annotations of an XMI file by element, as a reader that knows no types sees them."""

    def __init__(self) -> None:
        self.spaces: dict[str, str] = {}
        self.counts: Counter[str] = Counter()

    def begin(self, name: str, attributes: Attributes, line: int) -> None:  # noqa: ARG002 - as `parse_xml` calls it
        """Take one element."""
        if name == "xmi:XMI":
            self.spaces = {key.removeprefix("xmlns:"): value for key, value in attributes.items() if key.startswith("xmlns:")}
        elif "begin" in attributes and "end" in attributes:
            self.counts[name] += 1

    def types(self) -> dict[str, int]:
        """How many annotations there are of each type, by its full name."""
        found: dict[str, int] = {}
        for name, count in self.counts.items():
            prefix, _, local = name.rpartition(":")
            space = self.spaces.get(prefix, "").removeprefix("http:///").removesuffix(".ecore").replace("/", ".")
            found[local if space in ("", "uima.noNamespace") else f"{space}.{local}"] = count
        return found


def sniff_xmi(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    return "is XML with the root xmi:XMI" if re.search(r"<xmi:XMI\b", head) else None


def _ignore(name: str, content: object, line: int) -> None:
    """The file is parsed only to see that it is safe."""


def _find_type_system(file: Path, root: Path) -> Path:
    """The type system beside the file or above it, up to the folder that is read, or one folder above a single file."""
    above = root if root.is_dir() else file.parent.parent
    for folder in file.parents:
        if (folder / TYPE_SYSTEM).is_file():
            return folder / TYPE_SYSTEM
        if folder in (above, above.parent):
            break
    raise FormatError(f"there is no {TYPE_SYSTEM} beside it or above; name it with typesystem_file", path=file)


def write_xmi(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one XMI file an article and their TypeSystem.xml.

    `annotated`, `labels` and `meta` go to the ledger. Raises OutputError for an id that cannot be a file name.
    """
    with staged_folder(path) as folder:
        (folder / TYPE_SYSTEM).write_text(str(typesystem().to_xml()), encoding="utf-8", newline="")
        for article in articles:
            content = cas_of(article, "writing xmi", ledger).to_xmi()
            file_for(folder, article.id, ".xmi").write_text(str(content), encoding="utf-8", newline="")
