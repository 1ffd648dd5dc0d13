"""What is counted in an article, in plain words.

    EVENT                    number of its EVENT spans
    any:EVENT                1 if it has at least one, else 0; the mean over articles is the share that has one
    LOCATION~Sudan           1 if a LOCATION of it holds the word or words, else 0 ("South Sudan" holds "Sudan")
    LOCATION=Sudan           1 if a LOCATION of it is exactly that, else 0
    spans:LOCATION~Sudan     number of such spans
    *                        number of its spans of any label; also any:*, *~Sudan
    column:deaths            the number in a field of its metadata
    records:status=asserted AGENT~police        number of its event records that meet the condition (eventtag.event_records.conditions)
    any:records:status=asserted AGENT~police    1 if at least one does, else 0

Words are compared without regard to case and white space; a word is what `eventtag.text.words` finds. A quantity is unknown (NaN) if an
annotator has not looked at the whole text of the article, or not for the label, or if a column is empty or not a number. Event records are
made by a package above this one, which passes in what counts them (`RecordCount`).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.estimates.batches import Floats, TaggedBatch, batches_of
from eventtag.formats.csv_spans import cell_text
from eventtag.text.words import find_words

Kind = Literal["spans", "any", "column"]
ANY_LABEL = "*"
EXAMPLES = (
    "EVENT, any:EVENT, LOCATION~Sudan, LOCATION=Sudan, spans:LOCATION~Sudan, column:deaths, records:status=asserted AGENT~police"
)
RECORDS = "records:"
"""How a quantity of event records begins, after `any:` if it has that."""
RECORD_LABEL = "EVENT"
"""The label whose spans are event records."""
_WORDS = re.compile(r"(?:(?P<kind>spans|any):)?(?P<name>(?!column:)[^~=]*)(?:(?P<sign>[~=])(?P<surface>.*))?", re.DOTALL)


class RecordCount(Protocol):
    """Counts the event records of articles that meet a condition, whose words `str` gives."""

    def __call__(self, article: Article) -> float:
        """How many of an article's records meet it; NaN where that is unknown."""
        ...

    def require_known(self) -> None:
        """Raise DataError if it was unknown for every record of the articles so far."""
        ...

    def notes(self) -> list[str]:
        """What was unknown or left out in the articles so far."""
        ...


RecordCounts = Callable[[str], RecordCount]
"""Makes what counts records from the words of a condition."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number of an article. `name` is a label, `*` for any, or a metadata field if `kind` is `column`.

    `surface`: only mentions that hold these words, or are exactly these (`exact`). `unique`: mentions of one label whose text is the
    same, apart from case and white space, count once in each article. `thresholds`: the lowest score of spans of a label that count; spans
    without a score, which no tagger made, always do. `records`: what counts event records, if these are counted; it has its own
    thresholds. `str` gives the words from which the quantity was made.
    """

    kind: Kind
    name: str
    surface: str | None = None
    exact: bool = False
    unique: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict)
    records: RecordCount | None = None

    def __str__(self) -> str:
        if self.records is not None:
            return f"{'any:' if self.is_share else ''}{RECORDS}{self.records}"
        sign = "" if self.surface is None else ("=" if self.exact else "~") + self.surface
        usual = "spans" if self.surface is None else "any"
        return f"{'' if self.kind == usual else self.kind + ':'}{self.name}{sign}"

    @property
    def is_share(self) -> bool:
        """Whether it is 0 or 1, so that its mean is a share of articles."""
        return self.kind == "any"

    @property
    def label(self) -> str | None:
        """The label whose spans count; None for any, and for a column."""
        return None if self.kind == "column" or self.name == ANY_LABEL else self.name

    def value(self, article: Article) -> float:
        """The number of one article; NaN where it is unknown."""
        return float(self.values(next(batches_of([article], keep=True)))[0])

    def values(self, batch: TaggedBatch) -> Floats:
        """[N]: the number of each article of a batch; NaN where it is unknown."""
        if self.kind == "column":
            return np.array([number_of(meta.get(self.name)) for meta in batch.meta], dtype=np.float64)
        if self.records is not None:
            counted = np.array([self.records(article) for article in batch.articles], dtype=np.float64)
        else:
            counted = np.bincount(batch.rows[self.spans(batch)], minlength=len(batch)).astype(np.float64)
        if self.kind == "any":
            counted = np.minimum(counted, 1.0)
        counted[~batch.knows(self.label)] = np.nan
        return counted

    def spans(self, batch: TaggedBatch) -> npt.NDArray[np.bool_]:
        """[S]: whether a span of the batch counts; with `unique` the first of those that are the same."""
        chosen = batch.of_label(self.label, least=self.thresholds)
        if self.surface is not None:
            holds = SurfaceMatcher(self.surface, exact=self.exact)
            for place in np.flatnonzero(chosen).tolist():
                chosen[place] = holds(batch.surfaces[place])
        if self.unique:
            seen: set[tuple[int, int, str]] = set()
            rows, codes = batch.rows.tolist(), batch.codes.tolist()
            for place in np.flatnonzero(chosen).tolist():
                key = (rows[place], codes[place], same_text(batch.surfaces[place]))
                chosen[place] = key not in seen
                seen.add(key)
        return chosen


def parse_quantity(
    words: str,
    *,
    unique: bool = False,
    thresholds: Mapping[str, float] | None = None,
    key: str = "quantity",
    records: RecordCounts | None = None,
) -> Quantity:
    """The quantity that the words say (see above); `records` makes what counts event records.

    Raises SettingsError, which names the setting `key`, for words that say none, for thresholds that are not scores, and for event records
    where these cannot be counted.
    """
    limits = dict(thresholds or {})
    for label, threshold in limits.items():
        if not 0 <= threshold <= 1:
            raise SettingsError(f"threshold: {label}={threshold:g} is not a score; give a number from 0 to 1")
    shown, _, condition = words.partition(RECORDS)
    if words.startswith(("any:" + RECORDS, RECORDS)):
        if records is None:
            raise SettingsError(f"{key}: {words!r} counts event records, which eventtag count, estimate and sample can do")
        if unique:
            raise SettingsError(f"unique: event records are always counted one by one, as in {words!r}; leave it out")
        return Quantity("any" if shown else "spans", RECORD_LABEL, thresholds=limits, records=records(condition))
    if words.startswith("column:") and words.removeprefix("column:").strip():
        return Quantity("column", words.removeprefix("column:").strip())
    found = _WORDS.fullmatch(words)
    if found is None or not found["name"].strip():
        raise SettingsError(f"{key}: {words!r} is not understood; examples: {EXAMPLES}")
    name, surface = found["name"].strip(), found["surface"]
    if surface is not None and not SurfaceMatcher.words_of(surface):
        raise SettingsError(f"{key}: in {words!r} there is no word after {found['sign']}; examples: {EXAMPLES}")
    usual: Kind = "any" if surface is not None else "spans"
    kind: Kind = next((kind for kind in get_args(Kind) if kind == found["kind"]), usual)
    surface = None if surface is None else " ".join(surface.split())
    return Quantity(kind, name, surface, found["sign"] == "=", unique, limits)


def number_of(value: object) -> float:
    """The number that a metadata value is, also as text (`12`, `3.5`, `1e3`); NaN if it is not a number."""
    text = cell_text(value)
    try:
        number = float(text) if text is not None and "_" not in text else math.nan
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def same_text(surface: str) -> str:
    """The mention as it is compared with others: case folded, composed, white space collapsed."""
    if surface.isascii():
        return " ".join(surface.lower().split())
    folded = unicodedata.normalize("NFC", surface).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


KNOWN = 1 << 16
"""The most mentions that a matcher remembers."""


class SurfaceMatcher:
    """Whether mentions hold the words of a surface, or are exactly these; asked for the same mention twice, it remembers."""

    def __init__(self, surface: str, *, exact: bool) -> None:
        self._words = self.words_of(surface)
        self._exact = exact
        self._known: dict[str, bool] = {}

    def __call__(self, mention: str) -> bool:
        """Whether the mention holds the words, or is exactly these."""
        if mention not in self._known:
            if len(self._known) > KNOWN:
                self._known.clear()
            self._known[mention] = self._holds(mention)
        return self._known[mention]

    def _holds(self, mention: str) -> bool:
        if self._words[0] not in same_text(mention):
            return False
        words = self.words_of(mention)
        if self._exact:
            return words == self._words
        size = len(self._words)
        return any(words[first : first + size] == self._words for first in range(len(words) - size + 1))

    @staticmethod
    def words_of(text: str) -> list[str]:
        """The words of a text, as they are compared."""
        text = same_text(text)
        return [text[start:end] for start, end in find_words(text).tolist()]
