"""Gold spans as tags of words, with everything that does not fit named in the loss ledger.

Tags stand on words. A model sees them on tokens: the first token of a word carries the word's tag (Devlin et al. 2019, section 5.3,
https://aclanthology.org/N19-1423/), the others are ignored in the loss, so a long word weighs no more than a short one.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from eventtag.articles import Article
from eventtag.labels import LabelSet
from eventtag.ledger import LossEntry, LossLedger
from eventtag.spans import Span, flatten

IGNORED = -100
"""Tag id of a position without gold; the value that torch's cross-entropy skips."""

IntArray = npt.NDArray[np.int64]


def align_spans(article: Article, words: IntArray, labels: LabelSet, *, ledger: LossLedger) -> IntArray:
    """[W]: the tag id of every word; IGNORED for words that are not wholly inside an annotated region.

    `words` [W, 2] are character offsets. Of overlapping spans the longest is kept (`spans.flatten`); a span whose edge falls
    inside a word is moved outward to the word's edge; a span on no word is dropped. Each of these is recorded in the ledger.
    """
    tags = np.zeros(len(words), dtype=np.int64)
    flat, overlapping = flatten(span for span in article.spans if article.counts(span) and span.label in labels.labels)
    for span, _ in overlapping:
        ledger.add(_entry(article, span, "dropped", "overlaps a longer span", asked=True))
    for span in flat:
        first = int(np.searchsorted(words[:, 1], span.start, side="right"))
        last = int(np.searchsorted(words[:, 0], span.end, side="left")) - 1
        if first > last:
            ledger.add(_entry(article, span, "dropped", "covers no word"))
            continue
        if tags[first : last + 1].any():
            ledger.add(_entry(article, span, "dropped", "shares a word with another span"))
            continue
        tags[first] = labels.begin_id(span.label)
        tags[first + 1 : last + 1] = labels.begin_id(span.label) + 1
        start, end = int(words[first, 0]), int(words[last, 1])
        if (start, end) != (span.start, span.end):
            ledger.add(_entry(article, span, "moved", "moved to the edges of words", detail=f"now {start}-{end}"))
    tags[~words_inside(words, article)] = IGNORED
    return tags


def words_inside(words: IntArray, article: Article) -> npt.NDArray[np.bool_]:
    """[W]: whether each word lies wholly inside one annotated region of the article."""
    if article.annotated is None:
        return np.ones(len(words), dtype=np.bool_)
    if not article.annotated:
        return np.zeros(len(words), dtype=np.bool_)
    regions = np.array(article.annotated, dtype=np.int64)
    region = np.searchsorted(regions[:, 0], words[:, 0], side="right") - 1
    inside: npt.NDArray[np.bool_] = (region >= 0) & (words[:, 1] <= regions[np.maximum(region, 0), 1])
    return inside


def _entry(article: Article, span: Span, outcome: str, reason: str, *, detail: str = "", asked: bool = False) -> LossEntry:
    detail = f"{article.mention(span)!r} {detail}".strip()
    return LossEntry(article.id, "aligning", outcome, reason, span.start, span.end, span.label, detail, asked)  # type: ignore[arg-type]
