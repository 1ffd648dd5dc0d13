"""Tagged articles in columns, some thousands at a time: one row an article, and apart from them one row a span.

N articles and S spans of a batch; spans stand in the order of their articles. Columns in place of objects make a million articles
countable in a minute. `BatchBuilder` takes articles, or the parts of an article that its reader has checked.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.formats.csv_spans import cell_text

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BATCH = 8192
"""Articles of a batch."""


@dataclass(frozen=True, slots=True)
class TaggedBatch:
    """Articles and their spans.

    `meta` is the metadata of each article. There are S spans: `rows` [S] is the article's place in the batch, sorted; `starts` and `ends`
    [S] are character offsets, half-open; `codes` [S] are places in `labels`; `scores` [S] are NaN for a span without one; `surfaces`
    [S] are the mentions' texts. `unseen` names the articles in which an annotator did not look for all labels or at all of the text, with
    the labels that were being marked (none if part of the text was left out). `articles` are the articles themselves, if they are kept.
    """

    ids: Sequence[str]
    meta: Sequence[Mapping[str, Any]]
    rows: Ints
    starts: Ints
    ends: Ints
    codes: Ints
    scores: Floats
    surfaces: Sequence[str]
    labels: Sequence[str]
    unseen: Mapping[int, tuple[str, ...]]
    articles: Sequence[Article] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def of_label(self, label: str | None, *, least: Mapping[str, float] | None = None) -> npt.NDArray[np.bool_]:
        """[S]: whether a span has the label (None: any) and, if it has a score, at least the one that `least` demands of its label."""
        wanted = np.ones(len(self.codes), dtype=bool) if label is None else self.codes == self._code(label)
        for name, threshold in (least or {}).items():
            wanted &= ~((self.codes == self._code(name)) & (self.scores < threshold))
        return wanted

    def unscored(self, labels: Iterable[str]) -> Counter[str]:
        """How many spans of each of these labels have no score."""
        without = np.isnan(self.scores)
        return Counter({label: int((without & (self.codes == self._code(label))).sum()) for label in labels})

    def knows(self, label: str | None) -> npt.NDArray[np.bool_]:
        """[N]: whether all mentions of the label (None: any) are known, because all of the text was looked at for it."""
        known = np.ones(len(self), dtype=bool)
        for row, labels in self.unseen.items():
            known[row] = label in labels if label is not None else set(labels) >= set(self.labels)
        return known

    def select(self, keep: npt.NDArray[np.bool_]) -> TaggedBatch:
        """The articles for which `keep` [N] is true, with their spans."""
        if keep.all():
            return self
        places = np.cumsum(keep) - 1
        of_kept = keep[self.rows]
        return TaggedBatch(
            ids=list(itertools.compress(self.ids, keep)),
            meta=list(itertools.compress(self.meta, keep)),
            rows=places[self.rows[of_kept]],
            starts=self.starts[of_kept],
            ends=self.ends[of_kept],
            codes=self.codes[of_kept],
            scores=self.scores[of_kept],
            surfaces=list(itertools.compress(self.surfaces, of_kept)),
            labels=self.labels,
            unseen={int(places[row]): labels for row, labels in self.unseen.items() if keep[row]},
            articles=list(itertools.compress(self.articles, keep)),
        )

    def column(self, name: str) -> list[str | None]:
        """[N]: a metadata field as text, as `cell_text` gives it."""
        return field_texts(self.meta, name)

    def _code(self, label: str) -> int:
        return self.labels.index(label) if label in self.labels else -1


def field_texts(metas: Sequence[Mapping[str, Any]], name: str) -> list[str | None]:
    """[N]: a metadata field of articles as text, as `cell_text` gives it."""
    values = [meta.get(name) for meta in metas]
    return [value if type(value) is str and value.isascii() and value else cell_text(value) for value in values]


@dataclass(slots=True)
class BatchBuilder:
    """Collects articles into batches. `labels` are those met so far, in the order in which they were met, over all batches. `keep`: whether
    batches keep the articles themselves.
    """

    keep: bool = False
    labels: dict[str, int] = field(default_factory=dict)
    _ids: list[str] = field(default_factory=list)
    _meta: list[Mapping[str, Any]] = field(default_factory=list)
    _counts: list[int] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _ends: list[int] = field(default_factory=list)
    _codes: list[int] = field(default_factory=list)
    _scores: list[float | None] = field(default_factory=list)
    _surfaces: list[str] = field(default_factory=list)
    _unseen: dict[int, tuple[str, ...]] = field(default_factory=dict)
    _articles: list[Article] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, article: Article) -> None:
        """Take an article."""
        if self.keep:
            self._articles.append(article)
        if article.labels is not None or article.annotated is not None:
            whole = article.annotated is None or article.all_annotated(0, len(article.text))
            self._unseen[len(self._ids)] = (article.labels or ()) if whole else ()
            if whole and article.labels is None:
                del self._unseen[len(self._ids)]
        spans = article.spans
        for span in spans:
            self.labels.setdefault(span.label, len(self.labels))
        self.add_parts(
            article.id,
            article.meta,
            [span.start for span in spans],
            [span.end for span in spans],
            [self.labels[span.label] for span in spans],
            [span.score for span in spans],
            [article.mention(span) for span in spans],
        )

    def add_parts(
        self,
        name: str,
        meta: Mapping[str, Any],
        starts: Sequence[int],
        ends: Sequence[int],
        codes: Sequence[int],
        scores: Sequence[float | None],
        surfaces: Sequence[str],
    ) -> None:
        """Take the parts of an article, all of whose labels are known; its spans are sorted."""
        self._ids.append(name)
        self._meta.append(meta)
        self._counts.append(len(starts))
        self._starts += starts
        self._ends += ends
        self._codes += codes
        self._scores += scores
        self._surfaces += surfaces

    def take(self) -> TaggedBatch:
        """The articles so far as a batch; the next one begins."""
        batch = TaggedBatch(
            ids=self._ids,
            meta=self._meta,
            rows=np.repeat(np.arange(len(self._ids), dtype=np.int64), self._counts),
            starts=np.array(self._starts, dtype=np.int64),
            ends=np.array(self._ends, dtype=np.int64),
            codes=np.array(self._codes, dtype=np.int64),
            scores=np.array(self._scores, dtype=np.float64),
            surfaces=self._surfaces,
            labels=tuple(self.labels),
            unseen=self._unseen,
            articles=self._articles,
        )
        self._articles = []
        self._ids, self._meta, self._counts, self._surfaces, self._unseen = [], [], [], [], {}
        self._starts, self._ends, self._codes, self._scores = [], [], [], []
        return batch


def batches_of(articles: Iterable[Article], *, size: int = BATCH, keep: bool = False) -> Iterator[TaggedBatch]:
    """The articles in batches, which `keep` the articles themselves where that is wanted."""
    builder = BatchBuilder(keep=keep)
    for article in articles:
        builder.add(article)
        if len(builder) == size:
            yield builder.take()
    if len(builder):
        yield builder.take()
