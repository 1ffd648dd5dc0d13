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
from collections.abc import Iterable, Iterator
from pathlib import Path

from eventtag.articles import Article
from eventtag.errors import FormatError
from eventtag.formats.cas import article_of, cas_of, load, typesystem
from eventtag.formats.extras import load_extra
from eventtag.formats.file_names import require_file_name
from eventtag.formats.xml_events import parse_xml
from eventtag.ledger import LossLedger
from eventtag.staging import staged_folder

TYPE_SYSTEM = "TypeSystem.xml"


def read_xmi(
    path: Path, *, ledger: LossLedger, layer: str | None = None, feature: str | None = None, typesystem_file: str | None = None
) -> Iterator[Article]:
    """Stream the articles of one file, or of all `*.xmi` under a folder; the id is the file's name.

    `layer` and `feature`: where the labels stand (default: the feature `value` of NamedEntity, or of the only custom layer).
    `typesystem_file`: by default the TypeSystem.xml beside each file or above it. Raises FormatError, SettingsError where
    dkpro-cassis is not installed.
    """
    cassis = load_extra("cassis", "cas")
    files = sorted(path.rglob("*.xmi")) if path.is_dir() else [path]
    if not files:
        raise FormatError("holds no *.xmi file; give the folder that the export was unpacked to", path=path)
    for file in files:
        system_file = Path(typesystem_file) if typesystem_file else _find_type_system(file)
        for xml in (system_file, file):
            parse_xml(xml, begin=_ignore, end=_ignore)
        system = load(system_file, cassis.load_typesystem)
        cas = load(file, functools.partial(cassis.load_cas_from_xmi, typesystem=system, lenient=True))
        yield article_of(cas, file, layer, feature, ledger)


def sniff_xmi(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    return "is XML with the root xmi:XMI" if re.search(r"<xmi:XMI\b", head) else None


def _ignore(name: str, content: object, line: int) -> None:
    """The file is parsed only to see that it is safe."""


def _find_type_system(file: Path) -> Path:
    for folder in (file.parent, file.parent.parent):
        if (folder / TYPE_SYSTEM).is_file():
            return folder / TYPE_SYSTEM
    raise FormatError(f"there is no {TYPE_SYSTEM} beside it or above; name it with typesystem_file", path=file)


def write_xmi(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one XMI file an article and their TypeSystem.xml.

    `annotated`, `labels` and `meta` go to the ledger. Raises OutputError for an id that cannot be a file name.
    """
    with staged_folder(path) as folder:
        (folder / TYPE_SYSTEM).write_text(str(typesystem().to_xml()), encoding="utf-8", newline="")
        for article in articles:
            require_file_name(article.id)
            content = cas_of(article, "writing xmi", ledger).to_xmi()
            (folder / f"{article.id}.xmi").write_text(str(content), encoding="utf-8", newline="")
