"""The list of annotated sentences that comes with ECB+: a CSV with the columns Topic, File and Sentence Number.

    Topic,File,Sentence Number
    1,10ecbplus,1

names sentence 1 of the article 1_10ecbplus. Where Topic is empty, File is the article's whole id.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eventtag.errors import FormatError
from eventtag.formats.text_file import read_lines

LIST_NAME = "annotated_sentences.csv"
COLUMNS = ("Topic", "File", "Sentence Number")


@dataclass(frozen=True, slots=True)
class SentenceList:
    """Which sentences are annotated: article id -> sentence number -> line of the list."""

    path: Path
    articles: Mapping[str, Mapping[int, int]]

    def of(self, article_id: str) -> Mapping[int, int]:
        """The listed sentences of an article, with their lines; none where the list does not name it."""
        return self.articles.get(article_id, {})


def read_sentence_list(path: Path) -> SentenceList:
    """Read the list; raises FormatError with file and line for a missing column or a number that is none."""
    articles: dict[str, dict[int, int]] = {}
    lines = read_lines(path)
    _, header = next(lines, (1, ""))
    names = [name.strip() for name in header.split(",")]
    if not set(COLUMNS) <= set(names):
        raise FormatError(f"the columns are {names}; needed: {', '.join(COLUMNS)}", path=path, line=1)
    for number, line in lines:
        if not line.strip():
            continue
        row = next(csv.reader([line]))
        if len(row) != len(names):
            raise FormatError(f"{len(row)} columns where the header has {len(names)}", path=path, line=number)
        topic, file, sentence = (row[names.index(column)].strip() for column in COLUMNS)
        if not file or not re.fullmatch(r"\d{1,9}", sentence):
            raise FormatError(
                f"File is {file!r} and Sentence Number {sentence!r}; give a name and a whole number", path=path, line=number
            )
        articles.setdefault(f"{topic}_{file}" if topic else file, {})[int(sentence)] = number
    return SentenceList(path, articles)


def format_sentence_list(listed: Mapping[str, Sequence[int]]) -> str:
    """The list's content for these articles; an id such as 1_10ecbplus gives the topic 1."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for article_id, numbers in listed.items():
        match = re.fullmatch(r"(\d+)_(.+)", article_id)
        topic, file = (match[1], match[2]) if match else ("", article_id)
        writer.writerows((topic, file, number) for number in numbers)
    return buffer.getvalue()
