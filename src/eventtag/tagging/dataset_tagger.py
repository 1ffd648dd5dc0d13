"""A checkpoint as a function for `datasets.map` (https://huggingface.co/docs/datasets/process#map)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from eventtag.errors import CheckpointError, SettingsError
from eventtag.link import Link
from eventtag.span import Span, score_of
from eventtag.tagging.tagged import keep_spans
from eventtag.tagging.tagger import Tagger


@dataclass(frozen=True)
class DatasetTagger:
    """Adds a column of spans, and one of links, to batches of rows: `dataset.map(tag, batched=True, features=tag.features(dataset))`.

    A span has start and end (character offsets into the text, half-open), label, score and text. The rows' texts do not change, and an
    empty cell has no spans. Only the checkpoint's path and digest are pickled. So `num_proc=` works, each process loads the checkpoint
    once, and datasets finds a cached result until the checkpoint or an option changes.

    `links_column` names a second column, of the links that a checkpoint with a link head finds: each has the offsets of its event and of
    its participant, its role and its score; the spans then also have a status. Without it, links and status are left out.

    `precision` is that of `Tagger.load`. Raises CheckpointError if there is no checkpoint at the path; tagging raises SettingsError if
    links are wanted of one without a link head.
    """

    checkpoint: str
    text_column: str = "text"
    spans_column: str = "spans"
    min_score: float = 0.0
    precision: str = "fp32"
    links_column: str | None = None
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "checkpoint", str(self.checkpoint))
        try:
            manifest = (Path(self.checkpoint) / "manifest.json").read_bytes()
        except OSError as error:
            raise CheckpointError(
                f"checkpoint={self.checkpoint}: is no checkpoint ({error.strerror}); give the directory that training wrote"
            ) from error
        object.__setattr__(self, "digest", hashlib.sha256(manifest).hexdigest())

    def __call__(self, batch: Mapping[str, Sequence[str | None]]) -> dict[str, list[list[dict[str, Any]]]]:
        """The column of spans, and that of links if it is wanted, for a batch of columns."""
        texts = [text or "" for text in batch[self.text_column]]
        tagger = _load(self.checkpoint, self.digest, self.precision)
        found = [keep_spans(tagged, lambda span: score_of(span) >= self.min_score) for tagged in tagger.tag_many(texts)]
        columns = {
            self.spans_column: [[self._span(text, s) for s in item.spans] for text, item in zip(texts, found, strict=True)]
        }
        if self.links_column is not None:
            if tagger.links is None:
                raise SettingsError(f"links_column: {self.checkpoint} has no link head; train it with model.links=true")
            columns[self.links_column] = [[_link(link) for link in item.links or ()] for item in found]
        return columns

    def _span(self, text: str, span: Span) -> dict[str, Any]:
        found = {
            "start": span.start,
            "end": span.end,
            "label": span.label,
            "score": span.score,
            "text": text[span.start : span.end],
        }
        return found if self.links_column is None else found | {"status": span.status}

    def features(self, dataset: Any) -> Any:
        """The dataset's features with the column of spans; without them, datasets takes the type of the column from its first rows."""
        import datasets

        span = {
            "start": datasets.Value("int64"),
            "end": datasets.Value("int64"),
            "label": datasets.Value("string"),
            "score": datasets.Value("float64"),
            "text": datasets.Value("string"),
        }
        columns = {self.spans_column: datasets.List(span)}
        if self.links_column is not None:
            span["status"] = datasets.Value("string")
            whole = {key: datasets.Value("int64") for key in ("event_start", "event_end", "participant_start", "participant_end")}
            link = {**whole, "role": datasets.Value("string"), "score": datasets.Value("float64")}
            columns = {self.spans_column: datasets.List(span), self.links_column: datasets.List(link)}
        return datasets.Features({**dataset.features, **columns})


def _link(link: Link) -> dict[str, Any]:
    event, other = link.event, link.participant
    return {
        "event_start": event.start, "event_end": event.end, "participant_start": other.start, "participant_end": other.end,
        "role": link.role, "score": link.score,
    }  # fmt: skip


@lru_cache(maxsize=1)
def _load(checkpoint: str, digest: str, precision: str) -> Tagger:  # noqa: ARG001 - a checkpoint that was replaced is loaded anew
    return Tagger.load(checkpoint, precision=precision)
