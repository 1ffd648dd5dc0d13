"""The user's codes for events, from the user's own file. Other events get no code.

    arrest: COERCE                      YAML: a phrase and its code
    call off: REJECT

    phrase,code                         CSV, with this header
    arrest,COERCE

A phrase fits an event that contains its words one after the other. Words are compared without case and without the endings -s, -es, -ed,
-d, -ing, -ies/-ied (y) and a doubled last consonant, so `arrest` fits "arrested" and `stop` fits "stopped". Irregular forms ("shot") need a
line of their own. If several phrases fit, the one with most words decides. If several of that length give different codes, the event gets
none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import yaml

from eventtag.errors import FormatError
from eventtag.event_records.record import Category
from eventtag.formats.csv_cells import csv_rows
from eventtag.text.words import NAME_PART

_VOWEL = re.compile("[aeiouy]")
"""A word without its ending must contain one of these: "bring" is not a form of "br"."""
KNOWN = 1 << 16
"""The most texts whose categories are kept in memory."""


class Categories:
    """The `codes` of a file, by `phrases` (phrase, code); counts the events that have none."""

    def __init__(self, phrases: Sequence[tuple[str, str]]) -> None:
        self._phrases = [(phrase, code, _words(phrase)) for phrase, code in phrases]
        self._by_stem: dict[str, list[int]] = {}
        for at, (_, _, words) in enumerate(self._phrases):
            for stem in stems(words[0]):
                self._by_stem.setdefault(stem, []).append(at)
        self.codes = tuple(dict.fromkeys(code for _, code in phrases))
        self._known: dict[str, Category | str] = {}
        self._without: Counter[str] = Counter()

    def __call__(self, event: str) -> Category | None:
        """The code of an event's text; None if no phrase fits, or if several fit and disagree."""
        if len(self._known) > KNOWN:
            self._known.clear()
        if event not in self._known:
            self._known[event] = self._find(event)
        found = self._known[event]
        if isinstance(found, str):
            self._without[found] += 1
            return None
        return found

    def notes(self) -> list[str]:
        """A line for each kind of event without a code."""
        ways = {
            "none": "{} events have no category, because no phrase of the categories' file fits them",
            "several": "{} events have no category, because several phrases of the categories' file fit them with different codes",
        }
        return [way.format(f"{self._without[kind]:,}") for kind, way in ways.items() if self._without[kind]]

    def _find(self, event: str) -> Category | str:
        words = [stems(word) for word in _words(event)]
        fitting: dict[int, tuple[str, str, list[str]]] = {}
        for at, forms in enumerate(words):
            for place in {place for form in forms for place in self._by_stem.get(form, ())}:
                own = self._phrases[place][2]
                if len(own) <= len(words) - at and all(not stems(w).isdisjoint(words[at + k]) for k, w in enumerate(own)):
                    fitting[place] = self._phrases[place]
        if not fitting:
            return "none"
        most = max(len(own) for _, _, own in fitting.values())
        best = [(phrase, code) for _, (phrase, code, own) in sorted(fitting.items()) if len(own) == most]
        return Category(best[0][1], best[0][0]) if len({code for _, code in best}) == 1 else "several"


def read_categories(path: Path) -> Categories:
    """The categories of a YAML or CSV file.

    Raises FormatError, naming the line or the phrase, for a file of another form, without a phrase, or with a phrase that has two codes.
    """
    entries = list(_csv_entries(path) if path.suffix.lower() in (".csv", ".tsv") else _yaml_entries(path))
    codes: dict[tuple[str, ...], str] = {}
    for phrase, code, line in entries:
        words = tuple(word.casefold() for word in _words(phrase))
        if not words or not code.strip():
            raise FormatError(f"the phrase {phrase!r} has the code {code!r}; both need letters", path=path, line=line)
        if codes.setdefault(words, code) != code:
            raise FormatError(
                f"the phrase {phrase!r} has the codes {codes[words]!r} and {code!r}; keep one", path=path, line=line
            )
    if not entries:
        raise FormatError("holds no phrase; write `phrase: CODE`, one on each line", path=path)
    return Categories([(phrase, code) for phrase, code, _ in entries])


def _csv_entries(path: Path) -> Iterator[tuple[str, str, int | None]]:
    rows = csv_rows(path, None, None)
    header, _ = next(rows)
    if not {"phrase", "code"} <= set(header):
        raise FormatError(f"has the columns {', '.join(header) or 'none'}; it needs phrase and code", path=path, line=1)
    for cells, line in rows:
        yield cells[header.index("phrase")], cells[header.index("code")], line


def _yaml_entries(path: Path) -> Iterator[tuple[str, str, int | None]]:
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise FormatError(f"cannot be read ({error.strerror}); check the path", path=path) from error
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise FormatError(
            f"is not YAML ({' '.join(str(error).split())[:200]}); write `phrase: CODE`, one on each line", path=path
        ) from error
    if node is None:
        return
    # Nodes rather than values: YAML would read the code `NO` as false, and keep only the last code of a phrase that occurs twice.
    for phrase, code in node.value if isinstance(node, yaml.MappingNode) else [(node, node)]:
        if not (isinstance(phrase, yaml.ScalarNode) and isinstance(code, yaml.ScalarNode)) or phrase is code:
            line = code.start_mark.line + 1
            raise FormatError("is not `phrase: CODE`; write one phrase and one code on each line", path=path, line=line)
        yield phrase.value, code.value, phrase.start_mark.line + 1


@lru_cache(maxsize=KNOWN)
def stems(word: str) -> frozenset[str]:
    """The word in lower case, and the forms without an ending that it may come from."""
    word = word.casefold()
    found = {word}
    for ending in ("s", "es", "ed", "d", "ing"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 1 and _VOWEL.search(stem):
            found.add(stem)
            if ending in ("ed", "ing"):
                found.add(stem + "e")
                if len(stem) > 2 and stem[-1] == stem[-2]:
                    found.add(stem[:-1])
    for ending in ("ies", "ied"):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            found.add(word.removesuffix(ending) + "y")
    return frozenset(found)


def _words(text: str) -> list[str]:
    return NAME_PART.findall(text)
