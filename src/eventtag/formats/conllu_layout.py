"""The columns of a CoNLL-U file: ten as the format says, others as `# global.columns` names them (CoNLL-U Plus), or as they show.

Source: https://universaldependencies.org/ext-format.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from eventtag.errors import FormatError
from eventtag.formats.text_file import read_lines

ROW = re.compile(r"(\d{1,6})(?:([-.])(\d{1,6}))?")
"""The first column: a word, a token of several words (`1-2`), or an empty node (`1.1`)."""
MISC = 9
_COLUMNS = re.compile(r"#\s*global\.columns\s*=\s*")
_MENTIONS = re.compile(r"(?:^|\|)(?:Entity=(?!_(?:\||$))|(?:NE|NER|ne|ner)=)")
_TAG = re.compile(r"[O_]|[BIESLUMW]-\S+")
_NER = re.compile(r"(?:^|[:_])(?:NE|NER)(?:$|[:_])")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the form, MISC and a column of tags stand; `said` is what a reader states of it."""

    columns: int = 10
    form: int = 1
    misc: int | None = MISC
    tag: int | None = None
    said: str = ""


def recognise_conllu(path: Path) -> Layout:
    """The layout of a file: where MISC has no mention at all, a column of IOB tags holds them, if there is one.

    Raises FormatError with file and line for columns that nothing explains.
    """
    declared: list[str] = []
    columns = first = 0
    mentions = False
    tags: dict[int, bool] = {}  # of each column that holds nothing but tags, whether any has a prefix
    for number, line in read_lines(path):
        if match := _COLUMNS.match(line):
            declared = line[match.end() :].split()
        cells = line.split("\t")
        if len(cells) < 3 or not ROW.fullmatch(cells[0]):
            continue
        if not columns:
            columns, first = len(cells), number
            tags = dict.fromkeys(range(2, columns), False)
        misc = declared.index("MISC") if "MISC" in declared else MISC
        mentions = mentions or (misc < len(cells) and bool(_MENTIONS.search(cells[misc])))
        for column in list(tags):
            cell = cells[column] if column < len(cells) else ""
            if not _TAG.fullmatch(cell):
                del tags[column]
            elif cell not in ("O", "_"):
                tags[column] = True
    found = [column for column, prefixed in tags.items() if prefixed]
    if declared:
        named = [column for column, name in enumerate(declared) if _NER.search(name.upper())]
        layout = Layout(
            len(declared),
            declared.index("FORM") if "FORM" in declared else 1,
            declared.index("MISC") if "MISC" in declared else None,
        )
        found = named or found
    else:
        layout = Layout(columns or 10, misc=MISC if columns >= 10 or not columns else None)
    if mentions or not columns:
        return layout
    if found:
        name = declared[found[-1]] if declared else str(found[-1] + 1)
        return replace(layout, tag=found[-1], said=f"mentions are the tags in column {name}")
    if columns != 10:
        raise FormatError(
            f"has rows of {columns} columns, none of which holds mentions; name them (`# global.columns = ID FORM ... NER`), or read "
            "the file as conll",
            path=path,
            line=first,
        )
    return replace(layout, said="there is neither Entity= nor NE= in MISC, so that there is no mention")
