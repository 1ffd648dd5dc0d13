"""UIMA CAS JSON 0.4, as INCEpTION exports it: one file an article, with its type system inside.

    {"%TYPES": {...}, "%FEATURE_STRUCTURES": [
      {"%ID": 1, "%TYPE": "uima.cas.Sofa", "sofaNum": 1, "sofaID": "_InitialView", "mimeType": "text", "sofaString": "Kyiv
      fell"}, {"%ID": 2, "%TYPE": "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity", "@sofa": 1, "begin": 0, "end": 4,
      "value": "LOC"}],
     "%VIEWS": {...}}

Needs dkpro-cassis: `pip install 'eventtag[cas]'`. Source: https://github.com/apache/uima-uimaj-io-jsoncas
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from eventtag.article import Article
from eventtag.formats.cas import articles_of, cas_of, load
from eventtag.formats.extras import load_extra
from eventtag.formats.file_names import file_for
from eventtag.formats.inception import exported_files
from eventtag.ledger import LossLedger
from eventtag.staging import staged_folder


def read_cas_json(
    path: Path, *, ledger: LossLedger, layer: str | None = None, feature: str | None = None, annotator: str | None = None
) -> Iterator[Article]:
    """Stream the articles of one file, or of all `*.json` under a folder; the id is the file's path relative to the folder.

    `layer`, `feature` and `annotator`: as in `read_xmi`. Raises FormatError, SettingsError where dkpro-cassis is not installed.
    """
    cassis = load_extra("cassis", "cas")
    files = exported_files(path, ".json", annotator=annotator, ledger=ledger, ignored=("exportedproject.json",))
    yield from articles_of(
        files, lambda file: load(file, cassis.load_cas_from_json), path=path, layer=layer, feature=feature, ledger=ledger
    )


def sniff_cas_json(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    return "is JSON with %TYPES or %FEATURE_STRUCTURES" if re.search(r'"%(?:TYPES|FEATURE_STRUCTURES)"\s*:', head) else None


def write_cas_json(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one JSON file an article.

    `annotated`, `labels` and `meta` go to the ledger. Raises OutputError for an id that cannot be a file name.
    """
    with staged_folder(path) as folder:
        for article in articles:
            content = cas_of(article, "writing cas_json", ledger).to_json()
            file_for(folder, article.id, ".json").write_text(str(content), encoding="utf-8", newline="")
