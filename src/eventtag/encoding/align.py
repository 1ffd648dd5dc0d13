"""Gold spans as tags of words. The loss ledger records every span that does not fit.

Tags stand on words. A model sees them on tokens: the first token of a word carries the word's tag (Devlin et al. 2019, section 5.3,
https://aclanthology.org/N19-1423/), the others are ignored in the loss, so a long word weighs no more than a short one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.encoding.tokens import TokenisedText
from eventtag.encoding.windows import Window
from eventtag.labels import LabelSet
from eventtag.ledger import LossEntry, LossLedger, Outcome
from eventtag.span import Span, flatten, merged, other_status
from eventtag.text.lines import begins_line
from eventtag.text.strings import inside_string

IGNORED = -100
"""Tag id of a position without gold; the value that torch's cross-entropy skips."""

IntArray = npt.NDArray[np.int64]


def align_spans(article: Article, words: IntArray, labels: LabelSet, *, ledger: LossLedger) -> IntArray:
    """[W]: the tag id of every word; IGNORED for words that are not wholly inside an annotated region.

    `words` [W, 2] are character offsets. Spans should not overlap (`formats.overlaps`). A span whose edge falls inside a word is
    moved outward to the word's edge. A span on no word, or on a word of another span, is dropped. If a span runs over the edge of an
    annotated region, its words outside are not learnt. The ledger records each of these.
    """
    tags = np.zeros(len(words), dtype=np.int64)
    inside = words_inside(words, article)
    for span in article.spans:
        if not article.counts(span) or span.label not in labels.labels:
            continue
        first, last = _words_of(span, words)
        if first > last:
            ledger.add(_entry(article, "aligning", span, "dropped", "covers no word"))
            continue
        if tags[first : last + 1].any():
            ledger.add(_entry(article, "aligning", span, "dropped", "shares a word with another span"))
            continue
        tags[first] = labels.begin_id(span.label)
        tags[first + 1 : last + 1] = labels.begin_id(span.label) + 1
        start, end = int(words[first, 0]), int(words[last, 1])
        if not inside[first : last + 1].all():
            outcome: Outcome = "cut" if inside[first : last + 1].any() else "dropped"
            ledger.add(_entry(article, "aligning", span, outcome, "runs over the edge of an annotated region"))
        elif (start, end) != (span.start, span.end):
            ledger.add(_entry(article, "aligning", span, "moved", "moved to the edges of words", detail=f"now {start}-{end}"))
    tags[~inside] = IGNORED
    return tags


def align_overlapping(
    article: Article,
    tokens: TokenisedText,
    windows: Sequence[Window],
    labels: LabelSet,
    *,
    max_width: int,
    ledger: LossLedger,
) -> IntArray:
    """[S, 3]: first word, number of words - 1, and label (its place among the labels) of every span that a span head can learn, sorted.

    Spans may overlap. A span whose edge falls inside a word is moved outward to the word's edge. A span is dropped if it is on no word,
    runs over the edge of an annotated region, has more than `max_width` words, becomes the same as another, or if the window that owns
    its first word does not hold it whole. The ledger records each of these.
    """
    words = tokens.words
    inside = words_inside(words, article)
    own_starts = [window.own_start for window in windows]
    found: set[tuple[int, int, int]] = set()
    for span in article.spans:
        if not article.counts(span) or span.label not in labels.labels:
            continue
        first, last = _words_of(span, words)
        stage, reason, asked = "aligning", "", False
        if first > last:
            reason = "covers no word"
        elif not inside[first : last + 1].all():
            reason = "runs over the edge of an annotated region"
        elif last - first >= max_width:
            reason, asked = "has more words than model.max_span_width", True
        elif (key := (first, last - first, labels.labels.index(span.label))) in found:
            reason = "is another span's once both end at words"
        elif tokens.first_token[last] >= windows[bisect_right(own_starts, tokens.first_token[first]) - 1].end:
            stage, reason, asked = "windowing", "the window of its first word does not hold it whole", True
        if reason:
            ledger.add(_entry(article, stage, span, "dropped", reason, asked=asked))
            continue
        found.add(key)
        start, end = int(words[first, 0]), int(words[last, 1])
        if (start, end) != (span.start, span.end):
            ledger.add(_entry(article, "aligning", span, "moved", "moved to the edges of words", detail=f"now {start}-{end}"))
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 3)


def record_cuts(article: Article, tokens: TokenisedText, windows: Sequence[Window], *, ledger: LossLedger) -> None:
    """Record the spans that windows change: those learnt by two windows in parts, and those with a word longer than a window."""
    own_starts = [window.own_start for window in windows]
    ends = np.append(tokens.first_token[1:], len(tokens.input_ids))
    widest = max((window.end - window.start for window in windows), default=0)
    for span in article.spans:
        first, last = _words_of(span, tokens.words)
        if first > last:
            continue
        begin, finish = np.searchsorted(own_starts, tokens.first_token[[first, last]], side="right")
        if (ends[first : last + 1] - tokens.first_token[first : last + 1]).max() > widest:
            ledger.add(_entry(article, "windowing", span, "cut", "has a word longer than a window"))
        elif begin != finish:
            ledger.add(_entry(article, "windowing", span, "cut", "learnt in parts by two windows"))


def counted_spans(article: Article, stage: str, *, ledger: LossLedger) -> list[Span]:
    """The spans that are learnt and scored, each once. The ledger records doubles as merged at `stage`, and spans where nobody annotated as
    left out.
    """
    counted: dict[Span, Span] = {}
    for span in article.spans:
        if span in counted:
            detail = other_status(counted[span], span)
            ledger.add(_entry(article, stage, span, "merged", "stands there twice", detail=detail))
            counted[span] = merged(counted[span], span)
        elif article.counts(span):
            counted[span] = span
        else:
            ledger.add(_entry(article, stage, span, "dropped", "nobody annotated there", asked=True))
    return list(counted.values())


def record_unmatchable(
    article: Article,
    words: IntArray,
    *,
    ledger: LossLedger,
    overlap: bool = False,
    max_width: int | None = None,
    crosses_lines: bool = True,
    cuts_strings: bool = True,
) -> None:
    """Record the gold spans that no prediction can match, which count as missed, and those that scoring leaves out.

    Predictions begin and end at the edges of words (`words` [W, 2]) inside annotated regions, do not overlap unless `overlap`, have at
    most `max_width` words, do not go on in the next line unless `crosses_lines`, and neither begin nor end inside a string unless
    `cuts_strings` (`eventtag.text.strings`).
    """
    line_starts = np.zeros(len(words), dtype=np.bool_) if crosses_lines else begins_line(article.text, words)
    inside_strings = np.zeros(len(words), dtype=np.bool_) if cuts_strings else inside_string(article.text, words)
    counted = counted_spans(article, "scoring", ledger=ledger)
    _, hidden = flatten(counted)
    hidden_spans = {span for span, _ in hidden}
    inside = words_inside(words, article)
    for span in counted:
        first, last = _words_of(span, words)
        if first > last:
            reason = "covers no word"
        elif (int(words[first, 0]), int(words[last, 1])) != (span.start, span.end):
            reason = "begins or ends inside a word"
        elif not inside[first : last + 1].all():
            reason = "runs over the edge of an annotated region"
        elif max_width is not None and last - first >= max_width:
            reason = "has more words than model.max_span_width"
        elif line_starts[first + 1 : last + 1].any():
            reason = "goes on in the next line, as no span of the training articles does"
        elif inside_strings[first] or inside_strings[last + 1 : last + 2].any():
            reason = "begins or ends inside a string between blanks, as no span of the training articles does"
        elif span in hidden_spans and not overlap:
            reason = "overlaps another span, and one of them can be found"
        else:
            continue
        ledger.add(_entry(article, "scoring", span, "unmatchable", reason))


def _words_of(span: Span, words: IntArray) -> tuple[int, int]:
    """The first and the last word that a span touches; the first comes after the last where it touches none."""
    first = int(np.searchsorted(words[:, 1], span.start, side="right"))
    return first, int(np.searchsorted(words[:, 0], span.end, side="left")) - 1


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


def _entry(
    article: Article, stage: str, span: Span, outcome: Outcome, reason: str, *, detail: str = "", asked: bool = False
) -> LossEntry:
    detail = f"{article.mention(span)!r} {detail}".strip()
    return LossEntry(article.id, stage, outcome, reason, span.start, span.end, span.label, detail, asked)
