"""Articles as a tagger leaves them, and what is done with them: calibration, and a choice of their spans.

Letters for shapes: W words of an article, C tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from eventtag.article import Article
from eventtag.heads.span_decoding import overshadowed
from eventtag.labels import LabelSet
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.models.checkpoint import Calibration
from eventtag.notebook import excerpt, highlighted
from eventtag.respan import respan
from eventtag.scoring.temperature import calibrate_spans
from eventtag.span import Span, score_of


@dataclass(frozen=True, repr=False)
class TaggedArticle:
    """An article as it came in, the spans found in it (sorted; disjoint unless the model finds overlapping ones), its words [W, 2] as
    character offsets, the score of each span before calibration, how many tokens the tokenizer made of it (special tokens not
    counted), and the links found between its spans, None if the tagger finds none. `dropped_links`: how many more were found, which went
    with spans that were left out (`keep_spans`).
    """

    article: Article
    spans: tuple[Span, ...]
    words: npt.NDArray[np.int64]
    raw_scores: tuple[float, ...] = ()
    tokens: int = 0
    links: tuple[Link, ...] | None = None
    dropped_links: int = 0

    def __repr__(self) -> str:
        return f"TaggedArticle({self.article.id!r}, {excerpt(self.article.text)}, {len(self.spans)} spans)"

    def _repr_html_(self) -> str:
        return highlighted(self.article.id, self.article.text, self.spans)

    def mentions(self, label: str | None = None) -> list[tuple[str, Span]]:
        """The text of each span that was found, with the span, in order; only those of `label` if it is given."""
        return with_spans(self).mentions(label)


@dataclass(frozen=True)
class JudgedArticle:
    """An article, its words [W, 2] as character offsets, and the probability of each tag at each word [W, C]; NaN where nobody
    annotated.
    """

    article: Article
    words: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]


def calibrated(tagged: Sequence[TaggedArticle], calibration: Calibration) -> Iterator[TaggedArticle]:
    """The articles with calibrated scores, without spans below the threshold of their label, and without those that overlap a more probable
    one of the rest and are below the threshold for that.

    `tagged` must be without thresholds. Its scores may have been calibrated in another way before.
    """
    raw = [replace(span, score=score) for item in tagged for span, score in zip(item.spans, item.raw_scores, strict=True)]
    scored = iter(calibrate_spans(raw, calibration.temperatures))
    for item in tagged:
        both = list(zip(islice(scored, len(item.spans)), item.raw_scores, strict=True))
        both = [(span, before) for span, before in both if score_of(span) >= calibration.thresholds.get(span.label, 0.0)]
        if calibration.overlapping:
            shaded = overshadowed([span for span, _ in both])
            both = [
                (span, before)
                for (span, before), under in zip(both, shaded, strict=True)
                if not under or score_of(span) >= calibration.overlapping.get(span.label, 0.0)
            ]
        yield replace(item, spans=tuple(span for span, _ in both), raw_scores=tuple(before for _, before in both))


def only_labels(tagged: TaggedArticle, labels: LabelSet) -> TaggedArticle:
    """The article with its spans of some labels, and the links between them."""
    return keep_spans(tagged, lambda span: span.label in labels.labels)


def keep_spans(tagged: TaggedArticle, wanted: Callable[[Span], bool]) -> TaggedArticle:
    """The article with those of its spans that are wanted, and the links between them; it says how many others there were."""
    kept = [n for n, span in enumerate(tagged.spans) if wanted(span)]
    spans = tuple(tagged.spans[n] for n in kept)
    links, dropped = tagged.links, tagged.dropped_links
    if links:
        ledger = LossLedger()
        left = respan(with_spans(tagged), spans, stage="selecting spans", ledger=ledger, asked=True)
        spans, links, dropped = left.spans, left.links, dropped + len(ledger.links)
    scores = tuple(tagged.raw_scores[n] for n in kept) if tagged.raw_scores else ()
    return replace(tagged, spans=spans, raw_scores=scores, links=links, dropped_links=dropped)


def with_spans(tagged: TaggedArticle) -> Article:
    """The article with the predicted spans in place of its own; the whole article counts as annotated."""
    return replace(tagged.article, spans=tagged.spans, annotated=None, labels=None, links=tagged.links)
