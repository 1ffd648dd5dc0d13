"""The files of an INCEpTION project export: `annotation/DOCUMENT/ANNOTATOR.tsv` and `curation/DOCUMENT/CURATION_USER.tsv`.

XMI and JSON exports lie in the same way, with the annotator's name once more as a folder where a zip archive was unpacked.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from eventtag.errors import FormatError
from eventtag.formats.file_names import article_files
from eventtag.ledger import LossLedger

INITIAL = "INITIAL_CAS"
"""The document as it was imported, before anybody annotated it; it is no annotation."""
FOLDERS = ("annotation", "curation")


def exported_files(
    path: Path, suffix: str, *, annotator: str | None, ledger: LossLedger, ignored: tuple[str, ...] = ()
) -> list[tuple[Path, str]]:
    """(file, article id) as `file_names.article_files` gives them, without files called `ignored` and documents as imported.

    `annotator`: only the files of that name (`CURATION_USER` for curated documents). Without it every annotator's file is an article
    of its own, and where documents have several, a remark says so. Raises FormatError where no file is left.
    """
    found = article_files(path, suffix, remedy="give the folder with the exported files, or the exported zip")
    if path.is_dir():
        found = [(file, name) for file, name in found if file.name not in ignored]
    exported = [(file, name) for file, name in found if file.stem != INITIAL]
    if exported and len(exported) < len(found):
        ledger.remark(f"files called {INITIAL} are left out: they are the documents as imported")
        found = exported
    if annotator is not None:
        names = sorted({file.stem for file, _ in found})
        found = [(file, name) for file, name in found if file.stem == annotator]
        if not found:
            raise FormatError(f"holds no file of the annotator {annotator!r}; there are: {', '.join(names[:20])}", path=path)
    documents = Counter(document for _, name in found if (document := _document(f"{path.name}/{name}")) is not None)
    several = sum(count > 1 for count in documents.values())
    if several:
        ledger.remark(
            f"{several} documents have files of several annotators; each is an article of its own: annotator=NAME reads one "
            "person's, annotator=CURATION_USER the curated ones"
        )
    return found


def _document(name: str) -> str | None:
    """The document's name in a file's path of an export's layout; None in any other."""
    parts = name.split("/")
    return next((parts[at + 1] for at, part in enumerate(parts[:-2]) if part in FOLDERS), None)
