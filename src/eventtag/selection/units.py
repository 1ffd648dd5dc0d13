"""The units among which a strategy chooses, articles or sentences, with what a tagger says of each.

Letters for shapes: W words of an article, U units.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from eventtag.article import Article, Region
from eventtag.corpus.seen import article_key
from eventtag.tagging.tagged import TaggedArticle
from eventtag.text.sentences import find_sentences

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """[U] each: `articles` are the numbers of the articles that hold the units, `starts` and `ends` the units' character offsets there,
    `words` how many words a reader must read, `errors` the expected number of errors in them, `mentions` how many mentions were found
    there. `keys` are hashes of the units' letters and digits.
    """

    articles: Ints
    starts: Ints
    ends: Ints
    words: Floats
    errors: Floats
    mentions: Floats
    keys: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.articles)


@dataclass
class UnitTable:
    """Collects units, about 60 bytes each. `by_sentence`: units are sentences, else whole articles."""

    by_sentence: bool
    _numbers: array[float] = field(default_factory=lambda: array("d"))
    _keys: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, number: int, tagged: TaggedArticle, errors: Floats) -> None:
        """Take what nobody has annotated yet of the article with this number; `errors` [W] are those of its words.

        Where `annotated` is None, nobody has annotated anything. A sentence that touches an annotated region is not a unit. In a partly
        annotated article, only the other words and mentions count. What has no word is not a unit.
        """
        article = tagged.article
        starts = tagged.words[:, 0]
        open_words = np.ones(len(starts), dtype=np.bool_)
        if article.annotated:
            open_words[:] = [is_open(article, start, end) for start, end in tagged.words.tolist()]
        found = np.array([span.start for span in tagged.spans if is_open(article, span.start, span.end)], dtype=np.int64)
        words = np.concatenate([[0], np.cumsum(open_words)])
        expected = np.concatenate([[0.0], np.cumsum(errors * open_words)])
        for start, end in self._regions(article):
            first, last = np.searchsorted(starts, [start, end])
            if words[last] == words[first]:
                continue
            low, high = np.searchsorted(found, [start, end])
            self._numbers.extend((number, start, end, words[last] - words[first], expected[last] - expected[first], high - low))
            self._keys.append(int(article_key(article.text[start:end])[:16], 16))

    def _regions(self, article: Article) -> list[Region]:
        if not self.by_sentence:
            return [(0, len(article.text))]
        return [(start, end) for start, end in find_sentences(article.text) if is_open(article, start, end)]

    def units(self) -> Units:
        """All that were added."""
        columns = np.array(self._numbers).reshape(-1, 6).T
        articles, starts, ends = columns[:3].astype(np.int64)
        words, errors, mentions = columns[3:]
        return Units(articles, starts, ends, words, errors, mentions, np.array(self._keys, dtype=np.uint64))


def is_open(article: Article, start: int, end: int) -> bool:
    """Whether [start, end) touches no annotated region of an article of a pool, in which None means that nothing is annotated."""
    return article.annotated is None or article.region_at(start, end) is None
