"""Makes the tagger of a checkpoint in the process that is to use it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from eventtag.articles import Article
from eventtag.jobs.tagged_shard import TagArticles

if TYPE_CHECKING:
    from eventtag.tagging.tagger import TaggedArticle


@dataclass(frozen=True)
class LoadTagger:
    """Loads a checkpoint's tagger. `thresholds` take the place of its own; spans with a score below `min_score` are left out.

    `precision` and `batch_tokens` are those of `Tagger.load`. `threads` of each process, for arithmetic; None leaves them as they are.
    """

    checkpoint: str
    precision: str = "fp32"
    batch_tokens: int | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    min_score: float = 0.0
    threads: int | None = None

    def __call__(self) -> TagArticles:
        """Raises CheckpointError as `Tagger.load` does, SettingsError for thresholds of unknown labels."""
        from eventtag.tagging.tagger import Tagger

        tagger = Tagger.load(
            self.checkpoint, precision=self.precision, batch_tokens=self.batch_tokens, threads=self.threads
        ).with_thresholds(self.thresholds)

        def tag(articles: Iterable[Article]) -> Iterator[TaggedArticle]:
            for tagged in tagger.tag_many(articles):
                yield replace(tagged, spans=tuple(span for span in tagged.spans if span.score >= self.min_score))

        return tag


@dataclass(frozen=True, slots=True)
class CheckpointIdentity:
    """What a job must know of its checkpoint without loading it: the sha256 of its manifest, which names every file, and its labels."""

    sha256: str
    labels: tuple[str, ...]


def identify_checkpoint(path: Path) -> CheckpointIdentity:
    """Raises CheckpointError when there is no whole checkpoint."""
    try:
        with (path / "manifest.json").open("rb") as manifest:
            sha256 = file_digest(manifest, "sha256").hexdigest()
        labels = json.loads((path / "eventtag.json").read_text(encoding="utf-8"))["labels"]
        return CheckpointIdentity(sha256, tuple(map(str, labels)))
    except (OSError, ValueError, LookupError, TypeError):
        from eventtag.modeling.checkpoint import read_info  # can say what is wrong

        info, sha256 = read_info(path)
        return CheckpointIdentity(sha256, info.labels.labels)
