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

from eventtag.articles import Article
from eventtag.errors import FormatError
from eventtag.formats.cas import article_of, cas_of, load
from eventtag.formats.extras import load_extra
from eventtag.formats.file_names import require_file_name
from eventtag.ledger import LossLedger
from eventtag.staging import staged_folder


def read_cas_json(path: Path, *, ledger: LossLedger, layer: str | None = None, feature: str | None = None) -> Iterator[Article]:
    """Stream the articles of one file, or of all `*.json` under a folder; the id is the file's name.

    `layer` and `feature`: as in `read_xmi`. Raises FormatError, SettingsError where dkpro-cassis is not installed.
    """
    cassis = load_extra("cassis", "cas")
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise FormatError("holds no *.json file; give the folder with the exported files", path=path)
    for file in files:
        yield article_of(load(file, cassis.load_cas_from_json), file, layer, feature, ledger)


def sniff_cas_json(head: str) -> str | None:
    """Why the beginning of a file looks like this format, or None."""
    return "is JSON with %TYPES or %FEATURE_STRUCTURES" if re.search(r'"%(?:TYPES|FEATURE_STRUCTURES)"\s*:', head) else None


def write_cas_json(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one JSON file an article.

    `annotated`, `labels` and `meta` go to the ledger. Raises OutputError for an id that cannot be a file name.
    """
    with staged_folder(path) as folder:
        for article in articles:
            require_file_name(article.id)
            content = cas_of(article, "writing cas_json", ledger).to_json()
            (folder / f"{article.id}.json").write_text(str(content), encoding="utf-8", newline="")
