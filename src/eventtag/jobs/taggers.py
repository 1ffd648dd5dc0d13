"""Makes the tagger of a checkpoint in the process that is to use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eventtag.article import Article
from eventtag.errors import SettingsError
from eventtag.jobs.tagged_shard import TagArticles
from eventtag.ledger import LossLedger

if TYPE_CHECKING:
    from eventtag.tagging.tagged import TaggedArticle


@dataclass(frozen=True)
class LoadTagger:
    """Loads a checkpoint's tagger. `thresholds` take the place of its own; spans with a score below `min_score`, or none of `labels`
    (None: any), are left out, and with them their links, which are counted. A tagger with a link head finds links before it leaves out
    spans below a threshold that is higher than its own, so that a role whose candidate is left out is unsure, not empty.

    `precision` and `batch_tokens` are those of `Tagger.load`, `stride` that of `Tagger.with_stride`. `threads` of each process,
    for arithmetic; None leaves them as they are.
    """

    checkpoint: str
    precision: str = "fp32"
    batch_tokens: int | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    min_score: float = 0.0
    labels: tuple[str, ...] | None = None
    threads: int | None = None
    stride: int | None = None

    def __call__(self) -> TagArticles:
        """Raises CheckpointError as `Tagger.load` does, SettingsError for unknown labels."""
        from eventtag.jobs.outputs import select_spans
        from eventtag.tagging.tagged import keep_spans, with_spans
        from eventtag.tagging.tagger import Tagger

        tagger = Tagger.load(self.checkpoint, precision=self.precision, batch_tokens=self.batch_tokens, threads=self.threads)
        own, higher = tagger.calibration.thresholds, {}
        wanted = tagger.with_thresholds(self.thresholds)
        if tagger.links is not None:
            higher = {label: least for label, least in self.thresholds.items() if least > own.get(label, 0.0)}
            wanted = tagger.with_thresholds({k: least for k, least in self.thresholds.items() if k not in higher})
        tagger = wanted.with_stride(self.stride)
        for label in self.labels or ():
            if label not in tagger.labels.labels:
                raise SettingsError(f"labels={label}: no such label; the labels are {', '.join(tagger.labels.labels)}")

        def tag(articles: Iterable[Article]) -> Iterator[TaggedArticle]:
            for tagged in tagger.tag_many(articles):
                # A job has no ledger for what the user's own settings leave out; of links it gives the number.
                selected = select_spans(
                    with_spans(tagged), min_score=self.min_score, thresholds=higher, labels=self.labels, ledger=LossLedger()
                )
                chosen = set(selected.spans)
                yield keep_spans(tagged, chosen.__contains__)

        return tag
