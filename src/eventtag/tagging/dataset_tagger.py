"""A checkpoint as a function for `datasets.map` (https://huggingface.co/docs/datasets/process#map)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from eventtag.errors import CheckpointError
from eventtag.span import score_of
from eventtag.tagging.tagger import Tagger


@dataclass(frozen=True)
class DatasetTagger:
    """Adds a column of spans to batches of rows: `dataset.map(tag, batched=True, features=tag.features(dataset))`.

    A span has start and end (character offsets into the text, half-open), label, score and text. The rows' texts do not change, and an
    empty cell has no spans. Only the checkpoint's path and digest are pickled. So `num_proc=` works, each process loads the checkpoint
    once, and datasets finds a cached result until the checkpoint or an option changes.

    `precision` is that of `Tagger.load`. Raises CheckpointError if there is no checkpoint at the path.
    """

    checkpoint: str
    text_column: str = "text"
    spans_column: str = "spans"
    min_score: float = 0.0
    precision: str = "fp32"
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
        """The column of spans for a batch of columns."""
        texts = [text or "" for text in batch[self.text_column]]
        return {
            self.spans_column: [
                [
                    {"start": s.start, "end": s.end, "label": s.label, "score": s.score, "text": text[s.start : s.end]}
                    for s in tagged.spans
                    if score_of(s) >= self.min_score
                ]
                for text, tagged in zip(texts, _load(self.checkpoint, self.digest, self.precision).tag_many(texts), strict=True)
            ]
        }

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
        return datasets.Features({**dataset.features, self.spans_column: datasets.List(span)})


@lru_cache(maxsize=1)
def _load(checkpoint: str, digest: str, precision: str) -> Tagger:  # noqa: ARG001 - a checkpoint that was replaced is loaded anew
    return Tagger.load(checkpoint, precision=precision)
